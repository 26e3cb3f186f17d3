using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Server.Connections.Kubernetes;

namespace Commander.Server.Acting.Rollback.Kubernetes;

/// <summary>The pod template of a workload or of one of its revisions, without what the controllers add to it.</summary>
internal sealed class PodTemplate
{
    // How much of the SHA-256 is kept: enough to tell the templates of one workload apart, short enough for a fence.
    private const int FingerprintBytes = 12;

    /// <param name="template">As the API server shows it; not changed.</param>
    /// <param name="container">The container whose image names the version; null for the first.</param>
    public PodTemplate(JsonNode template, string? container)
    {
        Body = Clean(template);
        Fingerprint = Convert.ToHexStringLower(SHA256.HashData(Canonical(Body))[..FingerprintBytes]);
        Containers = [.. Body.Items("spec", "containers").Select(c => c.Text("name") ?? "")];
        Names = [.. NamesOf(Body, container).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>What can be written into a workload. Every field is kept as it came, also those that this program does not know.</summary>
    public JsonNode Body { get; }

    /// <summary>Equal for templates that the controllers take for the same.</summary>
    public string Fingerprint { get; }

    /// <summary>The containers' names, in their order.</summary>
    public IReadOnlyList<string> Containers { get; }

    /// <summary>What the version may be called, the surest first: label app.kubernetes.io/version, label version, image tag, image digest.</summary>
    public IReadOnlyList<string> Names { get; }

    // pod-template-hash tells ReplicaSets apart, $patch stands in ControllerRevisions, and neither belongs into a workload.
    private static JsonNode Clean(JsonNode template)
    {
        var clean = template.DeepClone();
        (clean as JsonObject)?.Remove("$patch");
        (clean.At("metadata") as JsonObject)?.Remove("creationTimestamp");
        (clean.At("metadata", "labels") as JsonObject)?.Remove("pod-template-hash");
        return clean;
    }

    private static IEnumerable<string> NamesOf(JsonNode template, string? container)
    {
        if (template.Label("app.kubernetes.io/version") is { Length: > 0 } recommended)
            yield return recommended;
        if (template.Label("version") is { Length: > 0 } label)
            yield return label;
        var image = template.Items("spec", "containers").FirstOrDefault(c => container is null || c.Text("name") == container).Text("image");
        if (image is null)
            yield break;
        var at = image.IndexOf('@', StringComparison.Ordinal);
        var name = at < 0 ? image : image[..at];
        // A colon before the last slash belongs to the registry's port.
        var tag = name.IndexOf(':', name.LastIndexOf('/') + 1);
        if (tag >= 0 && tag + 1 < name.Length)
            yield return name[(tag + 1)..];
        if (at >= 0 && at + 1 < image.Length)
            yield return image[(at + 1)..];
    }

    private static byte[] Canonical(JsonNode template)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
            Write(writer, template);
        return bytes.ToArray();
    }

    // Keys in order, nothing that is null, no empty labels or annotations: those mean the same as none.
    private static void Write(Utf8JsonWriter writer, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject map:
                writer.WriteStartObject();
                foreach (var (key, value) in map.OrderBy(p => p.Key, StringComparer.Ordinal))
                {
                    if (value is null || (key is "labels" or "annotations" && value is JsonObject { Count: 0 }))
                        continue;
                    writer.WritePropertyName(key);
                    Write(writer, value);
                }

                writer.WriteEndObject();
                break;
            case JsonArray items:
                writer.WriteStartArray();
                foreach (var item in items)
                    Write(writer, item);
                writer.WriteEndArray();
                break;
            case null:
                writer.WriteNullValue();
                break;
            default:
                node.WriteTo(writer);
                break;
        }
    }
}
