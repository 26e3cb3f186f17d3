using System.IO.Compression;
using System.Security.Cryptography;
using Commander.Charts;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Commander.Server.Dashboard;

/// <summary>Style sheet, script and icons: part of the assembly, so that they are there however the server was built; compressed once, cached for good under the hash of their content.</summary>
internal sealed class Assets
{
    private readonly Dictionary<string, Asset> _all = new(StringComparer.Ordinal);

    public Assets()
    {
        Add("app.css", "text/css; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(ChartStyle.Css + "\n" + Embedded("app.css")));
        Add("app.js", "text/javascript; charset=utf-8", System.Text.Encoding.UTF8.GetBytes(Lean(Embedded("app.js"))));
        foreach (var tone in Enum.GetValues<Tone>())
        {
            Add($"{tone.ToString().ToLowerInvariant()}.svg", "image/svg+xml", System.Text.Encoding.UTF8.GetBytes(Icons.File(tone)));
        }
    }

    /// <summary>The address of an asset, relative to the root: its name and the hash of its content.</summary>
    public string Url(string name) => $"assets/{name}?v={_all[name].Hash}";

    /// <summary>The address of the icon of a tone.</summary>
    public string Icon(Tone tone) => Url($"{tone.ToString().ToLowerInvariant()}.svg");

    /// <summary>How many bytes a browser that takes Brotli downloads for it.</summary>
    public int CompressedLength(string name) => _all[name].Brotli.Length;

    /// <summary>How many bytes it has.</summary>
    public int Length(string name) => _all[name].Plain.Length;

    /// <summary>Answers a request for an asset.</summary>
    public async Task Serve(HttpContext http, string name)
    {
        if (!_all.TryGetValue(name, out var asset))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var headers = http.Response.Headers;
        var tag = $"\"{asset.Hash}\"";
        headers.ETag = tag;
        headers.Vary = HeaderNames.AcceptEncoding;
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = http.Request.Query["v"] == asset.Hash ? "public, max-age=31536000, immutable" : "no-cache";
        if (http.Request.Headers.IfNoneMatch == tag)
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var (bytes, encoding) = http.Request.Headers.AcceptEncoding.ToString() switch
        {
            var accepts when accepts.Contains("br", StringComparison.OrdinalIgnoreCase) => (asset.Brotli, "br"),
            var accepts when accepts.Contains("gzip", StringComparison.OrdinalIgnoreCase) => (asset.Gzip, "gzip"),
            _ => (asset.Plain, null),
        };
        http.Response.ContentType = asset.Type;
        http.Response.ContentLength = bytes.Length;
        if (encoding is not null)
        {
            headers.ContentEncoding = encoding;
        }

        // It is compressed already.
        http.Features.Get<IHttpsCompressionFeature>()?.Mode = HttpsCompressionMode.DoNotCompress;
        await http.Response.Body.WriteAsync(bytes, http.RequestAborted);
    }

    private void Add(string name, string type, byte[] plain) => _all[name] = new Asset(
        type,
        plain,
        Packed(plain, to => new BrotliStream(to, CompressionLevel.SmallestSize, leaveOpen: true)),
        Packed(plain, to => new GZipStream(to, CompressionLevel.SmallestSize, leaveOpen: true)),
        Convert.ToHexStringLower(SHA256.HashData(plain).AsSpan(0, 8)));

    private static byte[] Packed(byte[] plain, Func<Stream, Stream> compressor)
    {
        using var memory = new MemoryStream();
        using (var stream = compressor(memory))
        {
            stream.Write(plain);
        }

        return memory.ToArray();
    }

    /// <summary>Without indentation and the lines that are comments: what browsers need of it. Line ends stay, so that statements still end where they did.</summary>
    private static string Lean(string script) =>
        string.Join('\n', script.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && !line.StartsWith("//", StringComparison.Ordinal)));

    private static string Embedded(string name)
    {
        using var stream = typeof(Assets).Assembly.GetManifestResourceStream("Commander.Server.Dashboard.Assets." + name)
            ?? throw new InvalidOperationException($"Dashboard/Assets/{name} is not embedded in the assembly; see Commander.Server.csproj");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private sealed record Asset(string Type, byte[] Plain, byte[] Brotli, byte[] Gzip, string Hash);
}
