using System.Text;

namespace Commander.Judging.Policies;

/// <summary>Collects everything that is wrong, each thing once: what stands under defaults is read for every service.</summary>
internal sealed class Errors
{
    /// <summary>More than these nobody reads; the last one says that there are others.</summary>
    public const int Max = 200;

    private readonly HashSet<PolicyError> _errors = [];
    private readonly HashSet<Entry> _unknown = new(ReferenceEqualityComparer.Instance);
    private bool _more;

    public bool Any => _errors.Count > 0;

    /// <summary>Whether more errors would only be counted: time to stop looking.</summary>
    public bool Full => _errors.Count >= Max;

    /// <summary>Whether there are more errors than are told: nothing that is found now would change the answer.</summary>
    public bool Over => _more;

    /// <summary>Whether a key that is not known is met for the first time: what stands under defaults is met again in every service, and looking for the word that was meant takes time.</summary>
    public bool IsNew(Entry unknown) => _unknown.Add(unknown);

    public void Add(Place place, string key, string message, string remedy)
    {
        if (!Full)
            _errors.Add(new PolicyError(place.File, place.Line, place.Column, key, message, remedy));
        else
            _more = true;
    }

    public void Add(Node node, string message, string remedy) => Add(node.Place, node.Path, message, remedy);

    public IReadOnlyList<PolicyError> InOrder()
    {
        var errors = _errors.OrderBy(error => error.File, StringComparer.Ordinal).ThenBy(error => error.Line).ThenBy(error => error.Column).ThenBy(error => error.Key, StringComparer.Ordinal).ToList();
        if (_more)
            errors.Add(new PolicyError(errors[^1].File, errors[^1].Line, errors[^1].Column, "", $"there are more than {Max} errors", "mend these first"));
        return errors;
    }
}

/// <summary>What the file says, as it may stand in a message: one line, bounded.</summary>
internal static class Quote
{
    public static string It(string text) => "'" + Clean(text, 60) + "'";

    public static string Clean(string text, int max)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= max)
                return line.Append("...").ToString();
            if (Rune.IsControl(rune))
                line.Append(' ');
            else
                line.Append(rune.ToString());
        }

        return line.ToString();
    }
}

/// <summary>"Did you mean".</summary>
public static class Nearest
{
    /// <summary>The known word that a slip of the finger turns into this one; null when none is near.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="known">What would have been right.</param>
    public static string? To(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        ArgumentNullException.ThrowIfNull(known);
        string? best = null;
        var least = int.MaxValue;
        foreach (var candidate in known)
        {
            var distance = Distance(word.ToLowerInvariant(), candidate.ToLowerInvariant());
            if (distance < least)
                (best, least) = (candidate, distance);
        }

        return best is not null && least <= Math.Max(1, Math.Max(word.Length, best.Length) / 3) ? best : null;
    }

    /// <summary>Levenshtein's distance with neighbours swapped as one slip; long words are far from everything.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 64 || b.Length > 64)
            return int.MaxValue;
        Span<int> before = stackalloc int[b.Length + 1];
        Span<int> last = stackalloc int[b.Length + 1];
        Span<int> row = stackalloc int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
            last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                row[j] = Math.Min(Math.Min(row[j - 1] + 1, last[j] + 1), last[j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            last.CopyTo(before);
            row.CopyTo(last);
        }

        return last[b.Length];
    }
}
