using System.Runtime.CompilerServices;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;
using CsCheck;

namespace Commander.Judging.Tests.Verdicts;

public class FoldTests
{
    private static readonly Policy Shops = Shop.Policy(
        Shop.ErrorMetric,
        Shop.LatencyMetric,
        Shop.MemoryMetric,
        Shop.CpuMetric,
        Shop.ErrorMetric with { Name = "conversions", Family = Family.Kpi, Direction = Direction.Either },
        Shop.CpuMetric with { Name = "requests", Kind = MetricKind.Count, Family = Family.Traffic, Direction = Direction.Down, Tolerance = new Tolerance(0.6, true) });

    private static readonly Gen<Reading> Readings = Gen.OneOf(
        Gen.Select(Gen.Int[0, 7], Gen.Double, Gen.Double).Select((quality, value, total) => new Reading((Quality)quality, value, total)),
        Gen.Select(Gen.Int[0, 20], Gen.Int[0, 200]).Select((bad, good) => new Reading(Quality.Value, bad, bad + good)),
        Gen.Select(Gen.Double.Array[0, 4], Gen.Double.Array[0, 4]).Select((edges, counts) => new Reading(Quality.Value, Buckets: new Buckets(edges, counts))),
        Gen.Int[0, 50].Array[4].Select(counts =>
        {
            var (sum, cumulative) = (0.0, new double[4]);
            for (var at = 0; at < 4; at++)
            {
                cumulative[at] = sum += counts[at];
            }
            return new Reading(Quality.Value, Buckets: new Buckets([10, 100, 1000, double.PositiveInfinity], cumulative));
        }));

    private static readonly Gen<Input[]> Histories = Gen.Select(Gen.Int[0, 12], Readings.Array[6 * 4].Array[1, 40], Gen.Int[0, 9].Array[40]).Select((past, ticks, kinds) =>
    {
        var inputs = new List<Input>();
        for (var at = 0; at < ticks.Length; at++)
        {
            var tick = new Tick(at + 1 - past, 1, 6);
            for (var reading = 0; reading < 24; reading++)
            {
                tick[reading / 4, (Arm)(reading % 4)] = ticks[at][reading];
            }
            inputs.Add(Input.Of(tick));
            switch (kinds[at])
            {
                case 0:
                    inputs.Add(Input.Of(new ReferenceChange(Subject.Candidate, Arm.Before, at % 6)));
                    break;
                case 1:
                    inputs.Add(Input.NoOpinion());
                    break;
                case 2:
                    inputs.Add(Input.Of(new Opinion("HOLD", 0.5, "", true, "m", ["errors"])));
                    break;
                case 3 when at > 20:
                    inputs.Add(Input.Of(new ReferenceChange(Subject.Promoted, Arm.Before)));
                    break;
                default:
                    break;
            }
        }
        return inputs.ToArray();
    });

    [Fact]
    public void The_state_fits_into_sixteen_kilobytes() => Unsafe.SizeOf<WatchState>().ShouldBeLessThanOrEqualTo(16384);

    [Fact]
    public void A_fold_that_is_split_anywhere_by_copying_the_state_ends_the_same_bit_by_bit() =>
        Gen.Select(Histories, Gen.Double[0, 1]).Sample((inputs, where) =>
        {
            var whole = Judge.Start(Shops, restarted: true);
            foreach (var input in inputs)
            {
                Judge.Next(Shops, Model.Shipped, ref whole, input);
            }
            var split = (int)(where * inputs.Length);
            var first = Judge.Start(Shops, restarted: true);
            foreach (var input in inputs[..split])
            {
                Judge.Next(Shops, Model.Shipped, ref first, input);
            }
            var second = first;
            foreach (var input in inputs[split..])
            {
                Judge.Next(Shops, Model.Shipped, ref second, input);
            }
            return WatchState.Same(whole, second);
        }, iter: 300);

    [Fact]
    public void Whatever_a_source_sends_neither_the_fold_nor_its_reading_throws_and_probabilities_stay_probabilities() =>
        Histories.Sample(inputs =>
        {
            var state = Judge.Start(Shops, restarted: false);
            foreach (var input in inputs)
            {
                var step = Judge.Next(Shops, Model.Shipped, ref state, input);
                if (!(step.PBad is >= 0 and <= 1))
                {
                    return false;
                }
            }
            var verdict = Judge.Read(Shops, Model.Shipped, state, new Reader(default, 0, [], false));
            return verdict.Findings.Count == 6 && verdict.Findings.All(finding => finding.Score >= 0 && double.IsFinite(finding.Difference ?? 0) && finding.Reason.Length > 0);
        }, iter: 300);

    [Fact]
    public void What_a_model_reads_of_a_state_is_what_P_of_BAD_was_made_of_bit_by_bit() =>
        Histories.Sample(inputs =>
        {
            var state = Judge.Start(Shops, restarted: false);
            foreach (var input in inputs)
            {
                var step = Judge.Next(Shops, Model.Shipped, ref state, input);
                // A step without an alarm may have weighed CONTINUE since.
                if (input.Kind == InputKind.Tick && step.Alarm && step.PBad != Model.Shipped.PBad(Judge.FeaturesOf(Shops, state)))
                {
                    return false;
                }
            }
            return true;
        }, iter: 300);

    [Theory]
    [InlineData(double.NaN, 100)]
    [InlineData(double.PositiveInfinity, 100)]
    [InlineData(-5, 100)]
    [InlineData(500, 100)]
    [InlineData(5, double.NaN)]
    public void A_number_that_cannot_be_is_no_alarm_and_no_silence(double bad, double total)
    {
        var policy = Shop.Policy(Shop.ErrorMetric, Shop.MemoryMetric);
        var noise = new Noise(3);
        var state = Shop.Begin(policy, noise, new Behaviour());
        for (var n = 1; n <= 60; n++)
        {
            var tick = Shop.Tick(policy, noise, n, null, new Behaviour());
            tick[Shop.Errors, Arm.Candidate] = new Reading(Quality.Value, bad, total);
            tick[1, Arm.Candidate] = new Reading(Quality.Value, bad < 0 ? double.NegativeInfinity : double.NaN);
            var step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick));
            step.Alarm.ShouldBeFalse();
            step.Decision.ShouldBe(Decision.Hold);
        }
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        var policy = Shop.Policy();
        var noise = new Noise(4);
        var state = Shop.Begin(policy, noise, new Behaviour());
        var inputs = Enumerable.Range(1, 400).Select(n => Input.Of(Shop.Tick(policy, noise, n, new Behaviour(), new Behaviour()))).ToArray();
        for (var at = 0; at < 200; at++)
        {
            Judge.Next(policy, Model.Shipped, ref state, inputs[at]);
        }
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var at = 200; at < 400; at++)
        {
            Judge.Next(policy, Model.Shipped, ref state, inputs[at]);
        }
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    [Fact]
    public void A_tick_that_was_folded_in_is_passed_over_when_it_comes_again()
    {
        var policy = Shop.Policy();
        var noise = new Noise(5);
        var state = Shop.Begin(policy, noise, new Behaviour());
        var tick = Input.Of(Shop.Tick(policy, noise, 1, new Behaviour(), new Behaviour()));
        Judge.Next(policy, Model.Shipped, ref state, tick);
        var once = state;
        Judge.Next(policy, Model.Shipped, ref state, tick);
        WatchState.Same(once, state).ShouldBeTrue();
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

    [Fact]
    public void A_tick_of_another_policy_is_refused_by_name()
    {
        var policy = Shop.Policy();
        var state = Judge.Start(policy, false);
        Should.Throw<ArgumentException>(() => Judge.Next(policy, Model.Shipped, ref state, Input.Of(new Tick(1, 1, 2)))).Message.ShouldContain("2 metrics");
    }

    [Fact]
    public void A_policy_that_cannot_be_judged_is_refused_at_the_start()
    {
        Should.Throw<ArgumentException>(() => Judge.Start(Shop.Policy([.. Enumerable.Repeat(Shop.ErrorMetric, 17)]), false)).Message.ShouldContain("17 metrics");
        Should.Throw<ArgumentException>(() => Judge.Start(Shop.Policy(Shop.ErrorMetric with { Tolerance = default }), false)).Message.ShouldContain("tolerance of errors");
    }
}
