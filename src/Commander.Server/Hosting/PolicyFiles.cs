using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Sources;

namespace Commander.Server.Hosting;

/// <summary>Reads the policy file or folder that the server is started with.</summary>
internal static class PolicyFiles
{
    private const long MaxFile = 1 << 20;
    private const int MaxFiles = 1000;

    /// <summary>The policies, or every error in every file.</summary>
    public static async Task<(PolicySet? Policies, IReadOnlyList<string> Errors)> Read(string path, CancellationToken cancel)
    {
        var files = Directory.Exists(path)
            ? Directory.EnumerateFiles(path).Where(f => f.EndsWith(".yaml", StringComparison.Ordinal) || f.EndsWith(".yml", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Take(MaxFiles).ToList()
            : [path];
        if (files.Count == 0)
            return (null, [$"{path}: no *.yaml or *.yml file in this folder"]);
        var errors = new List<string>();
        var sets = new List<(string File, PolicySet Set)>();
        foreach (var file in files)
        {
            try
            {
                if (new FileInfo(file).Length > MaxFile)
                {
                    errors.Add($"{file}: larger than {MaxFile >> 20} MiB");
                    continue;
                }

                var (set, wrong) = Check(await File.ReadAllTextAsync(file, cancel), file);
                errors.AddRange(wrong);
                if (set is not null)
                    sets.Add((file, set));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                errors.Add($"{file}: {e.Message}");
            }
        }

        return errors.Count > 0 ? (null, errors) : (Join(sets, errors), errors);
    }

    /// <summary>One text: what the policy reader says, and whether this version can ask its sources and act on its targets.</summary>
    public static (PolicySet? Policies, IReadOnlyList<string> Errors) Check(string yaml, string file)
    {
        var read = PolicyReader.Read(yaml, file);
        if (read.Policies is not { } set)
            return (null, [.. read.Errors.Select(e => e.ToString())]);
        var errors = set.Sources.Values.Where(s => !SourceBook.Types.Contains(s.Type))
            .Select(s => $"{file}: sources.{s.Name}.type: '{s.Type}' cannot be asked by this version; it can ask {string.Join(", ", SourceBook.Types)}")
            .Concat(set.Services.Where(s => s.Value.Act.Rollback is { } rollback && !TargetBook.Types.Contains(rollback.Type))
                .Select(s => $"{file}: services.{s.Key}.act.rollback.type: '{s.Value.Act.Rollback!.Type}' cannot be acted on by this version; it can act on {string.Join(", ", TargetBook.Types)}"))
            .ToList();
        return (errors.Count == 0 ? set : null, errors);
    }

    // Files of a folder each name other services; sources and defaults may stand in one of them.
    private static PolicySet? Join(List<(string File, PolicySet Set)> sets, List<string> errors)
    {
        var sources = new Dictionary<string, SourceSettings>(StringComparer.Ordinal);
        var services = new Dictionary<string, Policy>(StringComparer.Ordinal);
        foreach (var (file, set) in sets)
        {
            foreach (var (name, source) in set.Sources.Where(s => !sources.TryAdd(s.Key, s.Value)))
                errors.Add($"{file}: sources.{name}: another file of the folder has a source of this name ({source.Type})");
            foreach (var (name, _) in set.Services.Where(s => !services.TryAdd(s.Key, s.Value)))
                errors.Add($"{file}: services.{name}: another file of the folder has a service of this name");
        }

        return errors.Count > 0 ? null : sets[0].Set with { Sources = sources, Services = services };
    }
}
