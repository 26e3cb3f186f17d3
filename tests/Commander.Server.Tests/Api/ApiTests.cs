using System.Net;
using System.Text.Json;
using Commander.Server.Tests.Contract;

namespace Commander.Server.Tests.Api;

public sealed class ApiTests(RunningServer server) : IClassFixture<RunningServer>
{
    private const string Snapshot = """{"error_rate":25.3,"memory_usage":88.7,"response_time":1850,"cpu_usage":72.4}""";

    [Fact]
    public async Task A_deployment_is_accepted_and_has_the_shape_of_the_contract()
    {
        var (status, body) = await server.Post("/api/v1/deployments", """{"service":"a1","version":"1.42.0","previous_version":"1.41.3"}""");
        status.ShouldBe(HttpStatusCode.Accepted);
        body.ShouldHave(Shape.Golden("deployment.json"));
        var (found, again) = await server.Get("/api/v1/deployments/" + body.GetProperty("id").GetString());
        found.ShouldBe(HttpStatusCode.OK);
        again.ShouldHave(Shape.Golden("deployment.json"));
    }

    [Fact]
    public async Task A_snapshot_is_judged_while_the_caller_waits_and_the_watch_is_closed()
    {
        var (status, body) = await server.Post("/api/v1/deployments?wait=20s", $$"""{"service":"a2","version":"2","metrics":{{Snapshot}}}""");
        status.ShouldBe(HttpStatusCode.OK);
        body.GetProperty("verdict").GetProperty("decision").GetString().ShouldBe("ROLLBACK");
        body.GetProperty("verdict").GetProperty("health_score").GetInt32().ShouldBe(27);
        var (_, closed) = await server.Get("/api/v1/deployments/" + body.GetProperty("id").GetString());
        closed.GetProperty("state").GetString().ShouldBe("closed");
        closed.GetProperty("closed_reason").GetString().ShouldBe("decided");
        closed.GetProperty("verdict").GetProperty("final").GetBoolean().ShouldBeTrue();
        closed.GetProperty("verdicts").EnumerateArray().ShouldAllBe(v => !v.GetProperty("final").GetBoolean());
        closed.ShouldHave(Shape.Golden("deployment.json"));
        var (replayed, replay) = await server.Post($"/api/v1/deployments/{body.GetProperty("id").GetString()}/replay", "{}");
        replayed.ShouldBe(HttpStatusCode.OK);
        replay.GetProperty("identical").GetBoolean().ShouldBeTrue(replay.GetProperty("differences").ToString());
    }

    [Fact]
    public async Task A_decision_on_a_snapshot_is_the_one_of_the_contract()
    {
        var golden = Shape.Golden("decision-snapshot.json");
        var (status, body) = await server.Post("/api/v1/decisions", golden.GetProperty("request").ToString());
        status.ShouldBe(HttpStatusCode.OK);
        foreach (var expected in golden.GetProperty("response").EnumerateObject().Where(p => p.Name is not ("decided_at" or "elapsed_ms")))
            JsonElement.DeepEquals(body.GetProperty(expected.Name), expected.Value).ShouldBeTrue($"{expected.Name}: {body.GetProperty(expected.Name)}");
    }

    [Fact]
    public async Task A_recorded_case_is_judged()
    {
        var lines = await File.ReadAllLinesAsync(Repository.At("tests/Commander.Server.Tests/Contract/case.jsonl"));
        var (status, bad) = await server.Post("/api/v1/decisions", $$"""{"case":{{lines[0]}}}""");
        status.ShouldBe(HttpStatusCode.OK);
        bad.GetProperty("decision").GetString().ShouldBe("ROLLBACK");
        (_, var good) = await server.Post("/api/v1/decisions", $$"""{"case":{{lines[1]}}}""");
        good.GetProperty("decision").GetString().ShouldNotBe("ROLLBACK");
    }

    [Theory]
    [InlineData("""{"service":"x","versio":"1"}""", "versio: unknown field")]
    [InlineData("""{"service":7,"version":"1"}""", "$.service: wrong type")]
    [InlineData("""{"service":"x"}""", "required and missing: 'version'")]
    [InlineData("""{"service":"x","version":"1","kind":"party"}""", "kind: 'party' is none of release, config, flag, infra")]
    [InlineData("""{"service":"x","version":"1","started_at":"2020-01-01T00:00:00Z"}""", "started_at: more than 24 hours back")]
    [InlineData("""{"service":"x","version":"1","started_at":"soon"}""", "$.started_at")]
    [InlineData("""{"service":"<b>","version":"1"}""", "service: '<b>' has characters")]
    [InlineData("""{"service":"x","version":"1","metrics":{"error_rate":101}}""", "metrics.error_rate: must be a percentage")]
    [InlineData("""{"service":"x","version":"1","metrics":{"errors":1}}""", "metrics.errors: is not known")]
    [InlineData("""{"service":"x","version":"1","service":"y"}""", "service")]
    [InlineData("""[1]""", "$: wrong type")]
    [InlineData("""{"service":"x",""", "$")]
    [InlineData("", "the body is empty")]
    [InlineData("null", "the body is null")]
    public async Task Bad_input_is_answered_with_its_place(string json, string detail)
    {
        var (status, body) = await server.Post("/api/v1/deployments", json);
        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("title").GetString().ShouldBe("The request is not valid");
        body.GetProperty("detail").GetString()!.ShouldContain(detail);
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused()
    {
        var (status, _) = await server.Post("/api/v1/deployments", $$"""{"service":"x","version":"1","commit":"{{new string('a', 70_000)}}"}""");
        status.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task A_repeated_idempotency_key_gets_the_first_answer_and_another_body_is_refused()
    {
        const string first = """{"service":"a3","version":"1"}""";
        var (_, one) = await server.Post("/api/v1/deployments", first, ("Idempotency-Key", "k1"));
        var (status, two) = await server.Post("/api/v1/deployments", first, ("Idempotency-Key", "k1"));
        status.ShouldBe(HttpStatusCode.Accepted);
        two.GetProperty("id").GetString().ShouldBe(one.GetProperty("id").GetString());
        (await server.Post("/api/v1/deployments", """{"service":"a3","version":"2"}""", ("Idempotency-Key", "k1"))).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task The_same_version_joins_and_another_supersedes()
    {
        var (_, one) = await server.Post("/api/v1/deployments", """{"service":"a4","version":"1"}""");
        using (var again = new StringContent("""{"service":"a4","version":"1"}""", System.Text.Encoding.UTF8, "application/json"))
        using (var joined = await server.Http.PostAsync(new Uri("/api/v1/deployments", UriKind.Relative), again, TestContext.Current.CancellationToken))
            joined.Headers.GetValues("Commander-Joined").ShouldBe(["true"]);
        using (var anew = new StringContent("""{"service":"a4-new","version":"1"}""", System.Text.Encoding.UTF8, "application/json"))
        using (var accepted = await server.Http.PostAsync(new Uri("/api/v1/deployments", UriKind.Relative), anew, TestContext.Current.CancellationToken))
            accepted.Headers.Contains("Commander-Joined").ShouldBeFalse();
        var (_, same) = await server.Post("/api/v1/deployments", """{"service":"a4","version":"1","commit":"abc"}""");
        same.GetProperty("id").GetString().ShouldBe(one.GetProperty("id").GetString());
        var (_, other) = await server.Post("/api/v1/deployments", """{"service":"a4","version":"2"}""");
        other.GetProperty("id").GetString().ShouldNotBe(one.GetProperty("id").GetString());
        var (_, superseded) = await server.Get("/api/v1/deployments/" + one.GetProperty("id").GetString());
        superseded.GetProperty("closed_reason").GetString().ShouldBe("superseded");
    }

    [Fact]
    public async Task The_list_filters_and_pages()
    {
        foreach (var version in (string[])["1", "2", "3"])
            await server.Post("/api/v1/deployments?wait=20s", $$"""{"service":"a5","version":"{{version}}","metrics":{{Snapshot}}}""");
        var (_, page) = await server.Get("/api/v1/deployments?service=a5&verdict=ROLLBACK&limit=2");
        page.GetProperty("items").EnumerateArray().Select(d => d.GetProperty("version").GetString()).ShouldBe(["3", "2"]);
        var (_, rest) = await server.Get($"/api/v1/deployments?service=a5&cursor={page.GetProperty("next_cursor").GetString()}");
        rest.GetProperty("items").EnumerateArray().Select(d => d.GetProperty("version").GetString()).ShouldBe(["1"]);
        rest.GetProperty("next_cursor").ValueKind.ShouldBe(JsonValueKind.Null);
        (await server.Get("/api/v1/deployments?limit=501")).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await server.Get("/api/v1/deployments?cursor=x")).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await server.Get("/api/v1/deployments?colour=red")).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task What_is_not_there_is_404_with_words()
    {
        foreach (var path in (string[])["", "/evidence", "/facts", "/events"])
        {
            var (status, body) = await server.Get("/api/v1/deployments/dep-nothing" + path);
            status.ShouldBe(HttpStatusCode.NotFound);
            body.GetProperty("detail").GetString()!.ShouldContain("dep-nothing");
        }

        (await server.Post("/api/v1/deployments/dep-nothing/actions/rollback", "{}")).Status.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_person_labels_and_acts_and_a_closed_watch_says_409()
    {
        var (_, body) = await server.Post("/api/v1/deployments?wait=20s", $$"""{"service":"a6","version":"1","metrics":{{Snapshot}}}""");
        var id = body.GetProperty("id").GetString();
        (await server.Post($"/api/v1/deployments/{id}/actions/rollback", "{}")).Status.ShouldBe(HttpStatusCode.Conflict);
        (await server.Post($"/api/v1/deployments/{id}/outcome", """{"label":"maybe"}""")).Status.ShouldBe(HttpStatusCode.BadRequest);
        var (labelled, deployment) = await server.Post($"/api/v1/deployments/{id}/outcome", """{"label":"bad","note":"it was"}""");
        labelled.ShouldBe(HttpStatusCode.Accepted);
        deployment.GetProperty("outcome").GetProperty("label").GetString().ShouldBe("BAD");
        deployment.GetProperty("outcome").GetProperty("source").GetString().ShouldBe("person");
        var samples = await server.Http.GetStringAsync("/api/v1/samples");
        using var sample = JsonDocument.Parse(samples.Split('\n').First(line => line.Contains(id!, StringComparison.Ordinal)));
        foreach (var part in Shape.Golden("sample.json", "after").EnumerateObject())
            sample.RootElement.TryGetProperty(part.Name, out _).ShouldBeTrue(part.Name);
        sample.RootElement.GetProperty("reward").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task Events_tell_the_stored_facts_and_end_with_the_watch()
    {
        var (_, body) = await server.Post("/api/v1/deployments?wait=20s", $$"""{"service":"a7","version":"1","metrics":{{Snapshot}}}""");
        var events = await server.Http.GetStringAsync($"/api/v1/deployments/{body.GetProperty("id").GetString()}/events");
        events.Split('\n').Where(l => l.StartsWith("event: ", StringComparison.Ordinal)).ShouldBe(["event: verdict", "event: outcome", "event: closed"]);
    }

    [Fact]
    public async Task Facts_are_listed_with_their_chain()
    {
        var (_, body) = await server.Post("/api/v1/deployments?wait=20s", $$"""{"service":"a8","version":"1","metrics":{{Snapshot}}}""");
        var (_, facts) = await server.Get($"/api/v1/deployments/{body.GetProperty("id").GetString()}/facts");
        facts.GetProperty("items").EnumerateArray().Select(f => f.GetProperty("kind").GetString()).ShouldBe(["received", "pinned", "verdict", "outcome", "closed"]);
        facts.GetProperty("items").EnumerateArray().Select(f => f.GetProperty("hash").GetString()!.Length).ShouldAllBe(length => length == 64);
    }

    [Fact]
    public async Task A_policy_with_three_errors_names_all_three()
    {
        var yaml = "services:\n  x:\n    source: nowhere\n    watch: { step: 15 parsecs }\n    colour: red\n";
        var (status, body) = await server.Post("/api/v1/policies/check", JsonSerializer.Serialize(new { yaml }));
        status.ShouldBe(HttpStatusCode.OK);
        body.GetProperty("valid").GetBoolean().ShouldBeFalse();
        var errors = body.GetProperty("errors").EnumerateArray().Select(e => e.GetString()!).ToList();
        errors.Count.ShouldBeGreaterThanOrEqualTo(3);
        errors.ShouldContain(e => e.Contains("nowhere", StringComparison.Ordinal));
        errors.ShouldContain(e => e.Contains("15 parsecs", StringComparison.Ordinal));
        errors.ShouldContain(e => e.Contains("colour", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Requests_for_another_host_or_from_another_page_are_refused()
    {
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/api/v1/deployments");
        foreign.Headers.Host = "evil.example";
        (await server.Http.SendAsync(foreign)).StatusCode.ShouldBe(HttpStatusCode.MisdirectedRequest);
        var (status, _) = await server.Post("/api/v1/deployments", """{"service":"x","version":"1"}""", ("Origin", "http://evil.example"));
        status.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task The_api_describes_itself_and_is_ready()
    {
        (await server.Get("/health/live")).Status.ShouldBe(HttpStatusCode.OK);
        (await server.Get("/health/ready")).Status.ShouldBe(HttpStatusCode.OK);
        var (_, openapi) = await server.Get("/openapi/v1.json");
        var paths = openapi.GetProperty("paths").EnumerateObject().Select(p => p.Name).ToList();
        foreach (var path in (string[])["/api/v1/deployments", "/api/v1/deployments/{id}", "/api/v1/deployments/{id}/evidence", "/api/v1/deployments/{id}/facts", "/api/v1/deployments/{id}/events", "/api/v1/deployments/{id}/actions/{kind}", "/api/v1/deployments/{id}/outcome", "/api/v1/deployments/{id}/replay", "/api/v1/decisions", "/api/v1/policies", "/api/v1/samples"])
            paths.ShouldContain(path);
    }

    [Fact]
    public async Task A_service_that_announces_in_a_loop_is_turned_away_and_others_are_not()
    {
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(async n =>
            (await server.Post("/api/v1/deployments", $$"""{"service":"looping","environment":"pr-{{n}}","version":"1"}""")).Status.ShouldBe(HttpStatusCode.Accepted)));

        var (status, problem) = await server.Post("/api/v1/deployments", """{"service":"looping","environment":"one-more","version":"1"}""");

        status.ShouldBe(HttpStatusCode.TooManyRequests);
        problem.GetProperty("detail").GetString()!.ShouldContain("a thousand deployments of it are watched already");
        (await server.Post("/api/v1/deployments", """{"service":"calm","version":"1"}""")).Status.ShouldBe(HttpStatusCode.Accepted);
    }
}
