using System.Security.Cryptography;
using System.Text;

namespace Commander.Judging.Backtest;

/// <summary>Every case once: one that stands twice would be counted twice. Keeps a hash and not the text of an id, so that a file may be larger than the memory.</summary>
public sealed class CaseIds
{
    private readonly Dictionary<UInt128, int> _ofFile = [];
    private readonly HashSet<UInt128> _ofOthers = [];
    private readonly HashSet<UInt128> _now = [];

    /// <summary>Begins another file. The same id may stand in two files when the cases are of two sources.</summary>
    public void NextFile()
    {
        _ofOthers.UnionWith(_now);
        _now.Clear();
        _ofFile.Clear();
    }

    /// <summary>Notes a case.</summary>
    /// <param name="found">The case.</param>
    /// <param name="line">Its line in its file.</param>
    /// <exception cref="RefusedException">There was one of this id in the file, or one of this id and source in another file.</exception>
    public void Add(Case found, int line)
    {
        if (!_ofFile.TryAdd(Hash(found.Id), line))
        {
            throw new RefusedException($"line {line}, id", $"'{Told(found.Id)}' stands on line {_ofFile[Hash(found.Id)]} too; give each case an id of its own, or remove one of the two");
        }
        var whole = Hash(found.Source + "\n" + found.Id);
        if (_ofOthers.Contains(whole))
        {
            throw new RefusedException($"line {line}, id", $"'{Told(found.Id)}' of the source '{Told(found.Source)}' stands in an earlier file too; leave one of the two files out, or give each case an id of its own");
        }
        _now.Add(whole);
    }

    private static string Told(string text) => text.Length <= 60 ? text : text[..60] + "...";

    private static UInt128 Hash(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        return new UInt128(BitConverter.ToUInt64(hash), BitConverter.ToUInt64(hash[8..]));
    }
}
