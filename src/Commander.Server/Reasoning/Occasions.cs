using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Server.Reasoning;

/// <summary>When a question to the language model is due, by what the judge says: one rule for the live loop and for measuring a model. Pure.</summary>
internal static class Occasions
{
    /// <summary>About a deployment it is asked for advice at most so often.</summary>
    public const int Most = 6;

    // What is rolled back after all of them is still explained.
    private const int MostExplained = Most + 2;

    /// <summary>After a question without an answer, the same state is asked about once more then.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromMinutes(1);

    /// <summary>Whether there is anything to ask about: by the authority to advise in the grey zone, by the authority to decide while something is unclear.</summary>
    public static bool IsThere(Authority authority, in Step step) => authority switch
    {
        Authority.Advise => step.GreyZone,
        Authority.Decide => step.Unclear,
        _ => false,
    };

    /// <summary>Whether an opinion is wanted that may change the verdict: when the evidence comes to where it is asked about, and again when it has become much worse than what the last opinion was about.</summary>
    /// <param name="authority">What the language model may do.</param>
    /// <param name="step">What the judge says.</param>
    /// <param name="askedHere">Whether it was asked since the evidence came to where it is.</param>
    /// <param name="questions">How many questions there were.</param>
    /// <param name="sinceNone">How long ago the last question got no answer; null when it got one, or when there was none.</param>
    public static bool AdviceDue(Authority authority, in Step step, bool askedHere, int questions, TimeSpan? sinceNone) =>
        MayAsk(authority, questions) && IsThere(authority, step) && (!askedHere || step.Outgrown || sinceNone >= Again);

    /// <summary>Whether it may be asked for advice after so many questions.</summary>
    public static bool MayAsk(Authority authority, int questions) => authority != Authority.Off && questions < Most;

    /// <summary>Whether it may be asked for an explanation after so many questions.</summary>
    public static bool MayExplain(Authority authority, int questions) => authority != Authority.Off && questions < MostExplained;

    /// <summary>Whether the judgement waits for an answer that is under way: a mild ROLLBACK only.</summary>
    public static bool Waits(in Step step) => step is { Decision: Decision.Rollback, Mild: true };
}
