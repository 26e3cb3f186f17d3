using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Commander.Benchmarks;

/// <summary>
/// Answers the questions of <see cref="WatchesBenchmark"/> as a Prometheus would that scrapes every service of the world once a second:
/// counters that grow evenly, buckets and gauges, for whatever service and version is asked for. A process of its own, so that what it
/// costs is told apart.
/// </summary>
internal static partial class StandInPrometheus
{
    private static readonly string[] Edges = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

    public static async Task<int> Run(string url)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(url);
        await using var app = builder.Build();
        app.MapPost("/api/v1/query", Answer);
        await app.RunAsync();
        return 0;
    }

    private static async Task Answer(HttpContext http)
    {
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        var query = form["query"].ToString();
        var time = double.Parse(form["time"].ToString(), CultureInfo.InvariantCulture);
        var bracket = query.LastIndexOf('[');
        var range = double.Parse(query.AsSpan(bracket + 1, query.IndexOf("ms]", StringComparison.Ordinal) - bracket - 1), CultureInfo.InvariantCulture) / 1000;
        var start = query.StartsWith("last_over_time(", StringComparison.Ordinal) ? "last_over_time(".Length : 0;
        var name = query[start..query.IndexOf('{', StringComparison.Ordinal)];
        var labels = Label().Matches(query).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value.Split('|'), StringComparer.Ordinal);
        var series = Series(name, labels.ContainsKey("code")).Select(one => (Label: one.Label.Length > 0 ? $",\"{one.Label}\":\"{one.Value}\"" : "", Points: Points(one.Rate, Math.Ceiling(time - range), time))).ToArray();
        var text = new StringBuilder(64 * 1024).Append("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[");
        var first = true;
        foreach (var service in labels["service"])
        {
            foreach (var version in labels["version"])
            {
                foreach (var (label, points) in series)
                {
                    // Labels sorted, as Prometheus sends them; code and le come before service and version.
                    text.Append(first ? "" : ",").Append("{\"metric\":{\"__name__\":\"").Append(name).Append('"').Append(label)
                        .Append(",\"service\":\"").Append(service).Append("\",\"version\":\"").Append(version).Append("\"},\"values\":[").Append(points).Append("]}");
                    first = false;
                }
            }
        }

        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(text.Append("]}}").ToString(), http.RequestAborted);
    }

    private static string Points(double rate, double from, double to)
    {
        var text = new StringBuilder();
        for (var at = from; at <= to; at++)
            text.Append(at > from ? "," : "").Append(CultureInfo.InvariantCulture, $"[{at:F0},\"{(rate < 0 ? -rate + (at % 7) : Math.Floor(rate * (at - 1_700_000_000)))}\"]");
        return text.ToString();
    }

    // Label, value and rate of each series; a negative rate is a gauge around its value.
    private static IEnumerable<(string Label, string Value, double Rate)> Series(string name, bool failed) => name switch
    {
        "requests_total" or "cache_total" => failed ? [("code", "500", 0.05)] : [("code", "200", 20), ("code", "500", 0.05)],
        "duration_bucket" => Edges.Select((edge, i) => ("le", edge, 20 * Math.Min(1, (i + 1) / 8.0))),
        _ => [("", "", -50)],
    };

    [GeneratedRegex("(\\w+)=~?\"([^\"]*)\"")]
    private static partial Regex Label();
}
