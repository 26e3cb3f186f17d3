using System.Security.Cryptography;

namespace Commander.Server.Storage;

/// <summary>Where a stream's chain does not hold, and why.</summary>
internal sealed record ChainFault(string Stream, long Seq, string Reason);

/// <summary>Checks that a stream's facts are the ones that were written, all of them, in their order.</summary>
internal sealed class FactChain
{
    private const int Page = 1_000;

    private readonly string _stream;
    private byte[] _hash;
    private long _seq;

    private FactChain(string stream, long seq, byte[] hash)
    {
        _stream = stream;
        _seq = seq;
        _hash = hash;
    }

    /// <summary>Before a stream's first fact.</summary>
    public static FactChain Start(string stream) => new(stream, 0, Fact.NoHash);

    /// <summary>After the fact that has this seq and hash.</summary>
    public static FactChain After(string stream, long seq, byte[] hash) => new(stream, seq, hash);

    /// <summary>Reads a whole stream and gives its first fault; null when it holds.</summary>
    public static async Task<ChainFault?> Verify(IFactStore store, string stream, CancellationToken cancel)
    {
        var chain = Start(stream);
        while (true)
        {
            var facts = await store.Read(stream, chain._seq, Page, cancel);
            foreach (var fact in facts)
            {
                if ((chain.Next(fact) ?? BodyFault(fact)) is { } fault)
                {
                    return fault;
                }
            }

            if (facts.Count < Page)
            {
                return null;
            }
        }
    }

    /// <summary>Takes the next fact; says what is wrong when it does not follow. The body itself is not looked at.</summary>
    public ChainFault? Next(Fact fact)
    {
        if (!string.Equals(fact.Stream, _stream, StringComparison.Ordinal))
        {
            return new ChainFault(_stream, fact.Seq, $"the fact is of the stream {fact.Stream}");
        }

        if (fact.Seq != _seq + 1)
        {
            return new ChainFault(_stream, fact.Seq, $"seq {fact.Seq} stands where {_seq + 1} is expected");
        }

        if (!fact.Hash.AsSpan().SequenceEqual(Fact.Chain(_hash, fact.Kind, fact.Version, fact.At, fact.BodyHash)))
        {
            return new ChainFault(_stream, fact.Seq, "the hash does not follow from the fact before and this one's kind, version, time and body hash");
        }

        _seq = fact.Seq;
        _hash = fact.Hash;
        return null;
    }

    // Compaction drops bodies and keeps their hashes: a fact without a body is whole.
    private static ChainFault? BodyFault(Fact fact) =>
        fact.Body is null || SHA256.HashData(fact.Body).AsSpan().SequenceEqual(fact.BodyHash)
            ? null
            : new ChainFault(fact.Stream, fact.Seq, "the body is not the one that was written: its hash differs");
}
