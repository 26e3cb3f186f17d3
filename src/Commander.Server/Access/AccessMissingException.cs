using Commander.Server.Hosting;

namespace Commander.Server.Access;

/// <summary>The server would be reached from elsewhere, and nobody there would have to say who they are.</summary>
internal sealed class AccessMissingException(string why, int port) : Exception(
    $"{why}, and without a token everyone who reaches the server is admin. Set COMMANDER_ADMIN_TOKEN; or start it at http://127.0.0.1:{port} without {why.Split(' ')[0].TrimEnd(':')} and issue a token at this machine: commander token issue --name you --role admin")
{
    /// <summary>What says that others than this machine will come; null when nothing does.</summary>
    public static string? Why(CommanderOptions options) =>
        !options.Url.IsLoopback ? $"--urls: '{options.Url}' is not a loopback address"
        : options.PublicUrl is { IsLoopback: false } known ? $"--public-url: '{known}' is where others will come by"
        : options.TrustedProxies.Count > 0 ? "--trusted-proxy: others come through it"
        : null;
}
