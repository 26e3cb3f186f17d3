using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Commander.Judging.Policies;

/// <summary>A place in a file; lines and columns from 1.</summary>
internal readonly record struct Place(string File, int Line, int Column);

/// <summary>A YAML node with the place and the path at which it is written: both survive merging, so that an error names the line to change.</summary>
internal abstract record Node(Place Place, string Path);

/// <summary>A text. Whether it is a number, a duration or a word is for the key to say, not for YAML: "off" stays off.</summary>
internal sealed record TextNode(Place Place, string Path, string Value, bool Plain) : Node(Place, Path)
{
    public bool IsNull => Plain && Value is "" or "~" or "null";
}

/// <summary>One key and its value.</summary>
internal sealed record Entry(string Key, Place Place, Node Value);

internal sealed record MapNode(Place Place, string Path, IReadOnlyList<Entry> Entries) : Node(Place, Path)
{
    public Entry? Find(string key)
    {
        foreach (var entry in Entries)
        {
            if (entry.Key == key)
                return entry;
        }

        return null;
    }

    /// <summary>This map with another one laid over it: maps are merged key by key, everything else is replaced.</summary>
    public MapNode Under(MapNode over)
    {
        var merged = new List<Entry>(Entries);
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < merged.Count; i++)
            index[merged[i].Key] = i;
        foreach (var entry in over.Entries)
        {
            if (!index.TryGetValue(entry.Key, out var i))
                merged.Add(entry);
            else if (merged[i].Value is MapNode below && entry.Value is MapNode above && !Replaces(entry.Key, below, above))
                merged[i] = entry with { Value = below.Under(above) };
            else
                merged[i] = entry;
        }

        return new MapNode(over.Place, over.Path, merged);
    }

    // Logs of another system have nothing in common with the inherited ones.
    private static bool Replaces(string key, MapNode below, MapNode above) =>
        key is "logs" or "changes" && below.Find("type")?.Value is TextNode inherited && above.Find("type")?.Value is TextNode own && inherited.Value != own.Value;

    public MapNode Without(string key) => this with { Entries = [.. Entries.Where(entry => entry.Key != key)] };
}

internal sealed record ListNode(Place Place, string Path, IReadOnlyList<Node> Items) : Node(Place, Path);

/// <summary>
/// Text to nodes. Built on the parser's events and not on YamlDotNet's own node tree, which gives up at the first
/// duplicate key, expands aliases and recurses without a limit.
/// </summary>
internal sealed class YamlTree
{
    public const int MaxBytes = 1 << 20;
    public const int MaxDepth = 12;
    public const int MaxNodes = 100_000;
    private const int MaxKey = 200;
    private const int MaxPath = 200;

    private readonly string _file;
    private readonly IParser _parser;
    private readonly Errors _errors;
    private int _nodes;

    private YamlTree(string file, IParser parser, Errors errors)
    {
        _file = file;
        _parser = parser;
        _errors = errors;
    }

    /// <summary>The root; null for an empty file and where the text is no YAML.</summary>
    public static Node? Read(string file, string yaml, Errors errors)
    {
        // A byte order mark is no part of the text.
        if (yaml.StartsWith('\ufeff'))
            yaml = yaml[1..];
        if (yaml.Length > MaxBytes || Encoding.UTF8.GetByteCount(yaml) > MaxBytes)
        {
            errors.Add(new Place(file, 1, 1), "", "the file is longer than 1 MiB", "split it into several files of one folder");
            return null;
        }

        var tree = new YamlTree(file, new Guarded(new Parser(new StringReader(yaml))), errors);
        try
        {
            return tree.Stream();
        }
        catch (YamlException exception)
        {
            errors.Add(tree.Of(exception.Start), "", $"is no YAML: {Quote.Clean(exception.Message.TrimEnd('.'), 200)}", "check indentation, quotes and brackets here and on the line before");
            return null;
        }
        catch (StopException)
        {
            return null;
        }
    }

    /// <summary>Ends the reading at a bound. Passing over what is too deep would take time in the square of its depth.</summary>
    private StopException Stop(string path, string message, string remedy)
    {
        _errors.Add(Here(), path, message, remedy);
        return new StopException();
    }

    private sealed class StopException : Exception;

    private Node? Stream()
    {
        _parser.Consume<StreamStart>();
        Node? root = null;
        if (_parser.TryConsume<DocumentStart>(out _))
        {
            root = Node("", 0);
            _parser.Consume<DocumentEnd>();
        }

        if (_parser.Accept<DocumentStart>(out var second))
            _errors.Add(Of(second.Start), "", "a second document begins", "write one document a file, and remove the line ---");
        return root;
    }

    private Node Node(string path, int depth)
    {
        if (_parser.Accept<NodeEvent>(out var node))
            Refuse(node, path);
        if (++_nodes > MaxNodes)
            throw Stop(path, $"the file has more than {MaxNodes} values", "split it into several files of one folder");

        if (_parser.TryConsume<Scalar>(out var scalar))
            return new TextNode(Of(scalar.Start), path, scalar.Value, scalar.Style == ScalarStyle.Plain);
        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            var at = Of(alias.Start);
            _errors.Add(at, path, "aliases are not read", "write the value out, or put it under defaults");
            return new TextNode(at, path, "", Plain: true);
        }

        if (depth >= MaxDepth)
            throw Stop(path, $"is nested deeper than {MaxDepth} levels", "no key of a policy lies that deep: check brackets and indentation");
        return _parser.Accept<SequenceStart>(out _) ? List(path, depth) : Map(path, depth);
    }

    private ListNode List(string path, int depth)
    {
        var start = _parser.Consume<SequenceStart>();
        var items = new List<Node>();
        while (!_parser.TryConsume<SequenceEnd>(out _))
            items.Add(Node(path.Length > MaxPath ? path : $"{path}[{items.Count}]", depth + 1));
        return new ListNode(Of(start.Start), path, items);
    }

    private MapNode Map(string path, int depth)
    {
        var start = _parser.Consume<MappingStart>();
        var entries = new List<Entry>();
        var seen = new Dictionary<string, Place>(StringComparer.Ordinal);
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var place = Here();
            if (!_parser.TryConsume<Scalar>(out var key))
            {
                _errors.Add(place, path, "a key is a list, a map or an alias", "write a word before the colon");
                Node(path, depth + 1);
                Node(path, depth + 1);
                continue;
            }

            Refuse(key, path);
            var name = key.Value.Length > MaxKey ? key.Value[..MaxKey] : key.Value;
            var inner = Inside(path, Quote.Clean(name, 80));
            if (key.Value.Length > MaxKey)
                _errors.Add(place, inner, $"the key is longer than {MaxKey} characters", "write a shorter one");
            var value = Node(inner, depth + 1);
            if (seen.TryGetValue(name, out var first))
                _errors.Add(place, inner, $"stands twice; the first one is on line {first.Line}", "remove one of the two");
            else if (key.Value.Length <= MaxKey)
                entries.Add(new Entry(name, place, value));
            seen.TryAdd(name, place);
        }

        return new MapNode(Of(start.Start), path, entries);
    }

    /// <summary>The path of a key; beyond a length that no true key has it stays its parent's, so that paths take no memory in the square.</summary>
    private static string Inside(string path, string name) =>
        path.Length == 0 ? name : path.Length > MaxPath ? path : $"{path}.{name}";

    private void Refuse(NodeEvent node, string path)
    {
        if (!node.Anchor.IsEmpty)
            _errors.Add(Of(node.Start), path, "anchors are not read", "remove the &name; what services share goes under defaults");
        if (!node.Tag.IsEmpty)
            _errors.Add(Of(node.Start), path, "tags are not read", "remove the !tag");
    }

    /// <summary>On some broken texts the parser fails with exceptions that are not its own; they mean the same: no YAML.</summary>
    private sealed class Guarded(Parser parser) : IParser
    {
        public ParsingEvent? Current => parser.Current;

        public bool MoveNext()
        {
            try
            {
                return parser.MoveNext();
            }
            catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or IndexOutOfRangeException or OverflowException or FormatException or NullReferenceException)
            {
                var mark = parser.Current?.End ?? Mark.Empty;
                throw new YamlException(mark, mark, "something is not closed, or stands where it cannot", exception);
            }
        }
    }

    private Place Here() => Of(_parser.Current!.Start);

    private Place Of(in Mark mark) => new(_file, (int)Math.Clamp(mark.Line, 1, int.MaxValue), (int)Math.Clamp(mark.Column, 1, int.MaxValue));
}
