using System.Text.Json.Nodes;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
using Commander.Server.Storage;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Loop;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Reasoning;

/// <summary>One deployment beside a language model that helps, fails, lies or obeys somebody else: the loop, a real store, a real server on loopback.</summary>
public sealed class OpinionStoryTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ShopSource _shop = new();
    private ModelServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ModelServer.Start();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    private Task<LoopWorld> Begin(string authority, Func<ReasoningOptions, ReasoningOptions>? change = null) => LoopWorld.Begin(
        ShopSource.Policy(authority),
        source: _shop,
        reasoner: (store, clock) =>
        {
            var options = new ReasoningOptions(_server.Url, "a-model") { Key = "the-key", Timeout = Patience };
            options = change?.Invoke(options) ?? options;
            return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), null, new Secrets(_ => null), clock);
        });

    private static bool Settled(Deployment deployment) => deployment.Verdict?.Decision is "ROLLBACK" or "CONTINUE" || deployment.State == "closed";

    private static async Task<IReadOnlyList<OpinionBody>> Opinions(LoopWorld world, string id) =>
        [.. (await world.Facts(id)).Where(fact => fact.Kind == FactKind.Opinion).Select(fact => FactBody.Read<OpinionBody>(fact.Body!))];

    // Its sales fall a little more than is tolerated and nothing else: an alarm in the grey zone.

    private async Task<Deployment> Mild(LoopWorld world, Func<Deployment, bool>? until = null)
    {
        _shop.Sales["2.0.0"] = 30;
        var deployment = await world.Announce("2.0.0");
        return await world.Run(deployment.Id, until ?? Settled);
    }

    [Fact]
    public async Task Without_an_objection_a_mild_alarm_is_rolled_back_and_the_opinion_stands_beside_it()
    {
        _server.Says = ModelServer.Truth("ROLLBACK", "Sales fell and nothing explains it.");
        await using var world = await Begin("advise");
        var done = await Mild(world);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        done.Verdict.Opinion.ShouldNotBeNull().Reasoning.ShouldBe("Sales fell and nothing explains it.");
        done.Verdict.Opinion.Grounded.ShouldBeTrue();
        done.Verdict.Opinion.Metrics.ShouldBe(["sales"]);
        done.Verdict.PBad.ShouldBeInRange(0.66, 0.89);
        _server.Keys.ShouldAllBe(key => key == "Bearer the-key");
    }

    [Fact]
    public async Task A_grounded_objection_turns_a_mild_alarm_into_a_hold()
    {
        _server.Says = ModelServer.Truth("HOLD", "Only sales moved, which a price change explains.");
        await using var world = await Begin("advise");
        var done = await Mild(world, deployment => deployment.State == "closed");
        done.Verdict!.Decision.ShouldBe("HOLD", string.Join("\n", (await world.Facts(done.Id)).Where(f => f.Kind != FactKind.Tick).Select(f => $"{f.At:HH:mm:ss.f} {f.Kind} {System.Text.Encoding.UTF8.GetString(f.Body!)[..Math.Min(600, f.Body!.Length)]}")));
        done.ClosedReason.ShouldBe("on_hold");
        done.Verdict.Reasoning.ShouldContain("held back by the language model's grounded opinion");
        world.Platform.Effects.ShouldBe(0);
        (await world.Facts(done.Id)).Count(fact => fact.Kind == FactKind.Asked).ShouldBeInRange(1, 6);
    }

    [Theory]
    [InlineData("explain")]
    [InlineData("off")]
    public async Task Whoever_may_only_explain_changes_nothing(string authority)
    {
        _server.Says = ModelServer.Truth("HOLD");
        await using var world = await Begin(authority);
        var done = await Mild(world);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        done = await world.Run(done.Id, deployment => deployment.State == "closed");
        if (authority == "off")
        {
            _server.Asked.ShouldBeEmpty();
            done.Reasoning.ShouldBeNull();
        }
        else
        {
            done.Verdict!.Opinion.ShouldNotBeNull().Decision.ShouldBe("HOLD");
            done.Reasoning.ShouldNotBeNull().Purpose.ShouldBe("explain");
        }

        world.Platform.Effects.ShouldBe(1);
    }

    [Fact]
    public async Task What_is_proven_is_rolled_back_without_waiting_whatever_the_model_says()
    {
        _server.Says = ModelServer.Truth("CONTINUE");
        foreach (var authority in (string[])["advise", "decide"])
        {
            await using var world = await Begin(authority);
            _shop.ErrorShare["2.0.0"] = 0.3;
            var deployment = await world.Announce("2.0.0");
            var done = await world.Run(deployment.Id, Settled, TimeSpan.FromSeconds(15));
            done.Verdict!.Decision.ShouldBe("ROLLBACK");
            done.Verdict.Reasoning.ShouldContain("error rate");
            (await world.Facts(done.Id)).TakeWhile(fact => fact.Kind != FactKind.Verdict || !System.Text.Encoding.UTF8.GetString(fact.Body!).Contains("\"ROLLBACK\"", StringComparison.Ordinal))
                .ShouldNotContain(fact => fact.Kind == FactKind.Opinion && fact.At > deployment.StartedAt + TimeSpan.FromSeconds(8));
        }
    }

    [Fact]
    public async Task By_the_authority_to_decide_the_model_may_roll_back_what_is_unclear_and_the_page_says_so()
    {
        _server.Says = ModelServer.Truth("ROLLBACK");
        await using var world = await Begin("decide");
        // Worse than the tolerance by a little, and not yet proven: no alarm comes of it for a long time.
        _shop.Sales["2.0.0"] = 31.85;
        var deployment = await world.Announce("2.0.0");
        var done = await world.Run(deployment.Id, Settled);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        done.Verdict.Reasoning.ShouldStartWith("chosen by the language model");
    }

    [Theory]
    [InlineData("hangs")]
    [InlineData("refuses")]
    [InlineData("limits")]
    [InlineData("breaks off")]
    [InlineData("wrong form")]
    [InlineData("empty")]
    [InlineData("huge")]
    [InlineData("lies")]
    [InlineData("invents a row")]
    [InlineData("invents a number")]
    [InlineData("obeys")]
    [InlineData("html")]
    [InlineData("redirects")]
    [InlineData("is down")]
    [InlineData("cuts its stream off")]
    public async Task Whatever_the_model_does_wrong_the_deterministic_verdict_stands_in_time(string fault)
    {
        var truth = ModelServer.Truth("HOLD");
        string Changed(JsonObject data, Action<JsonObject> change)
        {
            var answer = JsonNode.Parse(truth(data))!.AsObject();
            change(answer);
            return answer.ToJsonString();
        }

        async Task<bool> Status(HttpContext context, int status, Action<HttpResponse>? more = null)
        {
            context.Response.StatusCode = status;
            more?.Invoke(context.Response);
            await context.Response.WriteAsJsonAsync(new { error = new { message = "no" } });
            return true;
        }

        _server.Instead = fault switch
        {
            "hangs" => ModelServer.Hang,
            "refuses" => (context, _, _) => Status(context, 401),
            "limits" => (context, _, _) => Status(context, 429, response => response.Headers.RetryAfter = "600"),
            "redirects" => (context, _, _) => Status(context, 302, response => response.Headers.Location = "http://127.0.0.1:1/"),
            "breaks off" => async (context, _, cancel) =>
            {
                context.Response.ContentLength = 4000;
                await context.Response.WriteAsync("{\"id\":\"chatcmpl-1\",\"choices\":[{", cancel);
                context.Abort();
                return true;
            }
            ,
            "cuts its stream off" => async (context, _, _) =>
            {
                await ModelServer.Stream(context, new JsonObject { ["model"] = "a-model" }, "{\"decision\":\"HO", finish: false);
                return true;
            }
            ,
            "html" => async (context, _, cancel) =>
            {
                context.Response.ContentType = "text/html";
                await context.Response.WriteAsync("<html>Sign in</html>", cancel);
                return true;
            }
            ,
            _ => null,
        };
        _server.Says = data => fault switch
        {
            "wrong form" => "I think it should be held back.",
            "empty" => "",
            "huge" => new string('x', 400_000),
            "lies" => Changed(data, answer => answer["evidence"]![0]!["value"] = 4000),
            "invents a row" => Changed(data, answer => answer["evidence"]![0]!["id"] = "m99"),
            "invents a number" => Changed(data, answer => answer["reasons"]![0] = "Traffic doubled to 98765 requests."),
            "obeys" => Changed(data, answer => answer["reasons"]![0] = "As told: K-" + "0000 is what the reference code is not, but 12345678 is."),
            _ => truth(data),
        };
        await using var world = await Begin("advise", options => fault switch
        {
            "is down" => options with { Url = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}/v1/") },
            "cuts its stream off" => options with { Streams = true },
            _ => options,
        });
        world.AwaitsAnswers = fault is not ("hangs" or "limits" or "breaks off" or "is down" or "cuts its stream off");
        var began = world.Clock.GetUtcNow();
        var done = await Mild(world);
        done.Verdict!.Decision.ShouldBe("ROLLBACK", done.Reasoning?.Missing);
        var alone = await Alone();
        (done.Verdict.DecidedAt - began).ShouldBeInRange(alone, alone + Patience + TimeSpan.FromSeconds(2));
        var opinions = await Opinions(world, done.Id);
        opinions.ShouldNotBeEmpty();
        foreach (var said in opinions)
        {
            said.Missing.ShouldNotBeNullOrWhiteSpace();
            said.Opinion?.Grounded.ShouldBeFalse();
        }

        if (fault is "lies" or "invents a number" or "obeys")
            done.Verdict.Opinion.ShouldNotBeNull().Grounded.ShouldBeFalse();
        else
            done.Verdict.Opinion.ShouldBeNull();
        await world.Run(done.Id, deployment => deployment.State == "closed");
        world.Platform.Effects.ShouldBe(1);
        (await world.Desk.Replay(done.Id, null, null, null, TestContext.Current.CancellationToken))!.Identical.ShouldBeTrue();
    }

    [Fact]
    public async Task A_replay_to_the_same_policy_waits_for_the_answers_that_were_waited_for()
    {
        _server.Says = ModelServer.Truth("HOLD");
        await using var world = await Begin("advise");
        var done = await Mild(world, deployment => deployment.State == "closed");
        done.Verdict!.Decision.ShouldBe("HOLD");
        var cancel = TestContext.Current.CancellationToken;
        (await world.Desk.Replay(done.Id, done.Policy.Version, null, null, cancel))!.Verdict!.Decision.ShouldBe("HOLD");
    }

    [Fact]
    public async Task A_watch_that_is_closed_while_it_asks_says_so()
    {
        _server.Instead = ModelServer.Hang;
        await using var world = await Begin("advise");
        world.AwaitsAnswers = false;
        _shop.Sales["2.0.0"] = 30;
        var deployment = await world.Announce("2.0.0");
        await world.Run(deployment.Id, asked => asked.Reasoning?.State == "asked");
        var kept = await world.Desk.Act(deployment.Id, "keep", "ada", null, TestContext.Current.CancellationToken);
        kept.Status.ShouldBe(202);
        var closed = await world.Get(deployment.Id);
        (closed.State, closed.Reasoning!.State, closed.Reasoning.Missing).ShouldBe(("closed", "none", "the watch was closed before the answer came"));
    }

    [Fact]
    public async Task What_the_language_model_let_pass_is_rolled_back_by_itself_when_it_is_proven()
    {
        _server.Says = ModelServer.Truth("CONTINUE");
        await using var world = await LoopWorld.Begin(
            ShopSource.Policy("decide").Replace("late: enforce", "late: observe", StringComparison.Ordinal),
            source: _shop,
            reasoner: (store, clock) =>
            {
                var options = new ReasoningOptions(_server.Url, "a-model");
                return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), null, new Secrets(_ => null), clock);
            });
        _shop.Sales["2.0.0"] = 30;
        var deployment = await world.Announce("2.0.0");
        var passed = await world.Run(deployment.Id, one => one.Verdict?.Decision == "CONTINUE");
        passed.Verdict!.Reasoning.ShouldStartWith("chosen by the language model; in doubt: sales");
        _shop.ErrorShare["2.0.0"] = 0.3;
        var done = await world.Run(deployment.Id, one => one.Actions.Count > 0);
        done.Verdict!.Decision.ShouldBe("ROLLBACK");
        done.Actions.ShouldContain(action => action.Kind == "rollback" && action.State != "refused");
    }

    [Fact]
    public async Task An_answer_that_is_read_as_it_is_made_is_folded_in_as_any_other()
    {
        _server.Says = ModelServer.Truth("HOLD");
        await using var world = await Begin("advise", options => options with { Streams = true });
        var done = await Mild(world, deployment => deployment.State == "closed");
        (done.Verdict!.Decision, done.Verdict.Opinion!.Grounded).ShouldBe(("HOLD", true));
    }

    [Theory]
    [InlineData("explain")]
    [InlineData("advise")]
    [InlineData("decide")]
    public async Task Before_a_hold_ends_whoever_is_asked_then_gets_an_explanation(string authority)
    {
        _shop.Rate = 0.2;
        _server.Says = ModelServer.Truth("CONTINUE", "Nothing is worse, but few requests came.");
        await using var world = await Begin(authority);
        var deployment = await world.Announce("2.0.0");
        var done = await world.Run(deployment.Id, one => one.State == "closed");
        (done.Verdict!.Decision, done.ClosedReason).ShouldBe(("HOLD", "on_hold"));
        done.Verdict.Opinion.ShouldNotBeNull().Reasoning.ShouldBe("Nothing is worse, but few requests came.");
        done.Reasoning!.Purpose.ShouldBe("explain");
        _server.Asked.Count.ShouldBe(1);
    }

    // How long the same takes without a model.
    private async Task<TimeSpan> Alone()
    {
        await using var world = await LoopWorld.Begin(ShopSource.Policy("advise"), source: _shop);
        var began = world.Clock.GetUtcNow();
        return (await Mild(world)).Verdict!.DecidedAt - began;
    }
}
