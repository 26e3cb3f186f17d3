using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using CsCheck;

namespace Commander.Judging.Tests.Verdicts;

public class BadInputTests
{
    private static readonly double[] Odd =
    [
        double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.MaxValue, double.MinValue, double.Epsilon, -double.Epsilon, -0.0, 0, -1, 1e15, 1e16, 1e-300, 0.5, 1, 37,
    ];

    private static readonly Gen<double> Numbers = Gen.Int[0, Odd.Length - 1].Select(static at => Odd[at]);

    // Numbers that cannot be, and every way of having none.
    private static readonly Gen<Reading> Nothing = Gen.OneOf(
        Gen.Int[0, 7].Where(static quality => quality is not ((int)Quality.Value or (int)Quality.Partial)).Select(static quality => new Reading((Quality)quality, 50, 100)),
        Gen.Select(Gen.Int[1, 2], Gen.Int[0, 3]).Select(static (quality, which) => (Quality: (Quality)quality, Which: which)).Select(static drawn => drawn.Which switch
        {
            0 => new Reading(drawn.Quality, double.NaN, double.NaN),
            1 => new Reading(drawn.Quality, double.PositiveInfinity, double.PositiveInfinity),
            2 => new Reading(drawn.Quality, double.NegativeInfinity, -5),
            _ => new Reading(drawn.Quality, 2e15, 1, new Buckets([1, 0.5], [3, double.NaN])),
        }));

    private static readonly Gen<Reading> Anything = Gen.OneOf(
        Nothing,
        Gen.Select(Gen.Int[0, 7], Numbers, Numbers, Numbers.Array[0, 4], Numbers.Array[0, 4]).Select(static (quality, value, total, edges, counts) =>
            new Reading((Quality)quality, value, total, new Buckets(edges, counts))),
        Gen.Select(Numbers, Numbers, Numbers).Select(static (one, two, three) => new Reading(Quality.Value, Buckets: new Buckets([1, 2, double.PositiveInfinity], [one, two, three]))));

    private static Policy Watched(NoData silence) => Shop.Policy(
        Shop.ErrorMetric,
        Shop.LatencyMetric,
        Shop.MemoryMetric,
        Shop.CpuMetric with { Name = "requests", Kind = MetricKind.Count, Family = Family.Traffic, Direction = Direction.Down, Tolerance = new Tolerance(0.6, true) }) with
    { NoData = silence };

    private static Step Fold(Policy policy, ref WatchState state, int n, Reading[] readings, Arm only = (Arm)(-1))
    {
        var tick = new Tick(n, 1, policy.Metrics.Count);
        for (var at = 0; at < readings.Length; at++)
        {
            var arm = (Arm)(at % 4);
            if ((int)only < 0 || arm == only)
            {
                tick[at / 4, arm] = readings[at];
            }
        }
        return Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
    }

    [Theory]
    [InlineData(NoData.Rollback)]
    [InlineData(NoData.Hold)]
    [InlineData(NoData.Ignore)]
    public void Where_no_arm_has_a_number_there_is_never_a_verdict(NoData silence)
    {
        var policy = Watched(silence);
        Gen.Select(Nothing.Array[16].Array[30], Gen.Bool).Sample((ticks, past) =>
        {
            var state = past ? Shop.Begin(policy, new Noise(1), new Behaviour()) : Judge.Start(policy, restarted: false);
            var n = 0;
            return ticks.All(readings => Fold(policy, ref state, ++n, readings) is { Decision: Decision.Hold, Alarm: false, Guard: false });
        }, iter: 60);
    }

    [Fact]
    public void A_candidate_that_was_never_measured_is_never_carried_on_and_never_rolled_back_for_what_the_control_does() =>
        Gen.Select(Anything.Array[16].Array[30], Gen.Enum<NoData>()).Sample((ticks, silence) =>
        {
            var policy = Watched(silence);
            var state = Judge.Start(policy, restarted: false);
            var n = 0;
            return ticks.All(readings => Fold(policy, ref state, ++n, readings, Arm.Control).Decision is var decision
                && (decision == Decision.Hold || (decision == Decision.Rollback && silence == NoData.Rollback)));
        }, iter: 100);

    [Fact]
    public void A_candidate_alone_that_is_like_nothing_known_is_never_carried_on()
    {
        // One point, or many, without a control, a past or an objective: there is nothing it could be no worse than.
        var policy = Watched(NoData.Ignore);
        var noise = new Noise(8);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1; n <= 200; n++)
        {
            Judge.Next(policy, Model.Shipped, ref state, Input.Of(Shop.Tick(policy, noise, n, new Behaviour(), null))).Decision.ShouldBe(Decision.Hold, $"tick {n}");
        }
    }

    [Fact]
    public void Whatever_numbers_stand_in_a_reading_nothing_throws_and_all_that_is_told_is_a_number() =>
        Gen.Select(Anything.Array[16].Array[1, 30], Gen.Int[0, 10], Gen.Bool).Sample((ticks, past, restarted) =>
        {
            var policy = Watched(NoData.Rollback);
            var state = Judge.Start(policy, restarted);
            var n = -past;
            foreach (var readings in ticks)
            {
                var step = Fold(policy, ref state, ++n, readings);
                if (!(step.PBad is >= 0 and <= 1))
                {
                    return false;
                }
            }
            var verdict = Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false));
            return verdict.Confidence is >= 0 and <= 1
                && verdict.HealthScore is null or (>= 0 and <= 100)
                && verdict.Reasoning.Length > 0
                && verdict.Findings.All(static finding => finding.Score is >= 0 and < double.PositiveInfinity
                    && Finite(finding.Candidate) && Finite(finding.Reference) && Finite(finding.Difference) && Finite(finding.Low) && Finite(finding.High));

            static bool Finite(double? value) => value is null || double.IsFinite(value.Value);
        }, iter: 300);

    [Fact]
    public void One_point_is_never_carried_on_whatever_it_says() =>
        Gen.Select(Anything.Array[16], Gen.Bool).Sample((readings, past) =>
        {
            var policy = Watched(NoData.Rollback);
            var state = past ? Shop.Begin(policy, new Noise(1), new Behaviour()) : Judge.Start(policy, restarted: false);
            return Fold(policy, ref state, 1, readings).Decision != Decision.Continue;
        }, iter: 200);

    [Fact]
    public void Ticks_that_come_twice_late_or_out_of_order_change_nothing()
    {
        var policy = Shop.Policy();
        var noise = new Noise(6);
        var good = new Behaviour();
        var ticks = Enumerable.Range(1, 40).Select(n => Shop.Tick(policy, noise, n, n > 20 ? good with { Errors = 0.1 } : good, good)).ToArray();
        var begun = Shop.Begin(policy, noise, good);
        Gen.Int[0, 39].Array[1, 120].Sample(order =>
        {
            var (wild, rising, newest) = (begun, begun, -1);
            foreach (var at in order)
            {
                var step = Judge.Next(policy, Model.Shipped, ref wild, Input.Of(ticks[at]));
                if (at > newest)
                {
                    newest = at;
                    if (Judge.Next(policy, Model.Shipped, ref rising, Input.Of(ticks[at])) != step)
                    {
                        return false;
                    }
                }
            }
            return WatchState.Same(wild, rising);
        }, iter: 100);
    }

    [Fact]
    public void A_watch_that_is_resumed_from_its_facts_after_every_tick_judges_as_the_one_that_never_stopped()
    {
        var policy = Shop.Policy();
        var noise = new Noise(9);
        var good = new Behaviour();
        var inputs = Enumerable.Range(-9, 50).Select(n => Input.Of(n <= 0
            ? Shop.Tick(policy, noise, n, null, null, good)
            : Shop.Tick(policy, noise, n, n > 25 ? good with { Errors = 0.2 } : good, good))).ToArray();
        var (live, decided) = (Judge.Start(policy, restarted: true), new List<Decision>());
        for (var at = 0; at < inputs.Length; at++)
        {
            var step = Judge.Next(policy, Model.Shipped, ref live, inputs[at]);
            var (replayed, again) = (Judge.Start(policy, restarted: true), default(Step));
            foreach (var input in inputs[..(at + 1)])
            {
                again = Judge.Next(policy, Model.Shipped, ref replayed, input);
            }
            again.ShouldBe(step);
            WatchState.Same(live, replayed).ShouldBeTrue();
            decided.Add(step.Decision);
        }
        decided.ShouldContain(Decision.Rollback);
    }

    [Fact]
    [Trait("Category", "Measured")]
    public void A_million_ticks_of_two_arms_alike_are_carried_on_and_every_number_stays_one()
    {
        var policy = Shop.Policy(Shop.ErrorMetric, Shop.MemoryMetric);
        var state = Judge.Start(policy, restarted: false);
        for (var n = 1; n <= 1_000_000; n++)
        {
            var step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(Tick(n, n % 3)));
            if (step.Alarm || !(step.PBad is >= 0 and <= 1))
            {
                throw new InvalidOperationException($"tick {n}: {step}");
            }
        }
        var verdict = Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false));
        (verdict.Decision, verdict.Findings.All(static finding => double.IsFinite(finding.Difference ?? 0) && double.IsFinite(finding.Score))).ShouldBe(("CONTINUE", true));

        Tick Tick(int n, int bad)
        {
            var tick = new Tick(n, 1, 2);
            tick[0, Arm.Candidate] = new Reading(Quality.Value, bad, 100);
            tick[0, Arm.Control] = new Reading(Quality.Value, 2 - bad, 100);
            tick[1, Arm.Candidate] = new Reading(Quality.Value, 50 + (n % 7));
            tick[1, Arm.Control] = new Reading(Quality.Value, 50 + (n % 5));
            return tick;
        }
    }
}
