using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public class VerifyTests
{
    private static readonly string[] Verify = ["verify", "--service", "checkout", "--version", "1.42.0"];

    [Fact]
    public async Task A_bad_deployment_is_announced_followed_and_ends_with_10()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202).With(Documents.Judged("HOLD", "watching")).With(Documents.RolledBack());

        var ran = await server.Run([.. Verify, "--environment", "prod", "--previous", "1.41.3", "--label", "team=shop", "--label", "note=a=b"]);

        ran.Code.ShouldBe(10);
        JsonNode.DeepEquals(JsonNode.Parse(server.Asked[0].Body), JsonNode.Parse("""
            {"service":"checkout","version":"1.42.0","environment":"prod","previous_version":"1.41.3","labels":{"team":"shop","note":"a=b"}}
            """)).ShouldBeTrue(server.Asked[0].Body);
        server.Asked.Select(asked => $"{asked.Method} {asked.Path}").ShouldBe(
            ["POST /api/v1/deployments", $"GET /api/v1/deployments/{Documents.Id}", $"GET /api/v1/deployments/{Documents.Id}"]);
        ran.Lines.ShouldBe(
        [
            "ROLLBACK checkout 1.42.0 (prod), confidence 98 %, closed: decided",
            "error rate 0.4 % -> 25.3 % on 411 requests (control 0.5 % on 430): 24.8 pp worse, at least 16.4 pp",
            "  errors: 25.3 % against 0.5 % control, 24.8 pp worse than control, tolerance 1 pp",
            "  rollback done, 1.41.3 serves, metrics recovered: 1.41.3 serves on 3 of 3 pods; error rate back to 0.5 %",
            "outcome: BAD (recovered-after-rollback)",
            Documents.Url,
        ]);
        ran.Error.TrimEnd('\n').Split('\n').ShouldBe(
        [
            $"watching checkout 1.42.0 (prod): {Documents.Url}",
            "checkout 1.42.0 (prod) watching: measuring",
            "checkout 1.42.0 (prod) watching: HOLD: error rate 0.4 % -> 25.3 % on 411 requests (control 0.5 % on 430): 24.8 pp worse, at least 16.4 pp",
            "checkout 1.42.0 (prod) closed: ROLLBACK: error rate 24.8 pp worse than control",
        ]);
    }

    [Fact]
    public async Task Who_joins_what_was_announced_before_is_told_so()
    {
        await using var server = await Answering.Start();
        var document = Documents.Judged("CONTINUE", "observing");
        server.Headers["Commander-Joined"] = "true";
        server.Headers["Date"] = DateTimeOffset.Parse(document["received_at"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture).AddSeconds(180).ToString("r");
        server.With(document, 202);
        var ran = await server.Run(Verify);
        ran.Code.ShouldBe(0);
        ran.Error.Split('\n')[0].ShouldBe($"joined deployment {Documents.Id} announced 3 min ago: no new watch begins");
    }

    [Fact]
    public async Task Only_what_is_given_is_announced()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Judged("CONTINUE", "observing"), 202);
        (await server.Run(Verify)).Code.ShouldBe(0);
        server.Asked.ShouldHaveSingleItem().Body.ShouldBe("""{"service":"checkout","version":"1.42.0"}""");
        server.Asked[0].Authorization.ShouldBeNull();
    }

    [Theory]
    [InlineData("CONTINUE", "observing", null, 0)]
    [InlineData("CONTINUE", "closed", "decided", 0)]
    [InlineData("ROLLBACK", "acting", null, 10)]
    [InlineData("ROLLBACK", "waiting_for_person", null, 10)]
    [InlineData("HOLD", "closed", "on_hold", 11)]
    [InlineData("HOLD", "closed", "superseded", 11)]
    [InlineData("HOLD", "closed", "failed", 1)]
    [InlineData("HOLD", "watching", null, 12)]
    public async Task The_exit_code_says_what_became_of_it(string decision, string state, string? closed, int code)
    {
        await using var server = await Answering.Start();
        server.With(Documents.Judged(decision, state, closed), 202);
        (await server.Run([.. Verify, "--timeout", "2s"])).Code.ShouldBe(code);
    }

    [Fact]
    public async Task Without_a_verdict_in_time_it_says_how_to_go_on()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202);
        var ran = await server.Run([.. Verify, "--timeout", "90s"]);
        ran.Code.ShouldBe(12);
        ran.Lines[0].ShouldBe("HOLD checkout 1.42.0 (prod), watching");
        ran.Lines[^1].ShouldBe(Documents.Url);
        ran.Error.ShouldEndWith($"no verdict within 1m30s; the watch goes on, follow it with: commander watch {Documents.Id}\n");
        server.Asked.Count.ShouldBe(181);
    }

    [Fact]
    public async Task A_server_that_restarts_meanwhile_is_waited_for()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202)
            .With("", "text/plain", 503).With("<html>", "text/html", 502)
            .With(Documents.Judged("CONTINUE", "observing"));
        var ran = await server.Run(Verify);
        ran.Code.ShouldBe(0);
        ran.Error.ShouldContain("answered 503 ServiceUnavailable; trying again\n");
        ran.Error.ShouldNotContain("502");
    }

    [Fact]
    public async Task What_nobody_measures_ends_at_once_with_11_and_says_what_to_do()
    {
        var document = Documents.Judged("HOLD", "watching");
        document["verdict"]!["findings"] = new JsonArray();
        document["notes"] = new JsonArray("no source: the policy of this service names no metrics that can be measured, so nothing can be judged");
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202).With(document);
        var ran = await server.Run(Verify);
        ran.Code.ShouldBe(11);
        server.Asked.Count.ShouldBe(2);
        ran.Error.ShouldContain("not judged: no metrics are named for checkout, so no verdict will come. Write a policy (commander policy init --prometheus URL --service checkout --out policy.yaml)");
    }

    [Theory]
    [InlineData(null, "queued: accepted")]
    [InlineData("waits for a free watch: 2000 are under way", "queued: waits for a free watch: 2000 are under way")]
    public async Task Only_who_really_waits_is_said_to_wait(string? note, string said)
    {
        var queued = Documents.Watching();
        queued["state"] = "queued";
        queued["notes"] = note is null ? new JsonArray() : new JsonArray(note);
        await using var server = await Answering.Start();
        server.With(queued, 202).With(Documents.RolledBack());
        (await server.Run(Verify)).Error.Split('\n')[1].ShouldBe("checkout 1.42.0 (prod) " + said);
    }

    [Fact]
    public async Task On_hold_the_newest_numbers_are_said_and_not_every_one_of_them()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202);
        for (var n = 100; n > 0; n--)
        {
            var held = Documents.Judged("HOLD", "watching");
            held["verdict"]!["reasoning"] = $"needs about {n} more requests";
            server.With(held);
        }

        var ran = await server.Run([.. Verify, "--timeout", "40s"]);
        var told = ran.Error.Split('\n').Where(line => line.Contains("more requests", StringComparison.Ordinal)).ToList();
        told[0].ShouldEndWith("needs about 100 more requests");
        told.Count.ShouldBeInRange(3, 6);
    }

    [Fact]
    public async Task Json_is_the_servers_document_and_nothing_else()
    {
        await using var server = await Answering.Start();
        server.With(Documents.RolledBack(), 202);
        var ran = await server.Run([.. Verify, "--json"]);
        ran.Code.ShouldBe(10);
        JsonNode.DeepEquals(JsonNode.Parse(ran.Out), Documents.RolledBack()).ShouldBeTrue();
    }

    [Fact]
    public async Task The_token_and_the_address_come_from_the_environment()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Judged("CONTINUE", "observing"), 202);
        var shell = new Shell { Environment = { ["COMMANDER_URL"] = server.Url, ["COMMANDER_TOKEN"] = "secret-token" } };
        (await shell.Run(Verify)).Code.ShouldBe(0);
        server.Asked[0].Authorization.ShouldBe("Bearer secret-token");
    }

    [Fact]
    public async Task A_terminal_shows_the_same_result_and_no_colour_when_that_is_asked()
    {
        await using var server = await Answering.Start();
        server.With(Documents.Watching(), 202).With(Documents.RolledBack());
        var shell = new Shell { IsTerminal = true, Environment = { ["NO_COLOR"] = "1", ["COMMANDER_URL"] = server.Url } };
        var ran = await shell.Run(Verify);
        ran.Code.ShouldBe(10);
        ran.Lines[^1].ShouldBe(Documents.Url);
        (ran.Out + ran.Error).ShouldNotContain('\u001b');
    }

    [Fact]
    public async Task What_a_deployment_is_called_cannot_write_on_the_terminal()
    {
        var document = Documents.Judged("CONTINUE", "observing");
        document["service"] = "a\u001b[2J\u009b31m\nROLLBACK \u202e[red]";
        await using var server = await Answering.Start();
        server.With(document, 202);
        var ran = await server.Run(Verify);
        ran.Lines[0].ShouldBe("CONTINUE a [2J 31m ROLLBACK  [red] 1.42.0 (prod), confidence 98 %, observing");
    }
}
