namespace Commander.Server.Hosting.SelfChecks;

/// <summary>What the server says of itself.</summary>
internal static partial class SelfCheckLog
{
    [LoggerMessage(601, LogLevel.Warning, "check failed: {Name}: {Why}")]
    public static partial void CheckFailed(this ILogger log, string name, string why);

    [LoggerMessage(602, LogLevel.Information, "check holds again: {Name}: {What}")]
    public static partial void CheckHolds(this ILogger log, string name, string what);

    [LoggerMessage(603, LogLevel.Error, "the self-check stumbled and goes on")]
    public static partial void CheckStumbled(this ILogger log, Exception e);

    [LoggerMessage(604, LogLevel.Warning, "what the self-check found is not stored: {Why}")]
    public static partial void NotStored(this ILogger log, string why);

    [LoggerMessage(605, LogLevel.Warning, "nobody could be told of a check: {Why}")]
    public static partial void NotTold(this ILogger log, string why);

    [LoggerMessage(606, LogLevel.Warning, "{Channel} does not have {Key}: {Why}")]
    public static partial void ChannelNotTold(this ILogger log, string channel, string key, string why);

    [LoggerMessage(607, LogLevel.Warning, "no heartbeat: {Why}")]
    public static partial void NoHeartbeat(this ILogger log, string why);

    [LoggerMessage(608, LogLevel.Information, "the heartbeat goes out")]
    public static partial void HeartbeatAgain(this ILogger log);

    [LoggerMessage(609, LogLevel.Information, "{Person} sends a test alert to {Channels} channels")]
    public static partial void TestAlerts(this ILogger log, string person, int channels);
}
