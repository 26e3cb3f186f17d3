using Commander.Judging.Evidence;
using Commander.Server.Connections;
using Commander.Server.Loop;
using Commander.Server.Sources;
using Commander.Server.Sources.Scrape;
using Commander.Server.Tests.Sources;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Loop;

/// <summary>Processes that die while they are watched, scraped over real connections.</summary>
public sealed class DeadCandidateTests : IAsyncLifetime
{
    private readonly HttpClient _http = Outgoing.Create();
    private readonly LateSource _late = new();
    private Exporter _candidate = null!;
    private Exporter _control = null!;
    private LoopWorld _world = null!;
    private DateTimeOffset _begun;

    public async ValueTask InitializeAsync()
    {
        (_candidate, _control) = (await Exporter.Start(), await Exporter.Start());
        var policy = LoopWorld.PolicyText
            .Replace("candidate: 'http://127.0.0.1:1/metrics', control: 'http://127.0.0.1:1/metrics'", $"candidate: '{_candidate.Url}', control: '{_control.Url}'", StringComparison.Ordinal)
            .Replace("{version=\"{{version}}\",", "{", StringComparison.Ordinal).Replace("{version=\"{{version}}\"}", "", StringComparison.Ordinal);
        _world = await LoopWorld.Begin(policy, source: _late);
        var settings = _world.Policies.Sources["truth"];
        _late.Source = new ScrapeSource(settings, _world.Policies.Services["checkout"].Metrics, _http, _world.Clock);
        _begun = _world.Clock.GetUtcNow();
        foreach (var exporter in new[] { _candidate, _control })
        {
            // Counted by the test's clock, so that every tick has its hundred requests a second.
            exporter.Answer = context => context.Response.WriteAsync($"requests_total{{code=\"200\"}} {1000 + (100 * (_world.Clock.GetUtcNow() - _begun).TotalSeconds):0}\n");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await _candidate.DisposeAsync();
        await _control.DisposeAsync();
        _http.Dispose();
    }

    [Fact]
    public async Task A_candidate_that_dies_is_rolled_back()
    {
        var id = (await _world.Announce("2.0.0")).Id;
        await _world.Run(id, _ => _world.Clock.GetUtcNow() >= _begun.AddSeconds(5));
        await _candidate.DisposeAsync();
        var dead = await _world.Run(id, d => d.Verdict?.Decision == "ROLLBACK");
        dead.Verdict!.Reasoning.ShouldStartWith("no data from the candidate for");
        _world.Platform.Orders.ShouldHaveSingleItem().TargetVersion.ShouldBe("1.0.0");
    }

    [Fact]
    public async Task A_candidate_that_was_never_there_is_not_rolled_back()
    {
        await _candidate.DisposeAsync();
        var id = (await _world.Announce("2.0.0")).Id;
        var closed = await _world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        (closed.Verdict!.Decision, closed.ClosedReason).ShouldBe(("HOLD", "on_hold"));
        _world.Platform.Orders.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_control_that_is_stopped_leaves_the_comparison()
    {
        var id = (await _world.Announce("2.0.0")).Id;
        await _world.Run(id, _ => _world.Clock.GetUtcNow() >= _begun.AddSeconds(5));
        await _control.DisposeAsync();
        var closed = await _world.Run(id, d => d.State == "closed", TimeSpan.FromHours(1));
        closed.Verdict!.Decision.ShouldBe("CONTINUE");
        (await _world.Facts(id)).ShouldContain(fact => fact.Kind == FactKind.Reference);
    }

    /// <summary>The clock of the world is there only after its source.</summary>
    private sealed class LateSource : ISource
    {
        public ScrapeSource Source { get; set; } = null!;

        public bool RemembersPast => false;

        public bool SeparatesArms => true;

        public Task<Reading[]> Observe(IReadOnlyList<Question> questions, CancellationToken cancel) => Source.Observe(questions, cancel);

        public Task<Reading[][]> Past(IReadOnlyList<Question> questions, int points, CancellationToken cancel) => Source.Past(questions, points, cancel);
    }
}
