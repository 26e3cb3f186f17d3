using System.Globalization;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Demo;
using Commander.Server.Reasoning.Context;
using Commander.Server.Reasoning.Context.Commits;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Reasoning;

/// <summary>A server in the place of a forge, what it was asked, and a book whose clients ask it.</summary>
internal sealed class Forge : IAsyncDisposable
{
    public const string Secret = "ghp_0123456789secret";
    private readonly HttpClient _http = Outgoing.Create();
    private Listener? _listener;

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 1, 14, 12, 0, 0, TimeSpan.Zero));

    /// <summary>Path and query of every request, as they were sent.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>The headers of the last request.</summary>
    public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public string Url => $"http://127.0.0.1:{_listener!.Port}";

    public static async Task<Forge> Start(RequestDelegate answer)
    {
        var forge = new Forge();
        forge._listener = await Listener.Start(0, context => forge.Answer(context, answer), CancellationToken.None);
        return forge;
    }

    /// <summary>Answers one status, with a body and headers.</summary>
    public static Task<Forge> Start(int status, string body, params (string Name, string Value)[] headers) => Start(async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        foreach (var (name, value) in headers)
            context.Response.Headers[name] = value;
        await context.Response.WriteAsync(body);
    });

    public IChangeSource Source(string type, Func<string, string?> secret, params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = Url };
        foreach (var (key, value) in settings)
            all[key] = value;
        return new ChangeBook(_http, Clock, secret).Find(new ContextPolicy(type, all)).ShouldNotBeNull();
    }

    public IChangeSource Source(string type, params (string Key, string Value)[] settings) => Source(type, _ => Secret, settings);

    /// <summary>A question between 1.1.0 and 1.2.0.</summary>
    public static ChangeQuestion Question(string? repository = null, string version = "1.2.0", string? previous = "1.1.0", string? commit = null) =>
        new(repository, version, previous, commit);

    public static string Hash(int number) => (0xabc0000000L + number).ToString("x", CultureInfo.InvariantCulture).PadLeft(40, '0');

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_listener is not null)
            await _listener.DisposeAsync();
    }

    private Task Answer(HttpContext context, RequestDelegate answer)
    {
        lock (Asked)
        {
            Asked.Add(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
            foreach (var (name, value) in context.Request.Headers)
                Headers[name] = value.ToString();
        }

        return answer(context);
    }
}

/// <summary>Answers in the form that GitHub publishes for "compare two commits".</summary>
internal static class GitHubAnswers
{
    public const string NotFound = """{"message":"Not Found","documentation_url":"https://docs.github.com/rest/commits/commits#compare-two-commits","status":"404"}""";

    /// <param name="titles">The messages, oldest first.</param>
    /// <param name="files">The paths.</param>
    /// <param name="total">How many commits there are in all.</param>
    /// <param name="patch">The difference that comes with each file.</param>
    public static string Compare(IReadOnlyList<string> titles, IReadOnlyList<string> files, int? total = null, string patch = "@@ -1 +1 @@") =>
        System.Text.Json.JsonSerializer.Serialize(new
        {
            url = "https://api.github.com/repos/acme/checkout/compare/1.1.0...1.2.0",
            html_url = "https://github.com/acme/checkout/compare/1.1.0...1.2.0",
            base_commit = Commit(0, "Release 1.1.0"),
            merge_base_commit = Commit(0, "Release 1.1.0"),
            status = "ahead",
            ahead_by = total ?? titles.Count,
            behind_by = 0,
            total_commits = total ?? titles.Count,
            commits = titles.Select((title, number) => Commit(number + 1, title)),
            files = files.Select(path => new { sha = Forge.Hash(900), filename = path, status = "modified", additions = 103, deletions = 21, changes = 124, blob_url = "https://github.com/acme/checkout/blob/x", raw_url = "https://github.com/acme/checkout/raw/x", contents_url = "https://api.github.com/x", patch }),
        });

    private static object Commit(int number, string message) => new
    {
        sha = Forge.Hash(number),
        node_id = "MDY6Q29tbWl0",
        commit = new
        {
            author = new { name = "Monalisa Octocat", email = "mona@example.com", date = "2026-01-13T09:00:00Z" },
            committer = new { name = "GitHub", email = "noreply@github.com", date = $"2026-01-14T10:{number % 60:00}:00Z" },
            message,
            tree = new { sha = Forge.Hash(500), url = "https://api.github.com/x" },
            url = "https://api.github.com/x",
            comment_count = 0,
            verification = new { verified = false, reason = "unsigned", signature = (string?)null, payload = (string?)null },
        },
        url = "https://api.github.com/x",
        author = (object?)null,
        committer = new { login = "octocat", id = 1, type = "User", site_admin = false },
        parents = new[] { new { sha = Forge.Hash(499), url = "https://api.github.com/x" } },
    };
}

/// <summary>Answers in the form that GitLab publishes for "compare branches, tags or commits".</summary>
internal static class GitLabAnswers
{
    public const string NoProject = """{"message":"404 Project Not Found"}""";
    public const string NoRef = """{"message":"404 Ref Not Found"}""";

    public static string Compare(IReadOnlyList<string> titles, IReadOnlyList<string> files) => System.Text.Json.JsonSerializer.Serialize(new
    {
        commit = titles.Count == 0 ? null : Commit(titles.Count, titles[^1]),
        commits = titles.Select((title, number) => Commit(number + 1, title)),
        diffs = files.Select(path => new { old_path = path, new_path = path, a_mode = (string?)null, b_mode = "100644", diff = "@@ -24,8 +24,10 @@\n+alert('Fixed')", new_file = false, renamed_file = false, deleted_file = false }),
        compare_timeout = false,
        compare_same_ref = false,
        web_url = "https://gitlab.example.com/shop/checkout/-/compare/1.1.0...1.2.0",
    });

    private static object Commit(int number, string title) => new
    {
        id = Forge.Hash(number),
        short_id = Forge.Hash(number)[..11],
        title,
        author_name = "Example User",
        author_email = "user@example.com",
        created_at = $"2026-01-14T11:{number % 60:00}:00.000+01:00",
    };
}
