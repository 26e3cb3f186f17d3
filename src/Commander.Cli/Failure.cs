namespace Commander.Cli;

/// <summary>Something that a person can mend: said on standard error in these words, and the program ends with the code.</summary>
internal class Failure(string message, string? remedy = null, int code = ExitCode.Error, Exception? cause = null) : Exception(message, cause)
{
    public string? Remedy { get; } = remedy;

    public int Code { get; } = code;
}

/// <summary>A server that does not answer now and may answer later: who waits for it goes on waiting.</summary>
internal sealed class Unreachable(string message, string? remedy, Exception? cause) : Failure(message, remedy, ExitCode.Error, cause);
