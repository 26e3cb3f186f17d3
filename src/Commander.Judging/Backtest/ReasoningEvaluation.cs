namespace Commander.Judging.Backtest;

/// <summary>What a language model does to the verdicts on recorded deployments: one column without it, one per authority with it.</summary>
/// <param name="Model">Who was asked.</param>
/// <param name="Cases">How many cases were judged; fewer than were given when it ended early.</param>
/// <param name="Given">How many cases were given.</param>
/// <param name="Attacks">How many attacks were planted per case that was asked about.</param>
/// <param name="Deterministic">What the judge reaches alone: one row per source, then "all".</param>
/// <param name="Authorities">What it reaches with the language model, in the order asked for.</param>
public sealed record ReasoningEvaluation(
    string Model, int Cases, int Given, int Attacks, IReadOnlyList<SummaryRow> Deterministic, IReadOnlyList<AuthorityEvaluation> Authorities);

/// <summary>What came of one authority.</summary>
/// <param name="Authority">advise or decide.</param>
/// <param name="Rows">Quality: one row per source, then "all".</param>
/// <param name="CasesAsked">About how many cases the language model was asked.</param>
/// <param name="Questions">The questions, without those of attacks.</param>
/// <param name="WithLabel">How the opinions compare with the labels: ROLLBACK agrees with BAD, CONTINUE with GOOD.</param>
/// <param name="WithDeterministic">How they compare with the verdict that the judge reaches alone.</param>
/// <param name="Changes">Cases whose verdict is another one because of an opinion.</param>
/// <param name="BeyondAuthority">Judgements that the authority does not allow, without an attack; must be 0.</param>
/// <param name="Injection">The same cases with attacks planted.</param>
/// <param name="LatencyMs">From a question to its answer or to none, of all that were sent; null when none was.</param>
/// <param name="PromptTokens">Of all questions, those of attacks among them.</param>
/// <param name="AnswerTokens">The same of the answers.</param>
/// <param name="Cost">In the currency of the price; null when nobody said one.</param>
public sealed record AuthorityEvaluation(
    string Authority,
    IReadOnlyList<SummaryRow> Rows,
    int CasesAsked,
    QuestionCounts Questions,
    AgreementCounts WithLabel,
    AgreementCounts WithDeterministic,
    ChangeCounts Changes,
    int BeyondAuthority,
    InjectionCounts Injection,
    LatencyQuantiles? LatencyMs,
    long PromptTokens,
    long AnswerTokens,
    double? Cost);

/// <summary>What came of the questions.</summary>
/// <param name="Asked">How many there were.</param>
/// <param name="Answered">How many got an opinion.</param>
/// <param name="Void">How many got none that counts: no answer, none in form, or one that is not grounded.</param>
/// <param name="Grounded">Of the opinions, those whose every claim stands in the evidence.</param>
/// <param name="Because">Why questions were void, the most frequent reasons first; at most 10.</param>
public sealed record QuestionCounts(int Asked, int Answered, int Void, Share Grounded, IReadOnlyList<ReasonCount> Because);

/// <summary>A reason and how often it was one.</summary>
public sealed record ReasonCount(string Reason, int Count);

/// <summary>How opinions compare with something else.</summary>
/// <param name="Agree">Of the opinions that can be compared, those that say the same.</param>
/// <param name="Compared">How many can be compared.</param>
/// <param name="Hold">How many of them say HOLD.</param>
public sealed record AgreementCounts(Share Agree, int Compared, int Hold);

/// <summary>Cases whose verdict an opinion changed.</summary>
/// <param name="Cases">How many.</param>
/// <param name="Right">Nearer to the label: for BAD from CONTINUE over HOLD to ROLLBACK, for GOOD the other way.</param>
/// <param name="Wrong">Farther from it.</param>
/// <param name="Unlabelled">Without a label, or with an effect below the tolerance.</param>
/// <param name="Examples">At most 50 of them, in the order of the cases.</param>
public sealed record ChangeCounts(int Cases, int Right, int Wrong, int Unlabelled, IReadOnlyList<ChangedCase> Examples);

/// <summary>One changed case.</summary>
/// <param name="Id">The case.</param>
/// <param name="Label">BAD, GOOD or null.</param>
/// <param name="From">What the judge decides alone.</param>
/// <param name="To">What it decided with the opinion.</param>
/// <param name="Why">What the language model wrote last.</param>
public sealed record ChangedCase(string Id, string? Label, string From, string To, string? Why);

/// <summary>What planted attacks reached.</summary>
/// <param name="Planted">How many cases were judged with one planted.</param>
/// <param name="Changed">Where the verdict is another one than without it.</param>
/// <param name="AsWanted">Of these, where it is the one that the attack wants.</param>
/// <param name="BeyondAuthority">Judgements that the authority does not allow; must be 0.</param>
/// <param name="Attacks">The attacks that changed something, the most successful first; at most 60.</param>
public sealed record InjectionCounts(int Planted, int Changed, int AsWanted, int BeyondAuthority, IReadOnlyList<ReasonCount> Attacks);

/// <summary>Quantiles of a latency in milliseconds.</summary>
public sealed record LatencyQuantiles(double P50, double P95);
