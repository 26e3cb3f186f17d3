using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Commander.Server.Api;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Access;

/// <summary>A token was issued. Its secret is nowhere: only its SHA-256, which is enough, because the secret is 256 random bits.</summary>
internal sealed record TokenIssuedBody(
    string Id,
    string Name,
    string Role,
    string Hash,
    string By,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Until = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Services = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Environments = null);

/// <summary>A token was revoked.</summary>
internal sealed record TokenRevokedBody(string Id, string By);

/// <summary>A token as it stands.</summary>
/// <param name="Id">What it is known by; part of the token's text.</param>
/// <param name="Name">Whose it is, for people and for the audit.</param>
/// <param name="Role">What it may.</param>
/// <param name="By">Who issued it.</param>
/// <param name="At">When.</param>
/// <param name="Until">When it ends; null for never.</param>
internal sealed record Token(string Id, string Name, Role Role, string By, DateTimeOffset At, DateTimeOffset? Until)
{
    /// <summary>SHA-256 of its secret.</summary>
    [JsonIgnore]
    public byte[] Hash { get; init; } = [];

    /// <summary>The services it may change (<see cref="Scope"/>); empty for all.</summary>
    public IReadOnlyList<string> Services { get; init; } = [];

    /// <summary>The environments it may change; empty for all.</summary>
    public IReadOnlyList<string> Environments { get; init; } = [];
}

/// <summary>
/// The tokens as the fold of the stream access. A check looks only into memory; what another node issued or revoked is seen within a
/// second. Before the first token was ever issued, and without one of the environment, access is open, to this machine alone.
/// </summary>
internal sealed class TokenBook(IFactStore store, TimeProvider clock, string? adminToken) : IDisposable
{
    /// <summary>At most so many tokens that are not revoked.</summary>
    public const int MaxTokens = 1_000;

    /// <summary>What every token begins with, so that one that lies about is recognised for what it is.</summary>
    public const string Prefix = "cmd_";

    /// <summary>The stream.</summary>
    public const string Stream = "access";

    /// <summary>The id of the admin's token of the environment.</summary>
    public const string FromEnvironment = "environment";

    private const string Issued = "token-issued";
    private const string Revoked = "token-revoked";
    private const int PageSize = 500;
    private const int Attempts = 5;
    private const int SecretBytes = 32;
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly byte[]? _adminHash = adminToken is null ? null : SHA256.HashData(Encoding.UTF8.GetBytes(adminToken));
    private volatile IReadOnlyDictionary<string, Token> _tokens = new Dictionary<string, Token>(StringComparer.Ordinal);
    private volatile bool _everIssued;
    private long _readAt;
    private long _seq;
    private byte[] _hash = Fact.NoHash;

    /// <summary>Whether whoever comes must say who they are. Once a token was issued it stays so.</summary>
    public bool Closed => _everIssued || _adminHash is not null;

    /// <summary>Whether the tokens were ever read. Until then nobody knows whether access is open, so it is not.</summary>
    public bool Known => Volatile.Read(ref _readAt) != 0;

    /// <summary>Reads what is new, at most once a second. A store that does not answer leaves what is known.</summary>
    public async ValueTask Look(CancellationToken cancel)
    {
        if (Known && clock.GetElapsedTime(Volatile.Read(ref _readAt)) < Fresh)
            return;
        if (!await _gate.WaitAsync(TimeSpan.Zero, cancel))
            return;
        try
        {
            await Catch(cancel);
        }
        catch (StoreUnavailableException)
        {
            // Who was let in before still is; the next look tries again.
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Whose token a text is; null for nobody's, an ended or a revoked one's.</summary>
    public Token? Find(string text)
    {
        if (_adminHash is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(text)), _adminHash))
            return new Token(FromEnvironment, "admin", Role.Admin, "environment", default, null);
        if (text.Length is < 10 or > 200 || !text.StartsWith(Prefix, StringComparison.Ordinal) || text.IndexOf('_', Prefix.Length) is not (> 0 and var at))
            return null;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(text[(at + 1)..]));
        return ById(text[Prefix.Length..at]) is { } token && CryptographicOperations.FixedTimeEquals(hash, token.Hash) ? token : null;
    }

    /// <summary>A token that still holds, by its id; for somebody who showed it before.</summary>
    public Token? ById(string id) =>
        id == FromEnvironment ? _adminHash is null ? null : new Token(FromEnvironment, "admin", Role.Admin, "environment", default, null)
        : _tokens.TryGetValue(id, out var token) && !(token.Until <= clock.GetUtcNow()) ? token : null;

    /// <summary>All that hold, oldest first.</summary>
    public async Task<IReadOnlyList<Token>> All(CancellationToken cancel)
    {
        await Look(cancel);
        return [.. _tokens.Values.Where(token => !(token.Until <= clock.GetUtcNow())).OrderBy(token => token.At)];
    }

    /// <summary>Issues a token; its text is told this once. Null when there are too many.</summary>
    public async Task<(Token Token, string Text)?> Issue(string name, Role role, DateTimeOffset? until, IReadOnlyList<string> services, IReadOnlyList<string> environments, string by, CancellationToken cancel)
    {
        var id = RandomNumberGenerator.GetHexString(12, lowercase: true);
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(secret));
        var body = new TokenIssuedBody(id, name, role.Word(), Convert.ToBase64String(hash), by, until, services is [] ? null : services, environments is [] ? null : environments);
        return await Append(Issued, body, () => _tokens.Values.Count(token => !(token.Until <= clock.GetUtcNow())) < MaxTokens, cancel) ? (_tokens[id], $"{Prefix}{id}_{secret}") : null;
    }

    /// <summary>Revokes a token. False when there is none, or when nobody could issue another one after it.</summary>
    public Task<bool> Revoke(string id, string by, CancellationToken cancel) =>
        Append(Revoked, new TokenRevokedBody(id, by), () => _tokens.ContainsKey(id) && !IsLastAdmin(id), cancel);

    /// <summary>Whether without this one nobody would be admin for good.</summary>
    public bool IsLastAdmin(string id) =>
        _adminHash is null && _tokens.TryGetValue(id, out var token) && token is { Role: Role.Admin, Until: null } && !_tokens.Values.Any(other => other.Id != id && other is { Role: Role.Admin, Until: null });

    public void Dispose() => _gate.Dispose();

    private async Task<bool> Append<T>(string kind, T body, Func<bool> holds, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            for (var attempt = 0; attempt < Attempts; attempt++)
            {
                await Catch(cancel);
                if (!holds())
                    return false;
                var fact = Fact.After(Stream, _seq + 1, _hash, clock.GetUtcNow(), kind, 1, FactBody.Write(body));
                if (!await store.Append(new Append([fact], null), cancel))
                    continue;
                Fold([fact]);
                return true;
            }

            throw new StoreUnavailableException($"the stream {Stream} changes faster than it can be read");
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task Catch(CancellationToken cancel)
    {
        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await store.Read(Stream, _seq, PageSize, cancel);
            Fold(page);
            if (page.Count < PageSize)
                break;
        }

        Volatile.Write(ref _readAt, clock.GetTimestamp());
    }

    private void Fold(IReadOnlyList<Fact> facts)
    {
        if (facts.Count == 0)
            return;
        var tokens = _tokens.ToDictionary(StringComparer.Ordinal);
        foreach (var fact in facts)
        {
            (_seq, _hash) = (fact.Seq, fact.Hash);
            if (fact is { Kind: Issued, Body: { } issued })
            {
                var body = FactBody.Read<TokenIssuedBody>(issued);
                // A role that only a newer build knows lets nobody in here.
                _ = Roles.TryRead(body.Role, out var role);
                tokens[body.Id] = new Token(body.Id, body.Name, role, body.By, fact.At, body.Until) { Hash = Convert.FromBase64String(body.Hash), Services = body.Services ?? [], Environments = body.Environments ?? [] };
                _everIssued = true;
            }
            else if (fact is { Kind: Revoked, Body: { } revoked })
            {
                tokens.Remove(FactBody.Read<TokenRevokedBody>(revoked).Id);
            }
        }

        _tokens = tokens;
    }
}
