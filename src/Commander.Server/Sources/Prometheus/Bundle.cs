namespace Commander.Server.Sources.Prometheus;

/// <summary>How a query is asked.</summary>
internal enum Way
{
    /// <summary>The points of a plain selector, as they were scraped.</summary>
    Points,
    /// <summary>The value of an expression at the end.</summary>
    End,
    /// <summary>The values of an expression at the beginning and the end, for what grew between.</summary>
    BothEnds,
    /// <summary>The values at instants between the two.</summary>
    Steps,
}

/// <summary>A query over an interval.</summary>
internal readonly record struct Asked(string Query, Way Way, DateTimeOffset From, DateTimeOffset To);

/// <summary>
/// Plain selectors that one request answers: those that differ in the value of one label (the versions of two arms), and those whose
/// series another one selects anyway (bad events among all events). The answer is told apart again by the selectors themselves.
/// </summary>
/// <param name="Query">What is asked.</param>
/// <param name="From">The earliest beginning of its parts.</param>
/// <param name="To">The end of all of them.</param>
/// <param name="Parts">What it answers, each with its selector; null where it cannot be evaluated here with certainty, and then it is alone.</param>
/// <param name="Shape">The query as a shape with values, by which those of many watches are put together; null where it has none.</param>
internal sealed record Bundle(string Query, DateTimeOffset From, DateTimeOffset To, IReadOnlyList<(Asked Asked, Selector? Selector)> Parts, Shape? Shape)
{
    private const int MaxValues = 8;

    // What begins much earlier would make the others' answers as long as its own.
    private static readonly TimeSpan Near = TimeSpan.FromMinutes(1);

    /// <summary>One part by itself.</summary>
    public Bundle Alone(int part) => new(Parts[part].Asked.Query, Parts[part].Asked.From, To, [Parts[part]], null);

    /// <summary>The answer for each part, in their order; null when the parts must be asked one by one.</summary>
    public PromAnswer[]? Split(PromAnswer answer)
    {
        if (Parts.Count == 1)
            return [answer];
        if (answer.TooLarge)
            return null;
        if (!answer.Good)
            return [.. Parts.Select(_ => answer)];
        var answers = new PromAnswer[Parts.Count];
        for (var i = 0; i < answers.Length; i++)
        {
            var selector = Parts[i].Selector!;
            var selected = new List<PromSeries>(answer.Series.Count);
            foreach (var series in answer.Series)
            {
                if (!selector.SureOf(series.Labels))
                    return null;
                if (selector.Selects(series.Labels))
                    selected.Add(series);
            }

            answers[i] = answer with { Series = selected };
        }

        return answers;
    }

    /// <summary>Whether what goes together is the same whatever the times are: all end together and begin near each other.</summary>
    public static bool Timeless(IReadOnlyList<Asked> asked)
    {
        for (var i = 1; i < asked.Count; i++)
        {
            if (asked[i].To != asked[0].To || (asked[i].From - asked[0].From).Duration() > Near / 2)
                return false;
        }

        return true;
    }

    /// <summary>The same for other times.</summary>
    /// <param name="parts">Which of the questions each of its parts is.</param>
    /// <param name="asked">The questions.</param>
    public Bundle At(IReadOnlyList<int> parts, IReadOnlyList<Asked> asked)
    {
        var moved = new (Asked, Selector?)[parts.Count];
        var from = asked[parts[0]].From;
        for (var i = 0; i < moved.Length; i++)
        {
            var one = asked[parts[i]];
            moved[i] = (one, Parts[i].Selector);
            from = one.From < from ? one.From : from;
        }

        return this with { From = from, To = asked[parts[0]].To, Parts = moved };
    }

    /// <summary>As few requests as are sound; a series is asked for only where some part wants it.</summary>
    /// <param name="asked">Plain selectors, each once.</param>
    /// <param name="apart">Whether a request was refused before and its parts are asked one by one.</param>
    public static List<Bundle> Of(IEnumerable<Asked> asked, Predicate<string> apart)
    {
        var roots = new List<Root>();
        foreach (var one in asked.Select(Root.Of).OrderBy(one => one.Selector?.Matchers.Length).ThenBy(one => one.Parts[0].Asked.Query, StringComparer.Ordinal))
        {
            if (roots.Find(root => root.Covers(one) && !apart(root.Query)) is { } wider)
                wider.Add(one);
            else
                roots.Add(one);
        }

        var united = new List<Root>();
        foreach (var one in roots)
        {
            if (!united.Exists(root => root.Unites(one, apart)))
                united.Add(one);
        }

        return [.. united.Select(root => new Bundle(root.Query, root.From, root.To, root.Parts, root.Shape))];
    }

    /// <summary>What is being put together.</summary>
    private sealed class Root
    {
        private int _label = -1;
        private List<string> _values = [];

        public required string Query { get; set; }

        public required Selector? Selector { get; init; }

        public required DateTimeOffset From { get; set; }

        public required DateTimeOffset To { get; init; }

        public List<(Asked Asked, Selector? Selector)> Parts { get; } = [];

        public Shape? Shape => Selector is null ? null : Prometheus.Shape.Of(Selector, _label, _values);

        public static Root Of(Asked asked)
        {
            var known = Selector.TryParse(asked.Query, widen: false, out var selector, out _) && selector.Exact
                && !Array.Exists(selector.Matchers, matcher => matcher.Label == "__name__");
            var root = new Root { Query = asked.Query.Trim(), Selector = known ? selector : null, From = asked.From, To = asked.To };
            root.Parts.Add((asked, root.Selector));
            return root;
        }

        public bool Covers(Root other) =>
            Together(other) && (Selector is not null && other.Selector is not null && Selector.Covers(other.Selector));

        public void Add(Root other)
        {
            Parts.AddRange(other.Parts);
            From = From < other.From ? From : other.From;
        }

        /// <summary>Takes the other in, where both differ in nothing but the value that one label must have.</summary>
        public bool Unites(Root other, Predicate<string> apart)
        {
            if (!Together(other) || Selector is null || other.Selector is null || Difference(Selector, other.Selector) is not { } label || (_label >= 0 && _label != label) || _values.Count == MaxValues)
                return false;
            List<string> values = [.. _values.DefaultIfEmpty(Selector.Matchers[label].Value), other.Selector.Matchers[label].Value];
            var query = Prometheus.Shape.Of(Selector, label, values).Query;
            if (apart(query))
                return false;
            (_label, _values, Query) = (label, values, query);
            Add(other);
            return true;
        }

        private bool Together(Root other) => To == other.To && (From - other.From).Duration() <= Near;

        private static int? Difference(Selector one, Selector other)
        {
            if (one.Name != other.Name || one.Matchers.Length != other.Matchers.Length)
                return null;
            int? label = null;
            for (var i = 0; i < one.Matchers.Length; i++)
            {
                var (a, b) = (one.Matchers[i], other.Matchers[i]);
                if (a.Same(b))
                    continue;
                // An empty value selects what has no such label, which a choice of values would not.
                if (label is not null || a.Label != b.Label || a.Match != Match.Equal || b.Match != Match.Equal || a.Value.Length == 0 || b.Value.Length == 0)
                    return null;
                label = i;
            }

            return label;
        }
    }
}

/// <summary>
/// Which questions go together, remembered: a watch asks the same at every tick, only of another time. What it knows of requests that
/// were refused because they were too large is in it as well.
/// </summary>
internal sealed class BundleBook
{
    private const int MaxApart = 1_000;
    private const int MaxKnown = 5_000;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _apart = new(StringComparer.Ordinal);
    private readonly Dictionary<string[], (Bundle Bundle, int[] Parts)[]> _known = new(SameTexts.Instance);

    /// <summary>The requests that answer the questions, of which no two are the same.</summary>
    public IReadOnlyList<Bundle> Of(IReadOnlyList<Asked> asked)
    {
        if (!Bundle.Timeless(asked))
            return Bundle.Of(asked, IsApart);
        string[] texts = [.. asked.Select(one => one.Query)];
        (Bundle Bundle, int[] Parts)[]? known;
        lock (_lock)
        {
            _known.TryGetValue(texts, out known);
        }

        if (known is null)
        {
            var index = asked.Select((one, i) => (one, i)).ToDictionary(pair => pair.one, pair => pair.i);
            known = [.. Bundle.Of(asked, IsApart).Select(bundle => (bundle, bundle.Parts.Select(part => index[part.Asked]).ToArray()))];
            lock (_lock)
            {
                if (_known.Count >= MaxKnown)
                    _known.Clear();
                _known[texts] = known;
            }
        }

        return [.. known.Select(one => one.Bundle.At(one.Parts, asked))];
    }

    /// <summary>A request that was refused once would be refused at every tick: its parts are asked one by one from now on.</summary>
    public void Part(string query)
    {
        lock (_lock)
        {
            if (_apart.Count >= MaxApart)
                _apart.Clear();
            _apart.Add(query);
            _known.Clear();
        }
    }

    private bool IsApart(string query)
    {
        lock (_lock)
        {
            return _apart.Contains(query);
        }
    }

    private sealed class SameTexts : IEqualityComparer<string[]>
    {
        public static readonly SameTexts Instance = new();

        public bool Equals(string[]? one, string[]? other) => one.AsSpan().SequenceEqual(other);

        public int GetHashCode(string[] texts)
        {
            var hash = default(HashCode);
            foreach (var text in texts)
                hash.Add(text, StringComparer.Ordinal);
            return hash.ToHashCode();
        }
    }
}
