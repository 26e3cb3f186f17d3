using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>What a forge answered, as far as it was read.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">At most <see cref="ChangeBounds.Answer"/> bytes.</param>
/// <param name="Whole">Whether that is all of it.</param>
/// <param name="Headers">Its headers.</param>
internal sealed record ForgeAnswer(int Status, ReadOnlyMemory<byte> Body, bool Whole, HttpResponseHeaders Headers)
{
    private const int Beginning = 4096;

    /// <summary>Whether the beginning of the body has this in it. Never shown: what others write may hand a secret on.</summary>
    public bool Says(string part) =>
        Encoding.UTF8.GetString(Body.Span[..Math.Min(Body.Length, Beginning)]).Contains(part, StringComparison.OrdinalIgnoreCase);

    /// <summary>A header with a whole number; null when there is none.</summary>
    public long? Number(string header) =>
        Headers.TryGetValues(header, out var values) && long.TryParse(values.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}

/// <summary>
/// The commits between two versions from a system that keeps repositories and answers over HTTP. It is asked with a token only about
/// the repository that the policy names: what an announcement says must not choose what a token is used on.
/// </summary>
/// <param name="policy">The policy's settings: repository, url, token, tag.</param>
/// <param name="usual">The address where the policy gives none.</param>
/// <param name="http">Made by <see cref="Outgoing"/>: no redirects, no proxy, no metadata addresses.</param>
/// <param name="clock">The clock.</param>
/// <param name="secret">Resolves what the policy refers to.</param>
internal abstract class ForgeChanges(ContextPolicy policy, string usual, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IChangeSource
{
    // A forge that says "not now" without saying until when, and one that says a time too far off to believe.
    private static readonly TimeSpan UsualRest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestRest = TimeSpan.FromHours(1);

    /// <summary>Instants beyond the year 9999 are no instants.</summary>
    protected const long MaxUnix = 253_402_300_800;

    private readonly Uri? _url = Uri.TryCreate(policy.Settings.GetValueOrDefault("url", usual).TrimEnd('/') + "/", UriKind.Absolute, out var url)
        && url.Scheme is "http" or "https" ? url : null;

    // In UTC ticks; 0: not resting.
    private long _restsUntil;

    protected TimeProvider Clock { get; } = clock;

    /// <summary>The address without what may be secret in it.</summary>
    private string Name => _url?.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped).TrimEnd('/') ?? policy.Type;

    /// <summary>How a repository is written here, for a person.</summary>
    protected abstract string RepositoryForm { get; }

    /// <summary>What the parts of its comparison are called.</summary>
    protected abstract ComparisonForm Form { get; }

    /// <summary>Whether a text can be a repository here. It comes from outside and becomes part of an address.</summary>
    protected abstract bool IsRepository(string text);

    /// <summary>Path and query of the comparison, below the address. All of the arguments are checked.</summary>
    protected abstract string Path(string repository, string from, string to);

    /// <summary>The headers of every request.</summary>
    protected abstract void Dress(HttpRequestMessage request, string? token);

    /// <summary>Whether the answer means "not so often", and until when it says to wait; null when it does not mean that.</summary>
    protected abstract (bool Limited, DateTimeOffset? Until) Limit(ForgeAnswer answer);

    /// <summary>Whether a 404 says that the repository itself is not there, so that other names of the versions need no try.</summary>
    protected abstract bool IsRepositoryUnknown(ForgeAnswer answer);

    public async Task<ChangeList> Between(ChangeQuestion question, CancellationToken cancel)
    {
        if (_url is null)
            return ChangeBounds.Nothing($"{Key("url")} is no http address");
        var own = policy.Settings.GetValueOrDefault("repository");
        if ((own ?? question.Repository) is not { Length: > 0 } repository)
            return ChangeBounds.Nothing($"the repository is not known: set {Key("repository")} ({RepositoryForm}), or announce it with the deployment");
        if (!IsRepository(repository))
            return ChangeBounds.Nothing($"{(own is null ? "the announced repository" : Key("repository"))} is not of the form {RepositoryForm}");
        var names = RefNames.Of(question, policy.Settings.GetValueOrDefault("tag"));
        if (names.Missing is { } unnamed)
            return ChangeBounds.Nothing(unnamed);
        string? token = null;
        if (own is not null && policy.Settings.TryGetValue("token", out var reference) && (token = secret(reference)) is not { Length: > 0 })
            return ChangeBounds.Nothing($"{Name} is not asked: the secret that the policy refers to ({reference}) is not there");
        if (Interlocked.Read(ref _restsUntil) is var rests && rests > Clock.GetUtcNow().UtcTicks)
            return ChangeBounds.Nothing(Resting(rests));
        using var patience = new CancellationTokenSource(ChangeBounds.Patience, Clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            foreach (var (from, to) in names.Pairs)
            {
                var answer = await Ask(Path(repository, from, to), token, both.Token);
                if (answer.Status != 404)
                    return Read(answer, repository, token, from, to);
                if (IsRepositoryUnknown(answer))
                    return ChangeBounds.Nothing($"{Name} knows no repository {repository}{OrHides(own, token)}");
            }

            return ChangeBounds.Nothing($"{Name} knows no such versions of {repository}{OrHides(own, token)}; tried {names.Tried}; {Key("tag")} says how tags are written");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return ChangeBounds.Nothing($"{Name} did not answer within {ChangeBounds.Patience.TotalSeconds:0.#} s");
        }
        catch (HttpRequestException refused)
        {
            return ChangeBounds.Nothing($"{Name} {Outgoing.Why(refused)}");
        }
        catch (FormatException)
        {
            // What a secret's file holds is not shown, only that it does not fit.
            return ChangeBounds.Nothing($"{Name} is not asked: the secret of {Key("token")} has characters that cannot stand in a header");
        }
        catch (Exception broken) when (broken is IOException or InvalidDataException)
        {
            return ChangeBounds.Nothing($"{Name} broke off in the middle of its answer");
        }
    }

    private string Key(string setting) => $"changes.{policy.Type}.{setting}";

    private string Resting(long until) => $"{Name} asks to be left alone until {new DateTime(until, DateTimeKind.Utc):HH:mm:ss} UTC (rate limit)";

    private string OrHides(string? own, string? token) => token is not null
        ? ", or does not show it to this token"
        : own is null && policy.Settings.ContainsKey("token")
            ? $", or shows it only with a token, which is used only on what {Key("repository")} names"
            : $", or shows it only with a token ({Key("token")})";

    private async Task<ForgeAnswer> Ask(string path, string? token, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_url!, path));
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Commander", null));
        Dress(request, token);
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        await using var stream = await response.Content.ReadAsStreamAsync(cancel);
        var buffer = ArrayPool<byte>.Shared.Rent(ChangeBounds.Answer + 1);
        try
        {
            var length = await stream.ReadAtLeastAsync(buffer.AsMemory(0, ChangeBounds.Answer + 1), ChangeBounds.Answer + 1, throwOnEndOfStream: false, cancel);
            var whole = length <= ChangeBounds.Answer;
            return new ForgeAnswer((int)response.StatusCode, buffer.AsMemory(0, Math.Min(length, ChangeBounds.Answer)).ToArray(), whole, response.Headers);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private ChangeList Read(ForgeAnswer answer, string repository, string? token, string from, string to)
    {
        if (answer.Status != 200)
            return ChangeBounds.Nothing(Why(answer, repository, token));
        try
        {
            if (Comparison.Read(answer.Body.Span, answer.Whole, Form) is not { } read)
                return ChangeBounds.Nothing($"{Name} sends more than {ChangeBounds.Answer / 1024 / 1024} MiB of commits between {from} and {to}");
            return read switch
            {
                { Total: 0, Behind: > 0 } => ChangeBounds.Nothing($"{to} has no commit that {from} does not have: it lies {read.Behind} commits before it"),
                { Total: 0, IsOther: true } => ChangeBounds.Nothing($"{to} has no commit that {from} does not have: it lies before it"),
                _ => new ChangeList(read.Commits, read.Total, read.Files, null),
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Cut off in the middle, of another form than documented, or with text that is none.
            return ChangeBounds.Nothing($"{Name} answered JSON that is cut off or no comparison; check {Key("url")}");
        }
    }

    private string Why(ForgeAnswer answer, string repository, string? token)
    {
        var (limited, until) = Limit(answer);
        if (limited)
        {
            var now = Clock.GetUtcNow();
            var rest = until is { } given ? given - now : UsualRest;
            rest = rest < TimeSpan.Zero ? UsualRest : rest > LongestRest ? LongestRest : rest;
            var rests = (now + rest).UtcTicks;
            Interlocked.Exchange(ref _restsUntil, rests);
            return Resting(rests) + (token is null ? $"; with {Key("token")} it answers more often" : "");
        }

        return answer.Status switch
        {
            401 => $"{Name} answered 401: {(token is null ? "it wants a token" : "the token is wrong or has run out")}; set {Key("token")}",
            403 => $"{Name} answered 403: {(token is null ? "it wants a token" : "the token may not read")} {repository}; {Key("token")} needs the right to read repositories",
            >= 300 and < 400 => $"{Name} answered {answer.Status}: redirects are not followed; name the final address in {Key("url")}, and what {repository} is called now in {Key("repository")}",
            var status => $"{Name} answered {status}",
        };
    }
}
