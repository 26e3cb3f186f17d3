using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Commander.Charts;
using Commander.Judging.Verdicts;
using MimeKit;
using MimeKit.Text;
using MimeKit.Utils;

namespace Commander.Server.Alerting.Mail;

/// <summary>What alerts look like as one e-mail. Pure.</summary>
internal static class MailMessage
{
    /// <summary>A report that is larger is not attached; the link leads to it.</summary>
    public const int MaxReport = 1 << 20;

    private const int MaxSubject = 180;
    private const int MaxId = 120;

    /// <summary>One alert as a message, or several as one.</summary>
    /// <param name="alerts">At least one.</param>
    /// <param name="from">Who it is from; its domain stands in the message's id.</param>
    /// <param name="to">Who is told.</param>
    public static MimeMessage Of(IReadOnlyList<Worded> alerts, MailboxAddress from, IEnumerable<MailboxAddress> to)
    {
        var message = new MimeMessage { Date = alerts[^1].Alert.At, MessageId = IdOf(alerts, from.Domain) };
        message.From.Add(from);
        message.To.AddRange(to);
        // Nobody's absence shall be answered to us (RFC 3834).
        message.Headers.Add(HeaderId.AutoSubmitted, "auto-generated");
        message.Subject = Line(AlertText.Cut(alerts.Count == 1 ? alerts[0].Text.Title : $"{alerts.Count} alerts, first of all: {Worst(alerts).Text.Title}", MaxSubject));
        if (alerts.Count == 1 && First(alerts[0].Alert.Reference) is { } first)
        {
            message.InReplyTo = first;
            message.References.Add(first);
        }

        var report = alerts.Count == 1 ? ReportOf(alerts[0].Alert) : null;
        var tooLarge = report?.Length > MaxReport;
        var body = new MultipartAlternative
        {
            Part(TextFormat.Plain, Plain(alerts, tooLarge)),
            Part(TextFormat.Html, Html(alerts, tooLarge)),
        };
        message.Body = report is null || tooLarge ? body : new Multipart("mixed")
        {
            body,
            new MimePart("text", "html")
            {
                Content = new MimeContent(new MemoryStream(report)),
                ContentTransferEncoding = ContentEncoding.Base64,
                ContentDisposition = new ContentDisposition(ContentDisposition.Attachment),
                FileName = $"report-{Plainly(alerts[0].Alert.Deployment!.Id)}.html",
            },
        };
        return message;
    }

    /// <summary>The id of a message without its brackets: of the alerts' keys and nothing else, so that a repeated one is recognised.</summary>
    public static string IdOf(IReadOnlyList<Worded> alerts, string domain) => alerts.Count == 1
        ? $"{Plainly(alerts[0].Alert.Key)}@{domain}"
        : $"{Plainly(alerts[0].Alert.Key)}.and.{Hash(string.Join('\n', alerts.Select(one => one.Alert.Key)))}@{domain}";

    /// <summary>The message that a conversation began with; null where what is known of it is none.</summary>
    public static string? First(string? reference) => reference is { Length: < 1000 } && MimeUtils.EnumerateReferences(reference).FirstOrDefault() is { Length: > 2 } id ? id : null;

    private static Worded Worst(IReadOnlyList<Worded> alerts) => alerts.OrderByDescending(one => one.Alert.Severity).First();

    // Slashes become dots; where anything else had to, its hash says which key it was.
    private static string Plainly(string key)
    {
        var plain = string.Concat(key.Take(MaxId).Select(c => c == '/' ? '.' : char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')).Trim('.');
        while (plain.Contains("..", StringComparison.Ordinal))
            plain = plain.Replace("..", ".-", StringComparison.Ordinal);
        return plain == key.Replace('/', '.') && plain.Length > 0 ? plain : $"{plain}-{Hash(key)}";
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    private static byte[]? ReportOf(Alert alert) =>
        alert is { Deployment: { } deployment, Evidence: { } evidence } ? Encoding.UTF8.GetBytes(Report.Html(deployment, evidence)) : null;

    private static TextPart Part(TextFormat format, string text)
    {
        var part = new TextPart(format);
        part.SetText(Encoding.UTF8, text);
        part.ContentTransferEncoding = ContentEncoding.QuotedPrintable;
        return part;
    }

    private static string Plain(IReadOnlyList<Worded> alerts, bool tooLarge)
    {
        var text = new StringBuilder();
        foreach (var (alert, words) in alerts)
        {
            if (text.Length > 0)
                text.Append("\n----\n\n");
            text.Append(Line(words.Title)).Append("\n\n").Append(Lines(words.Sentence)).Append('\n');
            foreach (var more in Others(words))
                text.Append(Lines(more)).Append('\n');
            if (words.Findings.Count > 0)
                text.Append("\nMeasured:\n");
            foreach (var finding in words.Findings)
                text.Append("  ").Append(Line(finding.Metric)).Append(": ").Append(Line(finding.Says)).Append(finding.Chart is null ? "\n" : $"\n    {Line(finding.Chart)}\n");
            text.Append('\n').Append(Line(words.Url)).Append('\n');
        }

        return text.Append('\n').Append(tooLarge ? TooLarge + "\n" : "").Append(Foot(alerts)).Append('\n').ToString();
    }

    // Nothing but inline styles and colours that can be read on white and on black: mail programs keep little else.
    private static string Html(IReadOnlyList<Worded> alerts, bool tooLarge)
    {
        var html = new Hypertext();
        html.Raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\"><title>")
            .Text(alerts[0].Text.Title).Raw("</title></head><body style=\"margin:0;padding:16px;font:15px/1.5 system-ui,-apple-system,'Segoe UI',Arial,sans-serif\"><div style=\"max-width:640px;margin:0 auto\">");
        foreach (var (alert, words) in alerts)
        {
            html.Raw("<div style=\"border-left:4px solid ").Raw(Colour(words.Tone)).Raw(";padding:2px 0 2px 14px;margin:0 0 24px\"><h2 style=\"margin:0 0 6px;font-size:19px;line-height:1.3\">").Text(words.Title)
                .Raw("</h2><p style=\"margin:0 0 10px;white-space:pre-line\">").Text(words.Sentence).Raw("</p>");
            foreach (var more in Others(words))
                html.Raw("<p style=\"margin:0 0 10px;white-space:pre-line\">").Text(more).Raw("</p>");
            Findings(html, words, alert.Deployment?.Verdict);
            if (Uri.TryCreate(words.Url, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
                html.Raw("<p style=\"margin:14px 0 0\"><a href=\"").Text(url.AbsoluteUri).Raw("\" style=\"display:inline-block;padding:8px 16px;border-radius:6px;background:#1d5fb0;color:#ffffff;text-decoration:none;font-weight:600\">").Text(alert.Deployment is null ? "Show the checks" : "Show the deployment").Raw("</a></p>");
            html.Raw("</div>");
        }

        if (tooLarge)
            html.Raw("<p style=\"margin:0 0 8px\">").Raw(TooLarge).Raw("</p>");
        return html.Raw("<p style=\"margin:0;font-size:12px;color:#767676\">").Text(Foot(alerts)).Raw("</p></div></body></html>").ToString();
    }

    private static void Findings(Hypertext html, AlertText words, Verdict? verdict)
    {
        if (words.Findings.Count == 0)
            return;
        const string cell = " style=\"text-align:left;vertical-align:top;padding:4px 12px 4px 0;border-top:1px solid #8884\"";
        html.Raw("<table role=\"table\" style=\"border-collapse:collapse;width:100%;font-size:14px\"><tr>");
        foreach (var head in (string[])["Metric", "Before", "Now", "Difference", "Course"])
            html.Raw("<th scope=\"col\"").Raw(cell).Raw(">").Raw(head).Raw("</th>");
        html.Raw("</tr>");
        foreach (var finding in words.Findings)
        {
            html.Raw("<tr><th scope=\"row\"").Raw(cell).Raw(">").Text(finding.Metric).Raw("</th>");
            if (verdict?.Findings.FirstOrDefault(f => f.Metric == finding.Metric && f.Verdict == "worse") is { } known)
            {
                var interval = known is { Low: { } low, High: { } high } ? $" ({Figures.Number(low)} to {Figures.Number(high)})" : "";
                foreach (var text in (string[])[$"{Figures.Level(known.Reference, known.Unit)} ({Figures.Arm(known.ReferenceArm)})", Figures.Level(known.Candidate, known.Unit), Figures.Difference(known.Difference, known.Unit) + interval])
                    html.Raw("<td").Raw(cell).Raw(">").Text(text).Raw("</td>");
            }
            else
            {
                html.Raw("<td colspan=\"3\"").Raw(cell).Raw(">").Text(finding.Says).Raw("</td>");
            }

            html.Raw("<td").Raw(cell).Raw("><span style=\"font-family:ui-monospace,Menlo,Consolas,monospace;white-space:nowrap\">").Text(finding.Chart ?? "–").Raw("</span></td></tr>");
        }

        html.Raw("</table>");
    }

    private static IEnumerable<string> Others(AlertText words) => ((string?[])
    [
        words.Done,
        words.Next,
        words.Confidence is { } sure ? $"Confidence: {sure}." : null,
        .. words.Reasons,
    ]).OfType<string>();

    private const string TooLarge = "The report is too large to be attached; the link leads to it.";

    private static string Foot(IReadOnlyList<Worded> alerts) =>
        $"Commander, {Figures.Instant(alerts[^1].Alert.At)}. {string.Create(CultureInfo.InvariantCulture, $"{alerts.Count}")} {(alerts.Count == 1 ? "alert" : "alerts")}; nobody reads answers.";

    private static string Colour(Tone tone) => tone switch
    {
        Tone.Bad => "#c8372d",
        Tone.Good => "#2e8b57",
        Tone.Ask => "#b58300",
        _ => "#6f7f9c",
    };

    /// <summary>One line: nothing that ends a header or turns what follows around.</summary>
    internal static string Line(string text) => string.Concat(text.Select(c => Harmless(c) ? c : ' ')).Trim();

    private static string Lines(string text) => string.Concat(text.ReplaceLineEndings("\n").Select(c => c == '\n' || Harmless(c) ? c : ' '));

    private static bool Harmless(char c) => !char.IsControl(c) && c is not ('\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069'));

    /// <summary>HTML: literals of ours, and texts from outside, escaped.</summary>
    private sealed class Hypertext
    {
        private readonly StringBuilder _out = new(4096);

        public Hypertext Raw(string literal)
        {
            _out.Append(literal);
            return this;
        }

        public Hypertext Text(string text)
        {
            _out.Append(System.Net.WebUtility.HtmlEncode(Lines(text)));
            return this;
        }

        public override string ToString() => _out.ToString();
    }
}
