using System.Globalization;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;

namespace Commander.Benchmarks;

/// <summary>
/// What the judge's count test is compared with in docs/judging-measured.md: the same test of the literature with the whole budget on it, a look after every error, requests that
/// fail independently of each other, and shares known exactly. Traffic, shares and rates are those of the grid's table of error rates alone; a watch lasts an hour.
/// </summary>
internal static class ErrorSplitBenchmark
{
    private const double Budget = 0.01;
    private const double Hour = 3600;

    public static int Run(string[] args)
    {
        var deployments = args is [var number] ? int.Parse(number, CultureInfo.InvariantCulture) : 20_000;
        var noise = new Noise(1);
        Console.WriteLine($"{deployments} deployments of each; found within an hour / median minutes");
        foreach (var (share, traffic) in new[] { (0.05, 1), (0.05, 10), (0.1, 10), (0.5, 10), (0.1, 100) })
        {
            foreach (var (from, to) in new[] { (0.1, 0.1), (0.1, 0.3), (0.1, 1.0), (0.1, 5.0), (1.0, 1.0), (1.0, 2.0), (1.0, 5.0) })
            {
                List<double> alarms = [];
                for (var deployment = 0; deployment < deployments; deployment++)
                {
                    if (Alarm(noise, share, traffic, from / 100, to / 100) is { } second)
                    {
                        alarms.Add(second);
                    }
                }
                alarms.Sort();
                var median = alarms.Count == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{alarms[alarms.Count / 2] / 60:0.00}");
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100 * share,3} %, {traffic,3}/s, {from} -> {to} %: {alarms.Count / (double)deployments:0.0000} / {median}"));
            }
        }
        return 0;
    }

    // The second of the alarm, or null.
    private static double? Alarm(Noise noise, double share, double traffic, double reference, double candidate)
    {
        double own = share * traffic * candidate, other = (1 - share) * traffic * reference, second = 0;
        var (errors, others) = (0, 0);
        while ((second += noise.Exponential() / (own + other)) < Hour)
        {
            if (noise.Uniform() >= own / (own + other))
            {
                others++;
            }
            else if (ErrorSplit.LogE(++errors, others, share) >= -Math.Log(Budget))
            {
                return second;
            }
        }
        return null;
    }
}
