using System.Text;
using Commander.Judging.Backtest;
using Commander.Judging.Models;
using Commander.Judging.Verdicts;
using CsCheck;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest;

/// <summary>A recording is judged like a live watch, whatever is in it; and nothing is said of nothing.</summary>
public class SameVerdictTests
{
    // Names and units from which every family and every rule reads something.
    private static readonly (string Name, string Unit)[] Named =
        [("requests", "count"), ("errors", "count"), ("latency_p95", "ms"), ("cpu", "%"), ("memory", "%"), ("orders", "1/s")];

    private static readonly Gen<double> Usual = Gen.Select(Gen.Int[0, 9], Gen.Double[0, 1], static (hole, share) => hole == 0 ? double.NaN : 50 + Math.Floor(20 * share));

    private static readonly Gen<double> Faulty = Gen.Select(Gen.Int[0, 9], Gen.Double[0, 1], static (hole, share) => hole == 0 ? double.NaN : Math.Floor(400 * share));

    private static readonly Gen<double> Strange = Gen.OneOf(
        Gen.OneOf(double.NaN, 0, -1, -1e300, 1e300, 1e15, double.Epsilon, double.MaxValue, double.MinValue),
        Gen.Double[-100, 100]);

    private static Gen<Recording> Recordings(Gen<double> past, Gen<double> present, int mostPast = 30, int mostPresent = 30) =>
        Gen.Select(Gen.Int[0, mostPast], Gen.Int[1, mostPresent], Gen.Bool, past.Array[2 * 60 * Named.Length], present.Array[60 * Named.Length], static (before, after, control, old, own) =>
            new Recording(1_700_000_000, 60, before % 2 == 0, [.. Named.Select((named, at) => new Series(
                named.Name, named.Unit, null, null, null,
                old[(at * 60)..((at * 60) + before)],
                own[(at * 60)..((at * 60) + after)],
                control ? old[((Named.Length + at) * 60)..(((Named.Length + at) * 60) + after)] : null,
                null, null))]));

    private static bool Same((Verdict Verdict, int Tick) one, (Verdict Verdict, int Tick) other) =>
        one.Tick == other.Tick && one.Verdict with { Findings = other.Verdict.Findings } == other.Verdict && one.Verdict.Findings.SequenceEqual(other.Verdict.Findings);

    [Fact]
    public void What_comes_later_changes_nothing_of_what_any_judge_said_before() =>
        Gen.Select(Recordings(Usual, Gen.OneOf(Usual, Faulty)), Gen.Double[0, 1], Strange.Array[60]).Sample((recording, where, other) =>
        {
            var horizon = 1 + (int)(where * (recording.Length - 1));
            var changed = recording with
            {
                Series = [.. recording.Series.Select(series => series with
                {
                    Candidate = [.. series.Candidate[..horizon], .. other[horizon..series.Candidate.Length]],
                    Control = series.Control is { } control ? [.. control[..horizon], .. other[horizon..control.Length]] : null,
                })],
            };
            return Backtests.Judges.All(judge => Same(Backtests.Decide(recording, judge, horizon: horizon), Backtests.Decide(changed, judge, horizon: horizon)));
        }, iter: 30);

    [Fact]
    public void A_live_watch_that_restarts_anywhere_and_a_replay_of_its_recording_say_the_same() =>
        Gen.Select(Recordings(Usual, Gen.OneOf(Usual, Usual, Faulty)), Gen.Double[0, 1]).Sample((recording, where) =>
        {
            var (policy, sources) = CasePolicy.Of(recording);
            var restart = 1 + (int)(where * recording.Length);
            var facts = new List<Input>();
            var state = Judge.Start(policy, recording.Restarted);
            var (subject, changed, tick) = (Subject.Candidate, 0u, 0);
            Step step = default;
            for (var n = 1 - recording.Past; n <= recording.Length && step.Decision != Decision.Rollback; n++)
            {
                if (n == restart)
                {
                    // What the process remembered is gone; what it stored is folded again.
                    state = Judge.Start(policy, recording.Restarted);
                    foreach (var fact in facts)
                    {
                        Judge.Next(policy, Model.Shipped, ref state, fact);
                    }
                }
                step = Live(Input.Of(CaseTicks.At(recording, sources, n)));
                foreach (var change in References.Due(step, step.Decision, subject, changed))
                {
                    (subject, changed) = (change.Subject, change.Metric < 0 ? uint.MaxValue : changed | (1u << change.Metric));
                    step = Live(Input.Of(change));
                }
                tick = n;
            }
            var replayed = Backtests.Decide(recording, Judge.Name);
            var reader = new Reader(replayed.Verdict.DecidedAt, replayed.Verdict.ElapsedMs, [], Final: true);
            return Same((Judge.Read(policy, Model.Shipped, state, reader), tick), replayed);

            Step Live(Input input)
            {
                facts.Add(input);
                return Judge.Next(policy, Model.Shipped, ref state, input);
            }
        }, iter: 60);

    [Theory]
    [InlineData(Judge.Name)]
    [InlineData(Snapshot.HealthScore)]
    public void A_recording_without_a_sample_of_the_candidate_is_no_verdict(string judge) =>
        Recordings(Usual, Gen.Const(double.NaN)).Sample(recording =>
        {
            var alone = recording with { Series = [.. recording.Series.Select(static series => series with { Control = null })] };
            var (verdict, tick) = Backtests.Decide(alone, judge);
            (verdict.Decision, tick).ShouldBe(("HOLD", recording.Length), verdict.Reasoning);
        }, iter: 60);

    [Fact]
    public void Numbers_that_cannot_be_are_judged_without_an_exception_and_probabilities_stay_probabilities() =>
        Recordings(Gen.OneOf(Strange, Usual), Gen.OneOf(Strange, Usual), 10, 10).Sample(static recording => Backtests.Judges.All(judge =>
        {
            var verdict = Backtests.Decide(recording, judge).Verdict;
            return verdict.PBad is >= 0 and <= 1 && verdict.Confidence is >= 0 and <= 1 && verdict.Reasoning.Length > 0;
        }), iter: 60);

    [Theory]
    [InlineData("1e-8")]
    [InlineData("5e-324")]
    [InlineData("-1")]
    [InlineData("1e300")]
    public void A_step_that_no_clock_can_tell_is_refused_by_its_field(string step) =>
        Should.Throw<RefusedException>(() => Parse(step, 1)).Place.ShouldBe("line 1, step_seconds");

    [Fact]
    public void The_shortest_and_the_longest_step_are_judged()
    {
        foreach (var step in (ReadOnlySpan<string>)["0.001", "86400"])
        {
            Backtests.Run(Parse(step, 3), Judge.Name).Tick.ShouldBe(3);
        }
    }

    [Fact]
    public void A_million_points_are_refused_by_their_field_and_as_many_as_may_be_are_judged()
    {
        Should.Throw<RefusedException>(() => Parse("60", 1_000_000)).Message.ShouldBe("line 1, metrics.cpu.candidate: has more than 100000 points");
        var most = Backtests.Run(Parse("60", CaseFile.LongestSeries), Judge.Name);
        (most.Decision, most.Tick).ShouldBe(("CONTINUE", CaseFile.LongestSeries));
    }

    private static Case Parse(string step, int points)
    {
        var candidate = string.Join(',', Enumerable.Repeat("20", points));
        var metrics = $$"""{"cpu":{"unit":"%","baseline":[20,21,20,19],"candidate":[{{candidate}}]} }""";
        return CaseFile.Parse(Encoding.UTF8.GetBytes($$"""{"id":"a","source":"s","change_time":0,"step_seconds":{{step}},"restarted":false,"metrics":{{metrics}} }"""), 1);
    }
}
