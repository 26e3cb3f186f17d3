using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>The policies that the documentation shows are read without errors.</summary>
public class DocumentedPolicyTests
{
    [Theory]
    [InlineData("docs/policy.md")]
    [InlineData("examples/policy.yaml")]
    public void A_documented_policy_parses(string file) => Assert.Empty(PolicyReader.Read(Yaml(file), file).Errors);

    /// <summary>A file's policy: the first yaml block of a Markdown file, else all of it.</summary>
    internal static string Yaml(string file)
    {
        var text = File.ReadAllText(At(file)).ReplaceLineEndings("\n");
        if (!file.EndsWith(".md", StringComparison.Ordinal))
            return text;
        const string fence = "```yaml\n";
        var start = text.IndexOf(fence, StringComparison.Ordinal) + fence.Length;
        Assert.True(start >= fence.Length, $"{file} has no yaml block");
        return text[start..text.IndexOf("\n```", start, StringComparison.Ordinal)];
    }

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
