using System.Buffers;
using System.Text.Json.Nodes;
using Commander.Charts;
using Commander.Judging.Policies;

namespace Commander.Server.Alerting.Teams;

/// <summary>
/// A workflow of Microsoft Teams that posts what it is sent to a channel: an Adaptive Card. A workflow gives no address of the message,
/// so later news is a card of its own. Texts stand in runs, which know no markup, and escaped where Teams reads markup.
/// </summary>
internal sealed class TeamsChannel(AlertPolicy to, HttpClient http, TimeProvider clock, Func<string, string?> secret) : IAlertChannel
{
    /// <summary>In bytes. Teams says 28 KB, and counts its own form of the message, which is larger.</summary>
    internal const int MaxMessage = 20_000;

    private const int MaxText = 700;
    private const int GroupRoom = 18_000;
    private const int LinkedAtMost = 40;

    private static readonly SearchValues<char> Marks = SearchValues.Create("\\*_~`|>#[]()<{}!");
    private readonly ChannelHttp _channel = new(http, clock, to, secret);

    // So many names have room for 88 bytes each.
    public int Most => 200;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (url, wrong) = _channel.Address();
        if (wrong is not null)
            return new Delivery(Told.Later, Message: wrong);
        var together = alerts.Count == 1 ? null : Together.Of(alerts);
        var message = Fitting(share => together is null ? Card(alerts[0], (int)(MaxText * share)) : Card(together, (int)(GroupRoom * share)));
        return (await _channel.Send(HttpMethod.Post, url!, message, "application/json", null, cancel)).Delivery();
    }

    // A workflow that is asked runs.
    public Task<string?> Check(CancellationToken cancel) => Task.FromResult(_channel.Address().Wrong);

    private static JsonObject Message(JsonObject card) => new()
    {
        ["type"] = "message",
        ["attachments"] = new JsonArray(new JsonObject { ["contentType"] = "application/vnd.microsoft.card.adaptive", ["content"] = card }),
    };

    // Texts are cut as far as is needed, and all of them: a sign may take twelve bytes, and no deployment of a group is left out.
    private static byte[] Fitting(Func<double, JsonObject> card)
    {
        for (var share = 1.0; ; share *= 0.7)
        {
            var message = ChannelHttp.Bytes(Message(card(share)));
            if (message.Length <= MaxMessage || share < 0.05)
                return message;
        }
    }

    private static JsonObject Card(Worded one, int most)
    {
        var text = one.Text;
        var body = new JsonArray(
            Block(Run(text.Title, Math.Min(200, most), size: "large", weight: "bolder", colour: Colour(text.Tone))),
            Block(Run(text.Sentence, most)));
        var facts = new JsonArray();
        void Fact(string title, string? value)
        {
            if (value is { Length: > 0 })
                facts.Add(new JsonObject { ["title"] = title, ["value"] = value });
        }

        foreach (var finding in text.Findings.Take(3))
            Fact(Escaped(finding.Metric, Math.Min(100, most)), Escaped(finding.Says, Math.Min(300, most)) + (finding.Chart is null ? "" : " " + finding.Chart));
        Fact("Confidence", text.Confidence is { } sure ? Escaped(sure, 40) : null);
        Fact("Done", text.Done is { } done ? Escaped(done, most) : null);
        if (facts.Count > 0)
            body.Add(new JsonObject { ["type"] = "FactSet", ["facts"] = facts });
        foreach (var reason in text.Reasons.Take(2))
            body.Add(Block(Run(reason, most, subtle: true)));
        if (text.Next is { } next)
            body.Add(Block(Run(next, most, weight: "bolder")));
        return Card(body, text.Url, one.Alert.Deployment is null ? "All checks" : "Open in Commander");
    }

    private static JsonObject Card(Together together, int room)
    {
        var count = together.Parts.Sum(part => part.Each.Count);
        var (most, linked) = (Together.Room(count, room), count <= LinkedAtMost);
        var body = new JsonArray(Block(Run(together.Title, 300, size: "large", weight: "bolder", colour: Colour(together.Tone))));
        foreach (var part in together.Parts)
        {
            body.Add(Block(Run($"{part.Word} ({part.Each.Count})", 60, weight: "bolder", colour: Colour(part.Tone))));
            body.Add(linked
                ? Block([.. part.Each.SelectMany((one, at) => (JsonObject[])[.. at == 0 ? Array.Empty<JsonObject>() : [Run(", ", 2)], Linked(one, most)])])
                : Block(Run(Together.Names(part, most, null), int.MaxValue)));
        }

        var start = together.Parts[0].Each[0].Url;
        return Card(body, Uri.TryCreate(start, UriKind.Absolute, out var url) ? url.GetLeftPart(UriPartial.Authority) : "", "Open Commander");
    }

    private static JsonObject Card(JsonArray body, string url, string says) => ChannelHttp.Object(
        ("$schema", "http://adaptivecards.io/schemas/adaptive-card.json"),
        ("type", "AdaptiveCard"),
        ("version", "1.4"),
        ("body", body),
        ("actions", ChannelHttp.Web(url) is { } address ? new JsonArray(new JsonObject { ["type"] = "Action.OpenUrl", ["title"] = says, ["url"] = address }) : null));

    private static JsonObject Block(params JsonObject[] runs) => new() { ["type"] = "RichTextBlock", ["inlines"] = new JsonArray([.. runs]) };

    private static JsonObject Run(string text, int most, string? size = null, string? weight = null, string? colour = null, bool subtle = false) => ChannelHttp.Object(
        ("type", "TextRun"), ("text", Plain.Line(text, most)), ("size", size), ("weight", weight), ("color", colour), ("isSubtle", subtle ? true : null));

    private static JsonObject Linked(Named one, int most)
    {
        var run = Run(one.What, most);
        if (ChannelHttp.Web(one.Url) is { } url)
            run.Add("selectAction", new JsonObject { ["type"] = "Action.OpenUrl", ["url"] = url });
        return run;
    }

    private static string Escaped(string text, int most) => Plain.Escaped(text, most, Marks);

    private static string Colour(Tone tone) => tone switch
    {
        Tone.Good => "good",
        Tone.Ask => "warning",
        Tone.Bad => "attention",
        _ => "default",
    };
}
