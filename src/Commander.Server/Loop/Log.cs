namespace Commander.Server.Loop;

/// <summary>What the loop writes to the log.</summary>
internal static partial class Log
{
    [LoggerMessage(101, LogLevel.Warning, "{Deployment} stumbled for the {Times}. time; its state is read again and it goes on")]
    public static partial void Stumbled(this ILogger log, string deployment, int times, Exception e);

    [LoggerMessage(102, LogLevel.Warning, "{Deployment} has another owner since fact {Seq}; the state is read again")]
    public static partial void MovedOn(this ILogger log, string deployment, long seq);

    [LoggerMessage(103, LogLevel.Information, "{Deployment} {Service} {Version}: {What}")]
    public static partial void Happened(this ILogger log, string deployment, string service, string version, string what);

    [LoggerMessage(104, LogLevel.Warning, "the sweep stumbled and goes on")]
    public static partial void SweepStumbled(this ILogger log, Exception e);

    [LoggerMessage(105, LogLevel.Information, "node {Node}: {Status}")]
    public static partial void NodeChanged(this ILogger log, string node, string status);

    [LoggerMessage(106, LogLevel.Warning, "{Events} live events were not told to other nodes; pages there look again by themselves")]
    public static partial void NotTold(this ILogger log, int events, Exception e);

    [LoggerMessage(107, LogLevel.Warning, "live events of other nodes are not heard; it is tried again every second")]
    public static partial void NotHeard(this ILogger log, Exception e);

    [LoggerMessage(108, LogLevel.Information, "{Ticks} ticks of deployments announced before {Before:u} were dropped")]
    public static partial void Compacted(this ILogger log, long ticks, DateTimeOffset before);

    [LoggerMessage(109, LogLevel.Warning, "old ticks could not be dropped; it is tried again in an hour")]
    public static partial void NotCompacted(this ILogger log, Exception e);
}
