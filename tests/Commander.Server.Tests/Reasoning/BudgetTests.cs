using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
using Commander.Server.Tests.Loop;

namespace Commander.Server.Tests.Reasoning;

/// <summary>What questions cost, what is not asked because of it, and what waits when the model hangs.</summary>
public sealed class BudgetTests : IAsyncLifetime
{
    private readonly ShopSource _shop = new();
    private ModelServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ModelServer.Start();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    private Task<LoopWorld> Begin(Func<ReasoningOptions, ReasoningOptions>? change = null) => LoopWorld.Begin(
        ShopSource.Policy("advise"),
        source: _shop,
        reasoner: (store, clock) =>
        {
            var options = new ReasoningOptions(_server.Url, "a-model") { Price = (1, 2) };
            options = change?.Invoke(options) ?? options;
            return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), null, new Secrets(_ => null), clock);
        });

    private static bool Settled(Deployment deployment) => deployment.Verdict?.Decision is "ROLLBACK" or "CONTINUE" || deployment.State == "closed";

    private async Task<Deployment> Mild(LoopWorld world, string version = "2.0.0", string service = "checkout")
    {
        _shop.Sales[version] = 30;
        var deployment = await world.Announce(version, service: service);
        return await world.Run(deployment.Id, Settled);
    }

    private static async Task<IReadOnlyList<OpinionBody>> Opinions(LoopWorld world, string id) =>
        [.. (await world.Facts(id)).Where(fact => fact.Kind == FactKind.Opinion).Select(fact => FactBody.Read<OpinionBody>(fact.Body!))];

    [Fact]
    public async Task What_a_question_took_is_written_down_and_survives_a_restart()
    {
        _server.Says = ModelServer.Truth("ROLLBACK");
        await using var world = await Begin();
        var done = await Mild(world);
        var opinions = await Opinions(world, done.Id);
        opinions.ShouldNotBeEmpty();
        foreach (var said in opinions.Where(said => !said.Cached))
            (said.PromptTokens, said.AnswerTokens, said.Cost).ShouldBe((900, 80, 0.00106));
        await world.Restart();
        using var usage = new UsageBook(world.Store, world.Clock);
        var (day, service) = await usage.Today("checkout", TestContext.Current.CancellationToken);
        day.ShouldBe(service);
        day.Tokens.ShouldBeGreaterThanOrEqualTo(980L * opinions.Count(said => !said.Cached));
        (await usage.Today("payments", TestContext.Current.CancellationToken)).Service.ShouldBe(default);
        world.Clock.Advance(TimeSpan.FromDays(1));
        (await usage.Today("checkout", TestContext.Current.CancellationToken)).Day.ShouldBe(default);
    }

    [Theory]
    [InlineData(100, 1e9, 1e9, "for this deployment")]
    [InlineData(1e9, 100, 1e9, "for this service today")]
    [InlineData(1e9, 1e9, 100, "for today")]
    public async Task Beyond_a_budget_nothing_is_asked_and_nothing_waits(double deployment, double service, double day, string whose)
    {
        await using var world = await Begin(options => options with { Tokens = new Limits(deployment, service, day) });
        var done = await Mild(world);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        _server.Asked.ShouldBeEmpty();
        (await Opinions(world, done.Id)).ShouldAllBe(said => said.Missing!.Contains($"the budget of tokens {whose} is used up"));
    }

    [Fact]
    public async Task Questions_at_once_do_not_spend_the_same_tokens()
    {
        await using var world = await Begin(options => options with { Tokens = new Limits(1e9, 1e9, 5000) });
        var done = await Mild(world);
        var policy = world.Parts.Pins.Current.For("checkout", "prod");
        var before = _server.Asked.Count;
        await Task.WhenAll(Enumerable.Range(0, 50).Select(n => world.Parts.Reasoner!.Ask(
            new Asking(done with { Id = $"dep-{n}", Version = $"7.{n}.0" }, policy, Purpose.Explain, world.Clock.GetUtcNow(), default, null), TestContext.Current.CancellationToken)));
        (_server.Asked.Count - before).ShouldBeLessThan(5);
    }

    [Fact]
    public async Task The_same_question_is_asked_once()
    {
        _server.Says = ModelServer.Truth("ROLLBACK");
        await using var world = await Begin();
        var done = await Mild(world);
        var policy = world.Parts.Pins.Current.For("checkout", "prod");
        var asking = new Asking(done, policy, Purpose.Explain, world.Clock.GetUtcNow(), default, null);
        var before = _server.Asked.Count;
        var first = await world.Parts.Reasoner!.Ask(asking, TestContext.Current.CancellationToken);
        var second = await world.Parts.Reasoner!.Ask(asking, TestContext.Current.CancellationToken);
        (_server.Asked.Count - before).ShouldBe(1);
        (first.Cached, second.Cached).ShouldBe((false, true));
        (second.Opinion!.Reasoning, second.PromptHash, second.PromptTokens).ShouldBe((first.Opinion!.Reasoning, first.PromptHash, 0));
    }

    [Fact]
    public async Task No_secret_is_sent_or_kept_even_where_it_would_be_cut_to_pieces()
    {
        var secrets = new Secrets(_ => null);
        secrets.Hide("hunter'2!2{secret}");
        await using var world = await Begin();
        var done = await Mild(world);
        var options = new ReasoningOptions(_server.Url, "a-model");
        using var usage = new UsageBook(world.Store, world.Clock);
        using var reasoner = new Reasoner(new LanguageModel(options, world.Clock), options, usage, null, secrets, world.Clock);
        _server.Says = ModelServer.Truth("HOLD", "The password hunter'2!2{secret} was there.");
        done = done with { Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["db"] = "hunter'2!2{secret}" } };
        var said = await reasoner.Ask(new Asking(done, world.Parts.Pins.Current.For("checkout", "prod"), Purpose.Explain, world.Clock.GetUtcNow(), default, null), TestContext.Current.CancellationToken);
        _server.Asked.Last().ToJsonString().ShouldNotContain("hunter");
        System.Text.Encoding.UTF8.GetString(FactBody.Write(said)).ShouldNotContain("hunter");
        said.Opinion.ShouldNotBeNull().Reasoning.ShouldContain("(secret)");
    }

    [Fact]
    public async Task Who_takes_a_deployment_over_in_the_middle_of_a_question_asks_it_again_and_the_verdict_comes_in_time()
    {
        _server.Instead = ModelServer.Hang;
        await using var world = await Begin();
        world.AwaitsAnswers = false;
        _shop.Sales["2.0.0"] = 30;
        var deployment = await world.Announce("2.0.0");
        await world.Run(deployment.Id, asked => asked.Reasoning?.State == "asked");
        await world.Restart();
        _server.Instead = null;
        _server.Says = ModelServer.Truth("ROLLBACK");
        world.AwaitsAnswers = true;
        var done = await world.Run(deployment.Id, Settled);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        (await Opinions(world, done.Id))[0].Opinion.ShouldNotBeNull();
        (await world.Desk.Replay(done.Id, null, null, null, TestContext.Current.CancellationToken))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task A_hundred_deployments_at_once_wait_for_a_model_that_hangs_only_in_the_grey_zone_and_at_most_the_time_out()
    {
        _server.Instead = ModelServer.Hang;
        var without = await Verdicts(null);
        var hanging = await Verdicts(options => options with { Timeout = TimeSpan.FromSeconds(10) });
        hanging.Count.ShouldBe(100);
        foreach (var (service, (decision, after)) in hanging)
        {
            var (alone, before) = without[service];
            decision.ShouldBe(alone, service);
            if (service.StartsWith("mild", StringComparison.Ordinal))
                after.ShouldBeInRange(before, before + TimeSpan.FromSeconds(12), service);
            else
                after.ShouldBe(before, service);
        }
    }

    // Forty good ones, thirty that fail, thirty in the grey zone; each one's verdict, and how long it took.
    private async Task<Dictionary<string, (string Decision, TimeSpan After)>> Verdicts(Func<ReasoningOptions, ReasoningOptions>? model)
    {
        await using var world = model is null ? await LoopWorld.Begin(ShopSource.Policy("advise"), source: _shop) : await Begin(model);
        world.AwaitsAnswers = false;
        var all = new List<(string Service, string Id)>();
        for (var n = 0; n < 100; n++)
        {
            var (service, version) = n switch
            {
                < 40 => ($"good-{n}", $"2.{n}.0"),
                < 70 => ($"bad-{n}", $"3.{n}.0"),
                _ => ($"mild-{n}", $"4.{n}.0"),
            };
            if (n is >= 40 and < 70)
                _shop.ErrorShare[version] = 0.3;
            if (n >= 70)
                _shop.Sales[version] = 30;
            all.Add((service, (await world.Announce(version, service: service)).Id));
        }

        var began = world.Clock.GetUtcNow();
        var done = await world.RunAll([.. all.Select(one => one.Id)], Settled);
        return all.ToDictionary(one => one.Service, one => (done[one.Id].Verdict!.Decision, done[one.Id].Verdict!.DecidedAt - began), StringComparer.Ordinal);
    }
}
