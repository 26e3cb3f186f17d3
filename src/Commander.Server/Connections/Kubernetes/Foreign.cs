using System.Text;

namespace Commander.Server.Connections.Kubernetes;

/// <summary>Text from a cluster as it may stand in a sentence: one line, bounded.</summary>
internal static class Foreign
{
    private const int Max = 400;

    public static string Text(string? text)
    {
        var line = new StringBuilder();
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            if (line.Length >= Max)
                return line.Append("...").ToString();
            line.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }

        return line.ToString();
    }
}
