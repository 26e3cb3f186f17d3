using Commander.Judging.Verdicts;
using Commander.Server.Learning;

namespace Commander.Server.Tests.Learning;

public sealed class MentionsTests
{
    private const string Id = "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C";
    private const string Sha = "d6fde92930d4715a2b49857d24b940956b26d2d3";
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    private static string[] In(string message) => [.. Mentions.In(message).Select(mention => $"{mention.Source} {mention.Name}")];

    private static Deployment Of(string id, string? commit, string? repository = "acme/checkout") => new(
        id, "checkout", "prod", "1", null, "closed", "decided", Start, Start, Start, new PolicyReference("checkout", ""), null, null, [], [], null, "/d/" + id)
    {
        Commit = commit,
        Repository = repository,
    };

    [Theory]
    [InlineData($"Revert \"Faster cart\"\n\nThis reverts commit {Sha}.", $"revert-commit {Sha}")]
    [InlineData("This reverts commit D6FDE92.", "revert-commit d6fde92")]
    [InlineData($"Fixes {Id}", $"fix-commit {Id}")]
    [InlineData($"Fix the export (https://commander.example.org/d/{Id})", $"fix-commit {Id}")]
    [InlineData($"fixed {Id}, and d6fde92930d4", $"fix-commit {Id}", "fix-commit d6fde92930d4")]
    [InlineData($"Fixes: d6fde92930d4 (\"Faster cart\")\nReverts {Id}\nreverts {Id}", "fix-commit d6fde92930d4", $"revert-commit {Id}")]
    [InlineData($"{Id} is what this reverts")]
    [InlineData($"Faster cart, as in {Sha}")]
    [InlineData("Fixes #1234 and JIRA-7, a prefix of abcdef")]
    [InlineData("suffix dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C")]
    [InlineData("Fixes dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2CX")]
    [InlineData("")]
    public void What_a_message_takes_back_or_mends_is_read_off_it(string message, params string[] expected) => In(message).ShouldBe(expected);

    [Fact]
    public void A_message_of_nothing_but_names_is_bounded() =>
        Mentions.In("fixes " + string.Join(' ', Enumerable.Range(0, 5000).Select(n => $"{n + 0x1000000:x}"))).Count.ShouldBe(20);

    [Fact]
    public void A_commit_is_found_by_any_seven_digits_of_it_in_the_same_repository()
    {
        Deployment[] known = [Of("dep-2", Sha), Of("dep-1", Sha[..8])];
        Mentions.Meant(known, Sha, "acme/checkout").Meant.Select(d => d.Id).ShouldBe(["dep-2", "dep-1"]);
        Mentions.Meant(known, Sha[..7], "https://github.com/acme/checkout.git").Meant.Count.ShouldBe(2);
        Mentions.Meant(known, Sha[..7], "git@github.com:Acme/Checkout.git").Meant.Count.ShouldBe(2);
        var (none, why) = Mentions.Meant(known, Sha, "acme/other");
        none.ShouldBeEmpty();
        why.ShouldNotBeNull().ShouldContain("another repository");
        Mentions.Meant([Of("dep-1", "d6fde9")], Sha, "acme/checkout").Meant.ShouldBeEmpty("six digits name nothing");
        Mentions.Meant([Of("dep-1", null)], "dep-1", "acme/checkout").Meant.ShouldHaveSingleItem();
    }

    [Fact]
    public void Who_may_write_to_a_repository_says_nothing_of_what_came_from_another_or_from_nowhere()
    {
        var nowhere = Of("dep-1", Sha) with { Repository = null };
        foreach (var (known, name, repository) in ((Deployment, string, string?)[])[(Of("dep-1", Sha), "dep-1", "acme/other"), (Of("dep-1", Sha), Sha, null), (nowhere, "dep-1", "acme/checkout"), (nowhere, Sha, "acme/checkout"), (nowhere, Sha, null)])
        {
            var (meant, why) = Mentions.Meant([known], name, repository);
            meant.ShouldBeEmpty();
            why.ShouldNotBeNull().ShouldEndWith("announce repository");
        }
    }

    [Fact]
    public void Digits_that_fit_two_commits_name_neither()
    {
        var (none, why) = Mentions.Meant([Of("dep-2", Sha), Of("dep-1", Sha[..20] + "0000")], Sha[..7], "acme/checkout");
        none.ShouldBeEmpty();
        why.ShouldNotBeNull().ShouldContain("more of its digits");
    }
}
