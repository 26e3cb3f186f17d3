using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>The policies that the documentation shows are read without errors.</summary>
public class DocumentedPolicyTests
{
    [Fact]
    public void The_reference_policy_parses()
    {
        var text = File.ReadAllText(At("docs/policy.md")).ReplaceLineEndings("\n");
        const string fence = "```yaml\n";
        var start = text.IndexOf(fence, StringComparison.Ordinal) + fence.Length;
        Assert.True(start >= fence.Length, "docs/policy.md has no yaml block");
        var end = text.IndexOf("\n```", start, StringComparison.Ordinal);
        Assert.Empty(PolicyReader.Read(text[start..end], "docs/policy.md").Errors);
    }

    [Fact]
    public void The_example_policy_parses() =>
        Assert.Empty(PolicyReader.Read(File.ReadAllText(At("examples/policy.yaml")), "examples/policy.yaml").Errors);

    private static string At(string path)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Commander.slnx")))
                return Path.Combine(folder.FullName, path);
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds Commander.slnx.");
    }
}
