namespace Commander.Judging.Policies;

/// <summary>A map of the file whose keys are known: everything that is asked of it is checked, everything else in it is an error.</summary>
internal sealed class Section
{
    private const int MaxText = 4096;

    public Section(MapNode node, Errors errors, params IReadOnlyList<string> known)
    {
        Node = node;
        Errors = errors;
        foreach (var entry in node.Entries)
        {
            if (errors.Over)
                break;
            if (!known.Contains(entry.Key))
                Unknown(entry, known, errors);
        }
    }

    private Section(MapNode node, Errors errors)
    {
        Node = node;
        Errors = errors;
    }

    public MapNode Node { get; }

    public Errors Errors { get; }

    /// <summary>A map whose keys were checked before, or are for somebody else to check.</summary>
    public static Section Checked(MapNode node, Errors errors) => new(node, errors);

    public static void Unknown(Entry entry, IReadOnlyList<string> known, Errors errors)
    {
        if (!errors.IsNew(entry))
            return;
        var near = errors.Full ? null : Nearest.To(entry.Key, known);
        errors.Add(entry.Place, entry.Value.Path, "is no key here", near is null ? $"known are {List(known)}" : $"did you mean {near}?");
    }

    public static string List(IEnumerable<string> words) => string.Join(", ", words);

    /// <summary>The value under a key; null when it is not there or empty, which is said when something must stand there.</summary>
    public Node? Value(string key)
    {
        var value = Node.Find(key)?.Value;
        return value is TextNode { IsNull: true } ? null : value;
    }

    public bool Has(string key) => Node.Find(key) is not null;

    /// <summary>Where an error about a key is to be shown: at its value, else where the map begins.</summary>
    public Node At(string key) => Node.Find(key)?.Value ?? Node;

    public string PathOf(string key) => Node.Find(key)?.Value.Path ?? (Node.Path.Length == 0 ? key : $"{Node.Path}.{key}");

    public void Wrong(string key, string message, string remedy) => Errors.Add(At(key).Place, PathOf(key), message, remedy);

    public MapNode Map(string key)
    {
        var value = Value(key);
        if (value is MapNode map)
            return map;
        if (value is not null)
            Wrong(key, $"is {What(value)}, not a map", $"write {key}: {{ ... }}");
        return new MapNode(At(key).Place, PathOf(key), []);
    }

    public IReadOnlyList<Node> Items(string key, string example)
    {
        var value = Value(key);
        if (value is ListNode list)
            return list.Items;
        if (value is not null)
            Wrong(key, $"is {What(value)}, not a list", $"write {key}: {example}");
        return [];
    }

    public string? Text(string key, string example)
    {
        if (!Has(key))
            return null;
        return Plain(At(key), example, Errors);
    }

    public static string? Plain(Node node, string example, Errors errors)
    {
        if (node is not TextNode text)
            errors.Add(node, $"is {What(node)}, not a text", $"write {example}");
        else if (text.IsNull)
            errors.Add(node, "has no value", $"write {example}, or remove the key");
        else if (text.Value.Length > MaxText)
            errors.Add(node, $"is longer than {MaxText} characters", "write less");
        else if (text.Value.Length == 0)
            errors.Add(node, "is an empty text", $"write {example}, or remove the key");
        else if (text.Value.Contains('\0', StringComparison.Ordinal) || HasLoneSurrogate(text.Value))
            errors.Add(node, "has characters that are no text", "remove NUL and broken characters");
        else
            return text.Value;
        return null;
    }

    public IReadOnlyList<string> Texts(string key, string example)
    {
        var texts = new List<string>();
        foreach (var item in Items(key, example))
        {
            if (Plain(item, example, Errors) is { } text)
                texts.Add(text);
        }

        return texts;
    }

    /// <summary>Null when what stands there is wrong: then nothing more can be said about it.</summary>
    public TimeSpan? Duration(string key, TimeSpan otherwise, TimeSpan least, TimeSpan most) =>
        Has(key) ? Duration(At(key), least, most, Errors) : otherwise;

    public static TimeSpan? Duration(Node node, TimeSpan least, TimeSpan most, Errors errors)
    {
        if (Plain(node, "15s, 2m, 6h", errors) is not { } text)
            return null;
        if (!Durations.TryParse(text, out var duration))
            errors.Add(node, $"{Quote.It(text)} is no duration", "write 15s, 2m, 6h");
        else if (duration < least || duration > most)
            errors.Add(node, $"{text} is out of range", $"write {Durations.Format(least)} to {Durations.Format(most)}");
        else
            return duration;
        return null;
    }

    /// <summary>A share between 0 and 1, both excluded unless <paramref name="zero"/> is allowed.</summary>
    public double Share(string key, double otherwise, double most, bool zero, string example)
    {
        if (Text(key, example) is not { } text)
            return otherwise;
        if (!Quantities.TryShare(text, out var share))
            Wrong(key, $"{Quote.It(text)} is no percentage", $"write {example}");
        else if (share < 0 || (share == 0 && !zero) || share > most || share >= 1)
            Wrong(key, $"{Quote.It(text)} is out of range", zero ? $"write 0% to {most * 100:0.##}%" : $"write more than 0% and less than 100%, such as {example}");
        else
            return share;
        return otherwise;
    }

    public double Number(string key, double otherwise, double above, double most, string example)
    {
        if (Text(key, example) is not { } text)
            return otherwise;
        if (!Quantities.TrySplit(text, out var number, out var suffix) || suffix.Length > 0)
            Wrong(key, $"{Quote.It(text)} is no number", $"write {example}");
        else if (!(number > above) || number > most)
            Wrong(key, $"{Quote.It(text)} is out of range", $"write a number above {above:0.####} and at most {most:0.####}, such as {example}");
        else
            return number;
        return otherwise;
    }

    public bool Flag(string key, bool otherwise)
    {
        switch (Text(key, "true or false"))
        {
            case null:
                return otherwise;
            case "true":
                return true;
            case "false":
                return false;
            case var text:
                Wrong(key, $"{Quote.It(text)} is neither true nor false", "write true or false");
                return otherwise;
        }
    }

    public string Word(string key, string otherwise, params IReadOnlyList<string> words)
    {
        if (Text(key, List(words)) is not { } text)
            return otherwise;
        if (words.Contains(text))
            return text;
        WrongWord(At(key), text, words, Errors);
        return otherwise;
    }

    /// <summary>One of an enumeration's words: its names in lower case.</summary>
    public T Word<T>(string key, T otherwise)
        where T : struct, Enum
    {
        var values = Enum.GetValues<T>();
        var words = Array.ConvertAll(values, value => value.ToString().ToLowerInvariant());
        var word = Word(key, "", words);
        return word.Length == 0 ? otherwise : values[Array.IndexOf(words, word)];
    }

    public static void WrongWord(Node node, string text, IReadOnlyList<string> words, Errors errors)
    {
        var near = Nearest.To(text, words);
        errors.Add(node, $"{Quote.It(text)} is not known", near is null ? $"write one of {List(words)}" : $"did you mean {near}? known are {List(words)}");
    }

    public static string What(Node node) => node switch
    {
        MapNode => "a map",
        ListNode => "a list",
        TextNode { IsNull: true } => "empty",
        _ => "a text",
    };

    public static bool HasLoneSurrogate(string text)
    {
        // Most texts have none, and looking for that is quick.
        var first = text.AsSpan().IndexOfAnyInRange('\ud800', '\udfff');
        for (var i = first < 0 ? text.Length : first; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                i++;
            else if (char.IsSurrogate(text[i]))
                return true;
        }

        return false;
    }
}
