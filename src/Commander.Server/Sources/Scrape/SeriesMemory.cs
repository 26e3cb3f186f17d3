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
/// The recent points of the series of one target that somebody wants: those that watches ask for, and, while there is room, those that a
/// policy may ask for once. Not safe for several threads: its owner locks.
/// </summary>
internal sealed class SeriesMemory
{
    public const int MaxSeries = 4_000;
    // What nobody has asked for yet takes no more than half of it.
    private const int MaxForeseen = MaxSeries / 2;
    private const int MaxWanted = 512;
    private const int MaxRead = 512;
    private static readonly TimeSpan Forget = TimeSpan.FromHours(1);

    // A watch asks for its series at each of its ticks, which are ten minutes apart at most.
    private static readonly TimeSpan Unwanted = TimeSpan.FromMinutes(11);

    private readonly Dictionary<string, List<Series>> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Series> _byKey = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (Series[] Found, int Version)> _read = new(StringComparer.Ordinal);
    private readonly List<Wish> _foreseen = [];
    // What was asked for last stands last.
    private readonly List<Wish> _asked = [];
    private int _version;

    private sealed class Wish(Selector selector)
    {
        public Selector Selector { get; } = selector;

        /// <summary>When it was asked for last.</summary>
        public long Asked { get; set; }

        /// <summary>The newest scrape without a flaw that looked for it.</summary>
        public long? Looked { get; set; }

        /// <summary>Whether the newest scrape had no room for some of it.</summary>
        public bool LeftOut { get; set; }

        public bool Selects(string name, Label[] labels) => Selector.Name == name && Selector.Selects(labels);
    }

    /// <summary>Changes whenever something new is wanted: a scrape that began before does not have it.</summary>
    public int Wishes { get; private set; }

    /// <summary>Whether the newest scrape had more series that are asked for than are remembered.</summary>
    public bool Full { get; private set; }

    /// <summary>What a scrape must look for.</summary>
    public Selector[] Wanted() => [.. _foreseen.Concat(_asked.Where(wish => !Foreseen(wish.Selector))).Select(wish => wish.Selector)];

    private bool Foreseen(Selector selector) => _foreseen.Exists(wish => wish.Selector.Covers(selector));

    /// <summary>From now on every scrape keeps what the selector selects, while there is room.</summary>
    public void Foresee(Selector selector)
    {
        if (_foreseen.Count == MaxWanted || Foreseen(selector))
        {
            return;
        }
        _foreseen.Add(new Wish(selector));
        Wishes++;
    }

    /// <summary>Somebody asks for it now: from now on every scrape keeps what the selector selects.</summary>
    /// <param name="selector">What it asks for.</param>
    /// <param name="now">The instant, Unix milliseconds.</param>
    public void Want(Selector selector, long now)
    {
        var at = _asked.FindIndex(wish => wish.Selector.Covers(selector));
        var wish = at >= 0 ? _asked[at] : new Wish(selector);
        wish.Asked = now;
        if (at >= 0)
        {
            _asked.RemoveAt(at);
        }
        else
        {
            if (_asked.Count == MaxWanted)
            {
                _asked.RemoveAt(0);
            }
            // What was foreseen is looked for already; where it found no room, the next scrape makes it.
            Wishes += _foreseen.Exists(known => known.Selector.Covers(selector) && !known.LeftOut) ? 0 : 1;
        }
        _asked.Add(wish);
    }

    /// <summary>Takes what a scrape found.</summary>
    /// <param name="looked">What the scrape looked for.</param>
    /// <param name="samples">What it found.</param>
    /// <param name="at">Its instant, Unix milliseconds, later than that of every one before.</param>
    /// <param name="flawless">Whether every line was read: only then is a series that is missing not there.</param>
    /// <returns>How many samples were there twice; the first counts.</returns>
    public int Take(Selector[] looked, List<Sample> samples, long at, bool flawless)
    {
        var (twice, noRoom, foreseenOut) = (0, false, false);
        foreach (var sample in samples)
        {
            var key = Key(sample);
            if (!_byKey.TryGetValue(key, out var series))
            {
                var foreseen = _byKey.Count >= MaxForeseen && !_asked.Exists(wish => wish.Selects(sample.Name, sample.Labels));
                if (foreseen || (_byKey.Count >= MaxSeries && (noRoom || !Shrink(at))))
                {
                    foreseenOut |= foreseen;
                    noRoom |= !foreseen;
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
        Full = noRoom;
        foreach (var wish in _foreseen)
        {
            Look(wish, foreseenOut || noRoom);
        }
        foreach (var wish in _asked)
        {
            Look(wish, noRoom);
        }
        return twice;

        void Look(Wish wish, bool leftOut)
        {
            wish.LeftOut = leftOut;
            if (leftOut)
            {
                // What is new later need not be new there.
                wish.Looked = null;
            }
            else if (flawless && Array.Exists(looked, selector => selector.Covers(wish.Selector)))
            {
                wish.Looked = at;
            }
        }
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
        long? latest = null;
        foreach (var wish in _foreseen.Concat(_asked))
        {
            if (wish.Looked > (latest ?? long.MinValue) && wish.Selects(sample.Name, sample.Labels))
            {
                latest = wish.Looked;
            }
        }
        return latest;
    }

    // First what has not been there for long, then what nobody asks for any more: deployments end.
    private bool Shrink(long at)
    {
        if (Drop(series => series.Last.At < at - (long)Forget.TotalMilliseconds))
        {
            return true;
        }
        _asked.RemoveAll(wish => wish.Asked < at - (long)Unwanted.TotalMilliseconds);
        return Drop(series => !_asked.Exists(wish => wish.Selects(series.Name, series.Labels)));
    }

    private bool Drop(Func<Series, bool> gone)
    {
        var dropped = _byKey.Where(pair => gone(pair.Value)).ToArray();
        foreach (var (key, series) in dropped)
        {
            _byKey.Remove(key);
            _byName[series.Name].Remove(series);
        }
        _version++;
        if (dropped.Length > 0)
        {
            // What comes back is not new: nobody has seen it missing.
            foreach (var wish in _foreseen.Concat(_asked))
            {
                wish.Looked = null;
            }
        }
        return dropped.Length > 0;
    }

    private static string Key(in Sample sample) =>
        sample.Labels.Length == 0
            ? sample.Name
            : string.Concat(sample.Name, "\u0001", string.Join('\u0001', sample.Labels.Select(label => label.Name + "\u0002" + label.Value)));
}
