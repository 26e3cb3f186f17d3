using System.Globalization;

namespace Commander.Cli;

/// <summary>How many steps after the change a case is judged: one number for all, or one for a source or for a file.</summary>
/// <param name="All">For cases that nothing else names; null for all their points.</param>
/// <param name="Named">By a case's source, or by the name of its file without folder and ending.</param>
internal sealed record Horizons(int? All, IReadOnlyDictionary<string, int> Named)
{
    /// <summary>Reads what stands after --horizon: a number, or NAME=NUMBER; null and why when it is neither.</summary>
    public static Horizons? Read(IEnumerable<string> texts, out string? problem)
    {
        problem = null;
        int? all = null;
        var named = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            // A source may have an equals sign in its name, a number has none.
            var equals = text.LastIndexOf('=');
            if (equals == 0 || !int.TryParse(text[(equals + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var steps) || steps < 1)
                problem = $"--horizon {text} is no number of steps; write 1 or more, or SOURCE=N";
            else if (equals < 0 && all is not null)
                problem = "--horizon has two numbers for all; write SOURCE=N for a single source";
            else if (equals < 0)
                all = steps;
            else if (!named.TryAdd(text[..equals], steps))
                problem = $"--horizon names {text[..equals]} twice";
        }

        return problem is null ? new Horizons(all, named) : null;
    }

    /// <summary>The horizon of a case: its source's, else its file's, else that of all.</summary>
    public int? Of(string source, string file) => Named.TryGetValue(source, out var own) || Named.TryGetValue(file, out own) ? own : All;

    /// <summary>In words.</summary>
    public override string ToString() => string.Join(", ", Named.Select(static one => $"{one.Key} to {one.Value} steps after the change")
        .Append(All is { } steps ? $"{(Named.Count > 0 ? "the others" : "judged")} to {steps} steps after the change" : $"{(Named.Count > 0 ? "the others" : "judged")} to the end of each recording"));
}
