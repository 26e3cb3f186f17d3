using System.Globalization;
using System.Text;

namespace Commander.Server.Demo;

/// <summary>What a proxy counts of one version: requests by status, and how long they took.</summary>
internal sealed class Traffic(string version)
{
    /// <summary>Upper bounds in seconds; fine where a healthy shop answers, wide enough for time-outs.</summary>
    private static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

    /// <summary>Exported from the start, so that zero is seen as zero.</summary>
    private static readonly int[] Codes = [200, 404, 500, 502, 504];

    private readonly long[] _codes = new long[Codes.Length];
    private readonly long[] _buckets = new long[Bounds.Length + 1];
    private long _microseconds;

    public string Version { get; } = version;

    public void Count(int code, TimeSpan took)
    {
        var index = Array.IndexOf(Codes, code);
        // A status that no version of the shop has is the proxy's own trouble with it.
        Interlocked.Increment(ref _codes[index < 0 ? Array.IndexOf(Codes, 502) : index]);
        var bucket = Array.FindIndex(Bounds, bound => took.TotalSeconds <= bound);
        Interlocked.Increment(ref _buckets[bucket < 0 ? Bounds.Length : bucket]);
        Interlocked.Add(ref _microseconds, (long)took.TotalMicroseconds);
    }

    public void WriteRequests(StringBuilder text)
    {
        for (var i = 0; i < Codes.Length; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"shop_requests_total{{version=\"{Version}\",code=\"{Codes[i]}\"}} {Interlocked.Read(ref _codes[i])}\n");
        }
    }

    public void WriteDurations(StringBuilder text)
    {
        long below = 0;
        for (var i = 0; i <= Bounds.Length; i++)
        {
            below += Interlocked.Read(ref _buckets[i]);
            var bound = i < Bounds.Length ? Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"shop_request_duration_seconds_bucket{{version=\"{Version}\",le=\"{bound}\"}} {below}\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"shop_request_duration_seconds_sum{{version=\"{Version}\"}} {Interlocked.Read(ref _microseconds) / 1e6:0.######}\n");
        text.Append(CultureInfo.InvariantCulture, $"shop_request_duration_seconds_count{{version=\"{Version}\"}} {below}\n");
    }
}
