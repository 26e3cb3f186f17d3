using Commander.Server.Hosting;

namespace Commander.Server.Access;

/// <summary>The server would be reached from elsewhere, and nobody there would have to say who they are.</summary>
/// <param name="option">The option that says that others come.</param>
/// <param name="why">How it says so.</param>
/// <param name="port">Where the server would listen.</param>
internal sealed class AccessMissingException(string option, string why, int port) : Exception(
    $"{option}: {why}, and without a token everyone who reaches the server is admin. Set COMMANDER_ADMIN_TOKEN; or start it at http://127.0.0.1:{port} without {option} and issue a token at this machine: commander token issue --name you --role admin")
{
    /// <summary>What says that others than this machine will come; null when nothing does.</summary>
    public static AccessMissingException? For(CommanderOptions options) =>
        !options.Url.IsLoopback ? new("--urls", $"'{options.Url}' is not a loopback address", options.Url.Port)
        : options.PublicUrl is { IsLoopback: false } known ? new("--public-url", $"'{known}' is where others will come by", options.Url.Port)
        : options.TrustedProxies.Count > 0 ? new("--trusted-proxy", "others come through it", options.Url.Port)
        : null;
}
