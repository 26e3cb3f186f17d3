using System.Globalization;
using System.Text;
using Commander.Judging.Backtest;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Benchmarks;

/// <summary>
/// How many one-hour cases (60 points before and after the change, five metrics with a control) a second one core reads from a file and judges. Bar: at least 2,000. Counted in
/// processor time, so that what else runs on the machine does not count. A fifth of the cases is faulty and ends at its rollback.
/// </summary>
internal static class BacktestBenchmark
{
    private const int Bar = 2000;
    private const int Cases = 3000;
    private const int Points = 60;
    private static readonly TimeSpan Each = TimeSpan.FromSeconds(3);

    public static int Run()
    {
        var path = Path.Combine(Path.GetTempPath(), $"commander-backtest-{Environment.ProcessId}.jsonl");
        try
        {
            Write(path);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Cases} cases, {new FileInfo(path).Length / 1e6:0.0} MB"));
            var read = Rate(path, static _ => 1);
            var cut = Rate(path, static found =>
            {
                var (policy, sources) = CasePolicy.Of(found.Recording);
                var ticks = policy.Metrics.Count;
                for (var n = 1 - found.Recording.Past; n <= found.Recording.Length; n++)
                    ticks += CaseTicks.At(found.Recording, sources, n).Metrics;
                return ticks;
            });
            var judged = Rate(path, static found => Backtests.Run(found, Judge.Name).Tick);
            Say("read", read);
            Say("read and cut into ticks", cut);
            Say("read and judged", judged);
            var (reading, cutting) = (judged / read, (judged / cut) - (judged / read));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"of the time {reading:0 %} reads, {cutting:0 %} makes policies and ticks, {1 - reading - cutting:0 %} judges"));
            foreach (var judge in Backtests.Judges.Where(static judge => judge != Judge.Name))
                Say(judge, Rate(path, found => Backtests.Run(found, judge).Tick));
            Console.WriteLine($"bar {Bar}: {(judged >= Bar ? "kept" : "MISSED")}");
            return judged >= Bar ? 0 : 1;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void Say(string what, double rate) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-24} {rate,8:0} cases a second"));

    private static double Rate(string path, Func<Case, int> work)
    {
        // Twice for the compiler: the second pass runs what the first made it optimise.
        for (var warm = 0; warm < 2; warm++)
            Pass(path, work);
        var (began, passes) = (Environment.CpuUsage.TotalTime, 0);
        for (; Environment.CpuUsage.TotalTime - began < Each; passes++)
            Pass(path, work);
        return (double)passes * Cases / (Environment.CpuUsage.TotalTime - began).TotalSeconds;
    }

    private static void Pass(string path, Func<Case, int> work)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        var sum = 0;
        foreach (var found in CaseFile.Read(stream))
            sum += work(found);
        if (sum == 0)
            throw new InvalidOperationException("nothing was done");
    }

    private static void Write(string path)
    {
        using var file = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        for (var at = 0; at < Cases; at++)
        {
            var noise = new Noise((ulong)at);
            var bad = at % 5 == 0;
            file.Write(string.Create(CultureInfo.InvariantCulture,
                $$"""{"id":"{{at}}","source":"made","change_time":{{1700000000 + (3600 * at)}},"step_seconds":60,"restarted":true,"metrics":{"""));
            Metric("requests", "count", _ => noise.Poisson(1200));
            file.Write(',');
            Metric("errors", "count", ill => noise.Poisson(ill ? 60 : 6));
            file.Write(',');
            Metric("latency_p95", "ms", ill => Math.Round((120 + (8 * noise.Normal())) * (ill ? 1.5 : 1), 3));
            file.Write(',');
            Metric("cpu", "%", _ => Math.Round(40 + (4 * noise.Normal()), 3));
            file.Write(',');
            Metric("memory", "%", _ => Math.Round(55 + noise.Normal(), 3));
            file.Write($"}},\"label\":\"{(bad ? "BAD" : "GOOD")}\",\"group\":\"{at / 10}\"}}\n");

            void Metric(string name, string unit, Func<bool, double> value)
            {
                file.Write($"\"{name}\":{{\"unit\":\"{unit}\",\"baseline\":[");
                Series(ill: false);
                file.Write("],\"candidate\":[");
                Series(bad);
                file.Write("],\"control\":[");
                Series(ill: false);
                file.Write("]}");

                void Series(bool ill)
                {
                    for (var point = 0; point < Points; point++)
                        file.Write((point == 0 ? "" : ",") + value(ill).ToString(CultureInfo.InvariantCulture));
                }
            }
        }
    }
}
