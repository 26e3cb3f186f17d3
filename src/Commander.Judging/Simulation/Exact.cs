namespace Commander.Judging.Simulation;

/// <summary>
/// Logarithm, exponential and sine from additions, multiplications and divisions alone. Those are rounded the same everywhere (IEEE 754), which the functions of a
/// platform's mathematics library are not: a seed means the same deployments on every machine. Within 4e-16 of the true value, relative to it (the sine: absolute).
/// </summary>
internal static class Exact
{
    // ln 2 in two parts: the first has so few digits that a whole multiple of it is exact.
    private const double Ln2High = 6.93147180369123816490e-01;
    private const double Ln2Low = 1.90821492927058770002e-10;
    private const double HalfRoot = 0.70710678118654752440;

    /// <summary>ln x for finite, normal x above 0; negative infinity for 0.</summary>
    public static double Log(double x)
    {
        if (x <= 0)
        {
            return double.NegativeInfinity;
        }
        var bits = BitConverter.DoubleToInt64Bits(x);
        var exponent = (int)(bits >> 52) - 1022;
        var fraction = BitConverter.Int64BitsToDouble((bits & 0x000FFFFFFFFFFFFF) | 0x3FE0000000000000);
        if (fraction < HalfRoot)
        {
            fraction *= 2;
            exponent--;
        }
        // ln f = 2 artanh((f - 1) / (f + 1)), the argument at most 0.172.
        var s = (fraction - 1) / (fraction + 1);
        var square = s * s;
        var series = 1.0 / 21;
        for (var odd = 19; odd >= 3; odd -= 2)
        {
            series = (series * square) + (1.0 / odd);
        }
        return (exponent * Ln2High) + ((2 * s) + ((2 * s * square * series) + (exponent * Ln2Low)));
    }

    /// <summary>e to the x; 0 below -700, its value at 700 above that.</summary>
    public static double Exp(double x)
    {
        if (x < -700)
        {
            return 0;
        }
        x = Math.Min(x, 700);
        var power = Math.Floor((x / (Ln2High + Ln2Low)) + 0.5);
        var rest = x - (power * Ln2High) - (power * Ln2Low);
        var series = 1.0;
        for (var term = 14; term >= 1; term--)
        {
            series = 1 + (series * rest / term);
        }
        return BitConverter.Int64BitsToDouble((long)(power + 1023) << 52) * series;
    }

    /// <summary>The sine of so many whole turns.</summary>
    public static double SineOfTurns(double turns)
    {
        turns -= Math.Floor(turns + 0.5);
        if (turns > 0.25)
        {
            turns = 0.5 - turns;
        }
        else if (turns < -0.25)
        {
            turns = -0.5 - turns;
        }
        var x = 2 * Math.PI * turns;
        var series = 1.0;
        for (var term = 22; term >= 2; term -= 2)
        {
            series = 1 - (series * x * x / (term * (term + 1)));
        }
        return x * series;
    }
}
