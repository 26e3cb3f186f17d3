using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public class VerbTests
{
    [Fact]
    public async Task Explain_tells_the_verdict_its_findings_and_what_happened_when()
    {
        await using var server = await Answering.Start();
        server.With(Documents.RolledBack());
        var ran = await server.Run("explain", Documents.Id);
        ran.Code.ShouldBe(0);
        ran.Out.ShouldBe(
            """
            ROLLBACK checkout 1.42.0 (prod), confidence 98 %, closed: decided
            error rate 0.4 % -> 25.3 % on 411 requests (control 0.5 % on 430): 24.8 pp worse, at least 16.4 pp
            P(BAD) 98 %, health score 52 of 100 (a fixed formula, blind to the comparison; it does not decide); judge commander, model shipped-1, policy checkout sha256:9f2c

            metric   verdict  candidate  reference       difference             score  why
            errors   worse    25.3 %     0.5 % control   +24.8 pp [16.4, 33.2]  6.2    24.8 pp worse than control, tolerance 1 pp
            latency  same     182 ms     175 ms control  +7 ms [-14, 27]        0.1    within 20 %
            memory   same     71 %       70.2 % control  +0.8 pp                0.0    within 25 %

            when (UTC)           after       what
            2026-11-23 10:30:45  0.0 s       1.42.0 begins to replace 1.41.3
            2026-11-23 10:30:45  0.0 s       announced to Commander
            2026-11-23 10:30:46  1.0 s       HOLD: needs about 40 more requests to see a change of 1 pp
            2026-11-23 10:30:47  2.3 s       ROLLBACK: error rate 24.8 pp worse than control
            2026-11-23 10:30:47  2.3 s       rollback of kubernetes:shop/checkout ordered by policy
            2026-11-23 10:30:58  13.9 s      rollback done, 1.41.3 serves, metrics recovered: 1.41.3 serves on 3 of 3 pods; error rate back to 0.5 %
            2026-11-23 10:36:00  5 min 15 s  outcome BAD: recovered-after-rollback
            outcome: BAD (recovered-after-rollback)
            http://127.0.0.1:5080/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C

            """);
        ran.Error.ShouldBeEmpty();
    }

    [Fact]
    public async Task Explain_as_json_is_the_document()
    {
        await using var server = await Answering.Start();
        server.With(Documents.RolledBack());
        JsonNode.DeepEquals(JsonNode.Parse((await server.Run("explain", Documents.Id, "--json")).Out), Documents.RolledBack()).ShouldBeTrue();
    }

    [Fact]
    public async Task Watch_follows_to_the_close_past_a_late_alarm_and_its_recovery_or_when_told_to_the_first_verdict()
    {
        var restored = Documents.RolledBack();
        restored["state"] = "observing";
        restored["closed_reason"] = null;
        await using var server = await Answering.Start();
        server.With(Documents.Judged("CONTINUE", "observing")).With(Documents.Judged("CONTINUE", "observing")).With(restored).With(Documents.RolledBack());
        (await server.Run("watch", Documents.Id, "--until", "verdict")).Code.ShouldBe(0);
        var ran = await server.Run("watch", Documents.Id);
        ran.Code.ShouldBe(10);
        ran.Error.ShouldContain("observing: rollback done: 1.41.3 serves on 3 of 3 pods; error rate back to 0.5 %\n");
        ran.Lines[0].ShouldEndWith("closed: decided");
    }

    [Fact]
    public async Task Watch_waits_longer_than_verify_unless_told_otherwise()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Judged("CONTINUE", "observing"));
        (await server.Run("watch", Documents.Id, "--timeout", "90s")).Code.ShouldBe(12);
        server.Asked.Count.ShouldBe(181);
    }

    [Fact]
    public async Task A_refused_rollback_is_not_said_to_be_ordered()
    {
        var document = Documents.Judged("ROLLBACK", "observing");
        document["actions"] = new JsonArray(new JsonObject
        {
            ["kind"] = "rollback",
            ["state"] = "refused",
            ["key"] = "k",
            ["target"] = "none",
            ["by"] = "policy",
            ["requested_at"] = "2026-11-23T10:30:47.000Z",
            ["finished_at"] = "2026-11-23T10:30:47.000Z",
            ["serving_version"] = null,
            ["recovered"] = null,
            ["message"] = "frozen by ada until it is lifted: the big sale",
        });
        await using var server = await Answering.Start();
        server.With(document);
        var ran = await server.Run("explain", Documents.Id);
        ran.Out.ShouldNotContain("ordered");
        ran.Out.ShouldContain("rollback refused: frozen by ada until it is lifted: the big sale");
    }

    [Theory]
    [InlineData(true, "[]", 0, "identical: ROLLBACK, P(BAD) 0.980\n")]
    [InlineData(false, """["p_bad: stored 0.98, replayed 0.97"]""", 1, "different: ROLLBACK, P(BAD) 0.980\n  p_bad: stored 0.98, replayed 0.97\n")]
    public async Task Replay_says_whether_the_facts_still_give_the_verdict(bool identical, string differences, int code, string said)
    {
        await using var server = await Answering.Start();
        server.With(new JsonObject { ["verdict"] = Documents.RolledBack()["verdict"]!.DeepClone(), ["identical"] = identical, ["differences"] = JsonNode.Parse(differences) });
        var ran = await server.Run("replay", Documents.Id);
        ran.Code.ShouldBe(code);
        ran.Out.ShouldBe(said);
        server.Asked[0].Path.ShouldEndWith("/replay");
        server.Asked[0].Body.ShouldBe("{}");
    }

    [Fact]
    public async Task A_replay_under_another_policy_may_differ_and_under_the_same_judge_may_not()
    {
        await using var server = await Answering.Start();
        server.With(new JsonObject { ["verdict"] = null, ["identical"] = false, ["differences"] = new JsonArray("decision: stored ROLLBACK, replayed CONTINUE") });
        (await server.Run("replay", Documents.Id, "--policy", "current")).Code.ShouldBe(0);
        server.Asked[0].Body.ShouldBe("""{"policy":"current"}""");
        (await server.Run("replay", Documents.Id, "--judge", "commander")).Code.ShouldBe(1);
    }

    [Fact]
    public async Task A_judge_that_cannot_replay_is_refused_before_the_server_is_asked()
    {
        await using var server = await Answering.Start();
        var ran = await server.Run("replay", Documents.Id, "--judge", "health-score");
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain("commander");
        server.Asked.ShouldBeEmpty();
    }

    private static JsonObject Contested()
    {
        var document = Documents.RolledBack();
        document["contested"] = true;
        document["outcome"]!["source"] = "incident";
        document["outcomes"] = new JsonArray(
            new JsonObject { ["label"] = "GOOD", ["source"] = "quiet-period", ["trust"] = 20, ["at"] = "2026-11-23T10:35:00.000Z", ["by"] = null, ["note"] = null, ["standing"] = false },
            new JsonObject { ["label"] = "BAD", ["source"] = "incident", ["trust"] = 60, ["at"] = "2026-11-23T10:36:00.000Z", ["by"] = "pagerduty:Q1", ["note"] = "checkout is down", ["standing"] = true });
        return document;
    }

    [Fact]
    public async Task Explain_tells_every_word_about_the_outcome_and_who_says_otherwise()
    {
        await using var server = await Answering.Start();
        server.With(Contested());
        var ran = await server.Run("explain", Documents.Id);
        ran.Out.ShouldContain("outcome GOOD: quiet-period\n");
        ran.Out.ShouldContain("outcome BAD: incident, pagerduty:Q1: checkout is down\n");
        ran.Out.ShouldContain("outcome: BAD (incident)\ncontested: GOOD by a quiet period, then BAD by an incident: BAD stands\n");
    }

    [Fact]
    public async Task What_stands_after_a_persons_word_is_said_and_what_it_overrides()
    {
        await using var server = await Answering.Start();
        server.With(Contested());
        var ran = await server.Run("outcome", Documents.Id, "unknown");
        ran.Code.ShouldBe(0, ran.Error);
        ran.Out.ShouldBe($"{Documents.Id} was BAD by an incident (pagerduty:Q1), over GOOD by a quiet period\n");
    }

    [Theory]
    [InlineData("good", "GOOD")]
    [InlineData("BAD", "BAD")]
    public async Task An_outcome_is_told(string word, string label)
    {
        await using var server = await Answering.Start();
        server.With(Documents.RolledBack());
        var ran = await server.Run("outcome", Documents.Id, word, "--note", "a customer called");
        ran.Code.ShouldBe(0);
        ran.Out.ShouldBe($"{Documents.Id} was {label}\n");
        server.Asked[0].Body.ShouldBe($$"""{"label":"{{label}}","note":"a customer called"}""");
    }

    [Fact]
    public async Task A_refusal_is_said_in_the_servers_words_with_its_remedy()
    {
        await using var server = await Answering.Start();
        server.With("""{"type":"about:blank","title":"The deployment is closed","status":409,"detail":"it closed at 11:00","remedy":"announce it again"}""", "application/problem+json", 409);
        var ran = await server.Run("outcome", Documents.Id, "good");
        ran.Code.ShouldBe(1);
        ran.Out.ShouldBeEmpty();
        ran.Error.ShouldBe("error: The deployment is closed: it closed at 11:00\n  announce it again\n");
    }

    [Theory]
    [InlineData(401, "answered 401 Unauthorized\n  give a token in COMMANDER_TOKEN\n")]
    [InlineData(404, "answered 404 NotFound\n  check that --server or COMMANDER_URL names a Commander, with the path that it lies below, such as https://example.org/commander/\n")]
    [InlineData(302, "answered 302 Found\n  check that --server or COMMANDER_URL names a Commander\n")]
    public async Task A_bare_refusal_is_said_with_what_to_do(int status, string said)
    {
        await using var server = await Answering.Start();
        server.With("<html>", "text/html", status);
        var ran = await server.Run("explain", Documents.Id);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldBe($"error: {server.Url}/ {said}");
    }

    [Theory]
    [InlineData("<html>hello</html>", "text/html")]
    [InlineData("{}", "application/json")]
    [InlineData("null", "application/json")]
    [InlineData("", "application/json")]
    public async Task Something_that_is_no_commander_is_named(string body, string media)
    {
        await using var server = await Answering.Start();
        server.With(body, media, 200);
        var ran = await server.Run("explain", Documents.Id);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldStartWith($"error: {server.Url}/ answered 200 with {media} that is no document of Commander's");
        ran.Error.ShouldContain("check that --server or COMMANDER_URL names a Commander");
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_named_with_how_to_start_it()
    {
        string url;
        await using (var server = await Answering.Start())
            url = server.Url;
        var ran = await new Shell().Run("verify", "--service", "a", "--version", "1", "--server", url);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldBe(
            $"error: no Commander answers at {url}/ (connection refused)\n  start it with: dotnet run --project src/Commander.Server -- --demo   or name another with --server URL or COMMANDER_URL\n");
    }

    [Theory]
    [InlineData("", "Required command was not provided.")]
    [InlineData("verify --service a", "Option '--version' is required.")]
    [InlineData("verify --service a --version 1 --label x", "--label x is no label; write --label KEY=VALUE")]
    [InlineData("verify --service a --version 1 --timeout soon", "--timeout 'soon' is no duration up to 7d; write 90s, 15m, 2h")]
    [InlineData("explain ../secrets", "'../secrets' is no id of a deployment; write it as verify prints it, dep-...")]
    [InlineData("outcome dep-1 ugly", "Argument 'ugly' not recognized.")]
    [InlineData("polcy check x", "Unrecognized command or argument 'polcy'.")]
    [InlineData("explain dep-1 --server ftp://x", "error: 'ftp://x' is no address of a Commander")]
    [InlineData("explain dep-1 --server http://u:p@x/", "error: 'http://u:p@x/' is no address of a Commander")]
    public async Task What_is_not_understood_ends_with_2(string line, string said)
    {
        var ran = await new Shell().Run(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain(said);
        ran.Out.ShouldBeEmpty();
    }

    [Fact]
    public async Task Help_stands_on_standard_output_and_names_the_exit_codes()
    {
        var ran = await new Shell().Run("--help");
        ran.Code.ShouldBe(0);
        ran.Out.ShouldContain("0 continue or done, 1 error, 2 usage, 10 rollback, 11 hold, 12 timed out waiting");
        (await new Shell().Run("verify", "--help")).Out.ShouldContain("--service <S>");
    }
}
