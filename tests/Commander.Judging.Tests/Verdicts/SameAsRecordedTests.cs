using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>
/// Stored watches are replayed by later builds: what this judge says of the same ticks stays, to five digits, until its version changes.
/// Every number and word of every finding is in it. After a change that is meant (and a new <see cref="Judge.Version"/>): run once with
/// COMMANDER_RECORD=1, and read the difference of the file that it writes.
/// </summary>
public class SameAsRecordedTests
{
    private const string File = "recorded-verdicts.txt";
    private static readonly int[] Looks = [2, 6, 20, 60, 110, Stage.Ticks];

    public static TheoryData<string> Worlds => [.. Stage.Worlds];

    [Theory]
    [MemberData(nameof(Worlds))]
    public void A_watch_is_judged_as_it_was(string world)
    {
        var now = Stage.Fates.Concat(Stage.FatesOfOne(world)).SelectMany(fate => Told(world, fate)).ToArray();
        if (Environment.GetEnvironmentVariable("COMMANDER_RECORD") is { Length: > 0 })
            Record(world, now);
        var then = Recorded(world);
        then.ShouldNotBeEmpty();
        // The first difference says more than a thousand lines.
        for (var at = 0; at < Math.Min(now.Length, then.Length); at++)
            now[at].ShouldBe(then[at]);
        now.Length.ShouldBe(then.Length);
    }

    /// <summary>A line a look, with a hash of everything that a reader of the verdict is told then.</summary>
    private static IEnumerable<string> Told(string world, string fate)
    {
        var (policy, noise) = (Stage.Policy, new Noise((ulong)((world.Length * 100) + fate.Length + world[0] + fate[^1])));
        var state = Judge.Start(policy, restarted: true);
        var watch = new OfflineWatch();
        Decision? before = null;
        for (var n = 1 - Stage.Past; n <= Stage.Ticks; n++)
        {
            var tick = Stage.Tick(noise, world, fate, n);
            var step = watch.Next(policy, Model.Shipped, ref state, tick);
            if (n == 6 && fate is "worse" or "slightly worse")
                step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(new Opinion("ROLLBACK", 0.8, "the errors", true, "m", ["errors", "latency"])));
            if (n == 7 && fate == "better")
                step = Judge.Next(policy, Model.Shipped, ref state, Input.NoOpinion());
            if (Looks.Contains(n) || (n > 0 && step.Decision != before))
                yield return Line($"{world} / {fate}", n, state, step);
            before = n > 0 ? step.Decision : null;
            if (step.Decision == Decision.Rollback && n is > 0 and < Stage.Ticks)
            {
                foreach (var line in Restored(world, fate, state, noise, n))
                    yield return line;
                yield break;
            }
        }
    }

    // The old version takes over: well, badly, or beside a new one that still gets requests.
    private static IEnumerable<string> Restored(string world, string fate, WatchState state, Noise noise, int from)
    {
        var policy = Stage.Policy;
        var harm = fate switch { "much worse" => "worse", "climbs" => "slightly worse", _ => "same" };
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before, Tick: from)));
        for (var n = from + 1; n <= from + 12; n++)
        {
            var restored = Stage.Tick(noise, "past alone", harm, n);
            var tick = new Tick(n, 1, policy.Metrics.Count);
            for (var index = 0; index < policy.Metrics.Count; index++)
            {
                tick[index, Arm.Control] = restored[index, Arm.Candidate];
                if (fate == "worse" && n < from + 6)
                    tick[index, Arm.Candidate] = restored[index, Arm.Candidate];
            }

            var step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
            if ((n - from) % 3 == 0)
                yield return Line($"{world} / {fate} / restored", n, state, step);
        }
    }

    private static string Line(string name, int n, in WatchState state, in Step step)
    {
        var verdict = Judge.Read(Stage.Policy, Model.Shipped, state, new Reader(new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero).AddSeconds(15 * n), 15_000 * n, [], false));
        var all = new StringBuilder();
        foreach (var f in verdict.Findings)
            all.Append(CultureInfo.InvariantCulture, $"{f.Metric}|{f.Family}|{f.Kind}|{D(f.Candidate)}|{D(f.Reference)}|{f.ReferenceArm}|{D(f.Difference)}|{D(f.Low)}|{D(f.High)}|{f.Unit}|{D(f.Score)}|{f.Verdict}|{f.Quality}|{f.Reason}\n");
        all.Append(CultureInfo.InvariantCulture, $"{verdict.Decision}|{D(verdict.Confidence)}|{verdict.HealthScore}|{verdict.Reasoning}|{verdict.Opinion}\n");
        var words = string.Join(' ', verdict.Findings.Where(f => f.Verdict is "worse" or "better").OrderBy(f => f.Metric, StringComparer.Ordinal).Select(f => f.Verdict == "better" ? f.Metric + "+" : f.Metric));
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all.ToString())).AsSpan(0, 6));
        return string.Create(CultureInfo.InvariantCulture,
            $"{name} @{n}: {step.Decision.Word()} {D(step.PBad)}{(step.Alarm ? " alarm" : "")}{(step.Guard ? " guard" : "")}{(step.Mild ? " mild" : "")}{(step.GreyZone ? " grey" : "")}{(step.ControlGone != 0 ? $" gone {step.ControlGone:x}" : "")}{(step.Recovered is { } back ? $" recovered {back}" : "")}{(step.StillReached is { } still ? $" reached {D(still)}" : "")} [{words}] {hash}");
    }

    private static string D(double? value) => value?.ToString("G5", CultureInfo.InvariantCulture) ?? "-";

    private static string[] Recorded(string world)
    {
        using var stream = typeof(SameAsRecordedTests).Assembly.GetManifestResourceStream(File)!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.StartsWith(world + " /", StringComparison.Ordinal))];
    }

    private static void Record(string world, string[] lines, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, File);
        var others = System.IO.File.Exists(path) ? System.IO.File.ReadAllLines(path).Where(line => !line.StartsWith(world + " /", StringComparison.Ordinal)) : [];
        System.IO.File.WriteAllLines(path, others.Concat(lines).ToArray());
    }
}
