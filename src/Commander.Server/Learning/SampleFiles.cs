using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>
/// One file a decision, <c>sample-DEPLOYMENT-N.json</c>: written when it was decided (a watch that never decides: at its end),
/// and again whenever what stands of the outcome changes, also back to unknown. Facts stay the only truth: what cannot be written is logged and can be had from the API.
/// </summary>
/// <param name="folder">Made when the first is written.</param>
/// <param name="log">Where it is said that one could not be written.</param>
/// <param name="most">The oldest files beyond this number are deleted, a hundredth of them at once.</param>
/// <param name="keep">How long after their deployment was announced they are kept; null for ever.</param>
/// <param name="clock">Time.</param>
internal sealed partial class SampleFiles(string folder, ILogger log, int most = 50_000, TimeSpan? keep = null, TimeProvider? clock = null)
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private static readonly TimeSpan LookEvery = TimeSpan.FromDays(1);
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private int _files = -1;
    private DateTimeOffset _looked;

    /// <summary>Writes what is new about a deployment's decisions.</summary>
    /// <param name="deployment">As it stands.</param>
    /// <param name="falseRollbackCost">The policy's cost of a rollback that was not needed, in minutes.</param>
    /// <param name="cancel">Ends the writing; the file is whole or as it was.</param>
    public async Task Keep(Deployment deployment, double falseRollbackCost, CancellationToken cancel)
    {
        var decisions = deployment.Verdicts.Count(v => v.Decision is "ROLLBACK" or "CONTINUE");
        if (decisions == 0 && deployment.State == "closed")
            decisions = 1;
        try
        {
            if (decisions > 0 && !File.Exists(PathOf(deployment.Id, decisions)) && Samples.Of(deployment, falseRollbackCost) is { } decided)
                await Write(PathOf(deployment.Id, decisions), decided, isNew: true, cancel);
            for (var n = 1; n <= decisions && deployment.Outcome is not null; n++)
            {
                if (!File.Exists(PathOf(deployment.Id, n)))
                    continue;
                var sample = JsonSerializer.Deserialize<Sample>(await File.ReadAllBytesAsync(PathOf(deployment.Id, n), cancel), Json.Tolerant)!;
                var labelled = Samples.Labelled(sample, deployment, falseRollbackCost);
                if (labelled != sample)
                    await Write(PathOf(deployment.Id, n), labelled, isNew: false, cancel);
            }

            Age();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            NotKept(log, deployment.Id, folder, e);
        }
    }

    private string PathOf(string id, int n) => Path.Combine(folder, $"sample-{id}-{n}.json");

    private async Task Write(string path, Sample sample, bool isNew, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        var next = path + ".next";
        await File.WriteAllBytesAsync(next, JsonSerializer.SerializeToUtf8Bytes(sample, Json.Tolerant), cancel);
        File.Move(next, path, overwrite: true);
        if (isNew)
            Bound();
    }

    /// <summary>Once a day what is older than it is kept is deleted.</summary>
    private void Age()
    {
        lock (_lock)
        {
            var now = _clock.GetUtcNow();
            if (keep is not { } time || now - _looked < LookEvery || !Directory.Exists(folder))
                return;
            _looked = now;
            var oldest = $"sample-dep-{Prefix(now - time)}";
            foreach (var path in Directory.GetFiles(folder, "sample-dep-*.json").Where(path => string.CompareOrdinal(Path.GetFileName(path), oldest) < 0))
                File.Delete(path);
            _files = -1;
        }
    }

    // How ids of that instant begin: a ULID's 48 bits of milliseconds.
    private static string Prefix(DateTimeOffset at)
    {
        Span<char> text = stackalloc char[10];
        var time = at.ToUnixTimeMilliseconds();
        for (var i = text.Length - 1; i >= 0; i--, time >>= 5)
            text[i] = Alphabet[(int)(time & 31)];
        return new string(text);
    }

    // Ids sort by time, so names do.
    private void Bound()
    {
        lock (_lock)
        {
            _files = _files < 0 ? Directory.EnumerateFiles(folder, "sample-*.json").Count() : _files + 1;
            if (_files <= most)
                return;
            var names = Directory.GetFiles(folder, "sample-*.json");
            Array.Sort(names, StringComparer.Ordinal);
            var surplus = Math.Min(names.Length, names.Length - most + (most / 100));
            foreach (var name in names.Take(surplus))
                File.Delete(name);
            _files = names.Length - surplus;
        }
    }

    [LoggerMessage(201, LogLevel.Warning, "the sample of {Deployment} cannot be written to {Folder}; GET /api/v1/samples has it")]
    private static partial void NotKept(ILogger log, string deployment, string folder, Exception e);
}
