using System.Globalization;
using System.Text;
using System.Text.Json;
using Commander.Judging.Evidence;

namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// Reads a body of Prometheus' HTTP API as it arrives. It needs memory for what it keeps, never for what is sent: where more series,
/// points or labels come than are read, it stops there.
/// </summary>
/// <param name="name">Who sends it, for messages.</param>
/// <param name="share">Where what is kept is accounted for.</param>
internal sealed class AnswerReader(string name, Room.Share share)
{
    /// <summary>No answer has more series.</summary>
    public const int MaxSeries = 4_000;

    /// <summary>
    /// No answer has more points, a native histogram's buckets counted as such: five minutes of 600 series scraped every second, or two
    /// hours of 400 scraped every 15 s. At 16 bytes a point that is 3 MiB.
    /// </summary>
    public const int MaxPoints = 200_000;

    private const int MaxNames = 100_000;
    private const int MaxLabels = 128;
    private const int MaxLabelBytes = 8 * 1024 * 1024;
    private const int MaxDepth = 16;
    private const int LabelOverhead = 64;

    private readonly Where[] _where = new Where[MaxDepth + 2];
    private readonly int[] _index = new int[MaxDepth + 2];
    private readonly List<PromSeries> _series = [];
    private readonly List<CounterPoint> _points = [];
    private readonly List<NativePoint> _histograms = [];
    private readonly List<NativeBucket> _buckets = [];
    private readonly List<Label> _labels = [];
    private JsonReaderState _state = new(new JsonReaderOptions { MaxDepth = MaxDepth });
    private Label[] _before = [];
    private List<string>? _names;
    private Key _key;
    private string _label = "";
    private string? _type;
    private string? _warning;
    private string? _scalar;
    private int _warnings;
    private int _depth;
    private int _kept;
    private int _labelBytes;
    private long _at;
    private double _scalarAt;
    private double _count;
    private double _value;
    private double _lower;
    private double _upper;
    private bool _success;
    private bool _partial;
    private bool _data;
    private bool _result;
    private bool _labelled;
    private bool _counted;

    private enum Where
    {
        Outside = 0,
        Root,
        Data,
        Names,
        Warnings,
        Result,
        Series,
        Labels,
        Points,
        Point,
        Histograms,
        HistogramPoint,
        Histogram,
        Buckets,
        Bucket,
        Elsewhere,
    }

    private enum Key
    {
        Other = 0,
        Status,
        Data,
        Partial,
        Warnings,
        Type,
        Result,
        Metric,
        Values,
        Value,
        Histograms,
        Histogram,
        Count,
        Buckets,
    }

    /// <summary>Why nothing more is read; null while all is well.</summary>
    public PromAnswer? Stopped { get; private set; }

    /// <summary>Takes the next bytes and answers how many of them are done with; the rest must come again, with more behind it.</summary>
    /// <exception cref="JsonException">It is no JSON, or it is cut off.</exception>
    /// <exception cref="FormatException">It is JSON of another form than documented.</exception>
    public int Feed(ReadOnlySpan<byte> bytes, bool last)
    {
        var json = new Utf8JsonReader(bytes, last, _state);
        while (Stopped is null && json.Read())
            Take(ref json);
        _state = json.CurrentState;
        return (int)json.BytesConsumed;
    }

    /// <summary>What it was, after the last bytes.</summary>
    public PromAnswer Finish()
    {
        if (Stopped is { } stopped)
            return stopped;
        if (!_success || !_data)
            return PromAnswer.Failed(Quality.Error, $"{name} answered JSON that is no answer of Prometheus");
        // VictoriaMetrics' word for it.
        var warning = _partial ? "some of its storage did not answer" : _warnings > 1 ? $"{_warning} (and {_warnings - 1} more)" : _warning;
        var answer = new PromAnswer(warning is null ? Quality.Value : Quality.Partial, warning is null ? null : $"{name} warns: {warning}", [], []);
        if (_names is not null)
            return answer with { Names = _names };
        if (_type is not ("vector" or "matrix" or "scalar"))
            return PromAnswer.Failed(Quality.Error, $"{name}: the query gives a {(_type is "string" ? _type : "result of another kind")}, not numbers");
        if (!_result || (_type is "scalar") != (_scalar is not null))
            throw new FormatException("a result of another form than its type says");
        return _scalar is not null
            ? answer with { Series = [new PromSeries([], [new CounterPoint(Time(_scalarAt), Number(Encoding.UTF8.GetBytes(_scalar)))], [])] }
            : Once(answer);
    }

    /// <summary>A series that comes back twice counts once: the one with more points of the two.</summary>
    private PromAnswer Once(PromAnswer answer)
    {
        var known = new Dictionary<Label[], int>(_series.Count, SameLabels.Instance);
        var kept = new List<PromSeries>(_series.Count);
        foreach (var series in _series)
        {
            if (known.TryAdd(series.Labels, kept.Count))
                kept.Add(series);
            else if (series.Points.Length + series.Histograms.Length > kept[known[series.Labels]].Points.Length + kept[known[series.Labels]].Histograms.Length)
                kept[known[series.Labels]] = series;
        }

        if (kept.Count == _series.Count)
            return answer with { Series = kept };
        return answer with { Series = kept, Quality = Quality.Partial, Detail = answer.Detail ?? $"{name} answers {_series.Count - kept.Count} series twice; each counts once" };
    }

    private void Take(ref Utf8JsonReader json)
    {
        switch (json.TokenType)
        {
            case JsonTokenType.PropertyName when Here == Where.Labels:
                _label = Known(ref json, _labels.Count < _before.Length ? _before[_labels.Count].Name : "");
                break;
            case JsonTokenType.PropertyName:
                _key = KeyOf(ref json);
                break;
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                Enter(json.TokenType == JsonTokenType.StartArray);
                break;
            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                Leave();
                break;
            default:
                Value(ref json);
                _index[_depth]++;
                break;
        }
    }

    private Where Here => _where[_depth];

    private void Enter(bool array)
    {
        var inside = (Here, _key, array) switch
        {
            (Where.Outside, _, false) => Where.Root,
            (Where.Root, Key.Data, false) => Where.Data,
            (Where.Root, Key.Data, true) => Where.Names,
            (Where.Root, Key.Warnings, true) => Where.Warnings,
            (Where.Data, Key.Result, true) => Where.Result,
            (Where.Result, _, false) => Where.Series,
            (Where.Series, Key.Metric, false) => Where.Labels,
            (Where.Series, Key.Values, true) => Where.Points,
            (Where.Series, Key.Value, true) or (Where.Points, _, true) => Where.Point,
            (Where.Series, Key.Histograms, true) => Where.Histograms,
            (Where.Series, Key.Histogram, true) or (Where.Histograms, _, true) => Where.HistogramPoint,
            (Where.HistogramPoint, _, false) when _index[_depth] == 1 => Where.Histogram,
            (Where.Histogram, Key.Buckets, true) => Where.Buckets,
            (Where.Buckets, _, true) => Where.Bucket,
            (Where.Outside or Where.Result or Where.Labels or Where.Points or Where.Point or Where.Histograms or Where.HistogramPoint or Where.Buckets or Where.Bucket, _, _) => throw Unlike(),
            (Where.Series, not Key.Other, _) => throw Unlike(),
            _ => Where.Elsewhere,
        };
        switch (inside)
        {
            case Where.Data:
                _data = true;
                break;
            case Where.Names:
                (_data, _names) = (true, []);
                break;
            case Where.Result:
                _result = true;
                break;
            case Where.Series:
                _labelled = false;
                if (_series.Count == MaxSeries)
                    TooLarge($"the query selects more than {MaxSeries} series; narrow it");
                break;
            case Where.Labels:
                _labelled = true;
                break;
            case Where.Histogram:
                _counted = false;
                break;
        }

        _depth++;
        (_where[_depth], _index[_depth], _key) = (inside, 0, Key.Other);
    }

    private void Leave()
    {
        switch (Here)
        {
            case Where.Point:
                if (_index[_depth] < 2)
                    throw Unlike();
                if (Count(1))
                    _points.Add(new CounterPoint(_at, _value));
                break;
            case Where.Bucket:
                if (_index[_depth] < 4)
                    throw Unlike();
                if (Count(1))
                    _buckets.Add(new NativeBucket(_lower, _upper, _value));
                break;
            case Where.Histogram:
                if (!_counted)
                    throw Unlike();
                break;
            case Where.HistogramPoint:
                if (_index[_depth] < 2)
                    throw Unlike();
                _buckets.Sort(static (a, b) => a.Upper.CompareTo(b.Upper));
                if (Count(1))
                    _histograms.Add(new NativePoint(_at, _count, [.. _buckets]));
                _buckets.Clear();
                break;
            case Where.Series:
                EndSeries();
                break;
        }

        _depth--;
        _index[_depth]++;
        _key = Key.Other;
    }

    private void EndSeries()
    {
        if (!_labelled)
            throw Unlike();
        Label[] labels = [.. _labels];
        // As they come, for the next one; sorted, as everybody else reads them.
        _before = labels;
        for (var i = 1; i < labels.Length; i++)
        {
            if (string.CompareOrdinal(labels[i - 1].Name, labels[i].Name) <= 0)
                continue;
            labels = [.. labels];
            Array.Sort(labels, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
            break;
        }

        var bytes = (labels.Length * LabelOverhead) + (_points.Count * 16) + _histograms.Sum(point => 32 + (point.Buckets.Length * 24));
        if (share.TryAdd(bytes))
            _series.Add(new PromSeries(labels, [.. _points], [.. _histograms]));
        else
            Stopped = PromAnswer.Failed(Quality.Error, $"{name}: the answers that are read at once take more memory than one source is given; let the queries select fewer series, or lengthen watch.step");
        _labels.Clear();
        _points.Clear();
        _histograms.Clear();
    }

    private void Value(ref Utf8JsonReader json)
    {
        var index = _index[_depth];
        switch (Here)
        {
            case Where.Root when _key == Key.Status:
                _success = json.TokenType == JsonTokenType.String && json.ValueTextEquals("success"u8);
                break;
            case Where.Root when _key == Key.Partial:
                _partial = json.TokenType == JsonTokenType.True;
                break;
            case Where.Data when _key == Key.Type:
                _type = Text(ref json);
                break;
            case Where.Names:
                if (json.TokenType == JsonTokenType.String && _names!.Count < MaxNames)
                    _names.Add(Text(ref json));
                break;
            case Where.Warnings:
                _warnings++;
                _warning ??= Text(ref json);
                break;
            case Where.Result when index == 0 && json.TokenType == JsonTokenType.Number:
                _scalarAt = json.GetDouble();
                break;
            case Where.Result when index == 1 && json.TokenType == JsonTokenType.String:
                _scalar = Text(ref json);
                break;
            case Where.Labels:
                AddLabel(ref json);
                break;
            case Where.Point or Where.HistogramPoint when index == 0:
                _at = Time(json.TokenType == JsonTokenType.Number ? json.GetDouble() : throw Unlike());
                break;
            case Where.Point when index == 1:
                _value = Number(json.ValueSpan);
                break;
            case Where.Histogram when _key == Key.Count:
                (_count, _counted) = (Number(json.ValueSpan), true);
                break;
            case Where.Bucket when index == 1:
                _lower = Number(json.ValueSpan);
                break;
            case Where.Bucket when index == 2:
                _upper = Number(json.ValueSpan);
                break;
            case Where.Bucket when index == 3:
                _value = Number(json.ValueSpan);
                break;
            case Where.Outside or Where.Result or Where.Points or Where.Histograms or Where.HistogramPoint or Where.Buckets:
            case Where.Series when _key != Key.Other:
                throw Unlike();
        }
    }

    private void AddLabel(ref Utf8JsonReader json)
    {
        if (json.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
            throw Unlike();
        var value = json.TokenType == JsonTokenType.Null ? "" : Known(ref json, _labels.Count < _before.Length ? _before[_labels.Count].Value : "");
        _labelBytes += _label.Length + value.Length;
        if (_labels.Count == MaxLabels)
            TooLarge($"a series has more than {MaxLabels} labels");
        else if (_labelBytes > MaxLabelBytes)
            TooLarge($"the labels of its series are longer than {MaxLabelBytes >> 20} MiB together; narrow the query");
        else
            _labels.Add(new Label(_label, value));
    }

    private bool Count(int points)
    {
        _kept += points;
        if (_kept <= MaxPoints)
            return true;
        TooLarge($"the answer has more than {MaxPoints} points; let the query select fewer series, or record a rule that adds them up");
        return false;
    }

    private void TooLarge(string what) => Stopped ??= PromAnswer.Failed(Quality.Error, $"{name}: {what}") with { TooLarge = true };

    private static FormatException Unlike() => new("JSON of another form than documented");

    private static string Text(ref Utf8JsonReader json) => json.TokenType == JsonTokenType.String ? json.GetString()! : throw Unlike();

    // The series of an answer are alike: most of their texts are those of the one before.
    private static string Known(ref Utf8JsonReader json, string before) => before.Length > 0 && json.ValueTextEquals(before) ? before : json.GetString()!;

    private static long Time(double seconds) =>
        Math.Abs(seconds) < 1e13 ? (long)Math.Round(seconds * 1000) : throw new FormatException("a time beyond all calendars");

    // Numbers stand in strings, because JSON has no word for NaN and infinities.
    private static double Number(ReadOnlySpan<byte> text)
    {
        if (text.SequenceEqual("+Inf"u8))
            return double.PositiveInfinity;
        if (text.SequenceEqual("-Inf"u8))
            return double.NegativeInfinity;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : throw new FormatException("no number");
    }

    private static Key KeyOf(ref Utf8JsonReader json) =>
        json.ValueTextEquals("values"u8) ? Key.Values
        : json.ValueTextEquals("metric"u8) ? Key.Metric
        : json.ValueTextEquals("value"u8) ? Key.Value
        : json.ValueTextEquals("histograms"u8) ? Key.Histograms
        : json.ValueTextEquals("histogram"u8) ? Key.Histogram
        : json.ValueTextEquals("count"u8) ? Key.Count
        : json.ValueTextEquals("buckets"u8) ? Key.Buckets
        : json.ValueTextEquals("status"u8) ? Key.Status
        : json.ValueTextEquals("data"u8) ? Key.Data
        : json.ValueTextEquals("isPartial"u8) ? Key.Partial
        : json.ValueTextEquals("warnings"u8) ? Key.Warnings
        : json.ValueTextEquals("resultType"u8) ? Key.Type
        : json.ValueTextEquals("result"u8) ? Key.Result
        : Key.Other;
}
