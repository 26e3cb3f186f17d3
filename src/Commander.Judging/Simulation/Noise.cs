using System.Numerics;

namespace Commander.Judging.Simulation;

/// <summary>
/// A stream of random numbers: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021), its state filled by SplitMix64
/// (Steele, Lea and Flood, OOPSLA 2014) from one seed. The same seed gives the same numbers, bit by bit, on every platform and runtime; System.Random does not promise that.
/// Not for secrets. Not for use by several threads at once.
/// </summary>
public sealed class Noise
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;
    // The polar method makes normal numbers in pairs.
    private double _spare = double.NaN;

    /// <summary>A stream of its own for every seed.</summary>
    public Noise(ulong seed)
    {
        _a = Split(ref seed);
        _b = Split(ref seed);
        _c = Split(ref seed);
        _d = Split(ref seed);
    }

    /// <summary>A stream that continues from a generator's state, of which one word at least is not 0.</summary>
    public Noise(ulong a, ulong b, ulong c, ulong d) => (_a, _b, _c, _d) = (a, b, c, d);

    /// <summary>One step of SplitMix64: the state walks by a fixed odd number, the answer is the state mixed.</summary>
    public static ulong Split(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        var mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>64 random bits.</summary>
    public ulong Bits()
    {
        var result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var shifted = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= shifted;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>Uniform in [0, 1).</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Standard normal (Marsaglia's polar method).</summary>
    public double Normal()
    {
        if (!double.IsNaN(_spare))
        {
            var kept = _spare;
            _spare = double.NaN;
            return kept;
        }
        double x, y, square;
        do
        {
            x = (2 * Uniform()) - 1;
            y = (2 * Uniform()) - 1;
            square = (x * x) + (y * y);
        }
        while (square is >= 1 or 0);
        var factor = Math.Sqrt(-2 * Exact.Log(square) / square);
        _spare = y * factor;
        return x * factor;
    }

    /// <summary>Exponential with mean 1.</summary>
    public double Exponential() => -Exact.Log(1 - Uniform());

    /// <summary>Gamma with a shape above 0 and scale 1 (Marsaglia and Tsang, ACM TOMS 2000).</summary>
    public double Gamma(double shape)
    {
        if (shape < 1)
        {
            return Gamma(shape + 1) * Exact.Exp(Exact.Log(1 - Uniform()) / shape);
        }
        var d = shape - (1.0 / 3);
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var normal = Normal();
            var v = 1 + (c * normal);
            if (v <= 0)
            {
                continue;
            }
            v = v * v * v;
            var u = 1 - Uniform();
            if (Exact.Log(u) < (0.5 * normal * normal) + (d * (1 - v + Exact.Log(v))))
            {
                return d * v;
            }
        }
    }

    /// <summary>Poisson; the mean is at least 0 and at most 1e9. Small ones by multiplication, large ones by Hörmann's PTRS (Insurance: Mathematics and Economics 1993).</summary>
    public int Poisson(double mean)
    {
        if (mean < 10)
        {
            if (mean <= 0)
            {
                return 0;
            }
            var count = 0;
            var limit = Exact.Exp(-mean);
            for (var product = Uniform(); product > limit; product *= Uniform())
            {
                count++;
            }
            return count;
        }
        var log = Exact.Log(mean);
        var b = 0.931 + (2.53 * Math.Sqrt(mean));
        var a = -0.059 + (0.02483 * b);
        var inverse = 1.1239 + (1.1328 / (b - 3.4));
        var accept = 0.9277 - (3.6224 / (b - 2));
        while (true)
        {
            var u = Uniform() - 0.5;
            var v = 1 - Uniform();
            var us = 0.5 - Math.Abs(u);
            var k = Math.Floor((((2 * a / us) + b) * u) + mean + 0.43);
            if (us >= 0.07 && v <= accept)
            {
                return (int)k;
            }
            if (k < 0 || (us < 0.013 && v > us))
            {
                continue;
            }
            if (Exact.Log(v * inverse / ((a / (us * us)) + b)) <= (k * log) - mean - LogFactorial(k))
            {
                return (int)k;
            }
        }
    }

    /// <summary>Binomial: n trials (0 or more) with chance p (0..1). Small ones by inversion, large ones by Hörmann's BTRS (J. Statistical Computation and Simulation 1993).</summary>
    public int Binomial(int n, double p)
    {
        if (n <= 0 || p <= 0)
        {
            return 0;
        }
        if (p > 0.5)
        {
            return n - Binomial(n, 1 - p);
        }
        return n * p < 10 ? Inverted(n, p) : Transformed(n, p);
    }

    /// <summary>Negative binomial as a Poisson whose mean is Gamma(shape) times scale: mean shape * scale, variance mean * (1 + scale).</summary>
    public int NegativeBinomial(double shape, double scale) => Poisson(Gamma(shape) * scale);

    /// <summary>
    /// Events that come in bursts, as retries make them: a Poisson number of bursts, each of geometric length. Mean as given, variance the mean times
    /// <paramref name="dispersion"/>, which is at least 1 (1: a plain Poisson): bursts of mean m have the dispersion 2 m - 1.
    /// </summary>
    public int Bursts(double mean, double dispersion)
    {
        if (dispersion <= 1)
        {
            return Poisson(mean);
        }
        var length = 0.5 * (dispersion + 1);
        var bursts = Poisson(mean / length);
        // Each burst has one event; what all of them have beyond that is negative binomial.
        return bursts == 0 ? 0 : bursts + NegativeBinomial(bursts, length - 1);
    }

    private int Inverted(int n, double p)
    {
        var odds = p / (1 - p);
        var step = (n + 1) * odds;
        while (true)
        {
            var chance = Exact.Exp(n * Exact.Log(1 - p));
            var u = Uniform();
            for (var count = 0; count <= n; count++)
            {
                if (u < chance)
                {
                    return count;
                }
                u -= chance;
                chance *= (step / (count + 1)) - odds;
            }
            // Rounding left a sliver above the last chance: drawn again.
        }
    }

    private int Transformed(int n, double p)
    {
        var deviation = Math.Sqrt(n * p * (1 - p));
        var b = 1.15 + (2.53 * deviation);
        var a = -0.0873 + (0.0248 * b) + (0.01 * p);
        var centre = (n * p) + 0.5;
        var accept = 0.92 - (4.2 / b);
        var odds = p / (1 - p);
        var alpha = (2.83 + (5.1 / b)) * deviation;
        var mode = Math.Floor((n + 1) * p);
        while (true)
        {
            var u = Uniform() - 0.5;
            var v = 1 - Uniform();
            var us = 0.5 - Math.Abs(u);
            var k = Math.Floor((((2 * a / us) + b) * u) + centre);
            if (us >= 0.07 && v <= accept)
            {
                return (int)k;
            }
            if (k < 0 || k > n)
            {
                continue;
            }
            var bound = ((k - mode) * Exact.Log(odds)) + LogFactorial(mode) + LogFactorial(n - mode) - LogFactorial(k) - LogFactorial(n - k);
            if (Exact.Log(v * alpha / ((a / (us * us)) + b)) <= bound)
            {
                return (int)k;
            }
        }
    }

    // ln k!, by Stirling's series from 10 on: its next term is below 4e-11 there.
    private static double LogFactorial(double k)
    {
        if (k < 10)
        {
            double product = 1;
            for (var factor = 2; factor <= k; factor++)
            {
                product *= factor;
            }
            return Exact.Log(product);
        }
        var x = k + 1;
        var square = 1 / (x * x);
        return ((x - 0.5) * Exact.Log(x)) - x + 0.91893853320467274178 + ((0.083333333333333333 - (square * (0.0027777777777777778 - (square * 0.00079365079365079365)))) / x);
    }
}
