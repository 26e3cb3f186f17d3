using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Commander.Server.Tests.Alerting;

/// <summary>
/// What Slack takes of a message, as far as this server writes it. Source: the comments in dist/block-kit/*.d.ts of @slack/types 3.2.0
/// (npm). Not written there: 50 blocks and 40,000 characters of text in a message, 4,000 when it is changed (the documentation of
/// chat.postMessage and chat.update), and that blocks of more than about 13 KB are refused as msg_blocks_too_long (slackapi/bolt-js#2509).
/// </summary>
internal static partial class SlackLimits
{
    private const int Header = 150, TextObject = 3000, FieldText = 2000, Fields = 10, Actions = 25, Context = 10, BlockId = 255, ActionId = 255;
    private const int ButtonText = 75, ButtonValue = 2000, ButtonUrl = 3000, ConfirmTitle = 100, ConfirmText = 300, ConfirmButton = 30;
    private const int Blocks = 50, Text = 40_000, ChangedText = 4000, AllBlocks = 13_000;

    /// <summary>What of it Slack would not take, or would take for markup of ours; empty when all is well.</summary>
    public static List<string> Broken(JsonObject message, bool changed = false)
    {
        var broken = new List<string>();
        var text = Word(message["text"]);
        Bound("text", text, changed ? ChangedText : Text);
        Markup("text", text);
        if (message["unfurl_links"]?.GetValue<bool>() != false)
            broken.Add("links are unfolded");
        if (message["metadata"] is JsonObject metadata)
            Metadata(metadata);
        if (message["blocks"] is not JsonArray { Count: > 0 and <= Blocks } blocks)
        {
            broken.Add($"blocks: none, or more than {Blocks}");
            return broken;
        }

        // What is counted is not known: all that is not ASCII is counted as the six signs that JSON may write for it.
        if (blocks.ToJsonString(Judging.Json.Tolerant).Sum(c => c > '~' ? 6 : 1) is > AllBlocks and var size)
            broken.Add($"blocks: {size} bytes");
        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (var at = 0; at < blocks.Count; at++)
            Block($"blocks[{at}]", blocks[at]!.AsObject(), ids);
        return broken;

        void Block(string where, JsonObject block, HashSet<string> known)
        {
            if (block["block_id"] is { } id)
            {
                Bound(where + ".block_id", Word(id), BlockId);
                if (!known.Add(Word(id)))
                    broken.Add($"{where}.block_id: twice");
            }

            switch (Word(block["type"]))
            {
                case "header":
                    Only(where, block, "type", "block_id", "text");
                    Plain(where + ".text", block["text"], Header);
                    break;
                case "section":
                    Only(where, block, "type", "block_id", "text", "fields");
                    if (block["text"] is { } said)
                        Object(where + ".text", said, TextObject);
                    if (block["fields"] is JsonArray fields)
                    {
                        if (fields.Count is 0 or > Fields)
                            broken.Add($"{where}.fields: {fields.Count}");
                        for (var at = 0; at < fields.Count; at++)
                            Object($"{where}.fields[{at}]", fields[at]!, FieldText);
                    }
                    else if (block["text"] is null)
                    {
                        broken.Add($"{where}: neither text nor fields");
                    }

                    break;
                case "context":
                    Only(where, block, "type", "block_id", "elements");
                    var elements = block["elements"]!.AsArray();
                    if (elements.Count is 0 or > Context)
                        broken.Add($"{where}.elements: {elements.Count}");
                    for (var at = 0; at < elements.Count; at++)
                        Object($"{where}.elements[{at}]", elements[at]!, TextObject);
                    break;
                case "actions":
                    Only(where, block, "type", "block_id", "elements");
                    var buttons = block["elements"]!.AsArray();
                    if (buttons.Count is 0 or > Actions)
                        broken.Add($"{where}.elements: {buttons.Count}");
                    var actions = new HashSet<string>(StringComparer.Ordinal);
                    for (var at = 0; at < buttons.Count; at++)
                        Button($"{where}.elements[{at}]", buttons[at]!.AsObject(), actions);
                    break;
                case var type:
                    broken.Add($"{where}: type {type}");
                    break;
            }
        }

        void Button(string where, JsonObject button, HashSet<string> known)
        {
            Only(where, button, "type", "text", "action_id", "value", "url", "style", "confirm");
            if (Word(button["type"]) != "button")
                broken.Add($"{where}: type {Word(button["type"])}");
            Plain(where + ".text", button["text"], ButtonText);
            Bound(where + ".action_id", Word(button["action_id"]), ActionId);
            if (!known.Add(Word(button["action_id"])))
                broken.Add($"{where}.action_id: twice");
            if (button["value"] is { } value)
                Bound(where + ".value", Word(value), ButtonValue);
            if (button["url"] is { } url)
            {
                Bound(where + ".url", Word(url), ButtonUrl);
                if (!Uri.TryCreate(Word(url), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                    broken.Add($"{where}.url: is none");
            }

            if (button["style"] is { } style && Word(style) is not ("primary" or "danger"))
                broken.Add($"{where}.style: {Word(style)}");
            if (button["confirm"] is not JsonObject confirm)
                return;
            Only(where + ".confirm", confirm, "title", "text", "confirm", "deny", "style");
            Plain(where + ".confirm.title", confirm["title"], ConfirmTitle);
            Object(where + ".confirm.text", confirm["text"]!, ConfirmText);
            Plain(where + ".confirm.confirm", confirm["confirm"], ConfirmButton);
            Plain(where + ".confirm.deny", confirm["deny"], ConfirmButton);
        }

        void Object(string where, JsonNode text, int most)
        {
            if (Word(text["type"]) != "mrkdwn")
            {
                Plain(where, text, most);
                return;
            }

            Only(where, text.AsObject(), "type", "text", "verbatim");
            // Else names and addresses in it are looked for and linked.
            if (text["verbatim"]?.GetValue<bool>() != true)
                broken.Add($"{where}: not verbatim");
            Bound(where, Word(text["text"]), most);
            Markup(where, Word(text["text"]));
        }

        void Plain(string where, JsonNode? text, int most)
        {
            if (text is not JsonObject plain || Word(plain["type"]) != "plain_text")
            {
                broken.Add($"{where}: no plain text");
                return;
            }

            Only(where, plain, "type", "text", "emoji");
            Bound(where, Word(plain["text"]), most);
            if (Word(plain["text"]).AsSpan().ContainsAny('<', '>'))
                broken.Add($"{where}: {Word(plain["text"])}");
        }

        void Metadata(JsonObject metadata)
        {
            Only("metadata", metadata, "event_type", "event_payload");
            Bound("metadata.event_type", Word(metadata["event_type"]), 255);
            if (metadata["event_payload"] is not JsonObject payload || payload.Any(one => one.Value is not JsonValue))
                broken.Add("metadata.event_payload: no flat map");
        }

        // What calls somebody or leads somewhere is what we wrote: a time, or a link to a page.
        void Markup(string where, string text)
        {
            var rest = Ours().Replace(text, "");
            if (rest.AsSpan().ContainsAny('<', '>') || Bare().IsMatch(rest))
                broken.Add($"{where}: {text}");
        }

        void Bound(string where, string text, int most)
        {
            if (text.Length == 0 || text.Length > most || string.IsNullOrWhiteSpace(text))
                broken.Add($"{where}: {text.Length} characters");
        }

        void Only(string where, JsonObject given, params string[] known) =>
            broken.AddRange(given.Where(one => !known.Contains(one.Key)).Select(one => $"{where}.{one.Key}: unknown"));
    }

    private static string Word(JsonNode? node) => node?.GetValue<string>() ?? "";

    [GeneratedRegex(@"<!date\^[0-9]+\^\{date_short_pretty\} \{time_secs\}\|[-0-9: ]+ UTC>|<https?://[^<>|\s]+\|[^<>|]+>", RegexOptions.NonBacktracking)]
    private static partial Regex Ours();

    [GeneratedRegex("&(?!amp;|lt;|gt;)")]
    private static partial Regex Bare();
}
