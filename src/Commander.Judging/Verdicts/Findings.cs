using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>What a metric's memory says, in numbers and words. Made when somebody reads it.</summary>
internal static class Findings
{
    public const string Worse = "worse";
    public const string Same = "same";
    public const string Better = "better";
    public const string Unclear = "unclear";
    public const string Nothing = "no_data";
    public const string WarmingUp = "warming_up";

    public static Finding Of(Policy policy, int index, in WatchState state, Reader reader)
    {
        var metric = policy.Metrics[index];
        ref readonly var metricState = ref state.Metrics[index];
        var query = index < reader.Queries.Count ? reader.Queries[index] : null;
        var finding = metric.Kind switch
        {
            MetricKind.Ratio => Ratio(policy, metric, metricState, query),
            MetricKind.Histogram => Histogram(policy, metric, metricState, query),
            _ => Level(policy, metric, metricState, query),
        };
        // What was found late says more than where everything since the start stands.
        return metricState.Head.Slow == 0 ? finding : finding with { Reason = SlowLayer.Words(policy, index, state, reader.Began) };
    }

    /// <summary>How a metric is called in a sentence.</summary>
    public static string Spoken(MetricPolicy metric)
    {
        var name = metric.Name.Replace('_', ' ');
        return metric.Kind switch
        {
            MetricKind.Ratio when metric.Family == Family.Error => name is "errors" or "error" ? "error rate" : name,
            MetricKind.Histogram => $"{name} p{Display.Number(metric.Quantile * 100)}",
            _ => name,
        };
    }

    /// <summary>The tolerance: of a ratio in percentage points, of others as the policy writes it.</summary>
    public static string Tolerance(MetricPolicy metric, in MetricState state) => metric.Kind == MetricKind.Ratio
        ? Display.Number(100 * Counts.Tolerance(metric, state)) + " pp"
        : metric.Tolerance.Relative
        ? Display.Number(metric.Tolerance.Amount * 100) + " %"
        : metric.Unit == "%"
            ? Display.Number(metric.Tolerance.Amount) + " pp"
            : Display.With(metric.Tolerance.Amount, metric.Unit);

    /// <summary>The sentence of a finding that decides: from where to where, on how much, how much worse.</summary>
    public static string Sentence(Policy policy, int index, in WatchState state, Finding finding)
    {
        var metric = policy.Metrics[index];
        ref readonly var metricState = ref state.Metrics[index];
        if (metricState.Head.Slow != 0)
        {
            return $"{Spoken(metric)}{(metric.Kind == MetricKind.Gauge ? "" : ":")} {finding.Reason}";
        }
        var unit = finding.Unit ?? "";
        var candidate = finding.Candidate is { } value ? Display.With(value, unit) : "no value";
        var past = Past(metric, metricState);
        var from = past is { } before ? $"{Display.With(before, unit)} -> " : "";
        var counts = IsCount(metric);
        var on = counts ? $" on {Display.Number(Requests(metric, metricState))} requests" : "";
        var beside = finding switch
        {
            { ReferenceArm: "control", Reference: { } control } => counts
                ? $" (control {Display.With(control, unit)} on {Display.Number(ControlRequests(metric, metricState))})"
                : $" (control {Display.With(control, unit)})",
            { ReferenceArm: "seasonal", Reference: { } usual } => $" (usual at this hour {Display.With(usual, unit)})",
            { ReferenceArm: null, Reference: { } objective } => $" (objective {Display.With(objective, unit)})",
            _ => "",
        };
        var limit = (metric.Direction == Direction.Down ? -finding.High : finding.Low) is { } least && least > 0
            ? $", at least {Points(metric, least)}"
            : "";
        return $"{Spoken(metric)} {from}{candidate}{on}{beside}: {Amount(metric, metricState, finding)}{limit}";
    }

    private static string Amount(MetricPolicy metric, in MetricState state, Finding finding)
    {
        if (finding.Difference is not { } difference)
        {
            return "no difference known";
        }
        if (IsCount(metric) || !metric.Tolerance.Relative || finding.Reference is not > 0)
        {
            return $"{Points(metric, Math.Abs(difference))} {Comparative(metric, difference)}";
        }
        var share = Math.Abs(difference) / finding.Reference.Value;
        return $"{Display.Number(Math.Round(share * 100, 0, MidpointRounding.AwayFromZero))} % {(difference > 0 ? "more" : "less")}, tolerance {Tolerance(metric, state)}";
    }

    private static string Comparative(MetricPolicy metric, double difference) => metric.Direction switch
    {
        Direction.Up => difference >= 0 ? "worse" : "better",
        Direction.Down => difference <= 0 ? "worse" : "better",
        _ => difference >= 0 ? "more" : "less",
    };

    private static string Points(MetricPolicy metric, double difference) =>
        metric.Kind == MetricKind.Ratio || metric.Unit == "%" ? Display.Number(difference) + " pp" : Display.With(difference, metric.Unit);

    private static bool IsCount(MetricPolicy metric) => metric.Kind is MetricKind.Ratio or MetricKind.Histogram;

    private static double Requests(MetricPolicy metric, in MetricState state) => metric.Kind == MetricKind.Ratio
        ? state.Count.Candidate.Total
        : Histograms.Total(state.Count.Histogram, state.Count.Histogram.Candidate);

    private static double ControlRequests(MetricPolicy metric, in MetricState state) => metric.Kind == MetricKind.Ratio
        ? state.Count.Control.Total
        : Histograms.Total(state.Count.Histogram, state.Count.Histogram.Control);

    private static double? Past(MetricPolicy metric, in MetricState state)
    {
        switch (metric.Kind)
        {
            case MetricKind.Ratio:
                return state.Count.Before.Total > 0 ? Display.Round(100 * state.Count.Before.Bad / state.Count.Before.Total) : null;
            case MetricKind.Histogram:
                return Display.Round(Quantile(metric, state, state.Count.Histogram.Before));
            default:
                return state.Level.Sealed != 0 && state.Level.Base.Count > 0 ? Display.Round(Levels.Value(metric, state.Level.Median)) : null;
        }
    }

    private static double? Quantile(MetricPolicy metric, in MetricState state, ReadOnlySpan<double> arm)
    {
        ref readonly var histogram = ref state.Count.Histogram;
        var value = Histograms.Quantile(((ReadOnlySpan<double>)histogram.Edges)[..histogram.EdgeCount], arm[..histogram.EdgeCount], metric.Quantile);
        return double.IsNaN(value) ? null : value;
    }

    private static string? ReferenceArm(ReferenceKind reference) => reference switch
    {
        ReferenceKind.Control => Arm.Control.Word(),
        ReferenceKind.Before => Arm.Before.Word(),
        ReferenceKind.Seasonal => Arm.Seasonal.Word(),
        _ => null,
    };

    private static string Than(ReferenceKind reference) => reference switch
    {
        ReferenceKind.Control => "than control",
        ReferenceKind.Before => "than before",
        ReferenceKind.Seasonal => "than before and than the same hour of another day",
        _ => "than the objective",
    };

    private static Finding Ratio(Policy policy, MetricPolicy metric, in MetricState state, string? query)
    {
        ref readonly var count = ref state.Count;
        double? candidate = count.Candidate.Total > 0 ? 100 * Counts.Share(state) : null;
        var compared = state.Head.Reference != ReferenceKind.None && count.Candidate.Total > 0
            && (state.Head.Reference == ReferenceKind.Objective || Counts.Reference(state).Total > 0);
        double? reference = compared ? 100 * Counts.ReferenceShare(metric, state) : null;
        double? low = null;
        double? high = null;
        if (compared)
        {
            (low, high) = Limits(policy, metric, state);
            (low, high) = (100 * low, 100 * high);
        }
        return Make(metric, state, candidate, reference, low, high, "%", query, compared ? Word(metric, state, low, high) : Missing(state));
    }

    private static Finding Histogram(Policy policy, MetricPolicy metric, in MetricState state, string? query)
    {
        ref readonly var histogram = ref state.Count.Histogram;
        var candidate = Quantile(metric, state, histogram.Candidate);
        var reference = state.Head.Reference switch
        {
            ReferenceKind.Control => Quantile(metric, state, histogram.Control),
            ReferenceKind.Before or ReferenceKind.Seasonal => Quantile(metric, state, histogram.Before),
            ReferenceKind.Objective => metric.Objective,
            _ => null,
        };
        var compared = candidate is not null && reference is not null && state.Head.Judged > 0;
        double? low = null;
        double? high = null;
        if (compared)
        {
            (low, high) = QuantileLimits(policy, metric, state);
            (low, high) = (low - reference, high - reference);
            // The test counts slow requests at one edge: whether there is a difference at all is for it to say.
            var refuted = state.Head.LogE >= -Math.Log(new Budget(policy).Alpha(metric.Kind, state.Head.ReferenceChanges));
            if (metric.Direction == Direction.Up)
            {
                low = refuted ? Math.Max(low ?? 0, 0) : Math.Min(low ?? 0, 0);
            }
            else if (metric.Direction == Direction.Down)
            {
                high = refuted ? Math.Min(high ?? 0, 0) : high is { } most ? Math.Max(most, 0) : null;
            }
            if (low > candidate - reference || high < candidate - reference)
            {
                // More slow requests and yet a better quantile: no interval of the one says what the test of the other found.
                (low, high) = (null, null);
            }
        }
        var word = compared ? Word(metric, state, low, high) : Missing(state);
        return Make(metric, state, candidate, reference, low, high, metric.Unit, query, word);
    }

    private static Finding Level(Policy policy, MetricPolicy metric, in MetricState state, string? query)
    {
        ref readonly var level = ref state.Level;
        double? candidate = level.Candidate.Count > 0
            ? Levels.Value(metric, level.Candidate.Median)
            : state.Head.Seen > 0 && metric.Kind == MetricKind.Gauge ? state.Head.Last : null;
        var known = Levels.Reference(state);
        double? reference = state.Head.Judged > 0 && !double.IsNaN(known) ? Levels.Value(metric, known) : null;
        string word;
        if (state.Head.Judged == 0)
        {
            word = Missing(state);
        }
        else if (state.Head.Score >= 1)
        {
            word = Worse;
        }
        else if (state.Head.Score > 0.3 || state.Head.Judged < Levels.EnoughTicks)
        {
            word = Unclear;
        }
        else
        {
            var (up, down) = Levels.Tolerances(metric);
            var mean = level.ResidualSum / level.Residuals;
            word = (metric.Direction == Direction.Up && mean < -down) || (metric.Direction == Direction.Down && mean > up) ? Better : Same;
        }
        return Make(metric, state, candidate, reference, null, null, metric.Kind == MetricKind.Count ? "count/s" : metric.Unit, query, word);
    }

    // Without a comparison: why.
    private static string Missing(in MetricState state) =>
        state.Head.Seen == 0 ? Nothing : state.Head.Warming != 0 ? WarmingUp : Unclear;

    private static string Word(MetricPolicy metric, in MetricState state, double? low, double? high)
    {
        if (state.Head.Score >= 1 || (state.Head.Beyond != 0 && (metric.Direction == Direction.Down ? high < 0 : low > 0)))
        {
            return Worse;
        }
        if (metric.Direction == Direction.Down ? low > 0 : metric.Direction == Direction.Up && high < 0)
        {
            return Better;
        }
        return Counts.UpperBelow(metric, state) ? Same : Unclear;
    }

    private static (double Low, double High) Limits(Policy policy, MetricPolicy metric, in MetricState state)
    {
        // The limit on the side of harm is the alarm's own, the one on the other side is that of CONTINUE.
        var (low, high) = Counts.Limits(metric, state, new Budget(policy));
        if (metric.Direction == Direction.Up)
        {
            high = Counts.Difference(metric, state).High(Counts.UpperAlpha);
        }
        else if (metric.Direction == Direction.Down)
        {
            low = Counts.Difference(metric, state).Low(Counts.UpperAlpha);
        }
        return (low, high);
    }

    /// <summary>Limits of the candidate's quantile: where the limits of its share above each edge cross 1 - quantile, between edges by interpolation.</summary>
    private static (double? Low, double? High) QuantileLimits(Policy policy, MetricPolicy metric, in MetricState state)
    {
        ref readonly var histogram = ref state.Count.Histogram;
        var total = Histograms.Total(histogram, histogram.Candidate);
        if (total <= 0)
        {
            return (null, null);
        }
        var alpha = new Budget(policy).Alpha(metric.Kind, state.Head.ReferenceChanges);
        var dispersion = Math.Max(1, state.Head.Dispersion);
        Span<double> least = stackalloc double[HistogramState.Slots];
        Span<double> most = stackalloc double[HistogramState.Slots];
        var edges = histogram.EdgeCount;
        for (var at = 0; at < edges - 1; at++)
        {
            var above = (total - histogram.Candidate[at]) / dispersion;
            var share = new Difference(above, total / dispersion, 0, 0.5 * (1 - metric.Quantile));
            least[at] = 1 - share.High(metric.Direction == Direction.Down ? alpha : Counts.UpperAlpha);
            most[at] = 1 - share.Low(metric.Direction == Direction.Down ? Counts.UpperAlpha : alpha);
        }
        (least[edges - 1], most[edges - 1]) = (1, 1);
        Rise(least[..edges]);
        Rise(most[..edges]);
        var kept = ((ReadOnlySpan<double>)histogram.Edges)[..edges];
        var high = least[edges - 2] < metric.Quantile ? (double?)null : Histograms.Quantile(kept, least[..edges], metric.Quantile);
        return (Histograms.Quantile(kept, most[..edges], metric.Quantile), high);
    }

    // A distribution does not fall: neither may its limits.
    private static void Rise(Span<double> shares)
    {
        for (var at = 1; at < shares.Length; at++)
        {
            shares[at] = Math.Max(shares[at], shares[at - 1]);
        }
    }

    private static Finding Make(
        MetricPolicy metric, in MetricState state, double? candidate, double? reference, double? low, double? high, string unit, string? query, string word)
    {
        ref readonly var head = ref state.Head;
        double? difference = candidate - reference;
        var score = Math.Round(Math.Min(head.Score, 99), 2, MidpointRounding.AwayFromZero);
        return new Finding(
            metric.Name,
            metric.Family.Word(),
            metric.Kind.Word(),
            Display.Round(candidate),
            Display.Round(reference),
            reference is null ? null : ReferenceArm(head.Reference),
            Display.Round(difference),
            Display.Round(low),
            Display.Round(high),
            unit,
            score,
            word,
            head.Quality.Word(),
            Reason(metric, state, word, difference, reference),
            query);
    }

    private static string Reason(MetricPolicy metric, in MetricState state, string word, double? difference, double? reference)
    {
        ref readonly var head = ref state.Head;
        if (head.BadEdges > 0 && head.Judged == 0)
        {
            return "the candidate's buckets have other edges than the reference's: make both versions use the same";
        }
        switch (word)
        {
            case Nothing:
                // A number without a value counts nothing: no requests came.
                return head.Quality is Quality.Empty or Quality.Value or Quality.Partial ? "no data from the candidate" : $"no value: the source answered with {head.Quality.Word()}";
            case WarmingUp:
                return $"not judged in the first {Display.Seconds(metric.Warmup.TotalSeconds)} after a restart";
            case Same:
                return metric.Kind == MetricKind.Ratio
                    ? $"certainly less than {Tolerance(metric, state)} worse {Than(head.Reference)}"
                    : $"within {Tolerance(metric, state)}";
            case Better:
                return $"{Change(metric, difference, reference)} {Than(head.Reference)}";
            case Worse:
                return $"{Change(metric, difference, reference)} {Than(head.Reference)}, tolerance {Tolerance(metric, state)}";
            default:
                if (head.Reference == ReferenceKind.None || reference is null)
                {
                    return "nothing to compare with yet";
                }
                return metric.Kind == MetricKind.Gauge && head.Judged < Levels.EnoughTicks && head.Score <= 0.3
                    ? $"{Levels.EnoughTicks - head.Judged} more ticks are needed"
                    : $"{Change(metric, difference, reference)} {Than(head.Reference)}, not certain yet; tolerance {Tolerance(metric, state)}";
        }
    }

    private static string Change(MetricPolicy metric, double? difference, double? reference)
    {
        if (difference is not { } number)
        {
            return "changed";
        }
        if (!IsCount(metric) && metric.Tolerance.Relative && reference is > 0)
        {
            return $"{Display.Number(Math.Round(100 * Math.Abs(number) / reference.Value, 0, MidpointRounding.AwayFromZero))} % {(number >= 0 ? "more" : "less")}";
        }
        return $"{Points(metric, Math.Abs(number))} {Comparative(metric, number)}";
    }
}
