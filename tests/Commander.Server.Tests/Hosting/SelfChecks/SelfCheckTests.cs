using Commander.Judging.Policies;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Storage;
using Commander.Server.Tests.Sources;
using Commander.Server.Tests.Storage;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Hosting.SelfChecks;

/// <summary>What goes away and comes back is told once each, whoever restarts, fails or notices it too.</summary>
public sealed class SelfCheckTests : IAsyncLifetime
{
    private readonly SelfCheckWorld _world = new();
    private ToldServer _ops = null!;
    private ToldServer _other = null!;
    private Exporter _metrics = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private PolicySet Policies => SelfCheckWorld.Policies($$"""
        sources:
          shop: { type: scrape, targets: { candidate: '{{_metrics.Url}}' } }
        defaults:
          alert:
            - { webhook: '{{_ops.Url}}', on: [system] }
            - { webhook: '{{_other.Url}}', on: [rollback, system], severity: warning }
        """);

    public async ValueTask InitializeAsync()
    {
        (_ops, _other, _metrics) = (await ToldServer.Start(), await ToldServer.Start(), await Exporter.Start());
        _metrics.Says("up 1\n");
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await _ops.DisposeAsync();
        await _other.DisposeAsync();
        await _metrics.DisposeAsync();
    }

    [Fact]
    public async Task A_source_that_goes_and_comes_back_is_told_once_each_whenever_the_server_restarts()
    {
        await Begin().Round(_world.Clock);
        _ops.Said.ShouldBeEmpty();
        (await _world.Facts()).ShouldBeEmpty();

        _metrics.Answer = context => Answer(context, 503);
        var node = Begin();
        _world.Clock.Advance(TimeSpan.FromMinutes(5));
        await node.Self.Run(Cancel);
        await node.Teller.Pass(Cancel);
        node.State("source shop").Ok.ShouldBeTrue("a first failure is looked at again");
        node.State("source shop").Message.ShouldStartWith("failed once and is looked at again: ");
        _ops.Titles.ShouldNotContain("Check failed: source shop");
        var first = _world.Clock.GetUtcNow();
        _world.Clock.Advance(SelfCheck.Again);
        await node.Self.LookAgain(Cancel);
        node.State("source shop").Ok.ShouldBeFalse();
        node.State("source shop").Since.ShouldBe(first);

        // It restarts after it stored and before it told, and again after it told.
        node = Begin();
        await node.Teller.Pass(Cancel);
        node = Begin();
        await node.Round(_world.Clock);
        node.State("source shop").Ok.ShouldBeFalse("a failure that is known needs no second look");
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop"]);
        Told(_other, "source shop").ShouldBe(["Check failed: source shop"]);
        _ops.Said.Last().GetProperty("sentence").GetString().ShouldBe($"{_metrics.Url} answered 503, not 200");
        _ops.Said.Last().GetProperty("reference").GetString().ShouldBeNull();

        _metrics.Says("up 1\n");
        node = Begin();
        await node.Self.Run(Cancel);
        node = Begin();
        await node.Teller.Pass(Cancel);
        node = Begin();
        await node.Round(_world.Clock);
        node.State("source shop").Ok.ShouldBeTrue();
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop", "Holds again: source shop"]);
        // Who was told of the failure hears of its end, however little it is worth.
        Told(_other, "source shop").ShouldBe(["Check failed: source shop", "Holds again: source shop"]);
        _ops.Said.Last().GetProperty("reference").GetString().ShouldBe($"message-{_ops.Said.Count - 1}");
        (await FactChain.Verify(_world.Store, Streams.Checks, Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task A_process_that_ends_while_it_tells_tells_again_and_says_that_it_may_be_the_second_time()
    {
        var node = Begin();
        await Fail(node);
        var due = (await node.Book.Newest(Cancel)).Single(change => change.Name == "source shop");
        var to = Policies.Defaults.Alert[0];
        (await node.Book.Claim(new Due(due, to, "webhook 127.0.0.1", Channels.IdOf(to), null), "node-a:1", _ => true, Cancel)).ShouldBeTrue();

        node = Begin();
        await node.Teller.Pass(Cancel);

        _ops.Said.Single(said => said.GetProperty("title").GetString() == "Check failed: source shop").GetProperty("in_doubt").GetBoolean().ShouldBeTrue();
        _other.Said.Single(said => said.GetProperty("title").GetString() == "Check failed: source shop").GetProperty("in_doubt").GetBoolean().ShouldBeFalse();
    }

    [Fact]
    public async Task A_channel_that_does_not_take_it_is_told_of_through_the_others_and_gets_it_later()
    {
        var node = Begin();
        _ops.Status = 500;
        await Fail(node);
        await node.Teller.Pass(Cancel);
        _other.Titles.ShouldContain("Check failed: source shop");
        _other.Titles.ShouldContain("Check failed: alert webhook 127.0.0.1");
        _ops.Said.ShouldBeEmpty();
        (await _world.Facts()).ShouldContain(fact => fact.Kind == "told" && fact.Body.GetProperty("state").GetString() == "later" && fact.Body.GetProperty("message").GetString() == "answered 500");

        // Not before its pause is over, which grows; also after a restart.
        _ops.Status = 200;
        node = Begin();
        await node.Teller.Pass(Cancel);
        _ops.Said.ShouldBeEmpty();
        _world.Clock.Advance(TimeSpan.FromSeconds(31));
        await node.Teller.Pass(Cancel);
        await node.Teller.Pass(Cancel);
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop"]);
    }

    [Fact]
    public async Task A_channel_that_refuses_is_not_asked_again_and_one_that_never_answers_is_given_up_after_a_day()
    {
        var node = Begin();
        (_ops.Status, _other.Status) = (400, 503);
        await Fail(node);
        await node.Teller.Pass(Cancel);
        (_ops.Status, _other.Status) = (200, 200);
        _world.Clock.Advance(TimeSpan.FromHours(25));
        await node.Teller.Pass(Cancel);
        (_ops.Said.Count, _other.Said.Count).ShouldBe((0, 0));
        (await _world.Facts()).Count(fact => fact.Kind == "told" && fact.Body.GetProperty("state").GetString() == "failed").ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task What_is_over_before_anybody_heard_of_it_is_told_nobody()
    {
        var node = Begin();
        (_ops.Status, _other.Status) = (503, 503);
        await Fail(node);
        await node.Teller.Pass(Cancel);
        _metrics.Says("up 1\n");
        _world.Clock.Advance(TimeSpan.FromMinutes(5));
        await node.Self.Run(Cancel);
        (_ops.Status, _other.Status) = (200, 200);
        for (var i = 0; i < 5; i++)
            await node.Round(_world.Clock);
        Told(_ops, "source shop").ShouldBeEmpty();
    }

    [Fact]
    public async Task Quiet_hours_wait_for_their_end()
    {
        var policies = SelfCheckWorld.Policies($$"""
            sources:
              shop: { type: scrape, targets: { candidate: '{{_metrics.Url}}' } }
            defaults:
              alert: [ { webhook: '{{_ops.Url}}', on: [system], quiet: { from: '09:00', to: '12:00', zone: UTC } } ]
            """);
        var node = _world.Begin(policies);
        await Fail(node);
        await node.Teller.Pass(Cancel);
        _ops.Said.ShouldBeEmpty();
        _world.Clock.Advance(TimeSpan.FromHours(2));
        await node.Teller.Pass(Cancel);
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop"]);
    }

    [Fact]
    public async Task Two_nodes_on_one_store_tell_once_and_do_not_contradict_each_other()
    {
        string[] members = ["node-a:1", "node-b:1"];
        var (a, b) = (Begin("node-a:1", members), Begin("node-b:1", members));
        _metrics.Answer = context => Answer(context, 503);
        foreach (var node in (SelfNode[])[a, b])
            await node.Self.Run(Cancel);
        _world.Clock.Advance(SelfCheck.Again);
        await Task.WhenAll(a.Self.LookAgain(Cancel), b.Self.LookAgain(Cancel));
        await Task.WhenAll(a.Teller.Pass(Cancel), b.Teller.Pass(Cancel));
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop"]);
        (await Checked()).Count(said => said == "source shop False").ShouldBe(1);

        // The node that did not write it sees it hold: it neither writes nor shows that.
        var writer = (await a.Book.Newest(Cancel)).Single(change => change.Name == "source shop").Node;
        var (mine, others) = writer == "node-a:1" ? (a, b) : (b, a);
        _metrics.Says("up 1\n");
        _world.Clock.Advance(TimeSpan.FromMinutes(5));
        await others.Self.Run(Cancel);
        others.State("source shop").Ok.ShouldBeFalse();
        others.State("source shop").Message.ShouldEndWith($"(seen by {writer})");
        await mine.Self.Run(Cancel);
        await Task.WhenAll(a.Teller.Pass(Cancel), b.Teller.Pass(Cancel));
        Told(_ops, "source shop").ShouldBe(["Check failed: source shop", "Holds again: source shop"]);
        (await Checked()).Count(said => said == "source shop True").ShouldBe(1);
    }

    [Fact]
    public async Task What_a_node_suffers_from_ends_with_the_node_and_what_it_was_about_to_tell_another_tells()
    {
        string[] members = ["node-a:1", "node-b:1"];
        Check[] full = [new("disk node-a:1", _ => Task.FromResult(Found.Not("full")))];
        var a = _world.Begin(PolicySet.Empty, "node-a:1", () => members, full);
        await a.Self.Run(Cancel);
        _world.Clock.Advance(SelfCheck.Again);
        await a.Self.LookAgain(Cancel);

        IReadOnlyCollection<string> now = members;
        var b = _world.Begin(Policies, "node-b:1", () => now);
        await b.Self.Run(Cancel);
        b.State("disk node-a:1").Ok.ShouldBeFalse();
        await b.Teller.Pass(Cancel);
        _ops.Titles.ShouldContain("Check failed: disk node-a:1");

        now = ["node-b:1"];
        await b.Round(_world.Clock);
        b.Self.Shown.ShouldNotContain(state => state.Name == "disk node-a:1");
        _ops.Titles.ShouldContain("Holds again: disk node-a:1");
    }

    [Fact]
    public async Task A_store_that_takes_no_writes_is_told_at_once_and_its_recovery_after_it_is_stored()
    {
        await using var store = new BrokenStore(_world.Store);
        var node = _world.Begin(Policies, store: store);
        await node.Self.Run(Cancel);
        store.Broken = true;
        _world.Clock.Advance(TimeSpan.FromMinutes(5));
        await node.Self.Run(Cancel);
        node.State("store").Ok.ShouldBeFalse();
        await node.Teller.Pass(Cancel);
        await node.Teller.Pass(Cancel);
        _ops.Titles.ShouldBe(["Check failed: store"]);
        var began = _world.Clock.GetUtcNow();
        var facts = (await _world.Facts()).Count;

        store.Broken = false;
        _world.Clock.Advance(TimeSpan.FromMinutes(5));
        await node.Self.Run(Cancel);
        await node.Teller.Pass(Cancel);
        _ops.Titles.ShouldBe(["Check failed: store", "Holds again: store"]);
        _ops.Said.Last().GetProperty("reference").GetString().ShouldBe("message-1");
        var written = (await _world.Facts()).Skip(facts).ToList();
        written.Select(fact => fact.Kind).Take(3).ShouldBe(["check", "told", "told"]);
        written[0].Body.GetProperty("began").GetDateTimeOffset().ShouldBe(began);

        node = _world.Begin(Policies, store: store);
        await node.Round(_world.Clock);
        _ops.Titles.Count(title => title.EndsWith("store", StringComparison.Ordinal)).ShouldBe(2);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_check_that_hangs_fails_in_its_time_holds_up_no_other_and_is_not_begun_twice()
    {
        var cancel = TestContext.Current.CancellationToken;
        var begun = 0;
        var never = new TaskCompletionSource<Found>();
        using var others = new SemaphoreSlim(0);
        Check[] checks =
        [
            new("throws", _ =>
            {
                others.Release();
                throw new InvalidOperationException("https://user:planted-secret@example.org");
            }),
            new("holds", _ =>
            {
                others.Release();
                return Task.FromResult(Found.Well("well"));
            }),
            new("hangs", _ =>
            {
                begun++;
                return never.Task;
            }, Last: true),
        ];
        var node = _world.Begin(PolicySet.Empty, checks: checks);
        for (var round = 0; round < 2; round++)
        {
            var looks = round == 0 ? node.Self.Run(cancel) : node.Self.LookAgain(cancel);
            for (var i = 0; i < (round == 0 ? 2 : 1); i++)
                await others.WaitAsync(cancel);
            // Only now may time pass: who has answered is in time. What hangs already is waited for no second time.
            while (!looks.IsCompleted)
            {
                if (begun > 0 && round == 0)
                    _world.Clock.Advance(TimeSpan.FromSeconds(1));
                await Task.Yield();
            }

            await looks;
            _world.Clock.Advance(SelfCheck.Again);
        }

        node.State("hangs").Ok.ShouldBeFalse();
        node.State("hangs").Message.ShouldStartWith("has not come back since ");
        node.State("throws").Message.ShouldBe("could not be looked at: InvalidOperationException");
        node.State("holds").Ok.ShouldBeTrue();
        begun.ShouldBe(1);
        never.SetResult(Found.Well("at last"));
        await node.Self.Run(cancel);
        begun.ShouldBe(2);
        node.State("hangs").Ok.ShouldBeTrue();
    }

    [Fact]
    public async Task A_prometheus_is_asked_a_light_question_its_clock_compared_and_its_password_never_repeated()
    {
        var asked = "";
        _metrics.Answer = async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            asked = await body.ReadToEndAsync();
            context.Response.Headers.Date = (_world.Clock.GetUtcNow() + TimeSpan.FromMinutes(2)).ToString("R");
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"status":"success","data":{"resultType":"vector","result":[]}}""");
        };
        var policies = SelfCheckWorld.Policies($$$"""
            sources:
              prom: { type: prometheus, url: '{{{_metrics.Url[..^"/metrics".Length]}}}', username: reader, password: '${COMMANDER_SECRET_PROM}' }
            """);
        var node = _world.Begin(policies, secret: _ => "planted-secret");
        await node.Round(_world.Clock);
        asked.ShouldStartWith("query=vector%281%29&");
        node.State("source prom").Ok.ShouldBeTrue();
        node.State("clock").Ok.ShouldBeFalse();
        node.State("clock").Message.ShouldStartWith("the clock of source prom is 120.5 s ahead of this machine's, more than a step of 15 s");

        _metrics.Answer = async context =>
        {
            context.Response.StatusCode = 400;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($$"""{"status":"error","errorType":"bad_data","error":"you sent {{context.Request.Headers.Authorization}} and planted-secret"}""");
        };
        await node.Round(_world.Clock);
        node.State("source prom").Ok.ShouldBeFalse();
        node.State("source prom").Message.ShouldContain("you sent Basic *** and ***");
    }

    [Fact]
    public async Task Overdue_watches_fail()
    {
        var row = Written.Row(1, dueAt: _world.Clock.GetUtcNow());
        await _world.Store.Put(row, Cancel);
        var node = Begin();
        await node.Self.Run(Cancel);
        node.State("watches").Message.ShouldBe("none is overdue");
        await node.Round(_world.Clock);
        node.State("watches").Ok.ShouldBeFalse();
        node.State("watches").Message.ShouldStartWith("1 watch is overdue by more than a minute");
    }

    private SelfNode Begin(string node = "node-a:1", IReadOnlyCollection<string>? members = null) => _world.Begin(Policies, node, members is null ? null : () => members);

    private async Task Fail(SelfNode node)
    {
        _metrics.Answer = context => Answer(context, 503);
        await node.Self.Run(Cancel);
        _world.Clock.Advance(SelfCheck.Again);
        await node.Self.LookAgain(Cancel);
        node.State("source shop").Ok.ShouldBeFalse();
    }

    private async Task<IReadOnlyList<string>> Checked() =>
        [.. (await _world.Facts()).Where(fact => fact.Kind == "check").Select(fact => $"{fact.Body.GetProperty("name")} {fact.Body.GetProperty("ok").GetBoolean()}")];

    private static IReadOnlyList<string> Told(ToldServer server, string check) => [.. server.Titles.Where(title => title.EndsWith(": " + check, StringComparison.Ordinal))];

    private static Task Answer(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }
}
