using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Verdicts;

/// <summary>Judges four numbers at once, without a past (design 5.2, <c>metrics</c>).</summary>
public static class Snapshot
{
    /// <summary>The judge that follows the health score alone.</summary>
    public const string HealthScore = "health-score";

    private const string ErrorRate = "error_rate";
    private const string MemoryUsage = "memory_usage";
    private const string ResponseTime = "response_time";
    private const string CpuUsage = "cpu_usage";

    // A response time of eleven days is no response time.
    private const double LongestResponse = 1e9;

    /// <summary>Judges a snapshot.</summary>
    /// <param name="metrics">Any non-empty subset of error_rate, memory_usage, cpu_usage (%, 0..100) and response_time (ms, at least 0).</param>
    /// <param name="policy">Whose objectives count for the judge commander; null for none.</param>
    /// <param name="judge">commander: by the objectives, where no given metric has one by the health score; health-score: by it alone.</param>
    /// <param name="decidedAt">The instant of the judgement.</param>
    /// <param name="elapsedMs">How long it took.</param>
    /// <exception cref="RefusedException">A field is unknown or outside its range, or the judge is unknown.</exception>
    public static Verdict Judge(IReadOnlyDictionary<string, double> metrics, Policy? policy, string judge, DateTimeOffset decidedAt, double elapsedMs)
    {
        if (judge is not (Verdicts.Judge.Name or HealthScore))
        {
            throw new RefusedException("judge", $"'{judge}' cannot judge a snapshot; give {Verdicts.Judge.Name} or {HealthScore}");
        }
        Check(metrics);
        return (judge == Verdicts.Judge.Name && policy is not null ? ByObjectives(metrics, policy, decidedAt, elapsedMs) : null)
            ?? ByHealth(metrics, judge, decidedAt, elapsedMs);
    }

    /// <summary>The health score of a snapshot, unrounded, 0..100; null when none of its three terms is given.</summary>
    public static double? Score(IReadOnlyDictionary<string, double> metrics) =>
        HealthTerms.Score(Get(metrics, ErrorRate), Get(metrics, MemoryUsage), Get(metrics, ResponseTime));

    /// <summary>Whether a snapshot can be judged at all.</summary>
    /// <exception cref="RefusedException">It is empty, or a field is unknown or outside its range.</exception>
    public static void Check(IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count == 0)
        {
            throw new RefusedException("metrics", $"is empty; give at least one of {ErrorRate}, {MemoryUsage}, {ResponseTime}, {CpuUsage}");
        }
        foreach (var (name, value) in metrics)
        {
            var largest = name switch
            {
                ErrorRate or MemoryUsage or CpuUsage => 100,
                ResponseTime => LongestResponse,
                _ => throw new RefusedException($"metrics.{name}", $"is not known; give {ErrorRate}, {MemoryUsage}, {ResponseTime} or {CpuUsage}"),
            };
            if (!(value >= 0 && value <= largest))
            {
                throw new RefusedException($"metrics.{name}", name == ResponseTime
                    ? "must be a number of milliseconds from 0 to 1000000000"
                    : "must be a percentage from 0 to 100");
            }
        }
    }

    private static double? Get(IReadOnlyDictionary<string, double> metrics, string name) => metrics.TryGetValue(name, out var value) ? value : null;

    private static Verdict ByHealth(IReadOnlyDictionary<string, double> metrics, string judge, DateTimeOffset decidedAt, double elapsedMs) =>
        Score(metrics) is { } score
            ? ByScore(score, Terms(metrics, score), judge, decidedAt, elapsedMs)
            : NoScore("cpu alone says nothing about health: give error_rate, memory_usage or response_time", judge, decidedAt, elapsedMs);

    /// <summary>What a health score that was computed elsewhere means; null: nothing of it has a value.</summary>
    internal static Verdict ByScore(double? score, DateTimeOffset decidedAt, double elapsedMs) => score is { } known
        ? ByScore(known, $"health score {Whole(known)} of 100", HealthScore, decidedAt, elapsedMs)
        : NoScore("no error rate, memory or response time was measured", HealthScore, decidedAt, elapsedMs);

    private static Verdict NoScore(string why, string judge, DateTimeOffset decidedAt, double elapsedMs) =>
        new(Decision.Hold.Word(), true, 0.5, 0.5, null, why, [], null, null, judge, decidedAt, elapsedMs);

    private static Verdict ByScore(double score, string reasoning, string judge, DateTimeOffset decidedAt, double elapsedMs)
    {
        var decision = score < HealthTerms.Bad ? Decision.Rollback : Decision.Continue;
        var bad = 1 - (score / 100);
        return new Verdict(
            decision.Word(),
            true,
            TwoDecimals(decision == Decision.Rollback ? bad : 1 - bad),
            TwoDecimals(bad),
            Whole(score),
            reasoning,
            [],
            null,
            null,
            judge,
            decidedAt,
            elapsedMs);
    }

    private static string Terms(IReadOnlyDictionary<string, double> metrics, double score)
    {
        var terms = new List<string>(3);
        Say(Get(metrics, ErrorRate), "error rate", "%", HealthTerms.ErrorCost);
        Say(Get(metrics, MemoryUsage), "memory", "%", HealthTerms.MemoryCost);
        Say(Get(metrics, ResponseTime), "response time", "ms", HealthTerms.ResponseCost);
        return $"health score {Whole(score)} of 100" + (terms.Count > 0 ? ": " + string.Join(", ", terms) : "");

        void Say(double? value, string name, string unit, Func<double, double> cost)
        {
            if (value is not { } number || Display.Round(cost(number)) == 0)
            {
                return;
            }
            var points = cost(number);
            terms.Add($"{name} {Display.With(number, unit)} {(points > 0 ? "costs" : "earns")} {Display.Number(Math.Abs(points))}");
        }
    }

    private static Verdict? ByObjectives(IReadOnlyDictionary<string, double> metrics, Policy policy, DateTimeOffset decidedAt, double elapsedMs)
    {
        var findings = new List<(Finding Finding, double Excess, string Said)>();
        foreach (var metric in policy.Metrics)
        {
            if (metric.Objective is not { } objective || Match(metric) is not { } match || Get(metrics, match.Field) is not { } given)
            {
                continue;
            }
            var value = given / match.Scale;
            var difference = value - objective;
            var tolerance = metric.Tolerance.Relative ? metric.Tolerance.Amount * (objective + metric.Floor) : metric.Tolerance.Amount;
            var excess = tolerance > 0 ? difference / tolerance : difference > 0 ? 1 : -1;
            var unit = metric.Kind == MetricKind.Ratio ? "%" : metric.Unit;
            var worse = difference > 0;
            var said = $"{match.Spoken} {Display.With(value, unit)} is {(worse ? "above" : "within")} its objective of {Display.With(objective, unit)}";
            findings.Add((new Finding(metric.Name, metric.Family.Word(), metric.Kind.Word(), Display.Round(value), Display.Round(objective), null, Display.Round(difference),
                null, null, unit, Math.Round(worse ? Math.Min(99, 1 + excess) : 0, 2, MidpointRounding.AwayFromZero), worse ? Findings.Worse : Findings.Same, Quality.Value.Word(), said, null), excess, said));
        }
        if (findings.Count == 0)
        {
            return null;
        }
        findings.Sort(static (one, other) => other.Excess.CompareTo(one.Excess));
        // At the objective the chances are even; one tolerance beyond it they are nine to one.
        var bad = 1 / (1 + Math.Exp(-Math.Log(9) * Math.Clamp(findings[0].Excess, -2, 2)));
        var decision = findings[0].Excess > 0 ? Decision.Rollback : Decision.Continue;
        var told = findings.Where(entry => decision == Decision.Continue || entry.Excess > 0).Select(static entry => entry.Said);
        return new Verdict(
            decision.Word(),
            true,
            TwoDecimals(decision == Decision.Rollback ? bad : 1 - bad),
            TwoDecimals(bad),
            Score(metrics) is { } score ? Whole(score) : null,
            string.Join(", ", told),
            [.. findings.Select(static entry => entry.Finding)],
            null,
            null,
            Verdicts.Judge.Name,
            decidedAt,
            elapsedMs);
    }

    // Which field of a snapshot a metric stands for, and how many of the field's units make one of the metric's.
    private static (string Field, string Spoken, double Scale)? Match(MetricPolicy metric) => metric.Family switch
    {
        Family.Error when metric.Kind == MetricKind.Ratio || HealthTerms.IsPercent(metric.Unit) => (ErrorRate, "error rate", 1),
        Family.Latency when HealthTerms.Milliseconds(metric.Unit) is { } scale => (ResponseTime, "response time", scale),
        Family.Memory when HealthTerms.IsPercent(metric.Unit) => (MemoryUsage, "memory", 1),
        Family.Cpu when HealthTerms.IsPercent(metric.Unit) => (CpuUsage, "cpu", 1),
        _ => null,
    };

    private static double TwoDecimals(double value) => Math.Round(value, 2, MidpointRounding.AwayFromZero);

    private static int Whole(double score) => (int)Math.Round(score, MidpointRounding.AwayFromZero);
}
