using Commander.Judging.Evidence;

namespace Commander.Server.Sources.Scrape;

/// <summary>One series with its recent points.</summary>
internal sealed class Series(string name, Label[] labels, long? bornAfter)
{
    /// <summary>At least so many points are remembered.</summary>
    public const int Points = 240;

    private CounterPoint[] _points = new CounterPoint[8];
    private int _count;

    public string Name { get; } = name;

    public Label[] Labels { get; } = labels;

    /// <summary>When it was looked for last and not there yet; null when nobody had looked, or when its first points are forgotten.</summary>
    public long? BornAfter { get; private set; } = bornAfter;

    /// <summary>The newest sample's own time; null where it carries none.</summary>
    public long? OwnTime { get; private set; }

    public ReadOnlySpan<CounterPoint> Recent => _points.AsSpan(Math.Max(0, _count - Points)..).Slice(0, Math.Min(_count, Points));

    public CounterPoint Last => _points[_count - 1];

    public void Add(long at, double value, long? ownTime)
    {
        if (_count == _points.Length)
        {
            if (_count >= 2 * Points)
            {
                _points.AsSpan(_count - Points).CopyTo(_points);
                _count = Points;
            }
            else
            {
                Array.Resize(ref _points, Math.Min(_points.Length * 2, 2 * Points));
            }
        }
        _points[_count++] = new CounterPoint(at, value);
        OwnTime = ownTime;
        if (_count > Points)
        {
            BornAfter = null;
        }
    }
}

/// <summary>
/// The recent points of the series of one target that somebody wants. Not safe for several threads: its owner locks.
/// </summary>
internal sealed class SeriesMemory
{
    public const int MaxSeries = 4_000;
    private const int MaxWanted = 256;
    private const int MaxRead = 512;
    private static readonly TimeSpan Forget = TimeSpan.FromHours(1);

    private readonly Dictionary<string, List<Series>> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Series> _byKey = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (Series[] Found, int Version)> _read = new(StringComparer.Ordinal);
    private readonly List<Wish> _wanted = [];
    private int _version;

    private sealed class Wish(Selector selector)
    {
        public Selector Selector { get; } = selector;

        /// <summary>The newest scrape without a flaw that looked for it.</summary>
        public long? Looked { get; set; }
    }

    /// <summary>Changes whenever something new is wanted: a scrape that began before does not have it.</summary>
    public int Wishes { get; private set; }

    /// <summary>Whether there were more series than are remembered.</summary>
    public bool Full { get; private set; }

    public Selector[] Wanted() => [.. _wanted.Select(wish => wish.Selector)];

    /// <summary>From now on every scrape keeps what the selector selects.</summary>
    public void Want(Selector selector)
    {
        if (_wanted.Exists(wish => wish.Selector.Covers(selector)))
        {
            return;
        }
        if (_wanted.Count == MaxWanted)
        {
            _wanted.RemoveAt(0);
        }
        _wanted.Add(new Wish(selector));
        Wishes++;
    }

    /// <summary>Takes what a scrape found.</summary>
    /// <param name="looked">What the scrape looked for.</param>
    /// <param name="samples">What it found.</param>
    /// <param name="at">Its instant, Unix milliseconds, later than that of every one before.</param>
    /// <param name="flawless">Whether every line was read: only then is a series that is missing not there.</param>
    /// <returns>How many samples were there twice; the first counts.</returns>
    public int Take(Selector[] looked, List<Sample> samples, long at, bool flawless)
    {
        var twice = 0;
        foreach (var sample in samples)
        {
            var key = Key(sample);
            if (!_byKey.TryGetValue(key, out var series))
            {
                if (_byKey.Count >= MaxSeries && !Shrink(at))
                {
                    Full = true;
                    continue;
                }
                series = new Series(sample.Name, sample.Labels, BornAfter(sample));
                _byKey.Add(key, series);
                if (!_byName.TryGetValue(sample.Name, out var same))
                {
                    _byName.Add(sample.Name, same = []);
                }
                same.Add(series);
                _version++;
            }
            else if (series.Last.At == at)
            {
                twice++;
                continue;
            }
            series.Add(at, sample.Value, sample.At);
        }
        if (flawless)
        {
            foreach (var wish in _wanted)
            {
                if (Array.IndexOf(looked, wish.Selector) >= 0)
                {
                    wish.Looked = at;
                }
            }
        }
        return twice;
    }

    /// <summary>The series that a selector selects, by its text.</summary>
    public Series[] Find(string text, Selector selector)
    {
        if (_read.TryGetValue(text, out var known) && known.Version == _version)
        {
            return known.Found;
        }
        if (_read.Count >= MaxRead)
        {
            _read.Clear();
        }
        Series[] found = _byName.TryGetValue(selector.Name, out var same) ? [.. same.Where(series => selector.Selects(series.Labels))] : [];
        _read[text] = (found, _version);
        return found;
    }

    private long? BornAfter(in Sample sample)
    {
        // Where series had to be left out, one that is new here need not be new there.
        if (Full)
        {
            return null;
        }
        long? latest = null;
        foreach (var wish in _wanted)
        {
            if (wish.Looked > (latest ?? long.MinValue) && wish.Selector.Name == sample.Name && wish.Selector.Selects(sample.Labels))
            {
                latest = wish.Looked;
            }
        }
        return latest;
    }

    private bool Shrink(long at)
    {
        var oldest = at - (long)Forget.TotalMilliseconds;
        var gone = _byKey.Where(pair => pair.Value.Last.At < oldest).ToArray();
        foreach (var (key, series) in gone)
        {
            _byKey.Remove(key);
            _byName[series.Name].Remove(series);
        }
        _version++;
        return gone.Length > 0;
    }

    private static string Key(in Sample sample) =>
        sample.Labels.Length == 0
            ? sample.Name
            : string.Concat(sample.Name, "\u0001", string.Join('\u0001', sample.Labels.Select(label => label.Name + "\u0002" + label.Value)));
}
