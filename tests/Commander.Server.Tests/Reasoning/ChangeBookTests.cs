using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Hosting;
using Commander.Server.Reasoning.Context;
using Commander.Server.Reasoning.Context.Commits;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Server.Tests.Reasoning;

public sealed class ChangeBookTests : IDisposable
{
    private readonly HttpClient _http = Outgoing.Create();

    [Theory]
    [InlineData("github", typeof(GitHubChanges))]
    [InlineData("gitlab", typeof(GitLabChanges))]
    [InlineData("git", typeof(GitChanges))]
    public void Every_type_has_its_source(string type, Type source)
    {
        ChangeBook.Types.ShouldContain(type);
        Book().Find(Policy(type)).ShouldBeOfType(source);
    }

    [Fact]
    public void Nothing_and_what_is_not_known_have_none()
    {
        Book().Find(null).ShouldBeNull();
        Book().Find(Policy("svn")).ShouldBeNull();
    }

    [Fact]
    public void What_is_said_alike_is_one_source_and_what_differs_is_another()
    {
        var book = Book();
        var first = book.Find(Policy("github", ("repository", "a/b"), ("tag", "v{{version}}")));
        book.Find(Policy("github", ("tag", "v{{version}}"), ("repository", "a/b"))).ShouldBeSameAs(first);
        book.Find(Policy("github", ("repository", "a/c"), ("tag", "v{{version}}"))).ShouldNotBeSameAs(first);
        book.Find(Policy("gitlab", ("repository", "a/b"), ("tag", "v{{version}}"))).ShouldNotBeSameAs(first);
    }

    [Fact]
    public async Task An_address_that_is_none_is_an_answer()
    {
        var source = Book().Find(Policy("github", ("url", "ftp://x"), ("repository", "a/b"))).ShouldNotBeNull();
        (await source.Between(Forge.Question(), CancellationToken.None)).Missing.ShouldBe("changes.github.url is no http address");
        (await Book().Find(Policy("git"))!.Between(Forge.Question(), CancellationToken.None)).Missing.ShouldBe("changes.git.path is not set");
    }

    [Fact]
    public void The_server_has_one_book()
    {
        var services = new ServiceCollection();
        services.AddSingleton(TimeProvider.System);
        services.AddReasoningContext(new Secrets(_ => null));
        using var built = services.BuildServiceProvider();
        built.GetRequiredService<ChangeBook>().ShouldBeSameAs(built.GetRequiredService<ChangeBook>());
    }

    public void Dispose() => _http.Dispose();

    private ChangeBook Book() => new(_http, TimeProvider.System, _ => null);

    private static ContextPolicy Policy(string type, params (string Key, string Value)[] settings) =>
        new(type, settings.ToDictionary(s => s.Key, s => s.Value, StringComparer.Ordinal));
}
