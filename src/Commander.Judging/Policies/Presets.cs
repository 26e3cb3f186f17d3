namespace Commander.Judging.Policies;

/// <summary>Metrics that many services export under the same names.</summary>
internal static class Presets
{
    private static readonly Dictionary<string, string> Texts = new(StringComparer.Ordinal)
    {
        // The names that Prometheus' client libraries and the HTTP middlewares on them use, labelled by service and version.
        ["http"] = """
            metrics:
              errors:
                kind: ratio
                bad: 'http_requests_total{service="{{service}}",version="{{version}}",code=~"5.."}'
                total: 'http_requests_total{service="{{service}}",version="{{version}}"}'
                tolerance: 1pp
                critical: true
              latency:
                kind: histogram
                query: 'http_request_duration_seconds_bucket{service="{{service}}",version="{{version}}"}'
                quantile: 0.95
                tolerance: 20%
                floor: 25ms
            """,
    };

    public static IReadOnlyCollection<string> Names => Texts.Keys;

    /// <summary>A preset's keys, placed where the file names it; null when there is none of that name.</summary>
    public static MapNode? Find(string name, Node named) =>
        Texts.TryGetValue(name, out var text) && YamlTree.Read(name, text, new Errors()) is MapNode map ? (MapNode)Move(map, named.Place, named.Path) : null;

    private static Node Move(Node node, Place place, string path) => node switch
    {
        MapNode map => new MapNode(place, path, [.. map.Entries.Select(entry => new Entry(entry.Key, place, Move(entry.Value, place, $"{path}.{entry.Key}")))]),
        ListNode list => new ListNode(place, path, [.. list.Items.Select(item => Move(item, place, path))]),
        _ => node with { Place = place, Path = path },
    };
}
