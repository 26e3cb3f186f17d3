using System.Globalization;
using System.Text.Json;
using Commander.Judging;
using Commander.Server.Storage;

namespace Commander.Server.Reasoning;

/// <summary>What one question took, as a fact in the day's stream.</summary>
internal sealed record UsageBody(string Deployment, string Service, int PromptTokens, int AnswerTokens, double? Cost);

/// <summary>What was spent.</summary>
internal readonly record struct Spent(int Questions, long Tokens, double Cost)
{
    public Spent Plus(UsageBody used) => new(Questions + 1, Tokens + used.PromptTokens + used.AnswerTokens, Cost + (used.Cost ?? 0));
}

/// <summary>
/// What was spent on the language model today: the fold of the day's stream, so that a restart forgets nothing and the nodes of a cluster
/// spend from one purse. Who asks whether there is something left reads first what the others spent.
/// </summary>
internal sealed class UsageBook(IFactStore store, TimeProvider clock) : IDisposable
{
    private const string Used = "used";
    private const int PageSize = 1000;
    private const int Attempts = 20;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Dictionary<string, Spent> _services = new(StringComparer.Ordinal);
    private string _stream = "";
    private long _seq;
    private byte[] _hash = Fact.NoHash;
    private Spent _day;

    /// <summary>What was spent today, in all and of a service.</summary>
    public async Task<(Spent Day, Spent Service)> Today(string service, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            await Catch(cancel);
            return (_day, _services.GetValueOrDefault(service));
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Writes down what a question took.</summary>
    public async Task Add(UsageBody used, CancellationToken cancel)
    {
        await _gate.WaitAsync(cancel);
        try
        {
            for (var attempt = 0; attempt < Attempts; attempt++)
            {
                await Catch(cancel);
                var fact = Fact.After(_stream, _seq + 1, _hash, clock.GetUtcNow(), Used, 1, JsonSerializer.SerializeToUtf8Bytes(used, Json.Tolerant));
                if (!await store.Append(new Append([fact], null), cancel))
                {
                    // Another node was first: each waits differently long, by how much it took.
                    await Task.Delay(TimeSpan.FromMilliseconds(1 + ((used.PromptTokens + used.AnswerTokens + (attempt * 7)) % 20)), clock, cancel);
                    continue;
                }

                Fold(fact);
                return;
            }

            throw new StoreUnavailableException($"the stream {_stream} changes faster than it can be read");
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task Catch(CancellationToken cancel)
    {
        var today = Streams.Reasoning + clock.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        if (today != _stream)
        {
            (_stream, _seq, _hash, _day) = (today, 0, Fact.NoHash, default);
            _services.Clear();
        }

        for (IReadOnlyList<Fact> page = []; ;)
        {
            page = await store.Read(_stream, _seq, PageSize, cancel);
            foreach (var fact in page)
                Fold(fact);
            if (page.Count < PageSize)
                return;
        }
    }

    private void Fold(Fact fact)
    {
        (_seq, _hash) = (fact.Seq, fact.Hash);
        if (fact is not { Kind: Used, Body: { } bytes } || JsonSerializer.Deserialize<UsageBody>(bytes, Json.Tolerant) is not { } used)
            return;
        _day = _day.Plus(used);
        _services[used.Service] = _services.GetValueOrDefault(used.Service).Plus(used);
    }

    public void Dispose() => _gate.Dispose();
}
