namespace Commander.Judging;

/// <summary>Input from outside that is refused: the message names the place, what is wrong there and what to give instead.</summary>
/// <param name="place">The field, or line and field.</param>
/// <param name="problem">What is wrong, and the remedy.</param>
public sealed class RefusedException(string place, string problem) : FormatException($"{place}: {problem}")
{
    /// <summary>The field, or line and field.</summary>
    public string Place { get; } = place;

    /// <summary>What is wrong, and the remedy.</summary>
    public string Problem { get; } = problem;
}
