namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>
/// Log lines of two arms to the few kinds of lines that they are, in the manner of Drain (He et al., 2017): a tree of fixed depth by
/// number of words and first word, below it the nearest template. Pure. The lines are taken in an order of their own, so that the
/// order in which they came changes nothing.
/// </summary>
internal static class LogTemplates
{
    /// <summary>Kinds that are told.</summary>
    public const int MaxSignatures = 20;

    /// <summary>Characters of a template.</summary>
    public const int MaxTemplate = 160;

    // Of two lines so many words must be the same to be of one kind: one word in four may differ.
    private const double Alike = 0.7;

    // What is not near one of so many templates is its own kind: a log of which every line is new takes no longer for it.
    private const int MaxKinds = 64;

    /// <summary>What the logs of two arms say.</summary>
    /// <param name="candidate">The candidate's lines, or why there are none.</param>
    /// <param name="control">The control's of the same seconds, or why there are none; null when there is no control.</param>
    public static Signatures Of(LogAnswer candidate, LogAnswer? control)
    {
        if (candidate.Missing is { } missing)
            return new Signatures([], missing);
        // Without it everything would look new.
        if (control?.Missing is { } without)
            return new Signatures([], $"the control's lines are missing, so nothing can be compared: {without}");
        return Of(candidate.Lines, control?.Lines ?? []);
    }

    /// <summary>What the logs of two arms say: of each at most the last 2,000 lines, those that tell of trouble where there are any.</summary>
    public static Signatures Of(IReadOnlyList<string> candidate, IReadOnlyList<string> control)
    {
        var read = Read(candidate).Select(line => (Line: line, OfCandidate: true)).Concat(Read(control).Select(line => (Line: line, OfCandidate: false))).ToList();
        var trouble = read.Exists(entry => entry.Line.IsTrouble);
        var counts = new Dictionary<string, Kind>(StringComparer.Ordinal);
        foreach (var (line, ofCandidate) in read)
        {
            if (trouble && !line.IsTrouble)
                continue;
            var words = LogMask.Words(line.Says);
            if (words.Count == 0)
                continue;
            // Frames are part of the kind: one exception out of two methods is two kinds.
            var says = string.Join(' ', words);
            var frames = string.Concat(line.Frames.Select(frame => " at " + Frame(frame)));
            var key = says + "\n" + frames;
            if (!counts.TryGetValue(key, out var kind))
                counts[key] = kind = new Kind(says.Split(' '), frames);
            kind.Count(ofCandidate, 1);
        }

        return new Signatures(Ranked(Merged(counts)), null);
    }

    private static IEnumerable<LogLine> Read(IReadOnlyList<string> lines) => lines.Skip(lines.Count - LogLimits.MaxLines).Select(LogLine.Read).OfType<LogLine>();

    private static string Frame(string frame) => string.Concat(LogMask.Clean(frame).Where(c => !char.IsAsciiDigit(c) && c is not ('<' or '>' or '*')));

    private sealed class Kind(string[] words, string frames)
    {
        public string[] Words { get; } = words;

        public string Frames => frames;

        public int Candidate { get; private set; }

        public int Control { get; private set; }

        public void Count(bool ofCandidate, int lines)
        {
            if (ofCandidate)
                Candidate += lines;
            else
                Control += lines;
        }

        public void Take(Kind other)
        {
            for (var i = 0; i < Words.Length; i++)
            {
                if (Words[i] != other.Words[i])
                    Words[i] = LogMask.Any;
            }

            Candidate += other.Candidate;
            Control += other.Control;
        }
    }

    // The tree: number of words, first word, what was thrown where; in its leaves templates.
    private static IEnumerable<Kind> Merged(Dictionary<string, Kind> counts)
    {
        var leaves = new Dictionary<(int, string, string), List<Kind>>();
        foreach (var (_, kind) in counts.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            var place = (kind.Words.Length, kind.Words[0], kind.Frames);
            if (!leaves.TryGetValue(place, out var leaf))
                leaves[place] = leaf = [];
            if (Nearest(leaf, kind) is { } nearest)
                nearest.Take(kind);
            else
                leaf.Add(kind);
        }

        return leaves.Values.SelectMany(leaf => leaf);
    }

    private static Kind? Nearest(List<Kind> leaf, Kind kind)
    {
        Kind? nearest = null;
        var most = (int)Math.Ceiling(kind.Words.Length * Alike) - 1;
        for (var at = 0; at < Math.Min(leaf.Count, MaxKinds); at++)
        {
            var (words, same) = (leaf[at].Words, 0);
            // No further than it may still become the nearest.
            for (var i = 0; i < words.Length && same + words.Length - i > most; i++)
                same += words[i] == kind.Words[i] ? 1 : 0;
            if (same > most)
                (nearest, most) = (leaf[at], same);
        }

        return nearest;
    }

    private static List<Signature> Ranked(IEnumerable<Kind> kinds)
    {
        // What differs only beyond the end of a template is told as one.
        var told = kinds.GroupBy(Text, StringComparer.Ordinal).Select(same => (Template: same.Key, Candidate: same.Sum(kind => kind.Candidate), Control: same.Sum(kind => kind.Control)));
        return told
            .OrderByDescending(kind => kind.Candidate > 0 && kind.Control == 0)
            .ThenByDescending(kind => (kind.Candidate + 1.0) / (kind.Control + 1.0))
            .ThenByDescending(kind => kind.Candidate + kind.Control)
            .ThenBy(kind => kind.Template, StringComparer.Ordinal)
            .Take(MaxSignatures)
            .Select((kind, i) => new Signature($"l{i + 1}", kind.Template, kind.Candidate, kind.Control))
            .ToList();
    }

    // Whole words of the message, and the frames behind them where they have room.
    private static string Text(Kind kind)
    {
        var frames = kind.Frames.Length <= MaxTemplate / 2 ? kind.Frames : kind.Frames[..(MaxTemplate / 2)].TrimEnd();
        var room = MaxTemplate - frames.Length;
        var text = "";
        foreach (var word in kind.Words)
        {
            // Two values side by side, which a merge has left, are one.
            if (word == LogMask.Any && text.EndsWith(LogMask.Any, StringComparison.Ordinal))
                continue;
            var longer = text.Length == 0 ? word : $"{text} {word}";
            if (longer.Length > room)
                break;
            text = longer;
        }

        return text.Length == 0 ? (kind.Words[0][..Math.Min(kind.Words[0].Length, room)] + frames).Trim() : text + frames;
    }
}
