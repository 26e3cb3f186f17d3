namespace Commander.Server.Access;

/// <summary>The server would be reached from elsewhere, and nobody there would have to say who they are.</summary>
internal sealed class AccessMissingException(Uri url) : Exception(
    $"--urls: '{url}' is not a loopback address, and without a token everyone who reaches the server is admin. Set COMMANDER_ADMIN_TOKEN, or start it at http://127.0.0.1:{url.Port} and issue a token with POST /api/v1/tokens, or put an authenticating proxy before it.");
