using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Statistics;

namespace Commander.Judging.Verdicts;

/// <summary>
/// Everything the judge remembers of a watch: a plain value without references, at most 16 KB, so that a snapshot is a copy and equality is a comparison of memory.
/// Made by <see cref="Judge.Start"/>, changed by <see cref="Judge.Next"/> only.
/// </summary>
public struct WatchState
{
    /// <summary>The newest tick that was folded in; 0 before the first.</summary>
    public int LastTick;

    internal byte Restarted;
    // 1: a person decided, nothing changes it.
    internal byte Person;
    // 1: the rollback has grounds that no opinion may hold up: a guard, a count test, silence.
    internal byte Firm;
    // 1: an opinion came; 2: none came.
    internal byte Asked;
    internal byte Grounded;
    internal byte Alarm;
    internal byte Guard;
    internal byte Mild;
    internal byte GreyZone;
    internal byte Recovered;
    // Whether requests still reach the bad version after the rollback: 0 none in the newest tick, 1 some, 2 so many that they are told.
    internal byte Reaching;
    internal Subject Subject;
    internal Decision Decision;
    // The opinion's decision; and the worst score then, in hundredths: it speaks for that evidence, not for what became much worse since.
    internal byte Opinion;
    internal byte HeardScore;
    // 1: the decision is the opinion's own choice, by the authority "decide".
    internal short Chosen;
    // Bit i: the opinion cites metric i.
    internal uint Cited;
    internal int Misses;
    // Ticks with no number of any arm, in a row, and what stood there instead.
    internal int Blind;
    internal Quality BlindQuality;
    internal int CandidateTicks;
    // How many steps before the start the newest tick of the past ended, plus 1; 0 before the first.
    internal uint Past;
    // The tick in which the rollback was verified, and bit i when metric i's query names the version.
    internal int RestoredTick;
    internal uint Apart;
    // How many requests the bad version got after it, in how many ticks and seconds in a row.
    internal int ReachedTicks;
    // The tick of the first CONTINUE, from which on the slow layer looks; 0 before it.
    internal int CarriedOn;
    internal double Reached;
    internal double ReachedSeconds;
    internal double PBad;
    internal double Silence;
    // Requests so far, and of the present silence -ln of the chance of it.
    internal double CandidateRequests;
    internal double ControlRequests;
    // How long the present silence has lasted.
    internal double SilentSeconds;
    internal double Missed;
    internal MetricStates Metrics;

    /// <summary>The state as its bytes.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(new ReadOnlySpan<WatchState>(in this));

    /// <summary>Whether two states are the same bit by bit.</summary>
    public static bool Same(in WatchState one, in WatchState other) => one.Bytes.SequenceEqual(other.Bytes);
}

[InlineArray(Policy.MaxMetrics)]
internal struct MetricStates
{
    private MetricState _first;
}

/// <summary>One metric's memory: what all kinds have, then what a count test or a level needs, in the same place.</summary>
[StructLayout(LayoutKind.Explicit)]
internal struct MetricState
{
    [FieldOffset(0)]
    public MetricHead Head;
    [FieldOffset(MetricHead.Size)]
    public CountState Count;
    [FieldOffset(MetricHead.Size)]
    public LevelState Level;
}

[StructLayout(LayoutKind.Sequential, Size = Size)]
internal struct MetricHead
{
    public const int Size = 88;

    public ReferenceKind Reference;
    // 1: the slow layer found something; what it was stays as it was then.
    public byte Slow;
    // The look after which its window began, and the one that found it.
    public byte SlowFrom;
    public byte SlowLook;
    public short ReferenceChanges;
    // Ticks in a row with a candidate but no control, as far as they matter.
    public short ControlSilent;
    // -ln of the chance that the control is silent for so long when it merely has few requests.
    public float ControlMissed;
    // Ticks that gave the candidate's number, and those of them that were compared.
    public int Seen;
    public int Judged;
    public Quality Quality;
    // 1: the newest value stood inside the warm-up.
    public byte Warming;
    // Whether the estimated difference is beyond the tolerance.
    public byte Beyond;
    // Ticks in a row whose own difference was beyond the tolerance, up to 2.
    public byte Run;
    // 1: back at the reference, 2: clearly worse, 0: not known.
    public byte Recovered;
    // How often a test whose level is spent over its looks has looked.
    public int Looks;
    public int RecoveryTicks;
    public int BadEdges;
    public double Score;
    // The candidate's last value: gauge and count as they came, histogram its p95.
    public double Last;
    // Ratio: bad and total of the last few ticks, older ones fading.
    public float RecentBad;
    public float RecentTotal;
    public float RecoveryBad;
    public float RecoveryTotal;
    public double LogE;
    public double Dispersion;
}

/// <summary>With what a metric is compared.</summary>
internal enum ReferenceKind : byte
{
    None = 0,
    Control,
    Before,
    Seasonal,
    Objective,
}

/// <summary>A ratio, or the slow requests of a histogram.</summary>
internal struct CountState
{
    public Dispersion Candidate;
    public Dispersion Before;
    public Dispersion Control;
    public Trend Trend;
    public float SeasonBad;
    public float SeasonTotal;
    public float SeasonBeforeBad;
    public float SeasonBeforeTotal;
    public Window Window;
    public Wandering Wandering;
    public RateRatio Ratio;
    public HistogramState Histogram;
}

/// <summary>Counts since the slow layer's window began. Beside a control each tick is compared in itself (Mantel and Haenszel 1959), so that a share that changes says nothing.</summary>
internal struct Window
{
    public float Bad;
    // Beside a control: bad events of both, and how many of them the candidate's share of the requests would be.
    public float Events;
    public float Expected;
    // What the excess of bad events is divided by to be a difference of shares: all events of the candidate, beside a control the harmonic part of both arms' events.
    public float Weight;
    // The tick with the largest excess, in the same terms: one burst is no fault.
    public float WorstBad;
    public float WorstEvents;
    public float WorstExpected;
    private readonly float _even;
}

/// <summary>Cumulative counts of the arms at the edges that are kept.</summary>
internal struct HistogramState
{
    /// <summary>So many edges are kept, the last of them infinity.</summary>
    public const int Slots = 16;

    public int EdgeCount;
    // Index + 1 of the edge above which a request is slow; 0 while none is chosen.
    public int SlowEdge;
    // The share of slow requests at which the quantile reaches the tolerance.
    public double CriticalShare;
    public HistogramCounts Edges;
    public HistogramCounts Candidate;
    public HistogramCounts Control;
    public HistogramCounts Before;

    [InlineArray(Slots)]
    internal struct HistogramCounts
    {
        private double _first;
    }
}

/// <summary>A gauge, or a count as a rate: y is the value, its logarithm where the tolerance is relative.</summary>
internal struct LevelState
{
    public const int BaseSlots = 48;
    public const int NoiseSlots = 24;
    public const int ShapeSlots = 24;

    public Sample Base;
    // A gauge: how far the control lies off its own last values. A count: how far the candidate lies off the control in the same seconds.
    public Sample Noise;
    // The past less what the same clock times of another day were: what is left of it once its usual shape is taken off.
    public Sample Shape;
    public int Sealed;
    public int ScaledAt;
    // 1: something that it is compared with was 0 once, so that a 0 is nothing new.
    public int Zeros;
    // How many values of past and control its extremes are the extremes of.
    public int Ordinary;
    // Keeps the size a multiple of eight, so that no byte of the state is padding.
    private readonly int _even;
    // The first value of the past: what the sample keeps is counted from it, because single precision has no room for more than seven digits.
    public double Origin;
    public double Median;
    public double ShapeMedian;
    // The newest of the past: a trend leaves its median behind.
    public double Recent;
    // What another day makes expect of the newest tick.
    public double Usual;
    // The residual's scale by past and control: a typical size of noise, never below a third of the tolerance.
    public double Scale;
    public Autocorrelation BaseCorrelation;
    public Autocorrelation ShapeCorrelation;
    public Last3 Control;
    public Last3 Candidate;
    public Page Up;
    public Page Down;
    // How far the candidate itself scatters.
    public Spread Own;
    public double ResidualSum;
    public double ControlSum;
    public int Residuals;
    public int ControlValues;
    public Climb Climb;
    // The values of the past that are furthest out, less the origin, and the control's, as if it stood where the past does.
    public Extremes Extremes;
    public BaseSlotsArray BaseValues;
    public NoiseSlotsArray NoiseValues;
    public ShapeSlotsArray ShapeValues;

    [InlineArray(BaseSlots)]
    internal struct BaseSlotsArray
    {
        private float _first;
    }

    [InlineArray(NoiseSlots)]
    internal struct NoiseSlotsArray
    {
        private float _first;
    }

    [InlineArray(ShapeSlots)]
    internal struct ShapeSlotsArray
    {
        private float _first;
    }
}

/// <summary>A bounded sample of a stream: when it is full every other value goes, and from then on every other is taken. Deterministic, evenly spread.</summary>
internal struct Sample
{
    public int Count;
    public int Skip;
    public int Stride;

    public void Add(Span<float> values, double value)
    {
        if (Stride == 0)
        {
            Stride = 1;
        }
        if (Skip > 0)
        {
            Skip--;
            return;
        }
        if (Count == values.Length)
        {
            for (var at = 0; at < Count / 2; at++)
            {
                values[at] = values[2 * at];
            }
            values[(Count / 2)..].Clear();
            Count /= 2;
            Stride *= 2;
        }
        values[Count++] = (float)value;
        Skip = Stride - 1;
    }

    public readonly Span<double> Copy(Span<float> values, Span<double> into, double origin = 0)
    {
        for (var at = 0; at < Count; at++)
        {
            into[at] = origin + values[at];
        }
        return into[..Count];
    }
}

/// <summary>The last three values, and their median.</summary>
internal struct Last3
{
    public double Newest;
    public double Middle;
    public double Oldest;
    public double Count;

    public void Add(double value)
    {
        (Oldest, Middle, Newest) = (Middle, Newest, value);
        Count = Math.Min(3, Count + 1);
    }

    public readonly double Median => Count switch
    {
        0 => double.NaN,
        1 => Newest,
        2 => 0.5 * (Newest + Middle),
        _ => Robust.Median(Newest, Middle, Oldest),
    };
}

/// <summary>One side of Page's cumulative sum, and the mean residual since it last stood at zero.</summary>
internal struct Page
{
    public double Residual;
    public float Sum;
    public float Ticks;

    public void Add(double z, double drift, double residual)
    {
        Sum = (float)Math.Max(0, Sum + z - drift);
        if (Sum > 0)
        {
            Residual += residual;
            Ticks++;
        }
        else
        {
            Residual = 0;
            Ticks = 0;
        }
    }

    public readonly double Mean => Ticks > 0 ? Residual / Ticks : 0;
}
