using System.Globalization;
using System.Text.Json;
using Commander.Judging;
using Commander.Server.Access;
using Commander.Server.Api;
using Commander.Server.Connections;
using Commander.Server.Hosting;
using Commander.Server.Loop;

namespace Commander.Server.Intake;

/// <summary>An event that starts no watch, and why.</summary>
internal sealed record Ignored([property: System.Text.Json.Serialization.JsonPropertyName("ignored")] string Why);

/// <summary>
/// What GitHub and GitLab send by themselves: a deployment that has succeeded there starts a watch here, and a commit that takes one
/// back or mends it says what it really was. Each has a secret of its own, which is the only credential; without one its path answers
/// 404. What is sent again finds what the first one did.
/// </summary>
internal static class Hooks
{
    // Theirs carry whole descriptions of repositories and people.
    private const int MaxBody = 1 << 20;

    private delegate (DeploymentRequest? Request, string? Delivery, string? Ignored) Reader(IHeaderDictionary headers, JsonElement body);

    public static void MapHooks(this IEndpointRouteBuilder routes)
    {
        Map(routes, "github", "GitHub", "COMMANDER_GITHUB_SECRET", o => o.GitHubSecrets, (headers, body, secrets, _) => SenderSignatures.GitHub(headers, body, secrets), ReadGitHub, PushHooks.OfGitHub);
        Map(routes, "gitlab", "GitLab", "COMMANDER_GITLAB_SECRET", o => o.GitLabSecrets, SenderSignatures.GitLab, ReadGitLab, PushHooks.OfGitLab);
    }

    /// <summary>Why a request is not its sender's; null when it is.</summary>
    internal delegate string? Signature(IHeaderDictionary headers, ReadOnlySpan<byte> body, IReadOnlyList<byte[]> secrets, DateTimeOffset now);

    private static void Map(IEndpointRouteBuilder routes, string path, string sender, string variable, Func<CommanderOptions, IReadOnlyList<byte[]>> secrets, Signature signature, Reader read, Func<IHeaderDictionary, JsonElement, Push?> push) =>
        routes.MapPost("/hooks/" + path, (HttpContext context, CommanderOptions options, AccessLimits limits, IDeployments deployments, TimeProvider clock, CancellationToken cancel) =>
            Take(sender, variable, secrets(options), signature, read, push, context, limits, deployments, clock, cancel))
            .IsOpen()
            .Produces<Judging.Verdicts.Deployment>(StatusCodes.Status202Accepted).Produces<Labelled>()
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(404).ProducesProblem(413).ProducesProblem(503)
            .WithName(path + "-hook").WithTags("hooks").WithSummary($"{sender}'s webhook: a deployment that succeeded there starts a watch, a commit that reverts or fixes one labels it; signed with {variable}");

    private static async Task<IResult> Take(
        string sender, string variable, IReadOnlyList<byte[]> secrets, Signature signature, Reader read, Func<IHeaderDictionary, JsonElement, Push?> push,
        HttpContext context, AccessLimits limits, IDeployments deployments, TimeProvider clock, CancellationToken cancel)
    {
        var (document, refused) = await Signed(sender, variable, secrets, signature, context, limits, clock, cancel);
        if (document is null)
            return refused!;
        using (document)
        {
            if (push(context.Request.Headers, document.RootElement) is { } pushed)
                return await PushHooks.Take(pushed, deployments, clock, cancel);
            var (request, delivery, ignored) = read(context.Request.Headers, document.RootElement);
            if (request is null)
                return Results.Json(new Ignored(ignored!));
            request = Named(request);
            var errors = Bounds.Check(request, clock.GetUtcNow());
            if (errors.Count > 0)
                return Problems.Invalid(errors);
            // What it is about, not what came: the same event may come again with another description of a repository.
            var hash = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{request.Service}\n{request.Environment}\n{request.Version}"));
            var (result, deployment) = await deployments.Announce(Bounds.Announcing(request, sender.ToLowerInvariant(), delivery, hash), cancel);
            return deployment is null ? GenericApi.NotAnswered(result, context) : Results.Json(deployment, statusCode: StatusCodes.Status202Accepted);
        }
    }

    /// <summary>The body of a request that its sender has signed; or the answer that refuses it.</summary>
    internal static async Task<(JsonDocument? Document, IResult? Refused)> Signed(
        string sender, string variable, IReadOnlyList<byte[]> secrets, Signature signature, HttpContext context, AccessLimits limits, TimeProvider clock, CancellationToken cancel)
    {
        if (secrets.Count == 0)
            return (null, Problems.NotFound($"{sender} has no secret here: set {variable}, and the same in the webhook's settings there."));
        if (limits.Locked(AccessGate.Address(context.Connection.RemoteIpAddress)) is not null)
            return (null, Problems.Of(StatusCodes.Status429TooManyRequests, "Too many requests", "Too many that were not signed came from this address; wait a minute."));
        if (await RequestBody.Bytes(context, MaxBody, cancel) is not { } bytes)
            return (null, TooLarge());
        if (signature(context.Request.Headers, bytes, secrets, clock.GetUtcNow()) is { } why)
        {
            limits.Failed(AccessGate.Address(context.Connection.RemoteIpAddress));
            return (null, Problems.Of(StatusCodes.Status401Unauthorized, "Not let in", why + "."));
        }

        return Parsed(bytes);
    }

    /// <summary>The body of a request whose sender has shown otherwise who it is; or the answer that it is none.</summary>
    internal static async Task<(JsonDocument? Document, IResult? Refused)> Bare(HttpContext context, CancellationToken cancel) =>
        await RequestBody.Bytes(context, MaxBody, cancel) is { } bytes ? Parsed(bytes) : (null, TooLarge());

    private static IResult TooLarge() => Problems.Of(StatusCodes.Status413PayloadTooLarge, "The body is too large", $"At most {MaxBody / 1024} KiB.");

    private static (JsonDocument? Document, IResult? Refused) Parsed(byte[] bytes)
    {
        try
        {
            return (JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 32 }), null);
        }
        catch (JsonException e)
        {
            return (null, Problems.Invalid($"{Json.Explain(e)}; choose application/json in the webhook's settings"));
        }
    }

    // Names there may have spaces and letters of any language, names here not: what was written is kept as a label.
    private static DeploymentRequest Named(DeploymentRequest request)
    {
        var labels = new Dictionary<string, string>(request.Labels ?? new Dictionary<string, string>(), StringComparer.Ordinal);
        string? Slug(string field, string? name)
        {
            var slug = name is null ? null : Slugged(name);
            if (slug != name)
                labels[field] = string.Concat(name!.Where(c => !char.IsControl(c)).Take(256));
            return slug;
        }

        var named = request with { Service = Slug("service", request.Service) ?? "", Version = Slug("version", request.Version) ?? "", Environment = Slug("environment", request.Environment) };
        return labels.Count > 0 ? named with { Labels = labels } : named;
    }

    /// <summary>A name as it can stand here.</summary>
    internal static string Slugged(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || "._-/:@+~".Contains(c, StringComparison.Ordinal) ? c : '-')).TrimStart('.', '_', '-', '/', ':', '@', '+', '~');

    /// <summary>deployment_status with the state success; the version is the deployment's payload's, else its tag, else its commit.</summary>
    private static (DeploymentRequest? Request, string? Delivery, string? Ignored) ReadGitHub(IHeaderDictionary headers, JsonElement body)
    {
        var kind = headers["X-GitHub-Event"].ToString();
        if (kind == "ping")
            return (null, null, "a ping: the webhook works; send it the events Deployment statuses and Pushes");
        if (kind != "deployment_status")
            return (null, null, $"the event {Problems.Shown(kind)}; deployment_status starts watches, push tells of reverts and fixes");
        if (Text(body, "deployment_status", "state") is var state && state != "success")
            return (null, null, $"the state {Problems.Shown(state ?? "")}; success starts a watch");
        if (Text(body, "deployment_status", "description")?.StartsWith(GitHubApi.Mark, StringComparison.Ordinal) == true)
            return (null, null, "a status that Commander wrote itself");
        var commit = Text(body, "deployment", "sha");
        return (
            new DeploymentRequest(
                Own(body, "service") ?? Text(body, "repository", "name") ?? "",
                Own(body, "version") ?? Tag(Text(body, "deployment", "ref"), commit) ?? commit ?? "",
                Text(body, "deployment", "environment"),
                Own(body, "previous_version"),
                Time(Text(body, "deployment_status", "created_at")),
                commit,
                Text(body, "repository", "full_name"),
                Web(Text(body, "deployment_status", "log_url")) ?? Web(Text(body, "repository", "html_url") is { } home && commit is not null ? $"{home}/commit/{commit}" : null),
                Labels: Text(body, "deployment", "id") is { Length: <= 19 } id && id.All(char.IsAsciiDigit) ? new Dictionary<string, string>(StringComparer.Ordinal) { [GitHubApi.DeploymentLabel] = id } : null),
            Key("github", Text(body, "repository", "full_name"), Text(body, "deployment", "id")),
            null);
    }

    /// <summary>A deployment event with the status success; the version is the tag's name where a tag was deployed, else the commit.</summary>
    private static (DeploymentRequest? Request, string? Delivery, string? Ignored) ReadGitLab(IHeaderDictionary headers, JsonElement body)
    {
        if (Text(body, "object_kind") is var kind && kind != "deployment")
            return (null, null, $"the event {Problems.Shown(kind ?? "")}; deployment events start watches, push events tell of reverts and fixes");
        if (Text(body, "status") is var status && status != "success")
            return (null, null, $"the status {Problems.Shown(status ?? "")}; success starts a watch");
        var (project, address) = (Text(body, "project", "path_with_namespace"), Text(body, "commit_url"));
        var commit = address is not null && address.LastIndexOf('/') is > 0 and var at ? address[(at + 1)..] : Text(body, "short_sha");
        return (
            new DeploymentRequest(
                project?[(project.LastIndexOf('/') + 1)..] ?? "",
                Tag(Text(body, "ref"), commit) ?? commit ?? "",
                Text(body, "environment"),
                StartedAt: Time(Text(body, "status_changed_at")),
                Commit: commit,
                Repository: project,
                ChangeUrl: Web(Text(body, "deployable_url")) ?? Web(address)),
            Key("gitlab", project, Text(body, "deployment_id")),
            null);
    }

    // What begins with a digit, or with v and one; a branch says nothing of which version it is.
    private static string? Tag(string? reference, string? commit) =>
        reference is { Length: > 1 } && char.IsAsciiDigit(reference[reference[0] == 'v' ? 1 : 0]) && reference != commit ? reference : null;

    // Callers of GitHub's API give the payload as an object, or as a text with one in it.
    private static string? Own(JsonElement body, string name)
    {
        if (Text(body, "deployment", "payload") is not { Length: > 1 and <= 10_000 } text || text[0] != '{')
            return Text(body, "deployment", "payload", name);
        try
        {
            using var inner = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            return Text(inner.RootElement, name);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Key(string sender, string? project, string? id) => id is null ? null : $"{sender}:{project}:{id}" is { Length: <= 255 } key ? key : null;

    private static string? Web(string? address) => address is { Length: > 0 and <= 2048 } && Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? address : null;

    // Older GitLabs write 2021-04-28 21:50:00 +0200.
    internal static DateTimeOffset? Time(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    /// <summary>A text or number below names; null where there is none.</summary>
    internal static string? Text(JsonElement body, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty(name, out body))
                return null;
        }

        try
        {
            return body.ValueKind switch
            {
                JsonValueKind.String when body.GetString() is { Length: > 0 } text => text,
                JsonValueKind.Number => body.GetRawText(),
                _ => null,
            };
        }
        catch (InvalidOperationException)
        {
            // Half a character, which JSON may spell and nothing can store.
            return null;
        }
    }
}
