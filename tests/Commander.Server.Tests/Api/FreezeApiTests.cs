using System.Net;
using System.Text;
using System.Text.Json;

namespace Commander.Server.Tests.Api;

public sealed class FreezeApiTests(RunningServer server) : IClassFixture<RunningServer>
{
    [Fact]
    public async Task A_freeze_is_set_shown_on_every_page_replaced_and_lifted()
    {
        (await Send(HttpMethod.Put, "/api/v1/freeze", """{"service":"checkout","reason":"the big <sale>"}""")).Status.ShouldBe(HttpStatusCode.OK);
        var (_, list) = await Send(HttpMethod.Put, "/api/v1/freeze", """{"service":"checkout","environment":"prod","reason":"more"}""");
        list.GetProperty("items").GetArrayLength().ShouldBe(2);
        var (_, again) = await Send(HttpMethod.Put, "/api/v1/freeze", """{"service":"checkout","environment":"prod","reason":"other"}""");
        again.GetProperty("items").EnumerateArray().Select(f => f.GetProperty("reason").GetString()).ShouldBe(["the big <sale>", "other"]);
        again.GetProperty("items")[0].GetProperty("by").GetString().ShouldBe("local");
        again.GetProperty("items")[0].GetProperty("until").ValueKind.ShouldBe(JsonValueKind.Null);
        foreach (var page in (string[])["/", "/help", "/nowhere"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, page);
            request.Headers.Accept.ParseAdd("text/html");
            using var response = await server.Http.SendAsync(request);
            (await response.Content.ReadAsStringAsync()).ShouldContain("<b>Frozen:</b> checkout, frozen by local until it is lifted: the big &lt;sale&gt;; and 1 more.");
        }

        var (missing, problem) = await Send(HttpMethod.Delete, "/api/v1/freeze?service=payments");
        missing.ShouldBe(HttpStatusCode.NotFound);
        problem.GetProperty("detail").GetString().ShouldBe("There is no freeze of exactly payments. Frozen now: checkout; checkout in prod. Name service and environment as there; leave out what is not named there.");
        (await Send(HttpMethod.Delete, "/api/v1/freeze")).Body.GetProperty("detail").GetString()!.ShouldStartWith("There is no freeze of exactly all services. Frozen now: checkout");
        (await Send(HttpMethod.Delete, "/api/v1/freeze?service=checkout&environment=prod")).Body.GetProperty("items").GetArrayLength().ShouldBe(1);
        (await Send(HttpMethod.Delete, "/api/v1/freeze?service=checkout")).Body.GetProperty("items").GetArrayLength().ShouldBe(0);
        (await server.Get("/api/v1/freeze")).Body.GetProperty("items").GetArrayLength().ShouldBe(0);
        (await server.Http.GetStringAsync("/")).ShouldNotContain("Frozen:");
        (await Send(HttpMethod.Delete, "/api/v1/freeze?environment=prod")).Body.GetProperty("detail").GetString().ShouldBe("There is no freeze of all services in prod: nothing is frozen now.");
    }

    [Theory]
    [InlineData("{}", "reason")]
    [InlineData("""{"reason":" "}""", "reason: 1 to 500 characters")]
    [InlineData("""{"reason":"x","service":""}""", "service: 1 to 128 characters")]
    [InlineData("""{"reason":"x","until":"2020-01-01T00:00:00Z"}""", "until: not within the next 90 days")]
    [InlineData("""{"reason":"x","colour":"red"}""", "colour: unknown field")]
    public async Task What_cannot_be_frozen_is_refused_with_its_place(string json, string said)
    {
        var (status, body) = await Send(HttpMethod.Put, "/api/v1/freeze", json);
        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("detail").GetString()!.ShouldContain(said);
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> Send(HttpMethod method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await server.Http.SendAsync(request);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return (response.StatusCode, document.RootElement.Clone());
    }
}
