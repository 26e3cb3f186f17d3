using System.Buffers;
using System.Globalization;
using System.Text.Json.Nodes;
using Commander.Charts;
using Commander.Judging.Policies;

namespace Commander.Server.Alerting.Discord;

/// <summary>
/// A Discord webhook. One alert is an embed that later news of the same deployment edits; a group is an embed for each thing that
/// happened, with every name. Nobody is mentioned, whatever a text says.
/// </summary>
internal sealed class DiscordChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    // What Discord takes: 256 and 4,096 characters, 25 fields of 256 and 1,024, and 6,000 in a message.
    private const int MaxTitle = 256;
    private const int MaxField = 900;
    private const int MaxName = 200;
    private const int MaxSentence = 1200;
    private const int MaxSmall = 400;
    private const int GroupRoom = 5200;
    private const int MaxDescription = 3900;
    private const int MostEmbeds = 10;
    private const int UnknownMessage = 10008;

    private static readonly SearchValues<char> Marks = SearchValues.Create("\\*_~`|>#[]()<@:");
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    // So many names have room for 63 characters each.
    public int Most => 80;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (url, wrong) = _channel.Address();
        if (wrong is not null)
            return new Delivery(Told.Later, Message: wrong);
        var body = new JsonObject
        {
            ["embeds"] = alerts.Count == 1 ? new JsonArray(Embed(alerts[0])) : Embeds(Together.Of(alerts)),
            ["allowed_mentions"] = new JsonObject { ["parse"] = new JsonArray() },
        };
        if (alerts.Count == 1 && alerts[0].Alert.Reference is { Length: > 0 and <= 20 } id && id.All(char.IsAsciiDigit))
        {
            var edited = await _channel.Send(HttpMethod.Patch, Of(url!, "/messages/" + id, null), body, null, cancel);
            // Somebody may have deleted the message; then it is said anew.
            if (edited.Status != 404 || edited.Text("code") != UnknownMessage.ToString(CultureInfo.InvariantCulture))
                return Came(edited, id);
        }

        var answer = await _channel.Send(HttpMethod.Post, Of(url!, "", "wait=true"), body, null, cancel);
        return Came(answer, alerts.Count == 1 ? answer.Text("id") : null);
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        var (url, wrong) = _channel.Address();
        if (wrong is not null)
            return wrong;
        var answer = await _channel.Send(HttpMethod.Get, Of(url!, "", null), null, "", null, cancel);
        return answer.Ok ? null : answer.Why();
    }

    private static Delivery Came(ChannelAnswer answer, string? reference)
    {
        var delivery = answer.Delivery(reference);
        // The body is finer than the header, which is in whole seconds.
        return answer.Status == 429 && double.TryParse(answer.Text("retry_after"), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and < 1e6
            ? delivery with { RetryAfter = ChannelHttp.Bounded(TimeSpan.FromSeconds(seconds)) }
            : delivery;
    }

    // The address may have a query of its own: the thread that is posted to.
    private static Uri Of(Uri url, string path, string? query) => new UriBuilder(url)
    {
        Path = url.AbsolutePath.TrimEnd('/') + path,
        Query = string.Join('&', ((string?[])[url.Query.TrimStart('?'), query]).Where(part => !string.IsNullOrEmpty(part))),
    }.Uri;

    private static JsonObject Embed(Worded one)
    {
        var text = one.Text;
        var fields = new JsonArray();
        void Field(string name, string? value, bool inline = false)
        {
            if (value is { Length: > 0 })
                fields.Add(new JsonObject { ["name"] = name, ["value"] = value, ["inline"] = inline });
        }

        foreach (var finding in text.Findings.Take(3))
            Field(Plain.Escaped(finding.Metric, MaxName, Marks) is { Length: > 0 } name ? name : "a metric", Said(finding.Says, MaxSmall) + (finding.Chart is null ? "" : $"\n{finding.Chart}"));
        Field("Confidence", text.Confidence is { } sure ? Plain.Line(sure, 40) : null, inline: true);
        Field("Done", Said(text.Done, MaxField));
        Field("Next", Said(text.Next, MaxField));
        Field("Looks like", string.Join('\n', text.Reasons.Take(2).Select(reason => Said(reason, MaxSmall))));
        return ChannelHttp.Object(
            ("title", Plain.Escaped(text.Title, MaxTitle, Marks)),
            ("url", ChannelHttp.Web(text.Url)),
            ("description", Said(text.Sentence, MaxSentence)),
            ("color", Colour(text.Tone)),
            ("timestamp", ChannelHttp.Time(one.Alert.At)),
            ("fields", fields.Count > 0 ? fields : null));
    }

    private static JsonArray Embeds(Together together)
    {
        var count = together.Parts.Sum(part => part.Each.Count);
        var room = GroupRoom - together.Title.Length;
        var most = Together.Room(count, room);
        // With links where they have room, else the names alone: nobody is left out.
        string Linked(Named one) => ChannelHttp.Web(one.Url) is { } url && url.Length <= 500 ? $"[{Plain.Escaped(one.What, most, Marks)}]({url.Replace("(", "%28", StringComparison.Ordinal).Replace(")", "%29", StringComparison.Ordinal)})" : Plain.Escaped(one.What, most, Marks);
        var linked = together.Parts.Sum(part => part.Each.Sum(one => Linked(one).Length + 2)) <= room;
        var embeds = new JsonArray();
        foreach (var part in together.Parts)
        {
            var waiting = new Queue<string>(part.Each.Select(one => linked ? Linked(one) : Plain.Escaped(one.What, most, Marks)));
            var first = true;
            while (waiting.Count > 0 && embeds.Count < MostEmbeds)
            {
                var names = new List<string>();
                var length = 0;
                while (waiting.TryPeek(out var name) && length + name.Length + 2 <= MaxDescription)
                {
                    names.Add(waiting.Dequeue());
                    length += name.Length + 2;
                }

                embeds.Add(ChannelHttp.Object(
                    ("title", first ? Plain.Escaped(embeds.Count == 0 ? together.Title : $"{part.Each.Count} {part.Word}", MaxTitle, Marks) : null),
                    ("description", (first && embeds.Count == 0 ? $"{part.Word}: " : "") + string.Join(", ", names)),
                    ("color", Colour(part.Tone))));
                first = false;
            }
        }

        return embeds;
    }

    private static string? Said(string? text, int most) => text is null ? null : Plain.Escaped(text, most, Marks);

    private static int Colour(Tone tone) => tone switch
    {
        Tone.Good => 0x2E9E5B,
        Tone.Ask => 0xE0A100,
        Tone.Bad => 0xD13438,
        _ => 0x7A828C,
    };
}
