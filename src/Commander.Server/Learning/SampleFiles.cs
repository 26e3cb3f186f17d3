using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Verdicts;

namespace Commander.Server.Learning;

/// <summary>
/// One file a decision, <c>sample-DEPLOYMENT-N.json</c>: written when it was decided (a watch that never decides: at its end),
/// and again when the outcome is known. Facts stay the only truth: what cannot be written is logged and can be had from the API.
/// </summary>
/// <param name="folder">Made when the first is written.</param>
/// <param name="log">Where it is said that one could not be written.</param>
/// <param name="most">The oldest files beyond this number are deleted, a hundredth of them at once.</param>
internal sealed partial class SampleFiles(string folder, ILogger log, int most = 50_000)
{
    private readonly Lock _lock = new();
    private int _files = -1;

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
            for (var n = 1; n <= decisions && deployment.Outcome is { Label: "GOOD" or "BAD" }; n++)
            {
                if (!File.Exists(PathOf(deployment.Id, n)))
                    continue;
                var sample = JsonSerializer.Deserialize<Sample>(await File.ReadAllBytesAsync(PathOf(deployment.Id, n), cancel), Json.Tolerant)!;
                var labelled = Samples.Labelled(sample, deployment, falseRollbackCost);
                if (labelled != sample)
                    await Write(PathOf(deployment.Id, n), labelled, isNew: false, cancel);
            }
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
