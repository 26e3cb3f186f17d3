using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>Which policy counts, and in which form it is stored: a watch pins its policy by the hash of these bytes, so they stay.</summary>
public class PolicySetTests
{
    /// <summary>The stored form of the shipped policy: every default of every key.</summary>
    private const string Shipped =
        """
        {"name":"defaults","environment":null,"source":null,"metrics":[],"compare":"auto","no_data":"rollback","watch":{"step":"00:00:15","lag":"00:00:30","min":"00:02:00","max":"00:30:00","reference":"00:30:00","after":"00:30:00","slow":"06:00:00","expect_traffic":true,"on_hold":"page"},"decide":{"false_alarms":0.01,"false_rollback_cost":1,"missed_cost":9,"reasoning":"advise","threshold":0.1},"act":{"autonomy":"observe","rollback":null,"late":"recommend","ask_for":"00:15:00","cooldown":"00:30:00","max_per_hour":3,"irreversible":[]},"fix":null,"alert":[],"learn":{"explore":0,"train":"daily","oumi":"off"}}
        """;

    private const string Stored =
        """"
        {"name":"checkout","environment":"staging","source":"prom","metrics":[{"name":"errors","kind":"ratio","family":"error","direction":"up","query":null,"bad":"http_requests_total{service=\"{{service}}\",version=\"{{version}}\",code=~\"5..\"}","total":"http_requests_total{service=\"{{service}}\",version=\"{{version}}\"}","quantile":0.95,"tolerance":{"amount":1,"relative":false},"floor":0.5,"objective":1,"critical":true,"unit":"%","scale":1,"window":null,"warmup":"00:00:00"},{"name":"latency","kind":"histogram","family":"latency","direction":"up","query":"http_request_duration_seconds_bucket{service=\"{{service}}\",version=\"{{version}}\"}","bad":null,"total":null,"quantile":0.95,"tolerance":{"amount":0.2,"relative":true},"floor":25,"objective":null,"critical":false,"unit":"ms","scale":1000,"window":null,"warmup":"00:02:00"},{"name":"memory","kind":"gauge","family":"memory","direction":"up","query":"process_memory_percent{service=\"{{service}}\",version=\"{{version}}\"}","bad":null,"total":null,"quantile":0.95,"tolerance":{"amount":0.25,"relative":true},"floor":5,"objective":null,"critical":false,"unit":"%","scale":1,"window":null,"warmup":"00:03:00"}],"compare":"auto","no_data":"rollback","watch":{"step":"00:00:15","lag":"00:00:30","min":"00:02:00","max":"00:30:00","reference":"00:30:00","after":"00:30:00","slow":"06:00:00","expect_traffic":true,"on_hold":"page"},"decide":{"false_alarms":0.01,"false_rollback_cost":1,"missed_cost":9,"reasoning":"advise","threshold":0.1},"act":{"autonomy":"observe","rollback":{"type":"kubernetes","settings":{"deployment":"checkout","namespace":"shop"},"run":[],"timeout":"00:01:00","state":[]},"late":"recommend","ask_for":"00:15:00","cooldown":"00:30:00","max_per_hour":3,"irreversible":["migration"]},"fix":{"repository":"acme/checkout","agent":"cline","test":"dotnet test","auto_merge":false},"alert":[{"channel":"slack","to":"#deploys","on":["rollback","hold"]}],"learn":{"explore":0,"train":"daily","oumi":"off"}}
        """";

    [Fact]
    public void The_shipped_policy_is_stored_in_these_bytes() => Encoding.UTF8.GetString(PolicyHash.Body(PolicySet.Empty.Defaults)).ShouldBe(Shipped);

    [Fact]
    public void The_designs_example_is_stored_in_these_bytes() =>
        Encoding.UTF8.GetString(PolicyHash.Body(PolicyReaderTests.Read(PolicyReaderTests.Example).For("checkout", "staging"))).ShouldBe(Stored);

    [Fact]
    public void The_hash_is_the_first_half_of_the_bytes_sha256()
    {
        PolicyHash.Of("abc"u8).ShouldBe("sha256:ba7816bf8f01cfea414140de5dae2223");
        PolicyHash.Of(PolicySet.Empty.Defaults).ShouldBe(PolicyHash.Of(Encoding.UTF8.GetBytes(Shipped)));
        PolicyHash.Of(PolicyHash.Read(Encoding.UTF8.GetBytes(Stored))).ShouldBe(PolicyHash.Of(Encoding.UTF8.GetBytes(Stored)));
    }

    [Fact]
    public void A_stored_form_of_a_later_version_is_read_and_nothing_is_none()
    {
        PolicyHash.Read(Encoding.UTF8.GetBytes(Shipped.Replace("\"environment\"", "\"later\":[1],\"environment\"", StringComparison.Ordinal))).Name.ShouldBe("defaults");
        Should.Throw<JsonException>(() => PolicyHash.Read("null"u8)).Message.ShouldBe("a policy's stored body is null");
    }

    [Theory]
    [InlineData("a", "prod", "a")]
    [InlineData("a", "test", "a test")]
    [InlineData("a", "stage", "a stage")]
    [InlineData("b", "test", "defaults test")]
    [InlineData("b", "prod", "defaults")]
    [InlineData("*", "prod", "defaults")]
    public void A_service_has_its_own_policy_of_the_environment_its_own_or_that_of_all(string service, string environment, string expected)
    {
        var set = PolicyReaderTests.Read("{ defaults: { environments: { test: {} } }, services: { a: { environments: { stage: {} } } } }");
        var policy = set.For(service, environment);
        (policy.Name + (policy.Environment is { } named ? " " + named : "")).ShouldBe(expected);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("services: { a: {} }", null)]
    [InlineData("services: { a: { METRIC } }", "a")]
    [InlineData("services: { a: { METRIC, environments: { test: {}, stage: {} } } }", "a")]
    [InlineData("services: { a: { METRIC }, b: { METRIC } }", null)]
    [InlineData("defaults: { METRIC }\nservices: { a: {}, b: {} }", "defaults")]
    [InlineData("defaults: { METRIC }", "defaults")]
    [InlineData("defaults: { METRIC, environments: { test: {} } }\nservices: { a: {} }", "a")]
    [InlineData("defaults: { METRIC }\nservices: { a: { metrics: { m: off } } }", null)]
    public void The_one_policy_that_watches_something_is_that_of_the_only_service_or_of_all(string yaml, string? name) =>
        (PolicyReaderTests.Read(yaml.Replace("METRIC", "metrics: { m: { kind: gauge, objective: 1 } }", StringComparison.Ordinal)).Only()?.Name).ShouldBe(name);

    [Theory]
    [InlineData(1, 9, 0.1)]
    [InlineData(1, 1, 0.5)]
    [InlineData(3, 1, 0.75)]
    public void A_rollback_needs_a_chance_that_pays_its_cost(double falseRollback, double missed, double threshold) =>
        new DecidePolicy(0.01, falseRollback, missed, Authority.Off).Threshold.ShouldBe(threshold);

    [Fact]
    public void After_five_minutes_ticks_are_a_minute_long() =>
        (WatchPolicy.CoarseAfter, WatchPolicy.CoarseStep).ShouldBe((TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(1)));

    [Fact]
    public void The_schema_is_a_json_schema() =>
        JsonSerializer.Deserialize<JsonElement>(PolicySchema.Text).GetProperty("$schema").GetString().ShouldBe("http://json-schema.org/draft-07/schema#");
}
