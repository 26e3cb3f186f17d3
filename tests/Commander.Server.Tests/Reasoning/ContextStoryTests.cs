using Commander.Judging.Verdicts;
using Commander.Server.Connections;
using Commander.Server.Hosting;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Context;
using Commander.Server.Reasoning.Context.Commits;
using Commander.Server.Reasoning.Context.Logs;
using Commander.Server.Tests.Loop;

namespace Commander.Server.Tests.Reasoning;

/// <summary>What the logs say beside a deployment: in the question, in the diagnosis, and never in the verdict.</summary>
public sealed class ContextStoryTests : IAsyncLifetime
{
    private const string Logs = "logs: { type: loki, url: 'http://127.0.0.1:1', query: '{app=\"{{service}}\",version=\"{{version}}\"}' }";

    private readonly ShopSource _shop = new();
    private readonly HttpClient _http = Outgoing.Create();
    private ModelServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ModelServer.Start();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    // Lines by version; a source that never answers where nothing is said.
    private sealed class Lines(Func<LogQuestion, CancellationToken, Task<LogAnswer>> answer) : ILogSource
    {
        public Task<LogAnswer> Read(LogQuestion question, CancellationToken cancel) => answer(question, cancel);
    }

    private async Task<LoopWorld> Begin(Func<LogQuestion, CancellationToken, Task<LogAnswer>> answer, bool model = true)
    {
        LoopWorld world = null!;
        world = await LoopWorld.Begin(
            ShopSource.Policy("advise", Logs),
            source: _shop,
            reasoner: !model ? null : (store, clock) =>
            {
                var options = new ReasoningOptions(_server.Url, "a-model");
                return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), Context(answer, clock), new Secrets(_ => null), clock);
            });
        world.Context = Context(answer, world.Clock);
        await world.Restart();
        return world;
    }

    private ContextBook Context(Func<LogQuestion, CancellationToken, Task<LogAnswer>> answer, TimeProvider clock) =>
        new(new LogBook(_ => new Lines(answer)), new ChangeBook(_http, clock, _ => null), clock, text => text.Replace("hunter22", "(secret)", StringComparison.Ordinal));

    private static Task<LogAnswer> Defect(LogQuestion question, CancellationToken cancel) => Task.FromResult(question.Version == "2.0.0"
        ? new LogAnswer([.. Enumerable.Range(0, 30).Select(n => $"2026-11-23T10:30:{n:00}Z ERROR System.NullReferenceException: Object reference not set to an instance of an object with hunter22 order={n}")], null)
        : new LogAnswer(["2026-11-23T10:30:01Z INFO order 7 stored"], null));

    private async Task<Deployment> RolledBack(LoopWorld world)
    {
        _shop.ErrorShare["2.0.0"] = 0.3;
        var deployment = await world.Announce("2.0.0");
        return await world.Run(deployment.Id, rolled => rolled.Diagnosis is not null && rolled.Reasoning?.State is null or not "asked", TimeSpan.FromMinutes(2));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_rollback_the_logs_say_what_kind_of_error_it_is_with_a_model_and_without(bool model)
    {
        await using var world = await Begin(Defect, model);
        var done = await RolledBack(world);
        var diagnosis = done.Diagnosis.ShouldNotBeNull();
        (diagnosis.ErrorType, diagnosis.By).ShouldBe(("code_defect", "rules"));
        diagnosis.Logs[0].Template.ShouldContain("NullReferenceException");
        foreach (var fact in await world.Facts(done.Id))
            System.Text.Encoding.UTF8.GetString(fact.Body!).ShouldNotContain("hunter22");
        (diagnosis.Logs[0].Candidate, diagnosis.Logs[0].Control).ShouldBe((30, 0));
        (await world.Desk.Replay(done.Id, null, null, null, TestContext.Current.CancellationToken))!.Identical.ShouldBeTrue();
        if (model)
        {
            var explained = _server.Asked.Last();
            ModelServer.Data(explained)["log_signatures"]![0]!["template"]!.GetValue<string>().ShouldContain("NullReferenceException");
        }
    }

    [Fact]
    public async Task Logs_that_never_come_hold_nothing_up()
    {
        var never = new TaskCompletionSource<LogAnswer>();
        await using var hanging = await Begin((_, _) => never.Task, model: false);
        var decided = await Decided(hanging);
        await using var quick = await Begin(Defect, model: false);
        (await Decided(quick)).ShouldBe(decided);
        var done = await RolledBack(hanging);
        done.Diagnosis.ShouldNotBeNull().Missing.ShouldBe(["the logs were not read within 6 s"]);

        async Task<TimeSpan> Decided(LoopWorld world)
        {
            _shop.ErrorShare["2.0.0"] = 0.3;
            var began = world.Clock.GetUtcNow();
            var deployment = await world.Announce("2.0.0");
            return (await world.Run(deployment.Id, one => one.Verdict?.Decision == "ROLLBACK")).Verdict!.DecidedAt - began;
        }
    }

    [Fact]
    public async Task A_source_of_logs_that_throws_leaves_the_watch_as_it_is()
    {
        await using var world = await Begin((_, _) => throw new InvalidOperationException("a defect of ours"), model: false);
        _shop.ErrorShare["2.0.0"] = 0.3;
        var deployment = await world.Announce("2.0.0");
        var done = await world.Run(deployment.Id, one => one.State == "closed");
        (done.Verdict!.Decision, done.ClosedReason, done.Diagnosis).ShouldBe(("ROLLBACK", "decided", null));
    }
}
