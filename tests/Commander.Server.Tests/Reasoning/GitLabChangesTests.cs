using Commander.Server.Reasoning.Context;

namespace Commander.Server.Tests.Reasoning;

public sealed class GitLabChangesTests
{
    private static readonly (string, string) Own = ("repository", "shop/backend/checkout");
    private static readonly (string, string) Token = ("token", "file:gitlab");

    [Fact]
    public async Task The_commits_between_two_versions_come_newest_first_with_the_files()
    {
        await using var forge = await Forge.Start(200, GitLabAnswers.Compare(["JS fix", "Raise the pool"], ["files/js/application.js"]));

        var read = await forge.Source("gitlab", Own, Token).Between(Forge.Question(), CancellationToken.None);

        read.Missing.ShouldBeNull();
        read.Total.ShouldBe(2);
        read.Commits.ShouldBe(
        [
            new Change("c1", Forge.Hash(2)[..12], "Raise the pool", new DateTimeOffset(2026, 1, 14, 10, 2, 0, TimeSpan.Zero)),
            new Change("c2", Forge.Hash(1)[..12], "JS fix", new DateTimeOffset(2026, 1, 14, 10, 1, 0, TimeSpan.Zero)),
        ]);
        read.Files.ShouldBe(["files/js/application.js"]);
    }

    [Theory]
    [InlineData("shop/backend/checkout", "shop%2Fbackend%2Fcheckout")]
    [InlineData("278964", "278964")]
    public async Task It_is_asked_as_its_documentation_says(string repository, string id)
    {
        await using var forge = await Forge.Start(200, GitLabAnswers.Compare(["One"], []));

        await forge.Source("gitlab", ("repository", repository), Token, ("tag", "v{{version}}"), ("url", forge.Url + "/api/v4")).Between(Forge.Question(version: "1.2.0+7"), CancellationToken.None).ShouldSucceed();

        forge.Asked.ShouldBe([$"/api/v4/projects/{id}/repository/compare?from=v1.1.0&to=v1.2.0%2B7"]);
        forge.Headers["PRIVATE-TOKEN"].ShouldBe(Forge.Secret);
        forge.Headers["User-Agent"].ShouldBe("Commander");
        forge.Headers.ShouldNotContainKey("Authorization");
    }

    [Theory]
    [InlineData(false, "1.2.0 has no commit that 1.1.0 does not have: it lies before it")]
    [InlineData(true, null)]
    public async Task No_commits_are_another_thing_for_one_commit_with_two_tags_than_for_an_older_version(bool same, string? said)
    {
        var body = GitLabAnswers.Compare([], []).Replace("\"compare_same_ref\":false", $"\"compare_same_ref\":{(same ? "true" : "false")}", StringComparison.Ordinal);
        await using var forge = await Forge.Start(200, body);

        var read = await forge.Source("gitlab", Own).Between(Forge.Question(), CancellationToken.None);

        (read.Missing, read.Total).ShouldBe((said, 0));
    }

    [Fact]
    public async Task A_version_that_is_not_there_is_tried_under_its_other_names()
    {
        await using var forge = await Forge.Start(404, GitLabAnswers.NoRef);

        var read = await forge.Source("gitlab", Own, Token).Between(Forge.Question(), CancellationToken.None);

        forge.Asked.Count.ShouldBe(4);
        read.Missing.ShouldNotBeNull().ShouldContain("knows no such versions of shop/backend/checkout");
        read.Missing.ShouldContain("tried 1.1.0 or v1.1.0 as the version before, 1.2.0 or v1.2.0 as the deployed one");
    }

    [Fact]
    public async Task A_project_that_is_not_there_is_asked_about_once()
    {
        await using var forge = await Forge.Start(404, GitLabAnswers.NoProject);

        var read = await forge.Source("gitlab", Own).Between(Forge.Question(), CancellationToken.None);

        forge.Asked.Count.ShouldBe(1);
        read.Missing.ShouldBe($"{forge.Url} knows no repository shop/backend/checkout, or shows it only with a token (changes.gitlab.token)");
    }

    [Theory]
    [InlineData(401, """{"message":"401 Unauthorized"}""", "answered 401: the token is wrong or has run out")]
    [InlineData(403, """{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}""", "answered 403: the token may not read")]
    [InlineData(302, "<html>sign in</html>", "answered 302: redirects are not followed")]
    [InlineData(500, """{"message":"500 Internal Server Error"}""", "answered 500")]
    [InlineData(200, """{"commit":null,"diffs":[]}""", "answered JSON that is cut off or no comparison")]
    [InlineData(200, """{"commits":[{"id":"\ud800"}]}""", "answered JSON that is cut off or no comparison")]
    public async Task What_goes_wrong_is_a_sentence(int status, string body, string said)
    {
        await using var forge = await Forge.Start(status, body);

        var read = await forge.Source("gitlab", Own, Token).Between(Forge.Question(), CancellationToken.None);

        read.Missing.ShouldNotBeNull().ShouldContain(said);
        read.Missing.ShouldNotContain(Forge.Secret);
    }

    [Fact]
    public async Task Its_rate_limit_is_respected()
    {
        await using var forge = await Forge.Start(429, "Retry later\n", ("Retry-After", "45"), ("RateLimit-Limit", "60"), ("RateLimit-Remaining", "0"));
        var source = forge.Source("gitlab", Own, Token);

        (await source.Between(Forge.Question(), CancellationToken.None)).Missing.ShouldBe($"{forge.Url} asks to be left alone until 12:00:45 UTC (rate limit)");
        await source.Between(Forge.Question(), CancellationToken.None);
        forge.Asked.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("--upload-pack=x")]
    [InlineData("../..")]
    [InlineData("a b")]
    [InlineData("checkout")]
    [InlineData("shop/../admin")]
    [InlineData("shop/checkout/")]
    [InlineData("shop//checkout")]
    [InlineData("-1")]
    [InlineData("shop/checkout?private_token=x")]
    [InlineData("10 kB")]
    public async Task A_project_that_is_none_is_never_asked_about(string repository)
    {
        await using var forge = await Forge.Start(200, GitLabAnswers.Compare(["One"], []));
        var name = repository == "10 kB" ? "shop/" + new string('x', 10_240) : repository;

        var read = await forge.Source("gitlab").Between(Forge.Question(name), CancellationToken.None);

        forge.Asked.ShouldBeEmpty();
        read.Missing.ShouldBe("the announced repository is not of the form group/project, or the project's number");
    }

    [Fact]
    public async Task The_announced_project_is_asked_about_without_the_token()
    {
        await using var forge = await Forge.Start(200, GitLabAnswers.Compare(["One"], []));

        (await forge.Source("gitlab", Token).Between(Forge.Question("shop/other"), CancellationToken.None)).Commits.Count.ShouldBe(1);

        forge.Headers.ShouldNotContainKey("PRIVATE-TOKEN");
    }
}
