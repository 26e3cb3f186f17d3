using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Commander.Judging.Evidence;

namespace Commander.Judging.Backtest;

/// <summary>Reads case files: JSON lines, strict about their shape. Every refusal names the line and the field.</summary>
public static class CaseFile
{
    /// <summary>A longer line is refused.</summary>
    public const int LongestLine = 16 * 1024 * 1024;

    /// <summary>A longer series is refused.</summary>
    public const int LongestSeries = 100_000;

    /// <summary>More metrics in one case are refused.</summary>
    public const int MostMetrics = 64;

    /// <summary>A longer text is refused.</summary>
    public const int LongestText = 1000;

    // Below it two ticks could not be told apart.
    private const double ShortestStep = 0.001;

    /// <summary>Reads all cases of a stream, one after the other; blank lines are passed over.</summary>
    /// <param name="stream">UTF-8 JSON lines.</param>
    /// <exception cref="RefusedException">A line is no case, or two have the same id.</exception>
    public static IEnumerable<Case> Read(Stream stream)
    {
        var ids = new CaseIds();
        foreach (var (number, json) in Lines(stream))
        {
            var found = Parse(json, number);
            ids.Add(found, number);
            yield return found;
        }
    }

    /// <summary>Cuts a stream into lines without reading them, so that others can parse them at once; blank ones are passed over.</summary>
    /// <param name="stream">UTF-8 JSON lines; a byte order mark before them is passed over.</param>
    /// <returns>Each line's number, from 1, and its bytes.</returns>
    /// <exception cref="RefusedException">A line is too long.</exception>
    public static IEnumerable<(int Number, byte[] Json)> Lines(Stream stream)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            var (start, end, number, done) = (0, 0, 0, false);
            while (true)
            {
                var length = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
                if (length < 0 && !done)
                {
                    if (start > 0)
                    {
                        buffer.AsSpan(start, end - start).CopyTo(buffer);
                        (start, end) = (0, end - start);
                    }
                    if (end == buffer.Length)
                    {
                        if (buffer.Length >= LongestLine)
                        {
                            throw new RefusedException($"line {number + 1}", $"is longer than {LongestLine} bytes");
                        }
                        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                        buffer.AsSpan(0, end).CopyTo(larger);
                        ArrayPool<byte>.Shared.Return(buffer);
                        buffer = larger;
                    }
                    var read = stream.Read(buffer, end, buffer.Length - end);
                    done = read == 0;
                    end += read;
                    continue;
                }
                var whole = length < 0 ? end - start : length;
                number++;
                var line = buffer.AsSpan(start, whole);
                if (number == 1 && line.StartsWith("\uFEFF"u8))
                {
                    line = line["\uFEFF"u8.Length..];
                }
                line = line.Trim(" \t\r"u8);
                var own = line.IsEmpty ? null : line.ToArray();
                start += whole + 1;
                if (own is not null)
                {
                    yield return (number, own);
                }
                if (length < 0 || (done && start >= end))
                {
                    yield break;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads one case.</summary>
    /// <param name="json">One JSON object.</param>
    /// <param name="line">Its line number, for the message.</param>
    /// <exception cref="RefusedException">It is no case.</exception>
    public static Case Parse(ReadOnlySpan<byte> json, int line)
    {
        var place = new Place(line);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 16 });
        try
        {
            reader.Read();
            var found = ReadCase(ref reader, ref place);
            // Anything after the object is no JSON.
            reader.Read();
            return found;
        }
        catch (JsonException problem)
        {
            throw place.Refuse(NoJson(json, problem));
        }
        catch (InvalidOperationException)
        {
            throw place.Refuse("is no text: it has bytes that are no UTF-8, or half of a surrogate pair");
        }
    }

    /// <summary>What is wrong with a line, without the parser's own count of lines, which begins anew at each.</summary>
    private static string NoJson(ReadOnlySpan<byte> json, JsonException problem)
    {
        if (json.IsEmpty || json[0] is not ((byte)'{' or (byte)'['))
        {
            return $"is no JSON: it begins with '{Told(Encoding.UTF8.GetString(json[..Math.Min(json.Length, 160)]), 40)}'; JSON lines are expected, one object a line, such as {{\"id\":\"a\", ...}}, and no table or list";
        }
        var end = problem.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return $"is no JSON: {(end < 0 ? problem.Message : problem.Message[..end]).TrimEnd('.')} (byte {problem.BytePositionInLine + 1} of the line)";
    }

    private static string Told(string text, int most)
    {
        var line = new string([.. text.Take(most).Select(static c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c)]);
        return text.Length <= most ? line : line + "...";
    }

    private static Case ReadCase(ref Utf8JsonReader reader, ref Place place)
    {
        Object(ref reader, place);
        string? id = null, source = null, label = null, fault = null, group = null;
        double? changeTime = null, step = null;
        bool? restarted = null;
        var below = false;
        List<Series>? series = null;
        var seen = 0u;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = Field(ref reader, ref seen, ref place, "id", "source", "change_time", "step_seconds", "restarted", "metrics", "label", "fault", "group", "meta");
            reader.Read();
            switch (field)
            {
                case "id":
                    id = Text(ref reader, place);
                    break;
                case "source":
                    source = Text(ref reader, place);
                    break;
                case "change_time":
                    changeTime = Number(ref reader, place);
                    break;
                case "step_seconds":
                    step = Number(ref reader, place);
                    if (!(step is >= ShortestStep and <= 86400))
                    {
                        throw place.Refuse("must be at least 0.001 and at most 86400");
                    }
                    break;
                case "restarted":
                    restarted = Boolean(ref reader, place);
                    break;
                case "metrics":
                    series = Metrics(ref reader, ref place);
                    break;
                case "label":
                    label = OptionalText(ref reader, place);
                    if (label is not (null or "BAD" or "GOOD"))
                    {
                        throw place.Refuse("must be BAD or GOOD, or left out");
                    }
                    break;
                case "fault":
                    fault = OptionalText(ref reader, place);
                    break;
                case "group":
                    group = OptionalText(ref reader, place);
                    break;
                default:
                    below = Meta(ref reader, place);
                    break;
            }
            place.Field = null;
        }
        return new Case(
            id ?? throw place.Missing("id"),
            source ?? throw place.Missing("source"),
            new Recording(
                changeTime ?? throw place.Missing("change_time"),
                step ?? throw place.Missing("step_seconds"),
                restarted ?? throw place.Missing("restarted"),
                series ?? throw place.Missing("metrics")),
            label,
            fault,
            group,
            below);
    }

    private static List<Series> Metrics(ref Utf8JsonReader reader, ref Place place)
    {
        Object(ref reader, place);
        var found = new List<Series>(8);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            place.Field = "metrics." + (name.Length <= 200 ? name : Told(name, 100));
            if (name.Length is 0 or > 200)
            {
                throw place.Refuse("has a name that is empty or longer than 200 characters");
            }
            if (found.Count == MostMetrics)
            {
                throw place.Refuse($"is one metric more than {MostMetrics}");
            }
            foreach (var other in found)
            {
                if (other.Name == name)
                {
                    throw place.Refuse("stands there twice");
                }
            }
            reader.Read();
            found.Add(Metric(ref reader, ref place, name));
        }
        place.Field = "metrics";
        Shares(found, place);
        return found.Count > 0 ? found : throw place.Refuse("has no metric");
    }

    /// <summary>Errors are some of the requests: where both are counted, they belong together point by point.</summary>
    private static void Shares(List<Series> found, Place place)
    {
        static bool Counted(Series series, string name) => series.Name == name && IsCount(series.Kind, series.Unit);
        var errors = found.Find(static series => Counted(series, "errors"));
        var requests = found.Find(static series => Counted(series, "requests"));
        if (errors is null || requests is null)
        {
            return;
        }
        foreach (var (word, bad, all) in (ReadOnlySpan<(string, double[]?, double[]?)>)
        [
            ("baseline", errors.Baseline, requests.Baseline),
            ("candidate", errors.Candidate, requests.Candidate),
            ("control", errors.Control, requests.Control),
            ("seasonal", errors.Seasonal, requests.Seasonal),
            ("seasonal_week", errors.SeasonalWeek, requests.SeasonalWeek),
        ])
        {
            if (bad is null || all is null)
            {
                continue;
            }
            place.Field = "metrics.errors." + word;
            if (bad.Length != all.Length)
            {
                throw place.Refuse($"has {bad.Length} points, and requests has {all.Length}; give both for the same steps, null where there is no sample");
            }
            for (var at = 0; at < bad.Length; at++)
            {
                if (bad[at] > all[at])
                {
                    throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"has {bad[at]} errors of {all[at]} requests at point {at + 1}; count errors among the requests of the same step, or null for a step that was not counted"));
                }
            }
        }
    }

    private static bool IsCount(MetricKind? kind, string unit) => (kind ?? (unit == "count" ? MetricKind.Count : MetricKind.Gauge)) == MetricKind.Count;

    private static Series Metric(ref Utf8JsonReader reader, ref Place place, string name)
    {
        Object(ref reader, place);
        var own = "metrics." + name;
        string? unit = null;
        MetricKind? kind = null;
        Family? family = null;
        Direction? direction = null;
        double[]? baseline = null, candidate = null, control = null, seasonal = null, week = null;
        var seen = 0u;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            place.Field = own;
            var field = Field(ref reader, ref seen, ref place, "unit", "kind", "family", "baseline", "candidate", "control", "seasonal", "seasonal_week", "direction");
            place.Field = own + "." + field;
            reader.Read();
            switch (field)
            {
                case "unit":
                    unit = Text(ref reader, place);
                    break;
                case "kind":
                    if (!Words.TryKind(OptionalText(ref reader, place) ?? "", out var readKind) || readKind is not (MetricKind.Gauge or MetricKind.Count))
                    {
                        throw place.Refuse("must be gauge or count: a case has one number per point (give a ratio as the counts requests and errors)");
                    }
                    kind = readKind;
                    break;
                case "family":
                    if (!Words.TryFamily(Text(ref reader, place), out var readFamily))
                    {
                        throw place.Refuse("must be error, latency, cpu, memory, traffic, downstream, service or kpi");
                    }
                    family = readFamily;
                    break;
                case "direction":
                    direction = Text(ref reader, place) switch
                    {
                        "up" => Direction.Up,
                        "down" => Direction.Down,
                        "either" => Direction.Either,
                        _ => throw place.Refuse("must be up, down or either"),
                    };
                    break;
                case "baseline":
                    baseline = Numbers(ref reader, place);
                    break;
                case "candidate":
                    candidate = Numbers(ref reader, place);
                    break;
                case "control":
                    control = OptionalNumbers(ref reader, place);
                    break;
                case "seasonal":
                    seasonal = OptionalNumbers(ref reader, place);
                    break;
                default:
                    week = OptionalNumbers(ref reader, place);
                    break;
            }
        }
        place.Field = own;
        if (unit is null)
        {
            throw place.Missing(own + ".unit");
        }
        if (baseline is null)
        {
            throw place.Missing(own + ".baseline");
        }
        if (candidate is null)
        {
            throw place.Missing(own + ".candidate");
        }
        if (candidate.Length == 0)
        {
            throw place.Refuse("has no point in candidate");
        }
        if (control is not null && control.Length != candidate.Length)
        {
            throw place.Refuse($"has {control.Length} points in control and {candidate.Length} in candidate; give both for the same steps, null where there is no sample");
        }
        foreach (var (word, values) in (ReadOnlySpan<(string, double[]?)>)[("baseline", baseline), ("candidate", candidate), ("control", control), ("seasonal", seasonal), ("seasonal_week", week)])
        {
            if (IsCount(kind, unit) && Array.FindIndex(values ?? [], static value => value < 0) is >= 0 and var at)
            {
                place.Field = own + "." + word;
                throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"has {values![at]} at point {at + 1}, and a count is 0 or more; write null where there is no sample, or kind gauge for what may be below 0"));
            }
        }
        foreach (var (word, values) in (ReadOnlySpan<(string, double[]?)>)[("seasonal", seasonal), ("seasonal_week", week)])
        {
            if (values is not null && values.Length != baseline.Length + candidate.Length)
            {
                throw place.Refuse($"has {values.Length} points in {word}; it must cover baseline and candidate: {baseline.Length} + {candidate.Length}");
            }
        }
        return new Series(name, unit, kind, family, direction, baseline, candidate, control, seasonal, week);
    }

    private static double[]? OptionalNumbers(ref Utf8JsonReader reader, in Place place) =>
        reader.TokenType == JsonTokenType.Null ? null : Numbers(ref reader, place);

    private static double[] Numbers(ref Utf8JsonReader reader, in Place place)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw place.Refuse("must be an array of numbers and nulls");
        }
        var values = ArrayPool<double>.Shared.Rent(256);
        try
        {
            var count = 0;
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (count == LongestSeries)
                {
                    throw place.Refuse($"has more than {LongestSeries} points");
                }
                if (count == values.Length)
                {
                    var larger = ArrayPool<double>.Shared.Rent(count * 2);
                    values.AsSpan(0, count).CopyTo(larger);
                    ArrayPool<double>.Shared.Return(values);
                    values = larger;
                }
                values[count++] = reader.TokenType switch
                {
                    JsonTokenType.Number => Number(ref reader, place),
                    JsonTokenType.Null => double.NaN,
                    _ => throw place.Refuse($"must hold numbers and nulls, but point {count} is neither"),
                };
            }
            return values.AsSpan(0, count).ToArray();
        }
        finally
        {
            ArrayPool<double>.Shared.Return(values);
        }
    }

    private static bool Meta(ref Utf8JsonReader reader, in Place place)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return false;
        }
        Object(ref reader, place);
        var below = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var own = reader.ValueTextEquals("below_tolerance"u8);
            reader.Read();
            if (own)
            {
                below = Boolean(ref reader, place);
            }
            else
            {
                reader.Skip();
            }
        }
        return below;
    }

    private static string Field(ref Utf8JsonReader reader, ref uint seen, ref Place place, params ReadOnlySpan<string> known)
    {
        var outer = place.Field is { } own && own.StartsWith("metrics.", StringComparison.Ordinal) ? own + "." : "";
        for (var at = 0; at < known.Length; at++)
        {
            if (!reader.ValueTextEquals(known[at]))
            {
                continue;
            }
            if ((seen & (1u << at)) != 0)
            {
                place.Field = outer + known[at];
                throw place.Refuse("stands there twice");
            }
            place.Field = known[at];
            seen |= 1u << at;
            return known[at];
        }
        var name = reader.GetString()!;
        place.Field = outer + name[..Math.Min(name.Length, 100)];
        throw place.Refuse($"is no field of a case; known are {string.Join(", ", known.ToArray())}");
    }

    private static void Object(ref Utf8JsonReader reader, in Place place)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw place.Refuse("must be an object");
        }
    }

    private static string Text(ref Utf8JsonReader reader, in Place place) =>
        OptionalText(ref reader, place) ?? throw place.Refuse("must be a text");

    private static string? OptionalText(ref Utf8JsonReader reader, in Place place)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return null;
        }
        if (reader.TokenType != JsonTokenType.String)
        {
            throw place.Refuse("must be a text");
        }
        var text = reader.GetString()!;
        return text.Length <= LongestText ? text : throw place.Refuse($"is longer than {LongestText} characters");
    }

    private static bool Boolean(ref Utf8JsonReader reader, in Place place) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw place.Refuse("must be true or false"),
    };

    private static double Number(ref Utf8JsonReader reader, in Place place) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var value) && double.IsFinite(value)
            ? value
            : throw place.Refuse("must be a finite number");

    private struct Place(int line)
    {
        public string? Field;

        public readonly RefusedException Refuse(string problem) => new(Field is null ? $"line {line}" : $"line {line}, {Field}", problem);

        public readonly RefusedException Missing(string field) => new($"line {line}, {field}", "is missing");
    }
}
