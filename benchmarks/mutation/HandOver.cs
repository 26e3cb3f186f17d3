namespace Commander.Judging.Tests;

/// <summary>The only test that Stryker runs: it copies the folder with the changed assembly to where Score finds it.</summary>
public sealed class HandOver
{
    [Fact]
    [Trait("Category", "Long")]
    public void The_changed_assembly_is_handed_over()
    {
        var (from, to) = (AppContext.BaseDirectory, Environment.GetEnvironmentVariable("MUTATED_TO")!);
        const string assembly = "Commander.Judging.dll";
        // Run once before the changes are in, once with them, and after that for those of them that Stryker tries itself.
        if (File.Exists(Path.Combine(to, assembly)) && new FileInfo(Path.Combine(to, assembly)).Length == new FileInfo(Path.Combine(from, assembly)).Length)
            return;
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }
}
