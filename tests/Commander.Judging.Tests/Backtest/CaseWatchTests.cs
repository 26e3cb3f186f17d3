using Commander.Judging.Backtest;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Backtest;

public class CaseWatchTests
{
    // Ten points of a past with 1 % of errors, and ten of a present with a little more: nothing that is clear.
    private static readonly Recording Unclear = Recorded(58);

    private static readonly Opinion Bad = new("ROLLBACK", 0.9, "the errors", true, "m", ["errors"]);

    [Fact]
    public void A_watch_begins_before_its_past_and_counts_the_change_as_tick_nothing()
    {
        var watch = new CaseWatch(Unclear);
        watch.Tick.ShouldBe(-10);
        for (var n = -9; n <= 10; n++)
        {
            watch.Next().ShouldBe(watch.Step);
            watch.Tick.ShouldBe(n);
        }
        watch.Subject.ShouldBe(Subject.Candidate);
    }

    [Fact]
    public void What_is_said_is_said_for_the_end_of_the_tick()
    {
        var change = new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);
        var watch = Watched(Unclear with { ChangeTime = change.ToUnixTimeSeconds() + 0.25, StepSeconds = 90 }, 4);
        var verdict = watch.Read(final: true);
        (verdict.DecidedAt, verdict.ElapsedMs, verdict.Final).ShouldBe((change.AddSeconds(360.25), 360_000, true));
        watch.Read(final: false).Final.ShouldBeFalse();
        watch.At(-1).ShouldBe(change.AddSeconds(-89.75));
        // Instants that no calendar has are moved to one that it has.
        foreach (var (time, year) in new[] { (1e300, 9892), (-1e300, 68) })
        {
            new CaseWatch(Unclear with { ChangeTime = time }).At(3).Year.ShouldBe(year);
        }
    }

    [Fact]
    public void A_given_policy_gets_the_recording_s_step_and_nothing_else_changes()
    {
        var given = CasePolicy.Of(Unclear).Policy with { Decide = new DecidePolicy(0.02, 1, 4, Authority.Advise) };
        var watch = new CaseWatch(Unclear with { StepSeconds = 7 }, given);
        watch.Policy.ShouldBe(given with { Watch = given.Watch with { Step = TimeSpan.FromSeconds(7) } });
        new CaseWatch(Unclear, given, authority: Authority.Decide).Policy.Decide.ShouldBe(given.Decide with { Reasoning = Authority.Decide });
        new CaseWatch(Unclear).Policy.Decide.Reasoning.ShouldBe(Authority.Off);
        new CaseWatch(Unclear, authority: Authority.Advise).Policy.Decide.Reasoning.ShouldBe(Authority.Advise);
    }

    [Fact]
    public void A_given_model_judges_and_without_one_the_shipped_does()
    {
        var recording = Recorded(400);
        var never = Model.Shipped with { Version = "never", Intercept = -100 };
        Watched(recording, 3, model: Model.Shipped).Step.ShouldBe(Watched(recording, 3).Step);
        Watched(recording, 3, model: never).Step.PBad.ShouldBeLessThan(1e-6);
        Watched(recording, 3).Step.PBad.ShouldBeGreaterThan(0.1);
    }

    [Fact]
    public void An_opinion_is_folded_in_like_that_of_a_live_watch()
    {
        var (policy, sources) = CasePolicy.Of(Unclear);
        policy = policy with { Decide = policy.Decide with { Reasoning = Authority.Decide } };
        foreach (var input in new[] { Input.Of(Bad), Input.NoOpinion() })
        {
            var state = Judge.Start(policy, Unclear.Restarted);
            for (var n = -9; n <= 10; n++)
            {
                Judge.Next(policy, Model.Shipped, ref state, Input.Of(CaseTicks.At(Unclear, sources, n)));
            }
            var live = Judge.Next(policy, Model.Shipped, ref state, input);
            var watch = Watched(Unclear, 10, Authority.Decide);
            watch.Hear(input.Opinion).ShouldBe(live);
            watch.Step.ShouldBe(live);
        }
    }

    [Fact]
    public void What_would_be_without_an_opinion_is_told_and_changes_nothing()
    {
        var (one, other) = (Watched(Unclear, 10, Authority.Decide), Watched(Unclear, 10, Authority.Decide));
        one.Hear(Bad);
        other.Hear(Bad);
        var unheard = one.Unheard();
        Told(one).ShouldBe(Told(other));
        one.Step.ShouldBe(other.Step);
        unheard.ShouldBe(other.Hear(null));
    }

    [Fact]
    public void A_copy_goes_on_apart()
    {
        var watch = Watched(Unclear, 4, Authority.Decide);
        var before = Told(watch);
        var copy = watch.Copy();
        Told(copy).ShouldBe(before);
        copy.Next();
        copy.Hear(Bad);
        (copy.Tick, watch.Tick).ShouldBe((5, 4));
        Told(watch).ShouldBe(before);
        watch.Next();
        Told(watch).ShouldBe(Told(Watched(Unclear, 5, Authority.Decide)));
    }

    [Fact]
    public void Only_a_hold_has_a_word_about_its_data()
    {
        var watch = Watched(Unclear, 1);
        (watch.Step.Decision, watch.TooLittle).ShouldBe((Decision.Hold, true));
        var harmed = Watched(Recorded(2000), 3);
        (harmed.Step.Decision, harmed.TooLittle).ShouldBe((Decision.Rollback, null));
    }

    private static string Told(CaseWatch watch)
    {
        var verdict = watch.Read(final: false);
        return $"{verdict with { Findings = [] }} {string.Join('\n', verdict.Findings)}";
    }

    private static CaseWatch Watched(Recording recording, int ticks, Authority? authority = null, Model? model = null)
    {
        var watch = new CaseWatch(recording, model: model, authority: authority);
        while (watch.Tick < ticks)
        {
            watch.Next();
        }
        return watch;
    }

    private static Recording Recorded(double errors) => new(1_700_000_000, 60, false,
    [
        new Series("requests", "count", null, null, null, Flat(4000), Flat(4000), null, null, null),
        new Series("errors", "count", null, null, null, Flat(40), Flat(errors), null, null, null),
    ]);

    private static double[] Flat(double value) => [.. Enumerable.Repeat(value, 10)];
}
