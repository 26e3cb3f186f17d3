using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public class FreezeTests
{
    private static JsonObject Frozen(params JsonNode[] items) => new() { ["items"] = new JsonArray(items) };

    private static JsonObject Freeze(string? service, string? until) => new()
    {
        ["service"] = service,
        ["environment"] = null,
        ["reason"] = "the big sale",
        ["by"] = "ada",
        ["since"] = "2026-11-23T10:00:00.000Z",
        ["until"] = until,
    };

    [Fact]
    public async Task Freeze_says_what_is_frozen()
    {
        await using var server = await Answering.Start();
        server.With(Frozen(Freeze(null, null), Freeze("checkout", "2026-11-23T12:00:00.000Z"))).With(Frozen());
        var ran = await server.Run("freeze");
        ran.Code.ShouldBe(0);
        ran.Out.ShouldBe("all services: frozen by ada until it is lifted: the big sale\ncheckout: frozen by ada until 2026-11-23 12:00 UTC: the big sale\n");
        (await server.Run("freeze")).Out.ShouldBe("nothing is frozen\n");
    }

    [Fact]
    public async Task On_and_off_change_it()
    {
        await using var server = await Answering.Start();
        server.With(Frozen());
        (await server.Run("freeze", "on", "--reason", "the big sale", "--service", "check out")).Code.ShouldBe(0);
        (await server.Run("freeze", "on", "--reason", "x", "--for", "2h")).Code.ShouldBe(0);
        (await server.Run("freeze", "off", "--service", "check out")).Code.ShouldBe(0);
        server.Asked.Select(a => (a.Method, a.Path)).ShouldBe([("PUT", "/api/v1/freeze"), ("PUT", "/api/v1/freeze"), ("DELETE", "/api/v1/freeze")]);
        server.Asked[0].Body.ShouldBe("""{"reason":"the big sale","service":"check out"}""");
        server.Asked[1].Body.ShouldStartWith("""{"reason":"x","until":"20""");
    }

    [Theory]
    [InlineData("freeze on", "Option '--reason' is required.")]
    [InlineData("freeze on --reason x --for ever", "--for 'ever' is no duration up to 89d; write 90s, 15m, 2h, 30d")]
    public async Task What_is_not_understood_ends_with_2(string line, string said)
    {
        var ran = await new Shell().Run(line.Split(' '));
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain(said);
    }
}
