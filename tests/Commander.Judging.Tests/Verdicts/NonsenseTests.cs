using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using CsCheck;

namespace Commander.Judging.Tests.Verdicts;

/// <summary>Whatever a source sends: a quality and a reason, never an exception, and never a verdict on nothing.</summary>
public class NonsenseTests
{
    private static readonly Policy Every = Shop.Policy(
        Shop.ErrorMetric,
        Shop.LatencyMetric,
        Shop.MemoryMetric,
        Shop.CpuMetric with { Tolerance = new Tolerance(10, false) },
        Shop.CpuMetric with { Name = "requests", Kind = MetricKind.Count, Family = Family.Traffic, Direction = Direction.Down, Tolerance = new Tolerance(0.6, true), Warmup = TimeSpan.Zero },
        Shop.ErrorMetric with { Name = "conversions", Family = Family.Kpi, Direction = Direction.Either },
        Shop.ErrorMetric with { Name = "logins", Family = Family.Error, Objective = 1 },
        Shop.LatencyMetric with { Name = "queries", Family = Family.Downstream, Objective = 100, Tolerance = new Tolerance(20, false), Direction = Direction.Down });

    private static readonly int Count = Every.Metrics.Count;

    private static readonly Gen<Policy> Policies = Gen.Select(
        Gen.OneOf(NoData.Rollback, NoData.Hold, NoData.Ignore),
        Gen.OneOf(Compare.Auto, Compare.Before, Compare.Seasonal, Compare.Control),
        Gen.OneOf(Authority.Off, Authority.Advise, Authority.Decide))
        .Select(static (silence, compare, authority) => Every with { NoData = silence, Compare = compare, Decide = Every.Decide with { Reasoning = authority } });

    // One tick after the other from 1 on, every arm of every metric drawn for itself.
    private static Gen<Tick[]> Ticks(Func<MetricKind, Gen<Reading>> readings, int least, int most) => Every.Metrics
        .Select(metric => (Gen<Reading[]>)readings(metric.Kind).Array[Words.ArmCount])
        .Aggregate(static (one, other) => Gen.Select(one, other, static (left, right) => (Reading[])[.. left, .. right]))
        .Array[least, most]
        .Select(static drawn => drawn.Select(static (readings, at) => Made(at + 1, readings)).ToArray());

    private static Gen<Reading> Any(MetricKind kind) => Gen.OneOf(Odd.Number(kind), Odd.Nonsense(kind), Odd.Silence(kind), Odd.Missing);

    private static Tick Made(int n, Reading[] readings)
    {
        var tick = new Tick(n, 1, Count);
        for (var at = 0; at < readings.Length; at++)
        {
            tick[at / Words.ArmCount, (Arm)(at % Words.ArmCount)] = readings[at];
        }
        return tick;
    }

    private static Tick Moved(Tick tick, int past) =>
        Made(tick.N - past, [.. Enumerable.Range(0, Count * Words.ArmCount).Select(at => tick[at / Words.ArmCount, (Arm)(at % Words.ArmCount)])]);

    private static Verdict Read(Policy policy, in WatchState state) => Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false));

    private static Step Next(Policy policy, ref WatchState state, Tick tick) => Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));

    [Fact]
    public void Where_no_arm_has_a_number_there_is_no_verdict_however_good_or_bad_the_past_was() =>
        Gen.Select(Policies, Ticks(static kind => Gen.OneOf(Odd.Missing, Odd.Nonsense(kind), Odd.Silence(kind)), 1, 40), Gen.Int[0, 40], Gen.Double[0, 0.5])
            .Sample((policy, ticks, past, errors) =>
            {
                var state = Shop.Begin(policy, new Noise(7), new Behaviour { Errors = errors }, past: past);
                foreach (var tick in ticks)
                {
                    var step = Next(policy, ref state, tick);
                    if (step.Decision != Decision.Hold || step.Alarm || step.Guard || step.ControlGone != 0)
                    {
                        return false;
                    }
                }
                var verdict = Read(policy, state);
                return verdict.HealthScore is null && verdict.Findings.All(static finding =>
                    finding is { Verdict: "no_data", Candidate: null, Difference: null, Low: null, High: null, Score: 0 } && finding.Reason.Length > 0);
            }, iter: 60);

    [Fact]
    public void Nonsense_of_the_candidate_beside_a_healthy_control_is_neither_a_fault_nor_a_silence_nor_health() =>
        Gen.Select(Policies, Ticks(Odd.Nonsense, 1, 40)).Sample((policy, ticks) =>
        {
            var noise = new Noise(8);
            var state = Shop.Begin(policy, noise, new Behaviour());
            foreach (var tick in ticks)
            {
                new Behaviour().Measure(policy, noise, tick, Arm.Control);
                var step = Next(policy, ref state, tick);
                if (step.Decision != Decision.Hold || step.Alarm)
                {
                    return false;
                }
            }
            return Read(policy, state).Findings.All(static finding => finding.Candidate is null && finding.Score == 0);
        }, iter: 40);

    [Fact]
    public void Nonsense_is_judged_like_a_source_that_fails_and_its_quality_says_so() =>
        Gen.Select(Ticks(Odd.Nonsense, 1, 20), Gen.Int[0, Count - 1]).Sample((ticks, broken) =>
        {
            var (one, other) = (Shop.Begin(Every, new Noise(9), new Behaviour()), Shop.Begin(Every, new Noise(9), new Behaviour()));
            var (noise, same) = (new Noise(10), new Noise(10));
            foreach (var nonsense in ticks)
            {
                var (tick, failed) = (Shop.Tick(Every, noise, nonsense.N, new Behaviour(), new Behaviour()), Shop.Tick(Every, same, nonsense.N, new Behaviour(), new Behaviour()));
                foreach (var arm in (ReadOnlySpan<Arm>)[Arm.Candidate, Arm.Control, Arm.Before, Arm.Seasonal])
                {
                    tick[broken, arm] = nonsense[broken, arm];
                    var isNumber = double.IsFinite(nonsense[broken, arm].Value) && double.IsFinite(nonsense[broken, arm].Total);
                    failed[broken, arm] = Reading.Missing(isNumber ? Quality.Error : Quality.Nan);
                }
                Next(Every, ref one, tick);
                Next(Every, ref other, failed);
            }
            return WatchState.Same(one, other);
        }, iter: 60);

    [Fact]
    public void A_candidate_that_was_never_measured_is_never_carried_on_and_never_rolled_back_for_what_the_control_does() =>
        Gen.Select(Policies, Ticks(Any, 1, 30)).Sample((policy, ticks) =>
        {
            var state = Judge.Start(policy, restarted: false);
            return ticks.All(drawn =>
            {
                var tick = new Tick(drawn.N, 1, Count);
                for (var metric = 0; metric < Count; metric++)
                {
                    tick[metric, Arm.Control] = drawn[metric, Arm.Control];
                }
                var decision = Next(policy, ref state, tick).Decision;
                return decision == Decision.Hold || (decision == Decision.Rollback && policy.NoData == NoData.Rollback);
            });
        }, iter: 100);

    [Fact]
    public void A_candidate_alone_that_is_like_nothing_known_is_never_carried_on()
    {
        // One point, or many, without a control, a past or an objective: there is nothing it could be no worse than.
        var policy = Shop.Policy() with { NoData = NoData.Ignore };
        var noise = new Noise(8);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1; n <= 200; n++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, n, new Behaviour(), null))).Decision.ShouldBe(Decision.Hold, $"tick {n}");
        }
    }

    [Fact]
    public void One_point_is_never_carried_on_whatever_it_says() =>
        Gen.Select(Policies, Ticks(Any, 1, 1), Gen.Bool).Sample((policy, ticks, past) =>
        {
            var state = past ? Shop.Begin(policy, new Noise(1), new Behaviour()) : Judge.Start(policy, restarted: false);
            return Next(policy, ref state, ticks[0]).Decision != Decision.Continue;
        }, iter: 200);

    [Theory]
    [InlineData(double.NaN, "nan")]
    [InlineData(double.PositiveInfinity, "nan")]
    [InlineData(-1, "error")]
    [InlineData(101, "error")]
    public void A_source_that_answers_with_nonsense_is_told_by_its_quality(double bad, string quality)
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var state = Judge.Start(policy, restarted: false);
        var tick = new Tick(1, 1, 1);
        tick[0, Arm.Candidate] = new Reading(Quality.Value, bad, 100);
        Next(policy, ref state, tick);
        var verdict = Read(policy, state);
        (verdict.Decision, verdict.Reasoning).ShouldBe(("HOLD", $"the source gives no values: {quality}"));
        var finding = verdict.Findings.Single();
        (finding.Verdict, finding.Quality, finding.Reason).ShouldBe(("no_data", quality, $"no value: the source answered with {quality}"));
    }

    [Fact]
    public void A_candidate_without_a_request_has_no_data_and_its_value_of_nothing_is_no_reason()
    {
        var policy = Shop.Policy(Shop.ErrorMetric);
        var state = Judge.Start(policy, restarted: false);
        var tick = new Tick(1, 1, 1);
        tick[0, Arm.Candidate] = new Reading(Quality.Value, 0, 0);
        tick[0, Arm.Control] = new Reading(Quality.Value, 0, 5);
        Next(policy, ref state, tick);
        Read(policy, state).Findings.Single().Reason.ShouldBe("no data from the candidate");
    }

    [Fact]
    public void Numbers_of_any_size_make_probabilities_and_finite_findings() =>
        Gen.Select(Policies, Ticks(static kind => Gen.OneOf(Odd.Number(kind), Odd.Number(kind), Odd.Number(kind), Odd.Nonsense(kind), Odd.Missing), 1, 40), Gen.Int[0, 10]).Sample((policy, ticks, past) =>
        {
            var state = Judge.Start(policy, restarted: true);
            foreach (var drawn in ticks)
            {
                var step = Next(policy, ref state, Moved(drawn, past));
                Assert.True(step.PBad is >= 0 and <= 1, $"tick {drawn.N - past}: {step}");
            }
            var verdict = Read(policy, state);
            foreach (var finding in verdict.Findings)
            {
                Assert.True(finding.Score is >= 0 and <= 99 && finding.Reason.Length > 0, $"{finding}");
                Assert.True(Finite(finding.Candidate) && Finite(finding.Reference) && Finite(finding.Difference) && Finite(finding.Low) && Finite(finding.High), $"{finding}");
                Assert.False(finding.Low > finding.High || finding.Low > finding.Difference || finding.Difference > finding.High, $"{finding}");
            }
            return verdict is { Confidence: >= 0 and <= 1, HealthScore: null or (>= 0 and <= 100) };

            static bool Finite(double? value) => value is not { } number || double.IsFinite(number);
        }, iter: 100);

    [Fact]
    public void Ticks_that_come_twice_or_late_change_nothing_those_of_the_past_neither() =>
        Gen.Select(Ticks(Odd.Number, 2, 30), Gen.Int[0, 20], Gen.Int[0, 29].Array[0, 40]).Sample((ticks, past, again) =>
        {
            var moved = Array.ConvertAll(ticks, tick => Moved(tick, past));
            var (once, often) = (Judge.Start(Every, restarted: false), Judge.Start(Every, restarted: false));
            for (var at = 0; at < moved.Length; at++)
            {
                Next(Every, ref once, moved[at]);
                Next(Every, ref often, moved[at]);
                foreach (var older in again)
                {
                    if (older <= at)
                    {
                        Next(Every, ref often, moved[older]);
                    }
                }
            }
            return WatchState.Same(once, often);
        }, iter: 60);

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(int.MinValue + 1)]
    [InlineData(int.MaxValue)]
    public void A_tick_at_the_end_of_all_numbers_is_a_tick_like_another(int n)
    {
        var policy = Shop.Policy();
        var noise = new Noise(11);
        var state = Judge.Start(policy, restarted: true);
        Next(policy, ref state, Shop.Tick(policy, noise, n, new Behaviour(), new Behaviour(), new Behaviour())).Decision.ShouldBe(Decision.Hold);
        Judge.Next(policy, Model.Shipped, ref state, Input.Of(new ReferenceChange(Subject.Restored, Arm.Before, Tick: n))).Recovered.ShouldBeNull();
        Next(policy, ref state, Shop.Tick(policy, noise, int.MaxValue, new Behaviour(), new Behaviour())).Decision.ShouldBe(Decision.Hold);
    }
}
