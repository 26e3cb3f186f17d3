using System.Globalization;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;

namespace Commander.Benchmarks;

/// <summary>
/// What the judge's count test is compared with in docs/judging-measured.md: the same test of the literature with the whole budget on it, a look after every error, requests that
/// fail independently of each other, and shares known exactly. Deployments are those of the grid's table of error rates alone.
/// </summary>
internal static class ErrorSplitBenchmark
{
    private const double Budget = 0.01;

    public static int Run(string[] args)
    {
        var deployments = args is [var number] ? int.Parse(number, CultureInfo.InvariantCulture) : 20_000;
        var noise = new Noise(1);
        Console.WriteLine($"{deployments} deployments of each; found / median minutes");
        foreach (var cell in Grid.Detection)
        {
            List<double> alarms = [];
            for (var deployment = 0; deployment < deployments; deployment++)
            {
                if (Alarm(noise, cell.Scenario) is { } second)
                {
                    alarms.Add(second);
                }
            }
            alarms.Sort();
            var median = alarms.Count == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{alarms[alarms.Count / 2] / 60:0.00}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{cell.Name,-42} {alarms.Count / (double)deployments:0.0000} / {median}"));
        }
        return 0;
    }

    // The second of the alarm, or null.
    private static double? Alarm(Noise noise, Scenario scenario)
    {
        var (share, worse) = (scenario.Share, (scenario.Fault?.Size ?? 0) / 100);
        var own = share * scenario.Traffic * (scenario.Errors + worse);
        var other = (1 - share) * scenario.Traffic * scenario.Errors;
        var second = 0.0;
        var (errors, others) = (0, 0);
        while ((second += noise.Exponential() / (own + other)) < scenario.WatchTicks * scenario.StepSeconds)
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
