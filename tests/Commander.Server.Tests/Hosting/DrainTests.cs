using Commander.Server.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Hosting;

public sealed class DrainTests
{
    private readonly FakeTimeProvider _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_that_ends_says_so_before_it_stops_answering()
    {
        var drain = new Drain(_clock, Drain.Notice);
        drain.Readiness.Check().ShouldBeNull();

        var stopping = drain.StoppingAsync(Cancel);

        drain.Readiness.Check().ShouldBe("it ends; ask another one");
        _clock.Advance(Drain.Notice - TimeSpan.FromMilliseconds(1));
        stopping.IsCompleted.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await stopping;
    }

    [Fact]
    public void A_server_that_is_alone_ends_at_once()
    {
        var drain = new Drain(_clock, TimeSpan.Zero);

        drain.StoppingAsync(Cancel).IsCompletedSuccessfully.ShouldBeTrue();

        drain.Readiness.Check().ShouldNotBeNull();
    }

    [Fact]
    public async Task Who_does_not_want_to_wait_ends_the_notice_without_an_error()
    {
        using var hurry = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var stopping = new Drain(_clock, Drain.Notice).StoppingAsync(hurry.Token);

        await hurry.CancelAsync();

        await stopping;
    }
}
