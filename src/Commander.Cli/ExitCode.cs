namespace Commander.Cli;

/// <summary>What the shell sees: few, documented, never changed.</summary>
internal static class ExitCode
{
    /// <summary>CONTINUE, or what was asked for is done.</summary>
    public const int Done = 0;

    /// <summary>It did not work; standard error says why.</summary>
    public const int Error = 1;

    /// <summary>The command line is not understood.</summary>
    public const int Usage = 2;

    /// <summary>ROLLBACK.</summary>
    public const int Rollback = 10;

    /// <summary>HOLD: the watch closed without a decision, or nothing is measured that could be judged.</summary>
    public const int Hold = 11;

    /// <summary>No verdict came within the time that was given.</summary>
    public const int TimedOut = 12;

    public const string Help = "Exit codes: 0 continue or done, 1 error, 2 usage, 10 rollback, 11 hold, 12 timed out waiting.";
}
