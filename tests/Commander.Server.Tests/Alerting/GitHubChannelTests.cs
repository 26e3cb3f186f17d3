using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Alerting;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Alerting;

public sealed class GitHubChannelTests : ChannelCompliance
{
    private static readonly Deployment WithId = SampleAlerts.Judged with { Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["github_deployment"] = "42" } };

    private protected override AlertPolicy Entry(string url) => Entry(url, "acme/checkout");

    private static AlertPolicy Entry(string url, string repository) => new("github", repository, ["rollback"])
    {
        Settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = url, ["token"] = SecretReference },
    };

    private protected override async Task Accept(HttpContext context)
    {
        context.Response.StatusCode = context.Request.Method == "GET" ? 200 : 201;
        await context.Response.WriteAsync("""{"id":1,"state":"failure"}""");
    }

    private protected override async Task<IEnumerable<string>> Wrong(Came came)
    {
        var wrong = (await Schema("github-statuses.json", came.Text, came.Target.Contains("/deployments/", StringComparison.Ordinal) ? "deployment" : "commit")).ToList();
        if (came.Headers["X-GitHub-Api-Version"] != "2022-11-28" || came.Headers.Authorization != "Bearer " + Secret || came.Headers.UserAgent != "Commander" || came.Headers.Accept != "application/vnd.github+json")
            wrong.Add("headers");
        return wrong;
    }

    [Fact]
    public async Task A_verdict_is_a_status_of_the_commit()
    {
        (await Tell(SampleAlerts.Rollback())).ShouldBe(Delivery.Done);
        Server.Requests.Count.ShouldBe(1);
        (Server.Last.Method, Server.Last.Target).ShouldBe(("POST", $"/repos/acme/checkout/statuses/{SampleAlerts.Commit}"));
        ((string?)Server.Last.Json["state"]).ShouldBe("failure");
        ((string?)Server.Last.Json["context"]).ShouldBe("commander/prod");
        ((string?)Server.Last.Json["target_url"]).ShouldBe(SampleAlerts.Deployment.Url);
        ((string?)Server.Last.Json["description"]).ShouldNotBeNull().ShouldStartWith("Rolling back: errors 25.3 %");
    }

    [Fact]
    public async Task A_test_writes_no_status_and_says_whether_the_token_lets_us_in()
    {
        var test = SampleAlerts.Worded(SampleAlerts.News(false, SystemNews.Test));
        (await Tell(test)).State.ShouldBe(Told.Done);
        (Server.Last.Method, Server.Last.Target).ShouldBe(("GET", "/repos/acme/checkout"));
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(false)))).State.ShouldBe(Told.Refused);
    }

    [Fact]
    public async Task A_deployment_that_GitHub_knows_gets_a_status_too()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, WithId)))).State.ShouldBe(Told.Done);
        Server.Requests.Select(came => came.Target).ShouldBe([$"/repos/acme/checkout/statuses/{SampleAlerts.Commit}", "/repos/acme/checkout/deployments/42/statuses"]);
        ((string?)Server.Last.Json["state"]).ShouldBe("failure");
        ((bool?)Server.Last.Json["auto_inactive"]).ShouldBe(false);
        ((string?)Server.Last.Json["description"]).ShouldNotBeNull().ShouldStartWith("Commander: ");
        await AllHold();
    }

    public static TheoryData<string, string, string, string> Occasioned => new()
    {
        { Occasions.Rollback, nameof(SampleAlerts.Judged), "failure", "failure" },
        { Occasions.Continue, nameof(SampleAlerts.Carrying), "success", "success" },
        { Occasions.Hold, nameof(SampleAlerts.Waiting), "pending", "in_progress" },
        { Occasions.Hold, nameof(SampleAlerts.OnHold), "error", "error" },
        { Occasions.Failed, nameof(SampleAlerts.Judged), "error", "error" },
        { Occasions.Progress, "rolled back", "failure", "failure" },
        { Occasions.Progress, nameof(SampleAlerts.Kept), "success", "success" },
        { Occasions.Outcome, "GOOD", "success", "success" },
        { Occasions.Outcome, "BAD", "failure", "failure" },
        { Occasions.Outcome, "UNKNOWN", "success", "success" },
    };

    [Theory]
    [MemberData(nameof(Occasioned))]
    public async Task Each_occasion_is_a_state(string occasion, string which, string commit, string there)
    {
        var deployment = which switch
        {
            nameof(SampleAlerts.Judged) => SampleAlerts.Judged,
            nameof(SampleAlerts.Waiting) => SampleAlerts.Waiting,
            nameof(SampleAlerts.OnHold) => SampleAlerts.OnHold,
            nameof(SampleAlerts.Kept) => SampleAlerts.Kept,
            nameof(SampleAlerts.Carrying) => SampleAlerts.Carrying,
            "rolled back" => SampleAlerts.RolledBack(true),
            var label => SampleAlerts.Carrying with { Outcome = new Outcome(label, "person", SampleAlerts.Now) },
        } with
        {
            Labels = WithId.Labels,
        };
        (await Tell(SampleAlerts.Worded(SampleAlerts.Of(occasion, deployment)))).State.ShouldBe(Told.Done);
        Server.Requests.Select(came => (string?)came.Json["state"]).ShouldBe([commit, there]);
        await AllHold();
    }

    [Fact]
    public async Task The_repository_of_the_announcement_is_told_where_the_policy_says_so()
    {
        await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with { Repository = "acme/till" })), Entry(Server.Url, "announced"));
        Server.Last.Target.ShouldStartWith("/repos/acme/till/");
        await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with { Repository = "acme/till" })));
        Server.Last.Target.ShouldStartWith("/repos/acme/checkout/");
    }

    [Theory]
    [InlineData(null, "repository")]
    [InlineData("../../user", "repository")]
    [InlineData("acme/checkout/../../user", "repository")]
    [InlineData("acme/checkout?x", "repository")]
    public async Task An_announced_repository_that_is_none_is_not_spoken_to(string? repository, string said)
    {
        var delivery = await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with { Repository = repository })), Entry(Server.Url, "announced"));
        delivery.State.ShouldBe(Told.Refused);
        delivery.Message.ShouldNotBeNull().ShouldContain(said);
        Server.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("main")]
    [InlineData("../../../user/repos")]
    public async Task Without_a_commit_and_an_id_it_says_what_to_announce(string? commit)
    {
        var delivery = await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, SampleAlerts.Judged with
        {
            Commit = commit,
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["github_deployment"] = "42/../7" },
        })));
        delivery.State.ShouldBe(Told.Refused);
        delivery.Message.ShouldNotBeNull().ShouldContain("announce the deployment with commit");
        delivery.Message.ShouldContain("github_deployment");
        Server.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Half_of_it_refused_is_refused_and_half_of_it_later_is_later()
    {
        var (refuse, fail) = (422, 201);
        Answer(async context =>
        {
            context.Response.StatusCode = context.Request.Path.Value!.Contains("/deployments/", StringComparison.Ordinal) ? fail : refuse;
            await context.Response.WriteAsync("""{"message":"No commit found for SHA"}""");
        });
        var delivery = await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, WithId)));
        delivery.State.ShouldBe(Told.Refused);
        delivery.Message.ShouldNotBeNull().ShouldContain("No commit found");
        fail = 503;
        (await Tell(SampleAlerts.Worded(SampleAlerts.Of(Occasions.Rollback, WithId)))).State.ShouldBe(Told.Later);
    }

    [Fact]
    public async Task The_hours_requests_being_spent_is_later_at_the_time_that_GitHub_names()
    {
        Answer(403, """{"message":"API rate limit exceeded"}""", ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", SampleAlerts.Now.AddMinutes(12).ToUnixTimeSeconds().ToString()));
        var delivery = await Tell(SampleAlerts.Rollback());
        (delivery.State, delivery.RetryAfter).ShouldBe((Told.Later, TimeSpan.FromMinutes(12)));
    }

    [Fact]
    public async Task A_repository_that_is_a_secret_and_not_there_is_later()
    {
        var delivery = await Tell(SampleAlerts.Rollback(), Entry(Server.Url, "${COMMANDER_SECRET_REPOSITORY}"));
        delivery.State.ShouldBe(Told.Later);
        delivery.Message.ShouldNotBeNull().ShouldContain("${COMMANDER_SECRET_REPOSITORY}");
        Server.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task News_of_the_server_has_no_place_there()
    {
        (await Tell(SampleAlerts.Worded(SampleAlerts.News(false)))).State.ShouldBe(Told.Refused);
        Server.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("acme/checkout", "/repos/acme/checkout")]
    [InlineData("announced", "/rate_limit")]
    public async Task A_check_asks_for_the_repository_or_for_the_token_alone(string repository, string target)
    {
        (await Server.Channel(Entry(Server.Url, repository)).Check(Cancel)).ShouldBeNull();
        Server.Last.Target.ShouldBe(target);
        Answer(401, """{"message":"Bad credentials"}""");
        (await Server.Channel(Entry(Server.Url, repository)).Check(Cancel)).ShouldNotBeNull().ShouldContain("Bad credentials");
    }
}
