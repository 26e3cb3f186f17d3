using Commander.Server.Acting.Rollback;

namespace Commander.Server.Tests.Acting;

/// <summary>How the platform behind a target behaves in a test.</summary>
internal enum PlatformMood
{
    /// <summary>Takes every order.</summary>
    Accepts = 0,
    /// <summary>Will never take it.</summary>
    Refuses,
    /// <summary>Cannot be reached, or is not ready for it.</summary>
    Away,
    /// <summary>Does not answer for a minute.</summary>
    Hangs,
}

/// <summary>What every rollback target must do, whatever stands behind it. A target's own tests inherit these.</summary>
public abstract class RollbackTargetCompliance
{
    private protected static readonly RollbackOrder Order = new("dep-1/rollback/1", "dep-1", "checkout", "prod", "2.0.0", "1.0.0", null);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>The target with a time-out that a test can wait for, before a platform that serves 2.0.0 and behaves so from here on.</summary>
    private protected abstract Task<IRollbackTarget> Target(PlatformMood mood, TimeSpan timeout);

    /// <summary>How often an order took effect on the platform.</summary>
    private protected abstract int Effects { get; }

    /// <summary>How often two orders with different keys for the same version take effect.</summary>
    private protected virtual int EffectsOfTwoKeys => 2;

    /// <summary>What the platform says when it refuses.</summary>
    private protected virtual string Refusal => "the target is gone";

    /// <summary>What is said when it does not answer within half a second.</summary>
    private protected virtual string TooLate => "within 0.5 s";

    private Task<IRollbackTarget> Target(PlatformMood mood) => Target(mood, TimeSpan.FromSeconds(20));

    [Fact]
    public async Task An_order_is_accepted_and_takes_effect()
    {
        var target = await Target(PlatformMood.Accepts);
        var result = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        (result.Accepted, result.Refused).ShouldBe((true, false), result.Message);
        result.Message.ShouldNotBeEmpty();
        Effects.ShouldBe(1);
    }

    [Fact]
    public async Task The_same_key_twice_takes_one_effect_and_is_accepted_twice()
    {
        var target = await Target(PlatformMood.Accepts);
        await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        var again = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        again.Accepted.ShouldBeTrue(again.Message);
        Effects.ShouldBe(1);
        await target.Order(Order with { Key = "dep-1/rollback/2" }, CancellationToken.None).WaitAsync(Deadline);
        Effects.ShouldBe(EffectsOfTwoKeys);
    }

    [Fact]
    public async Task What_the_platform_will_never_take_is_refused_in_words()
    {
        var target = await Target(PlatformMood.Refuses);
        var result = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        (result.Accepted, result.Refused).ShouldBe((false, true), result.Message);
        result.Message.ShouldContain(Refusal);
        Effects.ShouldBe(0);
    }

    [Fact]
    public async Task A_platform_that_is_away_may_be_asked_again()
    {
        var target = await Target(PlatformMood.Away);
        var result = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        (result.Accepted, result.Refused).ShouldBe((false, false), result.Message);
        result.Message.ShouldNotBeEmpty();
        result = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        (result.Accepted, result.Refused).ShouldBe((false, false), result.Message);
        (await target.Look("checkout", "prod", CancellationToken.None).WaitAsync(Deadline)).Reached.ShouldBeFalse();
        Effects.ShouldBe(0);
    }

    [Fact]
    public async Task A_platform_that_does_not_answer_is_left_after_the_time_out_and_may_be_asked_again()
    {
        var target = await Target(PlatformMood.Hangs, TimeSpan.FromMilliseconds(500));
        var result = await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        (result.Accepted, result.Refused).ShouldBe((false, false), result.Message);
        result.Message.ShouldContain(TooLate);
    }

    [Fact]
    public async Task Who_is_cancelled_waits_no_longer()
    {
        var target = await Target(PlatformMood.Hangs);
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Should.ThrowAsync<OperationCanceledException>(() => target.Order(Order, cancel.Token).WaitAsync(Deadline));
    }

    [Fact]
    public async Task The_state_says_what_serves_before_and_after()
    {
        var target = await Target(PlatformMood.Accepts);
        var before = await target.Look("checkout", "prod", CancellationToken.None).WaitAsync(Deadline);
        (before.Reached, before.ServingVersion, before.Settled).ShouldBe((true, "2.0.0", true), before.Message);
        await target.Order(Order, CancellationToken.None).WaitAsync(Deadline);
        var after = await target.Look("checkout", "prod", CancellationToken.None).WaitAsync(Deadline);
        (after.Reached, after.ServingVersion, after.Settled).ShouldBe((true, "1.0.0", true), after.Message);
    }

    [Fact]
    public async Task Its_name_says_its_type_and_its_place() =>
        (await Target(PlatformMood.Accepts)).Name.ShouldMatch("^[a-z]+:.+");
}
