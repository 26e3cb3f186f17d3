namespace Commander.Judging.Tests.Simulated;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the state walks by a fixed odd number, each output is the state mixed.
/// The same numbers on every platform and runtime, which System.Random with a seed does not promise.
/// </summary>
internal sealed class Noise(ulong seed)
{
    private ulong _state = seed;

    public ulong Bits()
    {
        _state += 0x9E3779B97F4A7C15;
        var mixed = _state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>Uniform in [0, 1).</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Standard normal (Box and Muller).</summary>
    public double Normal() => Math.Sqrt(-2 * Math.Log(1 - Uniform())) * Math.Cos(2 * Math.PI * Uniform());

    /// <summary>Poisson by counting exponential gaps, in parts so that nothing underflows.</summary>
    public int Poisson(double mean)
    {
        var count = 0;
        while (mean > 0)
        {
            var part = Math.Min(mean, 30);
            mean -= part;
            for (var product = Uniform(); product > Math.Exp(-part); product *= Uniform())
            {
                count++;
            }
        }
        return count;
    }

    public int Binomial(int n, double p)
    {
        var count = 0;
        for (var trial = 0; trial < n; trial++)
        {
            count += Uniform() < p ? 1 : 0;
        }
        return count;
    }
}
