using Commander.Judging.Evidence;

namespace Commander.Judging.Policies;

/// <summary>One metric of a policy, without its warm-up, which stands elsewhere.</summary>
internal static class MetricReader
{
    private static readonly string[] Keys =
        ["kind", "family", "direction", "query", "bad", "total", "quantile", "tolerance", "floor", "objective", "critical", "unit", "scale", "window"];

    private static readonly string[] KindWords = ["ratio", "histogram", "gauge", "count"];

    private const double LargestQuantile = 0.9999;
    private static readonly string[] Rates = ["rate", "irate", "increase", "delta", "idelta", "histogram_quantile"];

    /// <summary>What a query's text tells by itself.</summary>
    /// <param name="Scanned">Its variables, names and calls.</param>
    /// <param name="Rate">A function in it that looks back; null for none.</param>
    /// <param name="Unit">The unit by the names in it; null when none of them tells.</param>
    internal sealed record Known(Queries.Scanned Scanned, string? Rate, (string From, string Natural)? Unit);

    /// <summary>Finds out once what a text tells: what stands under defaults is met in every service and environment.</summary>
    internal sealed class Templates
    {
        private readonly Dictionary<string, Known> _known = new(ReferenceEqualityComparer.Instance);

        public Known Of(string text)
        {
            if (_known.TryGetValue(text, out var known))
                return known;
            var scanned = Queries.Scan(text);
            known = new Known(scanned, scanned.Calls.FirstOrDefault(Rates.Contains), NamedUnit(scanned.Names));
            _known.Add(text, known);
            return known;
        }
    }

    /// <param name="name">The metric's name.</param>
    /// <param name="map">Its keys.</param>
    /// <param name="source">The service's source; null when it has none.</param>
    /// <param name="templates">The templates that were met before.</param>
    /// <param name="errors">Where errors go.</param>
    public static MetricPolicy? Read(string name, MapNode map, SourceSettings? source, Templates templates, Errors errors)
    {
        var section = new Section(map, errors, Keys);
        if (!section.Has("kind"))
        {
            section.Wrong("kind", "is missing", $"write kind: {string.Join(" or ", KindWords)}");
            return null;
        }

        if (!Words.TryKind(section.Word("kind", "", KindWords), out var kind))
            return null;

        var family = section.Word("family", FamilyNames.Of(name));
        var direction = section.Word("direction", family.Direction());
        var (query, bad, total) = Queried(section, kind, source, templates);
        var (unit, scale) = UnitAndScale(section, kind, family, query is null ? null : templates.Of(query));
        var (shippedTolerance, shippedFloor) = Shipped(kind, Like(name, family), unit);
        var tolerance = Tolerated(section, kind, unit, shippedTolerance);
        var floor = Amount(section, "floor", unit) ?? shippedFloor;
        var objective = Amount(section, "objective", unit);
        var quantile = 0.95;
        if (kind == MetricKind.Histogram)
            quantile = section.Number("quantile", 0.95, 0, LargestQuantile, "0.95");
        else if (section.Has("quantile"))
            section.Wrong("quantile", $"belongs to a histogram, and this is a {kind.Word()}", "remove it");

        if (source is null && !((string[])["query", "bad", "total", "objective"]).Any(section.Has))
        {
            section.Errors.Add(map.Place, map.Path, "has neither a query nor an objective",
                "name a source and write the query, or write objective: for services that send a snapshot of metrics");
        }

        return new MetricPolicy(
            name, kind, family, direction, query, bad, total, quantile, tolerance, floor, objective,
            section.Flag("critical", kind == MetricKind.Ratio && family == Family.Error),
            unit, scale, Window(section, kind, query is null ? null : templates.Of(query)), TimeSpan.Zero);
    }

    private static (string? Query, string? Bad, string? Total) Queried(Section section, MetricKind kind, SourceSettings? source, Templates templates)
    {
        var ratio = kind == MetricKind.Ratio;
        if (ratio && section.Has("query"))
            section.Wrong("query", "a ratio has no query", "write bad: and total:");
        foreach (var key in (string[])["bad", "total"])
        {
            if (!ratio && section.Has(key))
                section.Wrong(key, $"belongs to a ratio, and this is a {kind.Word()}", "write query:");
        }

        return ratio
            ? (null, Template(section, "bad", kind, source, templates), Template(section, "total", kind, source, templates))
            : (Template(section, "query", kind, source, templates), null, null);
    }

    private static string? Template(Section section, string key, MetricKind kind, SourceSettings? source, Templates templates)
    {
        if (!section.Has(key))
        {
            // Without any source there is nothing to ask; the metric may still have an objective for snapshots.
            if (source is not null)
                section.Wrong(key, $"is missing, and a {kind.Word()} needs it", $"write {key}: 'http_requests_total{{version=\"{{{{version}}}}\"}}'");
            return null;
        }

        if (section.Text(key, "a query") is not { } text)
            return null;
        if (source is null)
            section.Wrong(key, "there is a query but no source to ask", "write source: NAME, and the source's address under sources:");

        var template = templates.Of(text);
        var scanned = template.Scanned;
        if (scanned.Open is { } open)
            section.Wrong(key, $"{open} is opened or closed without its counterpart", "check the query's quotes and braces");
        var prometheus = source is null || source.Type is "prometheus" or "scrape";
        foreach (var use in scanned.Uses)
        {
            if (!Queries.Variables.Contains(use.Name))
            {
                var near = Nearest.To(use.Name, Queries.Variables);
                section.Wrong(key, $"{{{{{Quote.Clean(use.Name, 40)}}}}} is no variable", near is null ? $"known are {Section.List(Queries.Variables)}" : $"did you mean {{{{{near}}}}}?");
            }
            else if (prometheus && use.Quote is '\0' or '`')
            {
                section.Wrong(key, $"{{{{{use.Name}}}}} stands outside of quotes", $"write it as a label's value: label=\"{{{{{use.Name}}}}}\"");
            }
        }

        if (source?.Type == "scrape" && scanned.Calls.Count > 0)
            section.Wrong(key, $"{scanned.Calls[0]}() cannot be asked of a scrape", "write a selector: name{label=\"value\"}");
        else if (kind != MetricKind.Gauge && template.Rate is { } rate)
            section.Wrong(key, $"{rate}() gives no whole counts, and a {kind.Word()} is judged by them", "write the counter without it, or kind: gauge with window:");
        return text;
    }

    private static TimeSpan? Window(Section section, MetricKind kind, Known? query)
    {
        var rate = query?.Rate;
        if (!section.Has("window"))
        {
            if (kind == MetricKind.Gauge && rate is not null)
                section.Wrong("window", $"is missing, and {rate}() looks back", "write window: 1m, the query's range, at least two scrapes");
            return null;
        }

        if (kind != MetricKind.Gauge)
            section.Wrong("window", "belongs to a gauge whose query looks back", "remove it");
        return section.Duration("window", TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1), TimeSpan.FromHours(6));
    }

    private static (string Unit, double Scale) UnitAndScale(Section section, MetricKind kind, Family family, Known? query)
    {
        var (from, natural) = SourceUnit(kind, family, query);
        var unit = natural;
        if (section.Text("unit", "ms, percent, MB, count") is { } word)
        {
            if (word.Length > 20 || word.Any(c => char.IsControl(c) || char.IsAsciiDigit(c)))
                section.Wrong("unit", $"{Quote.It(word)} is no unit", "write ms, s, percent, MB, count or a word of at most 20 letters");
            else if (kind == MetricKind.Ratio && Quantities.Unit(word) != "%")
                section.Wrong("unit", "a ratio is shown in percent", "remove it");
            else
                unit = Quantities.Unit(word);
        }

        if (kind is MetricKind.Ratio or MetricKind.Count)
        {
            if (section.Has("scale"))
                section.Wrong("scale", $"a {kind.Word()} counts events", "remove it");
            return (unit, 1);
        }

        return (unit, section.Number("scale", Quantities.Factor(from, unit), 0, 1e12, "1000"));
    }

    /// <summary>The unit of the source's numbers, by Prometheus' naming convention, and the one in which people read them.</summary>
    private static (string From, string Natural) SourceUnit(MetricKind kind, Family family, Known? query)
    {
        if (kind is MetricKind.Ratio)
            return ("%", "%");
        if (kind is MetricKind.Count)
            return ("count", "count");
        return query?.Unit ?? family switch
        {
            Family.Latency => ("", "ms"),
            Family.Error or Family.Cpu => ("", "%"),
            _ => ("", ""),
        };
    }

    private static (string From, string Natural)? NamedUnit(IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            var stem = name.EndsWith("_bucket", StringComparison.Ordinal) ? name[..^"_bucket".Length] : name;
            if (stem.EndsWith("_milliseconds", StringComparison.Ordinal) || stem.EndsWith("_ms", StringComparison.Ordinal))
                return ("ms", "ms");
            if (stem.EndsWith("_seconds", StringComparison.Ordinal))
                return ("s", "ms");
            if (stem.EndsWith("_bytes", StringComparison.Ordinal))
                return ("B", "MB");
            if (stem.EndsWith("_percent", StringComparison.Ordinal))
                return ("%", "%");
            if (stem.EndsWith("_ratio", StringComparison.Ordinal))
                return ("fraction", "%");
        }

        return null;
    }

    /// <summary>What is called downstream or service-wide is measured like what it is called beside that.</summary>
    private static Family Like(string name, Family family) =>
        family is Family.Downstream or Family.Service && name.IndexOf('_', StringComparison.Ordinal) is > 0 and var end ? FamilyNames.Of(name[(end + 1)..]) : family;

    /// <summary>The smallest difference worth a rollback, and the noise near zero, where the policy says nothing: those that the judge was measured with.</summary>
    private static (Tolerance Tolerance, double Floor) Shipped(MetricKind kind, Family family, string unit)
    {
        static Tolerance Relative(double fraction) => new(fraction, Relative: true);
        var percent = unit == "%";
        if (kind == MetricKind.Ratio)
            return (Relative(0.5), 0.5);
        return family switch
        {
            Family.Error when percent => (new Tolerance(1, Relative: false), 0),
            Family.Error => (Relative(0.5), kind == MetricKind.Count ? 1 : 0),
            Family.Latency => (Relative(0.2), Quantities.TryAmount("25ms", unit, out var floor) ? floor : 0),
            Family.Cpu => (Relative(0.5), percent ? 5 : 0),
            Family.Memory => (Relative(0.25), percent ? 5 : 0),
            Family.Traffic => (Relative(0.4), 0),
            _ => (Relative(kind == MetricKind.Histogram ? 0.2 : 0.5), 0),
        };
    }

    private static Tolerance Tolerated(Section section, MetricKind kind, string unit, Tolerance otherwise)
    {
        var example = kind == MetricKind.Ratio ? "1pp (percentage points) or 20% (of the reference)" : $"20% (of the reference) or {Quantities.Example(unit)}";
        if (unit == "%" && kind != MetricKind.Ratio)
            example = "20% (of the reference) or 5pp (percentage points)";
        if (section.Text("tolerance", example) is not { } text)
            return otherwise;
        var relative = text.EndsWith('%');
        double amount;
        if (relative ? !Quantities.TryShare(text, out amount) : !Quantities.TryAmount(text, unit, out amount))
        {
            section.Wrong("tolerance", $"{Quote.It(text)} is no tolerance of a metric in {(unit.Length == 0 ? "numbers" : unit)}", $"write {example}");
            return otherwise;
        }

        if (amount > 0 && amount <= 1e15)
            return new Tolerance(amount, relative);
        section.Wrong("tolerance", amount > 0 ? $"{Quote.It(text)} is out of range" : $"{Quote.It(text)} is not above 0", $"write {example}");
        return otherwise;
    }

    private static double? Amount(Section section, string key, string unit)
    {
        if (section.Text(key, Quantities.Example(unit)) is not { } text)
            return null;
        if (!Quantities.TryAmount(text, unit, out var amount))
            section.Wrong(key, $"{Quote.It(text)} is no amount in {(unit.Length == 0 ? "numbers" : unit)}", $"write {Quantities.Example(unit)}");
        else if (amount < 0 || amount > 1e15)
            section.Wrong(key, $"{Quote.It(text)} is out of range", "write 0 or more");
        else
            return amount;
        return null;
    }
}
