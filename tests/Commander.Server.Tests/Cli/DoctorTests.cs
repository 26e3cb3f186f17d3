using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public class DoctorTests
{
    private static JsonObject Checks(bool at, params (string Name, bool Ok, string Message)[] checks) => new()
    {
        ["ok"] = checks.All(check => check.Ok),
        ["at"] = at ? "2026-11-23T10:30:00.000Z" : null,
        ["node"] = "node-a:5080",
        ["checks"] = new JsonArray([.. checks.Select(check => new JsonObject
        {
            ["name"] = check.Name,
            ["ok"] = check.Ok,
            ["message"] = check.Message,
            ["since"] = "2026-11-23T10:00:00.000Z",
            ["at"] = "2026-11-23T10:30:00.000Z",
            ["took_ms"] = 3.1,
        })]),
    };

    [Fact]
    public async Task Doctor_shows_every_check_and_ends_with_1_when_one_fails()
    {
        await using var server = await Answering.Start();
        server.With(Checks(true, ("store", true, "takes writes"), ("source prom", false, "http://prom:9090 refused\u001b[31m the connection")));

        var ran = await server.Run("doctor");

        ran.Code.ShouldBe(1);
        ran.Out.ShouldBe("check        is     since             says\nstore        ok     2026-11-23 10:00  takes writes\nsource prom  FAILS  2026-11-23 10:00  http://prom:9090 refused [31m the connection\n");
        ran.Error.ShouldBe("1 of 2 checks fails on node-a:5080\n");
        server.Asked.Single().ShouldBe(new Asked("GET", "/api/v1/doctor", "", null));
    }

    [Fact]
    public async Task Doctor_ends_with_0_when_all_is_well_and_asks_for_a_look_when_told_to()
    {
        await using var server = await Answering.Start();
        server.With(Checks(true, ("store", true, "takes writes")));

        var ran = await server.Run("doctor", "--now", "--json");

        ran.Code.ShouldBe(0);
        ran.Error.ShouldBeEmpty();
        JsonNode.Parse(ran.Out)!["checks"]!.AsArray().Count.ShouldBe(1);
        server.Asked.Single().Method.ShouldBe("POST");
    }

    [Fact]
    public async Task Before_the_first_look_it_says_so()
    {
        await using var server = await Answering.Start();
        server.With(Checks(false));
        var ran = await server.Run("doctor");
        ran.Code.ShouldBe(0);
        ran.Out.ShouldStartWith("nothing was looked at yet");
    }

    [Theory]
    [InlineData("done", null, 0)]
    [InlineData("later", "did not answer within 15 s", 1)]
    [InlineData("refused", "no such channel", 1)]
    public async Task A_test_alert_ends_with_0_only_when_every_channel_has_it(string state, string? message, int code)
    {
        await using var server = await Answering.Start();
        server.With(new JsonObject { ["ok"] = code == 0, ["channels"] = new JsonArray(new JsonObject { ["name"] = "slack #deploys", ["state"] = state, ["message"] = message, ["took_ms"] = 120.4 }) });

        var ran = await server.Run("doctor", "--test-alerts");

        ran.Code.ShouldBe(code);
        ran.Lines[1].ShouldStartWith($"slack #deploys  {state}");
        server.Asked.Single().ShouldBe(new Asked("POST", "/api/v1/doctor/test-alerts", "", null));
    }

    [Fact]
    public async Task What_may_not_be_asked_ends_with_1_and_two_questions_at_once_with_2()
    {
        await using var server = await Answering.Start();
        server.With("""{"title":"A test was sent just now","detail":"One a minute at most. Try again in 40 s."}""", "application/problem+json", 429);
        var ran = await server.Run("doctor", "--test-alerts");
        ran.Code.ShouldBe(1);
        ran.Error.ShouldContain("One a minute at most. Try again in 40 s.");
        (await new Shell().Run("doctor", "--now", "--test-alerts")).Code.ShouldBe(2);
        (await new Shell().Run("doctor", "--help")).Out.ShouldContain("Commander.Server doctor --data DIR");
    }
}
