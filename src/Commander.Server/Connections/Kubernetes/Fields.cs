using System.Text.Json.Nodes;

namespace Commander.Server.Connections.Kubernetes;

/// <summary>Reads the fields of an API object: what is not there, or is of another type, is null and never an error.</summary>
internal static class Fields
{
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var key in path)
            node = node is JsonObject map && map.TryGetPropertyValue(key, out var value) ? value : null;
        return node;
    }

    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        try
        {
            return node.At(path) is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
        }
        catch (InvalidOperationException)
        {
            // Half a character: no text.
            return null;
        }
    }

    public static long? Whole(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonValue value && value.TryGetValue<long>(out var number) ? number : null;

    public static bool Flag(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonValue value && value.TryGetValue<bool>(out var flag) && flag;

    public static IEnumerable<JsonNode> Items(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonArray items ? items.OfType<JsonNode>() : [];

    public static string? Label(this JsonNode? node, string key) => node.Text("metadata", "labels", key);

    public static string? Annotation(this JsonNode? node, string key) => node.Text("metadata", "annotations", key);
}
