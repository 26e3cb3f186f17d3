using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Commander.Server.Access;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Intake;

/// <summary>GitHub and GitLab announce deployments by their own webhooks, with their own signatures.</summary>
public sealed class HooksTests : IAsyncLifetime
{
    private const string Secret = "a secret of both sides";
    private const string GitHubBody = """
        {"action":"created",
         "deployment_status":{"id":11,"state":"success","created_at":"CREATED","environment":"production","log_url":"https://github.com/acme/checkout/actions/runs/7","target_url":""},
         "deployment":{"id":42,"sha":"d6fde92930d4715a2b49857d24b940956b26d2d3","ref":"main","task":"deploy","environment":"production","payload":{}},
         "repository":{"id":1,"name":"checkout","full_name":"acme/checkout","html_url":"https://github.com/acme/checkout"},
         "sender":{"login":"ada"}}
        """;

    private const string GitLabBody = """
        {"object_kind":"deployment","status":"success","status_changed_at":"CREATED","deployment_id":15,"deployable_id":796,
         "deployable_url":"http://10.126.0.2:3000/root/test/-/jobs/796","environment":"staging","environment_tier":"staging",
         "project":{"id":30,"name":"My Shop","path_with_namespace":"acme/shop","web_url":"http://10.126.0.2:3000/acme/shop"},
         "short_sha":"279484c0","user":{"name":"Ada"},"user_url":"http://10.126.0.2:3000/ada",
         "commit_url":"http://10.126.0.2:3000/acme/shop/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468","commit_title":"Add new file","ref":"v1.4.2"}
        """;

    private readonly BuiltServer _server = new();
    private readonly HttpClient _http;

    public HooksTests() => _http = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(20) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Created => TimeProvider.System.GetUtcNow().AddSeconds(-30).ToString("yyyy-MM-dd HH:mm:ss +0000", CultureInfo.InvariantCulture);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_deployment_that_succeeded_on_GitHub_starts_one_watch_however_often_it_is_sent()
    {
        await Begin();
        var body = GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal);
        var (status, first) = await GitHub(body);
        status.ShouldBe(HttpStatusCode.Accepted);
        first.GetProperty("service").GetString().ShouldBe("checkout");
        first.GetProperty("environment").GetString().ShouldBe("production");
        first.GetProperty("version").GetString().ShouldBe("d6fde92930d4715a2b49857d24b940956b26d2d3");
        first.GetProperty("commit").GetString().ShouldBe("d6fde92930d4715a2b49857d24b940956b26d2d3");
        first.GetProperty("change_url").GetString().ShouldBe("https://github.com/acme/checkout/actions/runs/7");
        first.GetProperty("labels").GetProperty("github_deployment").GetString().ShouldBe("42");
        var (_, second) = await GitHub(body.Replace("ada", "grace", StringComparison.Ordinal));
        second.GetProperty("id").GetString().ShouldBe(first.GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("\"ref\":\"main\"", "\"ref\":\"v1.2.0\"", "v1.2.0")]
    [InlineData("\"payload\":{}", "\"payload\":{\"version\":\"7\",\"service\":\"till\"}", "7")]
    [InlineData("\"payload\":{}", "\"payload\":\"\"", "d6fde92930d4715a2b49857d24b940956b26d2d3")]
    public async Task The_version_is_the_payloads_else_the_tag_else_the_commit(string instead, string of, string expected)
    {
        await Begin();
        var (_, deployment) = await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal).Replace(instead, of, StringComparison.Ordinal));
        deployment.GetProperty("version").GetString().ShouldBe(expected);
    }

    [Fact]
    public async Task Names_that_are_none_here_are_written_so_that_they_are_and_kept_as_labels()
    {
        await Begin();
        var (status, deployment) = await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal)
            .Replace("\"environment\":\"production\"", "\"environment\":\"Production – my app/blue\"", StringComparison.Ordinal)
            .Replace("\"payload\":{}", "\"payload\":\"{\\\"version\\\":\\\"3.1.0\\\"}\"", StringComparison.Ordinal));
        status.ShouldBe(HttpStatusCode.Accepted);
        deployment.GetProperty("environment").GetString().ShouldBe("Production---my-app/blue");
        deployment.GetProperty("labels").GetProperty("environment").GetString().ShouldBe("Production – my app/blue");
        deployment.GetProperty("labels").GetProperty("github_deployment").GetString().ShouldBe("42");
        deployment.GetProperty("version").GetString().ShouldBe("3.1.0");
    }

    [Theory]
    [InlineData("ping", "success", "a ping")]
    [InlineData("push", "success", "the event push")]
    [InlineData("deployment_status", "failure", "the state failure")]
    public async Task What_starts_no_watch_is_answered_with_why(string kind, string state, string said)
    {
        await Begin();
        var (status, answer) = await GitHub(GitHubBody.Replace("\"success\"", $"\"{state}\"", StringComparison.Ordinal), kind: kind);
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain(said);
    }

    [Fact]
    public async Task What_Commander_itself_wrote_to_GitHub_starts_no_watch_when_it_comes_back()
    {
        await Begin();
        var (status, answer) = await GitHub(GitHubBody.Replace("\"state\":\"success\"", "\"state\":\"success\",\"description\":\"Commander: Continue: no metric is worse\"", StringComparison.Ordinal));
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain("Commander wrote itself");
    }

    [Fact]
    public async Task What_is_not_signed_by_GitHub_is_refused_and_who_goes_on_is_not_heard()
    {
        await Begin();
        (await GitHub(GitHubBody, signature: "")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitHub(GitHubBody, signature: Sign(GitHubBody, "another secret of both")))
            .Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitHub(GitHubBody + " ", signature: Sign(GitHubBody, Secret))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitHub(GitHubBody, signature: Sign(GitHubBody, Secret)[..70])).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitHub(GitHubBody, signature: Sign(GitHubBody, Secret).Replace("sha256", "sha1xx", StringComparison.Ordinal))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        for (var n = 0; n < 5; n++)
            (await GitHub(GitHubBody, signature: "")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"deployment_status\":{\"state\":\"success\"}}")]
    [InlineData("{\"deployment_status\":{\"state\":\"success\"},\"repository\":{\"name\":\"a b\"},\"deployment\":{\"sha\":\"\\ud800\"}}")]
    [InlineData("{\"deployment_status\":{\"state\":\"success\"},")]
    public async Task A_signed_body_that_says_nothing_of_use_is_an_error_or_ignored_and_never_a_watch(string body)
    {
        await Begin();
        (await GitHub(body)).Status.ShouldBeOneOf(HttpStatusCode.BadRequest, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Without_a_secret_there_is_no_hook()
    {
        await Begin(with: false);
        var (status, answer) = await GitHub(GitHubBody);
        status.ShouldBe(HttpStatusCode.NotFound);
        answer.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain("COMMANDER_GITHUB_SECRET");
    }

    [Fact]
    public async Task A_deployment_that_succeeded_on_GitLab_starts_one_watch_by_token_or_by_signature()
    {
        await Begin();
        var body = GitLabBody.Replace("CREATED", Created, StringComparison.Ordinal);
        var (status, first) = await GitLab(body, ("X-Gitlab-Token", Secret));
        status.ShouldBe(HttpStatusCode.Accepted);
        first.GetProperty("service").GetString().ShouldBe("shop");
        first.GetProperty("version").GetString().ShouldBe("v1.4.2");
        first.GetProperty("environment").GetString().ShouldBe("staging");
        first.GetProperty("commit").GetString().ShouldBe("279484c09fbe69ededfced8c1bb6e6d24616b468");
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signature = Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Encoding.UTF8.GetBytes($"msg-1.{now}.{body}")));
        var (signed, second) = await GitLab(body, ("webhook-id", "msg-1"), ("webhook-timestamp", now), ("webhook-signature", $"v1,xx v1,{signature}"));
        signed.ShouldBe(HttpStatusCode.Accepted);
        second.GetProperty("id").GetString().ShouldBe(first.GetProperty("id").GetString());
        (await GitLab(body + " ", ("webhook-id", "msg-1"), ("webhook-timestamp", now), ("webhook-signature", $"v1,{signature}"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitLab(body, ("X-Gitlab-Token", Secret + "x"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitLab(body, ("X-Gitlab-Token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))).Status.ShouldBe(HttpStatusCode.Unauthorized, "a key that signs is not shown");
        (await GitLab(body)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GitLab(body.Replace("\"success\"", "\"running\"", StringComparison.Ordinal), ("X-Gitlab-Token", Secret))).Answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain("running");
    }

    [Fact]
    public async Task A_commit_pushed_to_GitHub_that_reverts_a_deployments_commit_labels_it_once_also_across_a_restart()
    {
        await Begin();
        var (_, deployment) = await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal));
        var id = deployment.GetProperty("id").GetString()!;
        var push = Pushed("Revert \"Faster cart\"\n\nThis reverts commit d6fde92930d4715a2b49857d24b940956b26d2d3.");
        for (var times = 0; times < 2; times++)
        {
            var (status, answer) = await GitHub(push, kind: "push");
            status.ShouldBe(HttpStatusCode.Accepted);
            answer.GetProperty("labelled")[0].GetProperty("deployment").GetString().ShouldBe(id);
            await Begin();
        }

        using var document = JsonDocument.Parse(await _http.GetStringAsync("/api/v1/deployments/" + id, Cancel));
        var label = document.RootElement.GetProperty("outcomes").EnumerateArray().ShouldHaveSingleItem();
        (label.GetProperty("label").GetString(), label.GetProperty("source").GetString(), label.GetProperty("by").GetString(), label.GetProperty("note").GetString())
            .ShouldBe(("BAD", "revert-commit", "3f2a1bc0de acme/checkout", "Revert \"Faster cart\""));
    }

    [Theory]
    [InlineData("This reverts commit d6fde92930d4715a2b49857d24b940956b26d2d3.", "acme/other", "announced with another repository")]
    [InlineData("This reverts commit 0000000.", "acme/checkout", "no deployment of the last 30 days")]
    [InlineData("Faster cart", "acme/checkout", "no commit of it says")]
    public async Task A_push_that_names_no_deployment_is_answered_with_why(string message, string repository, string said)
    {
        await Begin();
        await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal));
        var (status, answer) = await GitHub(Pushed(message, repository), kind: "push");
        status.ShouldBe(HttpStatusCode.OK);
        answer.GetProperty("ignored").GetString().ShouldNotBeNull().ShouldContain(said);
    }

    [Fact]
    public async Task Of_a_push_the_newest_twenty_commits_and_64_KiB_of_messages_are_read()
    {
        await Begin();
        var (_, deployment) = await GitHub(GitHubBody.Replace("CREATED", Created, StringComparison.Ordinal));
        var fix = $"Fixes {deployment.GetProperty("id").GetString()}";
        (await GitHub(Pushed([fix, .. Enumerable.Repeat("more", 20)]), kind: "push")).Status.ShouldBe(HttpStatusCode.OK);
        (await GitHub(Pushed([fix, new string('x', 64 * 1024)]), kind: "push")).Status.ShouldBe(HttpStatusCode.OK);
        (await GitHub(Pushed([.. Enumerable.Repeat("more", 30), fix]), kind: "push")).Status.ShouldBe(HttpStatusCode.Accepted);
    }

    [Theory]
    [InlineData("{\"commits\":7}")]
    [InlineData("{\"commits\":[7,null,{\"id\":\"1\"},{\"id\":\"1\",\"message\":\"\\ud800\"}]}")]
    [InlineData("[]")]
    public async Task A_push_without_sense_labels_nothing(string body)
    {
        await Begin();
        (await GitHub(body, kind: "push")).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_commit_pushed_to_GitLab_that_mends_a_deployment_labels_it()
    {
        await Begin();
        var (_, deployment) = await GitLab(GitLabBody.Replace("CREATED", Created, StringComparison.Ordinal), ("X-Gitlab-Token", Secret));
        var push = """{"object_kind":"push","event_name":"push","ref":"refs/heads/main","project":{"path_with_namespace":"acme/shop"},"commits":[{"id":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","message":"Fix the export, broken since 279484c","title":"Fix the export"}],"total_commits_count":1}""";
        var (status, answer) = await GitLab(push, ("X-Gitlab-Token", Secret));
        status.ShouldBe(HttpStatusCode.Accepted);
        var labelled = answer.GetProperty("labelled")[0];
        (labelled.GetProperty("deployment").GetString(), labelled.GetProperty("source").GetString()).ShouldBe((deployment.GetProperty("id").GetString(), "fix-commit"));
        (await GitLab(push)).Status.ShouldBe(HttpStatusCode.Unauthorized);
    }

    private static string Pushed(string message, string repository = "acme/checkout") => Pushed([message], repository);

    private static string Pushed(IEnumerable<string> messages, string repository = "acme/checkout") => JsonSerializer.Serialize(new
    {
        @ref = "refs/heads/main",
        repository = new { name = "checkout", full_name = repository },
        commits = messages.Select(message => new { id = "3f2a1bc0de930d4715a2b49857d24b940956b26d", message }),
    });

    // The examples that GitHub and the Standard Webhooks publish.
    [Fact]
    public void The_published_examples_hold()
    {
        var headers = new HeaderDictionary { ["X-Hub-Signature-256"] = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" };
        SenderSignatures.GitHub(headers, "Hello, World!"u8, ["another"u8.ToArray(), "It's a Secret to Everybody"u8.ToArray()]).ShouldBeNull();
        SenderSignatures.GitHub(headers, "Hello, World?"u8, ["It's a Secret to Everybody"u8.ToArray()]).ShouldNotBeNull();

        var standard = new HeaderDictionary
        {
            ["webhook-id"] = "msg_p5jXN8AQM9LWM0D4loKWxJek",
            ["webhook-timestamp"] = "1614265330",
            ["webhook-signature"] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        };
        byte[][] key = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"u8.ToArray()];
        var then = DateTimeOffset.FromUnixTimeSeconds(1614265330);
        SenderSignatures.GitLab(standard, "{\"test\": 2432232314}"u8, key, then.AddMinutes(4)).ShouldBeNull();
        SenderSignatures.GitLab(standard, "{\"test\": 2432232314}"u8, key, then.AddMinutes(6)).ShouldNotBeNull().ShouldContain("five minutes");
        SenderSignatures.GitLab(standard, "{\"test\": 2432232315}"u8, key, then).ShouldNotBeNull();
        standard["webhook-id"] = "msg_other";
        SenderSignatures.GitLab(standard, "{\"test\": 2432232314}"u8, key, then).ShouldNotBeNull();
    }

    private static string Sign(string body, string secret) => "sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body)));

    private async Task Begin(bool with = true)
    {
        IReadOnlyList<byte[]> secrets = with ? [Encoding.UTF8.GetBytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Encoding.UTF8.GetBytes(Secret)] : [];
        await _server.Begin(new CommanderOptions { GitHubSecrets = secrets, GitLabSecrets = secrets });
    }

    private Task<(HttpStatusCode Status, JsonElement Answer)> GitHub(string body, string? signature = null, string kind = "deployment_status") =>
        Send("/hooks/github", body, ("X-GitHub-Event", kind), ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"), ("X-Hub-Signature-256", signature ?? Sign(body, Secret)));

    private Task<(HttpStatusCode Status, JsonElement Answer)> GitLab(string body, params (string Name, string Value)[] headers) => Send("/hooks/gitlab", body, headers);

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
