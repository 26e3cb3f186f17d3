using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Server.Access;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Intake;

/// <summary>Alertmanager and PagerDuty tell which deployments were bad.</summary>
public sealed class IncidentHooksTests : IAsyncLifetime
{
    private const string Secret = "a secret that PagerDuty showed once";
    private const string Admin = "an admin's token of this test alone";

    private readonly BuiltServer _server = new();
    private readonly HttpClient _http;

    public IncidentHooksTests() => _http = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Now => TimeProvider.System.GetUtcNow().ToString("O", CultureInfo.InvariantCulture);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task An_alert_that_fires_labels_the_newest_deployment_of_its_service_once_also_across_a_restart()
    {
        await Begin();
        var older = await Announce("1.0.0");
        var newer = await Announce("2.0.0");
        var body = Alertmanager(Alert());
        for (var times = 0; times < 2; times++)
        {
            var (status, answer) = await Send("/hooks/alertmanager", body);
            status.ShouldBe(HttpStatusCode.Accepted);
            var labelled = answer.GetProperty("labelled")[0];
            labelled.GetProperty("deployment").GetString().ShouldBe(newer);
            labelled.GetProperty("by").GetString().ShouldBe("alertmanager:c0ffee");
            await Begin();
        }

        var label = (await Outcomes(newer)).ShouldHaveSingleItem();
        (label.GetProperty("label").GetString(), label.GetProperty("source").GetString(), label.GetProperty("note").GetString(), label.GetProperty("standing").GetBoolean())
            .ShouldBe(("BAD", "incident", "5 % of checkouts fail", true));
        (await Outcomes(older)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_alert_may_name_the_deployment_or_its_version()
    {
        await Begin();
        var older = await Announce("1.0.0");
        await Announce("2.0.0");
        await Send("/hooks/alertmanager", Alertmanager(Alert(("version", "1.0.0")), Alert(("deployment", older), ("service", "another"))));
        (await Outcomes(older)).ShouldHaveSingleItem().GetProperty("by").GetString().ShouldBe("alertmanager:c0ffee");
        // Kubernetes' own label of that name means something else.
        var (_, answer) = await Send("/hooks/alertmanager", Alertmanager(Alert(("deployment", "checkout-web"), ("version", "1.0.0"))));
        answer.GetProperty("labelled")[0].GetProperty("deployment").GetString().ShouldBe(older);
    }

    [Theory]
    [InlineData("raised_by", "commander", "was raised by Commander itself")]
    [InlineData("environment", "staging", "no deployment of checkout in staging")]
    [InlineData("service", "till", "no deployment of till in prod")]
    [InlineData("service", "", "no label names its deployment, or its service")]
    [InlineData("version", "9.9.9", "no deployment of checkout 9.9.9 in prod")]
    [InlineData("deployment", "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C", "there is no deployment 'dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C'")]
    public async Task What_labels_nothing_is_answered_with_why(string label, string value, string said)
    {
        await Begin();
        var id = await Announce("2.0.0");
        var (status, answer) = await Send("/hooks/alertmanager", Alertmanager(Alert((label, value))));
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain(said);
        answer.TryGetProperty("labelled", out _).ShouldBeFalse();
        (await Outcomes(id)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_alert_that_is_over_or_began_before_the_deployment_counts_for_nothing()
    {
        await Begin();
        var id = await Announce("2.0.0");
        var over = Alert();
        over["status"] = "resolved";
        var (_, answer) = await Send("/hooks/alertmanager", Alertmanager(over, Alert(startsAt: TimeProvider.System.GetUtcNow().AddMinutes(-5))));
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain("CheckoutErrors is resolved; firing counts");
        (await Outcomes(id)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"version\":\"3\",\"alerts\":[]}")]
    [InlineData("{\"version\":\"4\",\"alerts\":{}}")]
    [InlineData("{\"version\":\"4\",\"alerts\":[")]
    public async Task What_Alertmanager_never_sends_is_refused(string body)
    {
        await Begin();
        (await Send("/hooks/alertmanager", body)).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("{\"version\":\"4\",\"alerts\":[]}")]
    [InlineData("{\"version\":\"4\",\"alerts\":[7,null,{}]}")]
    [InlineData("{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":[],\"fingerprint\":\"\\ud800\",\"startsAt\":\"then\"}]}")]
    public async Task Alerts_without_sense_label_nothing(string body)
    {
        await Begin();
        var (status, answer) = await Send("/hooks/alertmanager", body);
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Who_shows_no_token_tells_of_no_alert_and_who_is_bound_elsewhere_labels_nothing()
    {
        await Begin(closed: true);
        var bearer = ("Authorization", "Bearer " + Admin);
        var id = await Announce("2.0.0", bearer);
        var body = Alertmanager(Alert());
        (await Send("/hooks/alertmanager", body)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        var intake = await Token("intake", "till", bearer);
        var (status, answer) = await Send("/hooks/alertmanager", body, ("Authorization", "Bearer " + intake));
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain("bound to something else");
        (await Send("/hooks/alertmanager", body, ("Authorization", "Bearer " + await Token("viewer", null, bearer)))).Status.ShouldBe(HttpStatusCode.Forbidden);
        (await Send("/hooks/alertmanager", body, ("Authorization", "Bearer " + await Token("intake", "checkout", bearer)))).Status.ShouldBe(HttpStatusCode.Accepted);
        (await Outcomes(id, bearer)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task An_incident_of_PagerDuty_labels_the_deployment_once_however_often_it_is_sent()
    {
        await Begin();
        var id = await Announce("2.0.0");
        var body = PagerDuty("incident.triggered");
        (await Signed(body)).Status.ShouldBe(HttpStatusCode.Accepted);
        (await Signed(body)).Status.ShouldBe(HttpStatusCode.Accepted);
        await Begin();
        (await Signed(PagerDuty("incident.reopened"))).Answer.GetProperty("labelled")[0].GetProperty("deployment").GetString().ShouldBe(id);
        var label = (await Outcomes(id)).ShouldHaveSingleItem();
        (label.GetProperty("by").GetString(), label.GetProperty("note").GetString()).ShouldBe(("pagerduty:Q1ABC", "Checkout is <b>down</b>"));
    }

    [Theory]
    [InlineData("pagey.ping", "PT4KHLK", "a ping")]
    [InlineData("incident.resolved", "PT4KHLK", "incident.triggered and incident.reopened count")]
    [InlineData("incident.triggered", "commander/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C", "Commander raised it itself")]
    public async Task Other_events_of_PagerDuty_and_what_Commander_raised_label_nothing(string kind, string key, string said)
    {
        await Begin();
        var id = await Announce("2.0.0");
        var (status, answer) = await Signed(PagerDuty(kind, key));
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain(said);
        (await Outcomes(id)).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_PagerDuty_has_not_signed_is_refused_and_without_a_secret_there_is_no_hook()
    {
        await Begin();
        var body = PagerDuty("incident.triggered");
        (await Send("/hooks/pagerduty", body)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send("/hooks/pagerduty", body + " ", ("X-PagerDuty-Signature", Sign(body, Secret)))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await Send("/hooks/pagerduty", body, ("X-PagerDuty-Signature", Sign(body, Secret + "!")))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        await _server.Begin(new CommanderOptions());
        var (status, answer) = await Signed(body);
        status.ShouldBe(HttpStatusCode.NotFound);
        answer.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("COMMANDER_PAGERDUTY_SECRET");
    }

    // Made with: openssl dgst -sha256 -hmac.
    [Fact]
    public void Any_of_several_signatures_by_any_of_several_secrets_holds()
    {
        byte[][] secrets = [Encoding.UTF8.GetBytes("another"), Encoding.UTF8.GetBytes(Secret)];
        var body = "{\"event\":{\"id\":\"01\"}}"u8;
        const string right = "v1=d184d277fef6f0eb894f6a4a3369265efb267e5f43c440744b1ce71e9aab9c72";
        SenderSignatures.PagerDuty(Header(right), body, secrets).ShouldBeNull();
        SenderSignatures.PagerDuty(Header($"v1={new string('0', 64)}, {right}"), body, secrets).ShouldBeNull();
        SenderSignatures.PagerDuty(Header(right.Replace("v1", "v2", StringComparison.Ordinal)), body, secrets).ShouldNotBeNull();
        SenderSignatures.PagerDuty(Header(right[..^1]), body, secrets).ShouldNotBeNull();
        SenderSignatures.PagerDuty(Header(right), "{\"event\":{\"id\":\"02\"}}"u8, secrets).ShouldNotBeNull();
        SenderSignatures.PagerDuty(Header(string.Join(',', Enumerable.Repeat(right, 9))), body, secrets).ShouldNotBeNull().ShouldContain("more than 8");
        SenderSignatures.PagerDuty(new HeaderDictionary(), body, secrets).ShouldNotBeNull();

        static HeaderDictionary Header(string signatures) => new() { ["X-PagerDuty-Signature"] = signatures };
    }

    private static JsonObject Alert(params (string Name, string Value)[] labels) => Alert(null, labels);

    private static JsonObject Alert(DateTimeOffset? startsAt, params (string Name, string Value)[] labels)
    {
        var all = new JsonObject { ["alertname"] = "CheckoutErrors", ["service"] = "checkout", ["severity"] = "page" };
        foreach (var (name, value) in labels)
            all[name] = value;
        return new JsonObject
        {
            ["status"] = "firing",
            ["labels"] = all,
            ["annotations"] = new JsonObject { ["summary"] = "5 % of checkouts fail" },
            ["startsAt"] = startsAt?.ToString("O", CultureInfo.InvariantCulture) ?? Now,
            ["endsAt"] = "0001-01-01T00:00:00Z",
            ["generatorURL"] = "http://prometheus:9090/graph",
            ["fingerprint"] = "c0ffee",
        };
    }

    private static string Alertmanager(params JsonNode[] alerts) => new JsonObject
    {
        ["version"] = "4",
        ["groupKey"] = "{}:{alertname=\"CheckoutErrors\"}",
        ["truncatedAlerts"] = 0,
        ["status"] = "firing",
        ["receiver"] = "commander",
        ["groupLabels"] = new JsonObject(),
        ["commonLabels"] = new JsonObject(),
        ["commonAnnotations"] = new JsonObject(),
        ["externalURL"] = "http://alertmanager:9093",
        ["alerts"] = new JsonArray([.. alerts]),
    }.ToJsonString();

    private static string PagerDuty(string kind, string key = "PT4KHLK") => new JsonObject
    {
        ["event"] = new JsonObject
        {
            ["id"] = "01CH754SM17TWPE2V2H4VPBRO7",
            ["event_type"] = kind,
            ["resource_type"] = "incident",
            ["occurred_at"] = Now,
            ["agent"] = null,
            ["data"] = new JsonObject
            {
                ["id"] = "Q1ABC",
                ["type"] = "incident",
                ["number"] = 2,
                ["status"] = "triggered",
                ["incident_key"] = key,
                ["created_at"] = Now,
                ["title"] = "Checkout is <b>down</b>",
                ["service"] = new JsonObject { ["id"] = "PF9KMXH", ["summary"] = "Checkout", ["type"] = "service_reference" },
                ["urgency"] = "high",
            },
        },
    }.ToJsonString();

    private static string Sign(string body, string secret) => "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body)));

    private Task Begin(bool closed = false) => _server.Begin(new CommanderOptions { PagerDutySecrets = [Encoding.UTF8.GetBytes(Secret)], AdminToken = closed ? Admin : null });

    private Task<(HttpStatusCode Status, JsonElement Answer)> Signed(string body) => Send("/hooks/pagerduty", body, ("X-PagerDuty-Signature", Sign(body, Secret)));

    private async Task<string> Announce(string version, params (string Name, string Value)[] headers) =>
        (await Send("/api/v1/deployments", $$"""{"service":"checkout","version":"{{version}}"}""", headers)).Answer.GetProperty("id").GetString()!;

    private async Task<string> Token(string role, string? service, (string Name, string Value) bearer) =>
        (await Send("/api/v1/tokens", $$"""{"name":"{{role}} of {{service}}","role":"{{role}}"{{(service is null ? "" : $",\"services\":[\"{service}\"]")}}}""", bearer)).Answer.GetProperty("token").GetString()!;

    private async Task<JsonElement[]> Outcomes(string id, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/deployments/" + id);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var answer = await _http.SendAsync(request, Cancel);
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return document.RootElement.TryGetProperty("outcomes", out var outcomes) ? [.. outcomes.EnumerateArray().Where(outcome => outcome.GetProperty("source").GetString() == "incident").Select(outcome => outcome.Clone())] : [];
    }

    private async Task<(HttpStatusCode Status, JsonElement Answer)> Send(string path, string body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var answer = await _http.SendAsync(request, Cancel);
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return (answer.StatusCode, document.RootElement.Clone());
    }
}
