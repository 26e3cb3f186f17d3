using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Alerting;
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
        var texts = new List<PolicyFile>();
        foreach (var file in files)
        {
            try
            {
                if (new FileInfo(file).Length > MaxFile)
                    errors.Add($"{file}: larger than {MaxFile >> 20} MiB");
                else
                    texts.Add(new PolicyFile(file, await File.ReadAllTextAsync(file, cancel)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                errors.Add($"{file}: {e.Message}");
            }
        }

        return errors.Count > 0 ? (null, errors) : Check(texts, path);
    }

    /// <summary>One text, read as <see cref="Read"/> reads files.</summary>
    public static (PolicySet? Policies, IReadOnlyList<string> Errors) Check(string yaml, string file) => Check([new PolicyFile(file, yaml)], file);

    // What the policy reader says, whether this version can ask the sources and act on the targets, and whether what it shall say can be read.
    private static (PolicySet? Policies, IReadOnlyList<string> Errors) Check(IReadOnlyList<PolicyFile> files, string name)
    {
        var read = PolicyReader.Read(files);
        if (read.Policies is not { } set)
            return (null, [.. read.Errors.Select(e => e.ToString())]);
        var errors = set.Sources.Values.Where(s => !SourceBook.Types.Contains(s.Type))
            .Select(s => $"{name}: sources.{s.Name}.type: '{s.Type}' cannot be asked by this version; it can ask {string.Join(", ", SourceBook.Types)}")
            .Concat(set.Services.Where(s => s.Value.Act.Rollback is { } rollback && !TargetBook.Types.Contains(rollback.Type))
                .Select(s => $"{name}: services.{s.Key}.act.rollback.type: '{s.Value.Act.Rollback!.Type}' cannot be acted on by this version; it can act on {string.Join(", ", TargetBook.Types)}"))
            .Concat(Templates.Check(set).Select(error => $"{name}: {error}"))
            .ToList();
        return (errors.Count == 0 ? set : null, errors);
    }
}
