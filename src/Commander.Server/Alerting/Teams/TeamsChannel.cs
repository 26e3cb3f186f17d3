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
        var message = alerts.Count == 1 ? ChannelHttp.Bytes(Message(Card(alerts[0]))) : Fitting(Together.Of(alerts));
        return (await _channel.Send(HttpMethod.Post, url!, message, "application/json", null, cancel)).Delivery();
    }

    // A workflow that is asked runs.
    public Task<string?> Check(CancellationToken cancel) => Task.FromResult(_channel.Address().Wrong);

    private static JsonObject Message(JsonObject card) => new()
    {
        ["type"] = "message",
        ["attachments"] = new JsonArray(new JsonObject { ["contentType"] = "application/vnd.microsoft.card.adaptive", ["content"] = card }),
    };

    private static JsonObject Card(Worded one)
    {
        var text = one.Text;
        var body = new JsonArray(
            Block(Run(text.Title, 200, size: "large", weight: "bolder", colour: Colour(text.Tone))),
            Block(Run(text.Sentence, MaxText)));
        var facts = new JsonArray();
        void Fact(string title, string? value)
        {
            if (value is { Length: > 0 })
                facts.Add(new JsonObject { ["title"] = title, ["value"] = value });
        }

        foreach (var finding in text.Findings.Take(3))
            Fact(Escaped(finding.Metric, 100), Escaped(finding.Says, 300) + (finding.Chart is null ? "" : " " + finding.Chart));
        Fact("Confidence", text.Confidence is { } sure ? Escaped(sure, 40) : null);
        Fact("Done", text.Done is { } done ? Escaped(done, MaxText) : null);
        if (facts.Count > 0)
            body.Add(new JsonObject { ["type"] = "FactSet", ["facts"] = facts });
        foreach (var reason in text.Reasons.Take(2))
            body.Add(Block(Run(reason, MaxText, subtle: true)));
        if (text.Next is { } next)
            body.Add(Block(Run(next, MaxText, weight: "bolder")));
        return Card(body, text.Url, one.Alert.Deployment is null ? "All checks" : "Open in Commander");
    }

    // The names are cut as far as is needed for all of them to be there.
    private static byte[] Fitting(Together together)
    {
        var count = together.Parts.Sum(part => part.Each.Count);
        var room = MaxMessage - 2000;
        while (true)
        {
            var message = ChannelHttp.Bytes(Message(Card(together, Together.Room(count, room), count <= LinkedAtMost)));
            if (message.Length <= MaxMessage || room < 1000)
                return message;
            room = room * 3 / 4;
        }
    }

    private static JsonObject Card(Together together, int most, bool linked)
    {
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
        ("actions", Web(url) is { } address ? new JsonArray(new JsonObject { ["type"] = "Action.OpenUrl", ["title"] = says, ["url"] = address }) : null));

    private static JsonObject Block(params JsonObject[] runs) => new() { ["type"] = "RichTextBlock", ["inlines"] = new JsonArray([.. runs]) };

    private static JsonObject Run(string text, int most, string? size = null, string? weight = null, string? colour = null, bool subtle = false) => ChannelHttp.Object(
        ("type", "TextRun"), ("text", Plain.Line(text, most)), ("size", size), ("weight", weight), ("color", colour), ("isSubtle", subtle ? true : null));

    private static JsonObject Linked(Named one, int most)
    {
        var run = Run(one.What, most);
        if (Web(one.Url) is { } url)
            run.Add("selectAction", new JsonObject { ["type"] = "Action.OpenUrl", ["url"] = url });
        return run;
    }

    private static string Escaped(string text, int most) => Plain.Escaped(text, most, Marks);

    private static string? Web(string address) => address.Length <= 2048 && Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? url.AbsoluteUri : null;

    private static string Colour(Tone tone) => tone switch
    {
        Tone.Good => "good",
        Tone.Ask => "warning",
        Tone.Bad => "attention",
        _ => "default",
    };
}
