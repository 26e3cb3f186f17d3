using Commander.Judging.Verdicts;
using Commander.Server.Learning;

namespace Commander.Server.Tests.Learning;

public sealed class AttributionTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private static Deployment Of(string id, double minutes, string version = "2.0.0", string service = "checkout", string environment = "prod", double? restored = null) => new(
        id, service, environment, version, null, "closed", "decided", Noon.AddMinutes(minutes), Noon.AddMinutes(minutes), Noon, new PolicyReference("checkout", ""), null, null, [],
        restored is { } at ? [new ActionEntry("rollback", "done", id + "/rollback/1", "t", "policy", Noon.AddMinutes(at - 1), Noon.AddMinutes(at), "1.0.0", true, null)] : [],
        null,
        "/d/" + id);

    private static (string? Id, string? Why) Found(Incident incident, params Deployment[] deployments) =>
        Attribution.Of(deployments, incident) is var (deployment, why) ? (deployment?.Id, why) : default;

    private static Incident At(double minutes, string? version = null) => new("pagerduty:1", "down", Noon.AddMinutes(minutes), null, "checkout", "prod", version);

    [Fact]
    public void The_newest_that_had_begun_is_meant()
    {
        var (older, newer) = (Of("dep-1", 0), Of("dep-2", 10, "2.1.0"));
        Found(At(11), older, newer).Id.ShouldBe("dep-2");
        Found(At(10), older, newer).Id.ShouldBe("dep-2");
        Found(At(9.9), older, newer).Id.ShouldBe("dep-1");
        Found(At(11, "2.0.0"), older, newer).Id.ShouldBe("dep-1");
        Found(At(-0.1), older, newer).Why.ShouldNotBeNull().ShouldContain("no deployment of checkout in prod");
    }

    [Fact]
    public void What_breaks_a_day_later_is_not_put_down_to_it()
    {
        Found(At(24 * 60), Of("dep-1", 0)).Id.ShouldBe("dep-1");
        Found(At((24 * 60) + 1), Of("dep-1", 0)).Id.ShouldBeNull();
    }

    [Fact]
    public void One_that_was_gone_by_then_is_not_meant()
    {
        Found(At(11), Of("dep-1", 0), Of("dep-2", 5, "2.1.0", restored: 10)).Id.ShouldBe("dep-1");
        Found(At(9), Of("dep-1", 0), Of("dep-2", 5, "2.1.0", restored: 10)).Id.ShouldBe("dep-2");
    }

    [Fact]
    public void Other_services_and_environments_are_not_looked_at() =>
        Found(At(11), Of("dep-1", 0, service: "till"), Of("dep-2", 0, environment: "staging")).Id.ShouldBeNull();

    [Fact]
    public void Two_that_began_at_the_same_time_cannot_be_told_apart() =>
        Found(At(11), Of("dep-1", 0), Of("dep-2", 0, "2.1.0")).Why.ShouldNotBeNull().ShouldContain("dep-1 and dep-2");
}
