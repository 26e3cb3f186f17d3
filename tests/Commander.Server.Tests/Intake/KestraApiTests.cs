using System.Net;
using System.Text;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Intake;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Contract;

namespace Commander.Server.Tests.Intake;

public sealed class KestraApiTests(RunningServer server) : IClassFixture<RunningServer>
{
    private const string Webhook = "/api/v1/executions/webhook/ai.devops.commander/devops-loop/k-1";
    private const string WebhookOfTenant = "/api/v1/main/executions/webhook/ai.devops.commander/devops-loop/k-1";
    private const string Executions = "/api/v1/executions?namespace=ai.devops.commander&flowId=devops-loop";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_webhook_answers_as_the_contract_has_it()
    {
        var golden = Shape.Golden("kestra.json", "webhook");
        var (status, body) = await server.Post(Webhook, """{"service":"k1","version":"1.42.0"}""");
        status.ShouldBe(HttpStatusCode.OK);
        body.ShouldHave(golden);
        golden.ShouldHave(body);
        Fixed(body).ShouldBe(Fixed(golden));
        body.GetProperty("trigger").GetProperty("variables").GetProperty("body").GetRawText().ShouldBe("""{"service":"k1","version":"1.42.0"}""");
        body.GetProperty("outputs").EnumerateObject().ShouldBeEmpty();
        Id(body).ShouldBe(body.GetProperty("labels")[0].GetProperty("value").GetString());
        body.GetProperty("url").GetString()!.ShouldEndWith("/d/" + Id(body));
    }

    [Theory]
    [InlineData(Executions)]
    [InlineData("/api/v1/main/executions?namespace=ai.devops.commander&flowId=devops-loop&size=100")]
    public async Task A_snapshot_is_judged_and_listed_as_the_contract_has_it(string executions)
    {
        var (_, started) = await server.Post(WebhookOfTenant, """{"service":"k2","version":"7","deployment_id":"d-7","metrics":{"error_rate":25.3,"memory_usage":88.7,"response_time":1850,"cpu_usage":72.4,"queue":3},"who":{"a":[1,null]}}""");
        var listed = await Closed(executions, Id(started));
        listed.ShouldHave(Shape.Golden("kestra.json", "list").GetProperty("results")[0]);
        var outputs = listed.GetProperty("outputs");
        outputs.EnumerateObject().Select(o => o.Name).ShouldBe(["ai_decision", "ai_reasoning", "ai_confidence", "error_rate", "memory_usage", "response_time", "cpu_usage", "health_score"]);
        outputs.GetProperty("ai_decision").GetString().ShouldBe("ROLLBACK");
        outputs.GetProperty("ai_confidence").GetDouble().ShouldBeInRange(0, 1);
        outputs.GetProperty("error_rate").GetDouble().ShouldBe(25.3);
        outputs.GetProperty("memory_usage").GetDouble().ShouldBe(88.7);
        outputs.GetProperty("response_time").GetDouble().ShouldBe(1850);
        outputs.GetProperty("cpu_usage").GetDouble().ShouldBe(72.4);
        // 100 - 50.6 - 9.35 - 13.5: one decimal here, a whole number in the verdict.
        outputs.GetProperty("health_score").GetDouble().ShouldBe(26.6);
        var state = listed.GetProperty("state");
        state.GetProperty("current").GetString().ShouldBe("SUCCESS");
        state.GetProperty("histories").EnumerateArray().Select(h => h.GetProperty("state").GetString()).ShouldBe(["CREATED", "RUNNING", "SUCCESS"]);
        state.GetProperty("endDate").GetDateTimeOffset().ShouldBeGreaterThanOrEqualTo(state.GetProperty("startDate").GetDateTimeOffset());
        state.GetProperty("duration").GetString()!.ShouldStartWith("PT");
        listed.GetProperty("labels").EnumerateArray().Select(l => l.GetProperty("key").GetString()).ShouldBe(["system.correlationId", "deployment_id"]);
        listed.GetProperty("trigger").GetProperty("variables").GetProperty("body").GetProperty("who").GetProperty("a")[0].GetInt32().ShouldBe(1);
        var (_, deployment) = await server.Get("/api/v1/deployments/" + Id(started));
        deployment.GetProperty("labels").GetProperty("deployment_id").GetString().ShouldBe("d-7");
        deployment.GetProperty("metrics").GetProperty("cpu_usage").GetDouble().ShouldBe(72.4);
        deployment.GetProperty("verdict").GetProperty("health_score").GetInt32().ShouldBe(27);
    }

    [Fact]
    public async Task Outputs_that_nothing_says_are_null()
    {
        var (_, started) = await server.Post(Webhook, """{"service":"k3","metrics":{"error_rate":0.1}}""");
        var outputs = (await Closed(Executions + "&size=100", Id(started))).GetProperty("outputs");
        outputs.GetProperty("ai_decision").GetString().ShouldBe("CONTINUE");
        outputs.GetProperty("health_score").GetDouble().ShouldBe(99.8);
        foreach (var name in (string[])["memory_usage", "response_time", "cpu_usage"])
            outputs.GetProperty(name).ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Theory]
    [InlineData("POST", "")]
    [InlineData("POST", "{}")]
    [InlineData("PUT", """{"service":"","version":null,"metrics":{}}""")]
    [InlineData("GET", "")]
    public async Task Everything_may_be_missing(string method, string body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Webhook);
        if (body.Length > 0)
            request.Content = new StringContent(body, Encoding.UTF8, "text/plain");
        using var response = await server.Http.SendAsync(request);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var (_, deployment) = await server.Get("/api/v1/deployments/" + Id(document.RootElement));
        deployment.GetProperty("service").GetString().ShouldBe("default");
        deployment.GetProperty("version").GetString().ShouldBe(Id(document.RootElement));
        (await server.Get("/api/v1/main/executions/" + Id(document.RootElement))).Body.GetProperty("id").GetString().ShouldBe(Id(document.RootElement));
    }

    [Theory]
    [InlineData("[1]", "no JSON object")]
    [InlineData("{", "$")]
    [InlineData("{\"service\":\"\\ud800\"}", "half characters")]
    [InlineData("{\"note\":[\"\\ud800\"]}", "half characters")]
    [InlineData("""{"service":{"name":"x"}}""", "service: is no text")]
    [InlineData("""{"service":"no spaces"}""", "service: 'no spaces'")]
    [InlineData("""{"version":"\u0000"}""", "version:")]
    [InlineData("""{"metrics":[1]}""", "metrics: is no object")]
    [InlineData("""{"metrics":{"error_rate":"25.3"}}""", "metrics.error_rate: is no number")]
    [InlineData("""{"metrics":{"error_rate":101}}""", "metrics.error_rate")]
    public async Task What_cannot_be_read_is_refused_with_its_place(string json, string said)
    {
        var (status, body) = await server.Post(Webhook, json);
        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("detail").GetString()!.ShouldContain(said);
    }

    [Theory]
    [InlineData("/api/v1/executions/webhook/ai.devops.commander/devops-loop/k-2")]
    [InlineData("/api/v1/main/executions/webhook/ai.devops.commander/devops-loop/k-1x")]
    [InlineData("/api/v1/executions/webhook/ai.devops.commander/other/k-1")]
    [InlineData("/api/v1/executions/webhook/company.devops/devops-loop/k-1")]
    public async Task Another_key_flow_or_namespace_is_not_found(string path)
    {
        var (_, before) = await server.Get(Executions + "&size=1");
        using var response = await server.Http.PostAsync(path, new StringContent("{}", Encoding.UTF8, "application/json"));
        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await server.Get(Executions + "&size=1")).Body.GetProperty("total").GetInt32().ShouldBe(before.GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task A_page_of_another_site_cannot_make_a_browser_start_a_watch()
    {
        using var image = new HttpRequestMessage(HttpMethod.Get, Webhook);
        image.Headers.Add("Sec-Fetch-Site", "cross-site");
        using var response = await server.Http.SendAsync(image);
        response.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task The_list_pages_and_counts_all()
    {
        for (var n = 0; n < 3; n++)
            await server.Post(Webhook, $$$"""{"service":"k4","version":"{{{n}}}","metrics":{"error_rate":0}}""");
        var (_, first) = await server.Get(Executions + "&page=1&size=2");
        var (_, second) = await server.Get(Executions + "&page=2&size=2");
        var ids = first.GetProperty("results").EnumerateArray().Concat(second.GetProperty("results").EnumerateArray()).Select(Id).ToList();
        ids.Count.ShouldBeGreaterThanOrEqualTo(3);
        ids.Distinct().Count().ShouldBe(ids.Count);
        first.GetProperty("total").GetInt32().ShouldBeGreaterThanOrEqualTo(3);
        var (_, other) = await server.Get("/api/v1/executions?namespace=company&flowId=devops-loop");
        other.GetProperty("total").GetInt32().ShouldBe(0);
    }

    [Theory]
    [InlineData("/api/v1/executions", "namespace: required")]
    [InlineData(Executions + "&size=101", "size: '101'")]
    [InlineData(Executions + "&page=0", "page: '0'")]
    [InlineData(Executions + "&page=99999&size=100", "page: reaches beyond")]
    public async Task A_list_that_cannot_be_given_says_why(string path, string said)
    {
        var (status, body) = await server.Get(path);
        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("detail").GetString()!.ShouldContain(said);
    }

    [Fact]
    public async Task The_same_idempotency_key_starts_one_watch()
    {
        var (_, one) = await server.Post(Webhook, """{"service":"k5"}""", ("Idempotency-Key", "kestra-5"));
        var (_, two) = await server.Post(Webhook, """{"service":"k5"}""", ("Idempotency-Key", "kestra-5"));
        Id(two).ShouldBe(Id(one));
        (await server.Post(Webhook, """{"service":"k6"}""", ("Idempotency-Key", "kestra-5"))).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task What_came_through_the_generic_api_is_an_execution_too()
    {
        var (_, deployment) = await server.Post("/api/v1/deployments", """{"service":"k7","version":"1"}""");
        var (_, execution) = await server.Get("/api/v1/executions/" + Id(deployment));
        execution.ShouldHave(Shape.Golden("kestra.json", "webhook"));
        execution.GetProperty("trigger").GetProperty("variables").GetProperty("body").GetProperty("service").GetString().ShouldBe("k7");
        (await server.Get("/api/v1/executions/dep-nothing")).Status.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("closed", "failed", "FAILED")]
    [InlineData("closed", "superseded", "SUCCESS")]
    [InlineData("closed", "on_hold", "SUCCESS")]
    [InlineData("waiting_for_person", null, "RUNNING")]
    [InlineData("queued", null, "RUNNING")]
    public void Only_a_watch_that_failed_is_a_failed_execution(string state, string? reason, string current)
    {
        var deployment = Shape.Golden("deployment.json").Deserialize<Deployment>(Json.Strict)! with { State = state, ClosedReason = reason };
        var shown = KestraApi.State(deployment, deployment.ReceivedAt + TimeSpan.FromSeconds(90061.5));
        shown.Current.ShouldBe(current);
        shown.Histories[^1].State.ShouldBe(current);
        (shown.EndDate is null).ShouldBe(current == "RUNNING");
        if (current == "RUNNING")
            shown.Duration.ShouldBe("P1DT1H1M1.5S");
    }

    [Fact]
    public async Task The_description_names_the_paths_once()
    {
        var (_, openapi) = await server.Get("/openapi/v1.json");
        var paths = openapi.GetProperty("paths").EnumerateObject().Select(p => p.Name).Where(p => p.Contains("executions", StringComparison.Ordinal)).ToList();
        paths.ShouldBe(["/api/v1/executions/webhook/{namespace}/{flowId}/{key}", "/api/v1/executions", "/api/v1/executions/{id}"], ignoreOrder: true);
        openapi.GetRawText().ShouldContain("flowRevision");
    }

    [Theory]
    [InlineData(null, null, false, null)]
    [InlineData(null, null, true, "webhook")]
    [InlineData(null, "from-environment", true, "from-environment")]
    [InlineData("given", "from-environment", false, "given")]
    [InlineData("${COMMANDER_SECRET_HOOK}", null, false, "s3cret")]
    public void The_key_comes_from_the_command_line_else_the_environment_else_the_demo(string? given, string? environment, bool demo, string? key) =>
        Application.WebhookKey(new CommanderOptions { WebhookKey = given, Demo = demo }, new Secrets(name => name == "COMMANDER_SECRET_HOOK" ? "s3cret" : null), environment).ShouldBe((key, null));

    [Theory]
    [InlineData("${COMMANDER_SECRET_NONE}", "${COMMANDER_SECRET_NONE} is not there")]
    [InlineData("file:none", "file:none is not there")]
    [InlineData("a/b", "has a /")]
    public void A_key_that_cannot_be_had_is_said_without_the_key(string given, string said) =>
        Application.WebhookKey(new CommanderOptions { WebhookKey = given }, new Secrets(_ => null), null).Wrong.ShouldNotBeNull().ShouldContain(said);

    private static string Id(JsonElement document) => document.GetProperty("id").GetString()!;

    // What is the same for every execution.
    private static string Fixed(JsonElement execution) => string.Join(' ', ((string[])["tenantId", "namespace", "flowId", "flowRevision"])
        .Select(name => execution.GetProperty(name).ToString())
        .Append(execution.GetProperty("trigger").GetProperty("id").GetString())
        .Append(execution.GetProperty("trigger").GetProperty("type").GetString())
        .Append(execution.GetProperty("state").GetProperty("current").GetString()));

    private async Task<JsonElement> Closed(string executions, string id)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < Patience)
        {
            var (_, list) = await server.Get(executions);
            var found = list.GetProperty("results").EnumerateArray().FirstOrDefault(e => Id(e) == id);
            if (found.ValueKind == JsonValueKind.Object && found.GetProperty("state").GetProperty("current").GetString() != "RUNNING")
                return found;
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
        }

        throw new TimeoutException($"{id} is not closed within {Patience.TotalSeconds:0} s");
    }
}
