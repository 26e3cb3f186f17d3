namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>How much of a service's log is ever read for one arm.</summary>
internal static class LogLimits
{
    /// <summary>Lines of an arm.</summary>
    public const int MaxLines = 2_000;

    /// <summary>Lines that are asked for where so many as <see cref="MaxLines"/> were too much for an answer.</summary>
    public const int FewLines = 200;

    /// <summary>Characters of a line; what follows is cut off.</summary>
    public const int MaxLine = 2_000;

    /// <summary>Bytes of an answer: 4 MiB.</summary>
    public const int MaxAnswer = 4 * 1024 * 1024;

    /// <summary>How long an arm's lines are waited for when the policy says nothing.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    /// <summary>The beginning of a line that is too long, without half a character at its end.</summary>
    public static string Cut(string line)
    {
        if (line.Length <= MaxLine)
            return line;
        return line[..(char.IsHighSurrogate(line[MaxLine - 1]) ? MaxLine - 1 : MaxLine)];
    }
}
