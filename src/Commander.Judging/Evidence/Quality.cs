namespace Commander.Judging.Evidence;

/// <summary>What kind of answer stands behind a reading. Everything but <see cref="Value"/> and <see cref="Partial"/> means that there is no number, and says why.</summary>
public enum Quality
{
    /// <summary>The source has no such series, or no point in the interval.</summary>
    Empty = 0,
    /// <summary>A number from inside the interval.</summary>
    Value,
    /// <summary>A number, but one that does not cover the whole interval or not every instance.</summary>
    Partial,
    /// <summary>The newest point is older than the interval, or the source's clock is off by more than a step.</summary>
    Stale,
    /// <summary>The source answered with NaN or an infinity.</summary>
    Nan,
    /// <summary>The source refused: not authenticated, or not allowed.</summary>
    Denied,
    /// <summary>The source did not answer within the deadline.</summary>
    Timeout,
    /// <summary>The source answered with an error or with something that is no measurement.</summary>
    Error,
}

/// <summary>The arms of a comparison.</summary>
public enum Arm
{
    /// <summary>The new version.</summary>
    Candidate = 0,
    /// <summary>The old version in the same seconds. After a rollback: the restored version.</summary>
    Control = 1,
    /// <summary>The past, up to the start of the deployment.</summary>
    Before = 2,
    /// <summary>The same clock time a day (or a week) ago.</summary>
    Seasonal = 3,
}

/// <summary>How a metric's numbers are to be read.</summary>
public enum MetricKind
{
    /// <summary>Bad events out of all events, both counts over the interval.</summary>
    Ratio = 0,
    /// <summary>Counts per bucket over the interval.</summary>
    Histogram = 1,
    /// <summary>A level at an instant.</summary>
    Gauge = 2,
    /// <summary>Events over the interval.</summary>
    Count = 3,
}

/// <summary>What a metric is about. Metrics of one family have one vote together.</summary>
public enum Family
{
    /// <summary>Failed requests.</summary>
    Error = 0,
    /// <summary>How long requests take.</summary>
    Latency = 1,
    /// <summary>Processor use.</summary>
    Cpu = 2,
    /// <summary>Memory use.</summary>
    Memory = 3,
    /// <summary>How many requests arrive; fewer is worse.</summary>
    Traffic = 4,
    /// <summary>What the service sees of the services it calls.</summary>
    Downstream = 5,
    /// <summary>Measured over the whole service: cannot tell arms apart.</summary>
    Service = 6,
    /// <summary>Anything else; both directions are watched.</summary>
    Kpi = 7,
}

/// <summary>In which direction a difference is harm.</summary>
public enum Direction
{
    /// <summary>More is worse.</summary>
    Up = 0,
    /// <summary>Less is worse.</summary>
    Down = 1,
    /// <summary>Both are worse.</summary>
    Either = 2,
}

/// <summary>The lower-case words of these enumerations, as they stand in policies, facts, pages and answers.</summary>
public static class Words
{
    private static readonly string[] Qualities = ["empty", "value", "partial", "stale", "nan", "denied", "timeout", "error"];
    private static readonly string[] Arms = ["candidate", "control", "before", "seasonal"];
    private static readonly string[] Kinds = ["ratio", "histogram", "gauge", "count"];
    private static readonly string[] Families = ["error", "latency", "cpu", "memory", "traffic", "downstream", "service", "kpi"];

    /// <summary>The number of arms.</summary>
    public const int ArmCount = 4;

    /// <summary>The number of families.</summary>
    public const int FamilyCount = 8;

    /// <summary>The word of a quality.</summary>
    public static string Word(this Quality quality) => Qualities[(int)quality];

    /// <summary>The word of an arm.</summary>
    public static string Word(this Arm arm) => Arms[(int)arm];

    /// <summary>The word of a metric kind.</summary>
    public static string Word(this MetricKind kind) => Kinds[(int)kind];

    /// <summary>The word of a family.</summary>
    public static string Word(this Family family) => Families[(int)family];

    /// <summary>Reads a quality's word; false for any other text.</summary>
    public static bool TryQuality(string? word, out Quality quality) => Try(Qualities, word, out quality);

    /// <summary>Reads an arm's word; false for any other text.</summary>
    public static bool TryArm(string? word, out Arm arm) => Try(Arms, word, out arm);

    /// <summary>Reads a metric kind's word; false for any other text.</summary>
    public static bool TryKind(string? word, out MetricKind kind) => Try(Kinds, word, out kind);

    /// <summary>Reads a family's word; false for any other text.</summary>
    public static bool TryFamily(string? word, out Family family) => Try(Families, word, out family);

    private static bool Try<T>(string[] words, string? word, out T value)
        where T : struct, Enum
    {
        var index = Array.IndexOf(words, word);
        value = index < 0 ? default : (T)(object)index;
        return index >= 0;
    }
}
