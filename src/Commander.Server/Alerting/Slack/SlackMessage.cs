using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Verdicts;

namespace Commander.Server.Alerting.Slack;

/// <summary>
/// Alerts as Slack's messages: a text for notifications and screen readers, and blocks. Texts from outside are escaped, so that nobody is
/// called and nothing is linked by a version's name; every part has a bound of its own, so that the whole is within Slack's, the one that
/// is not written down included: at 13 KB of blocks a message is refused. What is counted there nobody says, so the worst is taken:
/// JSON in ASCII.
/// </summary>
internal static class SlackMessage
{
    /// <summary>What a group's message may name.</summary>
    public const int Most = 200;

    /// <summary>The buttons, and what the actions that they send are called.</summary>
    public const string Rollback = "commander_rollback", Keep = "commander_keep", Right = "commander_right", Wrong = "commander_wrong", Open = "commander_open";

    /// <summary>What stands before the verdict in the id of the block with the buttons: whoever says right or wrong speaks of that one.</summary>
    public const string BlockPrefix = "commander:";

    /// <summary>What the metadata of our messages is called.</summary>
    public const string EventType = "commander_alert";

    // Of texts: how long they are as JSON in ASCII, which is never less than their characters. Slack's own bounds are 3,000, and 2,000 for a field.
    private static readonly Bounds Wide = new(Sentence: 2500, Field: 1500, Done: 1400, Reason: 2000);
    private static readonly Bounds Tight = new(Sentence: 1000, Field: 500, Done: 600, Reason: 600);

    // Slack's own bounds, in characters; the text's is 4,000 for a message that is changed.
    private const int MaxHeader = 150, MaxConfirm = 300, MaxSection = 2900, MaxText = 3500;
    private const int MaxUrl = 1000;
    private const int MaxBlocks = 12_000;
    private const int MaxNames = 10_000;

    private sealed record Bounds(int Sentence, int Field, int Done, int Reason);

    /// <summary>One alert.</summary>
    /// <param name="one">The alert with its words.</param>
    /// <param name="buttons">Whether there are people who may press buttons; the one that leads to the page is always there.</param>
    public static JsonObject Of(Worded one, bool buttons)
    {
        var blocks = Blocks(one, buttons, Wide);
        return Message(Short(one.Text), Cost(blocks.ToJsonString(Json.Tolerant)) <= MaxBlocks ? blocks : Blocks(one, buttons, Tight));
    }

    private static JsonArray Blocks(Worded one, bool buttons, Bounds most)
    {
        var (alert, text) = (one.Alert, one.Text);
        JsonArray blocks =
        [
            new JsonObject { ["type"] = "header", ["text"] = Plain(text.Title, MaxHeader) },
            Section(Escape(text.Sentence, most.Sentence)),
        ];
        var fields = new JsonArray();
        foreach (var finding in text.Findings.Take(3))
            fields.Add(Mrkdwn($"*{Escape(finding.Metric, 200)}*\n{Escape(finding.Says, most.Field)}{(finding.Chart is { Length: > 0 } chart ? $"\n`{Escape(chart, 200)}`" : "")}"));
        if (text.Confidence is { } confidence)
            fields.Add(Mrkdwn($"*Confidence*\n{Escape(confidence, 50)}"));
        if (fields.Count > 0)
            blocks.Add(new JsonObject { ["type"] = "section", ["fields"] = fields });
        if ((text.Done ?? text.Next) is not null)
            blocks.Add(Section(string.Join('\n', new[] { text.Done, text.Next }.OfType<string>().Select(line => Escape(line, most.Done)))));
        JsonArray context = [.. text.Reasons.Take(3).Select(reason => Mrkdwn(Escape(reason, most.Reason)))];
        context.Add(Mrkdwn(Time(alert.At)));
        blocks.Add(new JsonObject { ["type"] = "context", ["elements"] = context });
        var actions = Buttons(alert.Deployment, text.Url, buttons);
        if (actions.Count > 0)
            blocks.Add(new JsonObject { ["type"] = "actions", ["block_id"] = BlockPrefix + (alert.Deployment?.Verdict?.Decision ?? "none"), ["elements"] = actions });
        return blocks;
    }

    /// <summary>One message that names everything: with what leads to each while there is room, else by names alone, else by the beginning of names.</summary>
    public static JsonObject Of(IReadOnlyList<Worded> group)
    {
        var words = group.GroupBy(one => Split(one.Text.Title).Word, StringComparer.Ordinal).OrderByDescending(word => word.Count()).ToList();
        var title = $"{group.Count} alerts: {string.Join(", ", words.Select(word => $"{word.Key} {word.Count()}"))}";
        var lines = Lines(one => Link(one.Text.Url, Name(one)), MaxHeader);
        if (Size(lines) > MaxNames)
            lines = Lines(one => Escape(Name(one), MaxSection), MaxHeader);
        // Each its share; ten of a line are its mark and its end.
        var share = Math.Max(16, (MaxNames / (group.Count + words.Count)) - 10);
        if (Size(lines) > MaxNames)
            lines = Lines(one => Escape(Name(one), share), share);
        JsonArray blocks = [new JsonObject { ["type"] = "header", ["text"] = Plain(title, MaxHeader) }];
        var section = new StringBuilder();
        foreach (var line in lines)
        {
            if (section.Length > 0 && section.Length + 1 + line.Length > MaxSection)
            {
                blocks.Add(Section(section.ToString()));
                section.Clear();
            }

            section.Append(section.Length > 0 ? "\n" : "").Append(line);
        }

        blocks.Add(Section(section.ToString()));
        var (first, last) = (group.Min(one => one.Alert.At), group.Max(one => one.Alert.At));
        blocks.Add(new JsonObject { ["type"] = "context", ["elements"] = new JsonArray(Mrkdwn(first == last ? Time(first) : $"{Time(first)} to {Time(last)}")) });
        return Message(Escape($"{title}: {string.Join(", ", group.Select(Name))}", MaxText), blocks);

        List<string> Lines(Func<Worded, string> line, int most) => [.. words.SelectMany(word => (string[])[$"*{Escape(word.Key, most)}*", .. word.Select(one => "• " + line(one))])];
    }

    /// <summary>A step, for whoever follows the conversation below the first message.</summary>
    public static JsonObject Step(Worded one)
    {
        var words = Escape(one.Text.Title, 600) + "\n" + Escape(one.Text.Done ?? one.Text.Sentence, Tight.Sentence);
        return Message(words, [Section(words)]);
    }

    /// <summary>Adds by what the message is found again.</summary>
    public static JsonObject Marked(JsonObject message, Alert alert)
    {
        var payload = new JsonObject { ["key"] = alert.Key };
        if (alert.Deployment is { } deployment)
            payload["deployment"] = deployment.Id;
        message["metadata"] = new JsonObject { ["event_type"] = EventType, ["event_payload"] = payload };
        return message;
    }

    /// <summary>Adds by what a group's message is found again: the beginnings of its keys' hashes, since two hundred keys have no room there.</summary>
    public static JsonObject Marked(JsonObject message, IReadOnlyList<Worded> group)
    {
        message["metadata"] = new JsonObject { ["event_type"] = EventType, ["event_payload"] = new JsonObject { ["keys"] = string.Join(' ', group.Select(one => Mark(one.Alert.Key))) } };
        return message;
    }

    /// <summary>What stands for a key in a group's metadata.</summary>
    public static string Mark(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..12];

    /// <summary>
    /// A text from outside as it may stand in a message: in one line, cut to a length (as JSON in ASCII); the three signs by which Slack's texts call
    /// somebody or lead somewhere are escaped, and a backtick, which would end a code span, is not one any more.
    /// </summary>
    public static string Escape(string text, int most) => Written(text, most, Cost, rune => rune.Value switch
    {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '`' => "'",
        _ => null,
    });

    private static string Written(string text, int most, Func<string, int> cost, Func<Rune, string?> instead)
    {
        const string cut = "…";
        var written = new StringBuilder();
        var (spent, blank) = (cost(cut), true);
        // Half a character, which a text may hold and JSON may not, is read as the sign for one that is missing.
        foreach (var rune in text.EnumerateRunes())
        {
            // What turns the direction of writing makes a name look like another.
            if (rune.Value is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069))
                continue;
            var space = Rune.IsControl(rune) || Rune.IsWhiteSpace(rune);
            if (space && blank)
                continue;
            var piece = space ? " " : instead(rune) ?? rune.ToString();
            if (spent + cost(piece) > most)
                return $"{written}{cut}";
            written.Append(piece);
            (spent, blank) = (spent + cost(piece), space);
        }

        // No text of Slack's may be empty.
        return written.ToString().TrimEnd() is { Length: > 0 } said ? said : "-";
    }

    private static JsonArray Buttons(Deployment? deployment, string url, bool all)
    {
        var buttons = new JsonArray();
        if (all && deployment is not null)
        {
            if (deployment.State != "closed" && !deployment.Actions.Any(action => action is { Kind: "rollback", State: not ("failed" or "refused") }))
            {
                buttons.Add(Button("Roll back", Rollback, deployment.Id, style: "danger", confirm: new JsonObject
                {
                    ["title"] = Plain("Roll back?", 100),
                    ["text"] = Plain($"{Piece(deployment.Service)} in {Piece(deployment.Environment)}: from {Piece(deployment.Version)} back to {(deployment.PreviousVersion is { } before ? Piece(before) : "the last good version")}.", MaxConfirm),
                    ["confirm"] = Plain("Roll back", 30),
                    ["deny"] = Plain("Cancel", 30),
                    ["style"] = "danger",
                }));
                buttons.Add(Button("Keep", Keep, deployment.Id));
            }

            if (deployment.Verdict?.Decision is "ROLLBACK" or "CONTINUE")
            {
                buttons.Add(Button("Right", Right, deployment.Id));
                buttons.Add(Button("Wrong", Wrong, deployment.Id));
            }
        }

        if (Web(url) is { } address)
        {
            var open = Button("Open", Open, null);
            open["url"] = address;
            buttons.Add(open);
        }

        return buttons;

        // So that each of four names has room in a dialog.
        static string Piece(string name) => AlertText.Cut(name, 60);
    }

    private static JsonObject Button(string text, string action, string? value, string? style = null, JsonObject? confirm = null)
    {
        var button = new JsonObject { ["type"] = "button", ["text"] = Plain(text, 75), ["action_id"] = action };
        if (value is not null)
            button["value"] = value;
        if (style is not null)
            button["style"] = style;
        if (confirm is not null)
            button["confirm"] = confirm;
        return button;
    }

    private static JsonObject Message(string text, JsonArray blocks) => new() { ["text"] = text, ["blocks"] = blocks, ["unfurl_links"] = false, ["unfurl_media"] = false };

    private static JsonObject Section(string text) => new() { ["type"] = "section", ["text"] = Mrkdwn(text) };

    // Verbatim: what looks like an address or a name in a text from outside is not made one.
    private static JsonObject Mrkdwn(string text) => new() { ["type"] = "mrkdwn", ["text"] = text, ["verbatim"] = true };

    // There is no markup in it, and whether an escaped sign would be shown as it is nobody promises: others that look alike stand for them.
    private static JsonObject Plain(string text, int most) => new()
    {
        ["type"] = "plain_text",
        ["text"] = Written(text, most, piece => piece.Length, rune => rune.Value switch
        {
            '<' => "‹",
            '>' => "›",
            _ => null,
        }),
        ["emoji"] = false,
    };

    private static string Short(AlertText text) => $"{Escape(text.Title, 600)}. {Escape(text.Sentence, Tight.Sentence)}{(text.Done is { } done ? " " + Escape(done, Tight.Done) : "")}";

    private static (string Word, string What) Split(string title) => title.IndexOf(": ", StringComparison.Ordinal) is > 0 and var at ? (title[..at], title[(at + 2)..]) : ("Alert", title);

    private static string Name(Worded one) => one.Alert.Deployment is { } deployment ? $"{deployment.Service} {deployment.Version} in {deployment.Environment}" : Split(one.Text.Title).What;

    private static string Link(string url, string name) => Web(url) is { } address ? $"<{address.Replace("&", "&amp;", StringComparison.Ordinal)}|{Escape(name.Replace('|', '/'), MaxSection - MaxUrl - 100)}>" : Escape(name, MaxSection);

    // What ends a link in Slack's texts is no sign of an address.
    private static string? Web(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.AbsoluteUri is { Length: <= MaxUrl } written
            ? written.Replace("<", "%3C", StringComparison.Ordinal).Replace(">", "%3E", StringComparison.Ordinal).Replace("|", "%7C", StringComparison.Ordinal)
            : null;

    private static string Time(DateTimeOffset at) =>
        string.Create(CultureInfo.InvariantCulture, $"<!date^{at.ToUnixTimeSeconds()}^{{date_short_pretty}} {{time_secs}}|{at.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC>");

    private static int Size(List<string> lines) => lines.Sum(line => Cost(line) + 2);

    // How long a text is as JSON in ASCII.
    private static int Cost(string text) => text.Sum(c => c > '~' ? 6 : c is '"' or '\\' ? 2 : 1);
}
