using System.Globalization;
using System.Text;

namespace Commander.Server.Sources.Scrape;

/// <summary>One sample that somebody wants.</summary>
/// <param name="Name">The metric's name.</param>
/// <param name="Labels">Sorted by name.</param>
/// <param name="Value">The value.</param>
/// <param name="At">The sample's own time, Unix milliseconds; null where it carries none.</param>
internal readonly record struct Sample(string Name, Label[] Labels, double Value, long? At);

/// <summary>What a page has of metrics, wanted or not: what a selector that selects nothing is explained with.</summary>
/// <param name="names">The metrics' names, as many and as long as <see cref="MaxNames"/> and <see cref="MaxName"/> let.</param>
/// <param name="labels">Per wanted metric that is there, the names of its series' labels; not more than <see cref="MaxLabels"/> each.</param>
internal sealed class PageIndex(HashSet<string> names, Dictionary<string, HashSet<string>> labels)
{
    public const int MaxNames = 2_000;
    // No longer one is near to any other.
    public const int MaxName = 64;
    public const int MaxLabels = 64;

    /// <summary>The names of the metrics.</summary>
    public IReadOnlyCollection<string> Names => names;

    /// <summary>The label names of a wanted metric; null where the page does not have it.</summary>
    public IReadOnlyCollection<string>? Labels(string metric) => labels.GetValueOrDefault(metric);

    /// <summary>Those of the wanted metrics that are there.</summary>
    public IEnumerable<string> Wanted => labels.Keys;
}

/// <summary>
/// Reads a text exposition (Prometheus 0.0.4 or OpenMetrics 1.0) as it arrives. It goes through every line, so that nonsense is
/// noticed, and keeps only the samples that are wanted. It needs memory for one line and for those samples, whatever arrives.
/// </summary>
/// <param name="wanted">Which series are kept.</param>
/// <param name="openMetrics">Whether times are seconds and the text must end with # EOF.</param>
internal sealed class Exposition(Selector[] wanted, bool openMetrics)
{
    private const int MaxLine = 64 * 1024;
    private const int MaxSamples = 20_000;

    private readonly byte[] _rest = new byte[MaxLine];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _labels = new(StringComparer.Ordinal);
    private byte[] _lastName = [];
    private int _restLength;
    private bool _tooLong;
    private bool _ended;
    private int _line;

    public List<Sample> Samples { get; } = [];

    /// <summary>What the lines so far were about.</summary>
    public PageIndex Index => new(_names, _labels);

    /// <summary>How many lines were samples, wanted or not.</summary>
    public int Good { get; private set; }

    /// <summary>How many lines were neither samples nor comments.</summary>
    public int Bad { get; private set; }

    /// <summary>What is wrong with the first bad line, with its number.</summary>
    public string? FirstBad { get; private set; }

    /// <summary>Takes the next bytes.</summary>
    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            if (end < 0)
            {
                Keep(bytes);
                return;
            }
            if (_restLength == 0 && !_tooLong)
            {
                Line(bytes[..end]);
            }
            else
            {
                Keep(bytes[..end]);
                EndKept();
            }
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Nothing more comes.</summary>
    public void Finish()
    {
        if (_restLength > 0 || _tooLong)
        {
            EndKept();
        }
        if (openMetrics && !_ended)
        {
            _line++;
            Wrong("the text ends without # EOF, so something may be missing");
        }
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (_tooLong || _restLength + part.Length > MaxLine)
        {
            _tooLong = true;
            return;
        }
        part.CopyTo(_rest.AsSpan(_restLength));
        _restLength += part.Length;
    }

    private void EndKept()
    {
        if (_tooLong)
        {
            _line++;
            Wrong($"longer than {MaxLine / 1024} KiB");
        }
        else
        {
            Line(_rest.AsSpan(0, _restLength));
        }
        _restLength = 0;
        _tooLong = false;
    }

    private void Line(ReadOnlySpan<byte> line)
    {
        _line++;
        line = Trim(line);
        if (line.IsEmpty)
        {
            return;
        }
        if (line[0] == '#')
        {
            _ended |= line.SequenceEqual("# EOF"u8);
            return;
        }
        if (Read(line) is { } wrong)
        {
            Wrong(wrong);
        }
        else
        {
            Good++;
        }
    }

    private void Wrong(string what)
    {
        Bad++;
        FirstBad ??= $"line {_line}: {what}";
    }

    /// <summary>Reads one sample; answers what is wrong with it, or null.</summary>
    private string? Read(ReadOnlySpan<byte> line)
    {
        var at = 0;
        while (at < line.Length && (IsName(line[at]) || line[at] == ':' || (at > 0 && char.IsAsciiDigit((char)line[at]))))
        {
            at++;
        }
        if (at == 0)
        {
            return $"a metric's name was expected, not \"{Shown(line)}\"";
        }
        var name = line[..at];
        SkipSpace(line, ref at);
        var labels = ReadOnlySpan<byte>.Empty;
        var count = 0;
        if (at < line.Length && line[at] == '{')
        {
            var start = ++at;
            if (PassLabels(line, ref at, ref count) is { } wrong)
            {
                return wrong;
            }
            labels = line[start..at];
        }
        else if (at == name.Length)
        {
            return $"a value was expected after \"{Shown(name)}\"";
        }
        SkipSpace(line, ref at);
        if (!Number(Field(line, ref at), out var value))
        {
            return $"the value of {Shown(name)} is no number";
        }
        SkipSpace(line, ref at);
        long? time = null;
        if (at < line.Length && line[at] != '#')
        {
            if (!Number(Field(line, ref at), out var when) || !double.IsFinite(when) || Math.Abs(when) > 1e16)
            {
                return $"the time of {Shown(name)} is no number";
            }
            time = (long)(openMetrics ? when * 1000 : when);
            SkipSpace(line, ref at);
        }
        // What may follow is an exemplar.
        if (at < line.Length && line[at] != '#')
        {
            return $"nothing was expected after the value of {Shown(name)}";
        }
        return Take(name, labels, count, value, time);
    }

    private string? Take(ReadOnlySpan<byte> name, ReadOnlySpan<byte> labels, int count, double value, long? time)
    {
        // The series of one metric stand together.
        if (!name.SequenceEqual(_lastName))
        {
            _lastName = name.ToArray();
            if (_names.Count < PageIndex.MaxNames && name.Length <= PageIndex.MaxName)
            {
                _names.Add(Encoding.UTF8.GetString(name));
            }
        }
        Label[]? read = null;
        foreach (var selector in wanted)
        {
            if (!name.SequenceEqual(selector.NameBytes))
            {
                continue;
            }
            if (read is null)
            {
                read = ReadLabels(labels, count);
                Note(selector.Name, read);
            }
            if (selector.Selects(read))
            {
                if (Samples.Count == MaxSamples)
                {
                    return $"more than {MaxSamples} series are asked for: narrow the selectors";
                }
                Samples.Add(new Sample(selector.Name, read, value, time));
                return null;
            }
        }
        return null;
    }

    private void Note(string name, Label[] labels)
    {
        if (!_labels.TryGetValue(name, out var known))
        {
            _labels.Add(name, known = new HashSet<string>(StringComparer.Ordinal));
        }
        foreach (var label in labels)
        {
            // Of an empty value is as good as not there.
            if (label.Value.Length > 0 && known.Count < PageIndex.MaxLabels)
            {
                known.Add(label.Name);
            }
        }
    }

    /// <summary>Goes over the labels up to their closing brace and leaves <paramref name="at"/> on it plus one.</summary>
    private static string? PassLabels(ReadOnlySpan<byte> line, ref int at, ref int count)
    {
        while (true)
        {
            SkipSpace(line, ref at);
            if (at < line.Length && line[at] == '}')
            {
                at++;
                return null;
            }
            var start = at;
            while (at < line.Length && (IsName(line[at]) || (at > start && char.IsAsciiDigit((char)line[at]))))
            {
                at++;
            }
            if (at == start)
            {
                return "a label's name or } was expected";
            }
            SkipSpace(line, ref at);
            if (at >= line.Length || line[at] != '=')
            {
                return "= was expected after a label's name";
            }
            at++;
            SkipSpace(line, ref at);
            if (at >= line.Length || line[at] != '"')
            {
                return "a label's value in double quotes was expected";
            }
            at++;
            while (at < line.Length && line[at] != '"')
            {
                at += line[at] == '\\' ? 2 : 1;
            }
            if (at >= line.Length)
            {
                return "a label's value has no closing quote";
            }
            at++;
            count++;
            SkipSpace(line, ref at);
            if (at < line.Length && line[at] == ',')
            {
                at++;
            }
            else if (at >= line.Length || line[at] != '}')
            {
                return ", or } was expected after a label";
            }
        }
    }

    /// <summary>The labels as texts; <see cref="PassLabels"/> has found them sound.</summary>
    private static Label[] ReadLabels(ReadOnlySpan<byte> labels, int count)
    {
        var read = new Label[count];
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            SkipSpace(labels, ref at);
            var start = at;
            while (IsName(labels[at]) || char.IsAsciiDigit((char)labels[at]))
            {
                at++;
            }
            var name = Encoding.UTF8.GetString(labels[start..at]);
            at += labels[at..].IndexOf((byte)'"') + 1;
            start = at;
            var escaped = false;
            while (labels[at] != '"')
            {
                escaped |= labels[at] == '\\';
                at += labels[at] == '\\' ? 2 : 1;
            }
            var value = Encoding.UTF8.GetString(labels[start..at]);
            read[i] = new Label(name, escaped ? Unescape(value) : value);
            at++;
            SkipSpace(labels, ref at);
            if (at < labels.Length && labels[at] == ',')
            {
                at++;
            }
        }
        // The order of labels means nothing, and exporters are free to change it.
        Array.Sort(read, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return read;
    }

    private static string Unescape(string value)
    {
        var read = new StringBuilder(value.Length);
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '\\' || i + 1 == value.Length)
            {
                read.Append(value[i]);
                continue;
            }
            i++;
            _ = value[i] switch
            {
                'n' => read.Append('\n'),
                '"' or '\\' => read.Append(value[i]),
                var other => read.Append('\\').Append(other),
            };
        }
        return read.ToString();
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> line, ref int at)
    {
        var start = at;
        while (at < line.Length && line[at] is not ((byte)' ' or (byte)'\t'))
        {
            at++;
        }
        return line[start..at];
    }

    private static bool Number(ReadOnlySpan<byte> text, out double number)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number))
        {
            return true;
        }
        var negative = text.Length > 0 && text[0] == '-';
        var bare = text.Length > 0 && text[0] is (byte)'-' or (byte)'+' ? text[1..] : text;
        number = negative ? double.NegativeInfinity : double.PositiveInfinity;
        return Ascii.EqualsIgnoreCase(bare, "inf"u8);
    }

    private static bool IsName(byte value) => char.IsAsciiLetter((char)value) || value == '_';

    private static void SkipSpace(ReadOnlySpan<byte> line, ref int at)
    {
        while (at < line.Length && line[at] is (byte)' ' or (byte)'\t')
        {
            at++;
        }
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line) => line.Trim(" \t\r"u8);

    /// <summary>At most 40 characters of foreign text, fit for a message.</summary>
    private static string Shown(ReadOnlySpan<byte> text)
    {
        var shown = new StringBuilder(44);
        foreach (var value in text[..Math.Min(text.Length, 40)])
        {
            shown.Append(value is >= 0x20 and < 0x7f and not (byte)'"' ? (char)value : '?');
        }
        return text.Length > 40 ? shown.Append("...").ToString() : shown.ToString();
    }
}
