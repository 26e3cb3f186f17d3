using System.Net;
using System.Net.Sockets;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Alerting.Mail;
using Commander.Server.Tests.Api;
using MimeKit;
using SmtpServer.Protocol;

namespace Commander.Server.Tests.Alerting.Mail;

/// <summary>E-mail as a mail server gets it.</summary>
public sealed class MailChannelTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static MailChannel Channel(int port, string to = "oncall@example.com", Encryption encryption = Encryption.Off, string? user = null, string? password = null, string host = "127.0.0.1", Func<string, string?>? secret = null, string? trusted = null) =>
        new(new AlertPolicy("email", to, ["rollback"]), new MailOptions(host, port, encryption, new MailboxAddress("Commander", "commander@example.com")) { User = user, Password = password }, TimeProvider.System, secret ?? (_ => null))
        {
            Trusts = (_, certificate, _, errors) => trusted is null ? errors == System.Net.Security.SslPolicyErrors.None : certificate!.GetCertHashString() == trusted,
        };

    private static async Task<(Delivery Came, MimeMessage Message)> Send(params Alert[] alerts)
    {
        await using var server = MailServer.Start();
        var came = await Channel(server.Port).Tell([.. alerts.Select(Some.Worded)], Cancel);
        came.State.ShouldBe(Told.Done, came.Message);
        return (came, server.Messages.ShouldHaveSingleItem());
    }

    [Fact]
    public async Task An_alert_arrives_with_its_words_in_two_forms_and_its_report()
    {
        var (came, message) = await Send(Some.Rollback() with { Evidence = Some.Evidence() });

        message.Subject.ShouldBe("Rolled back: checkout 1.42.0 in prod");
        message.From.ToString().ShouldBe("\"Commander\" <commander@example.com>");
        message.To.ToString().ShouldBe("oncall@example.com");
        message.Headers["Auto-Submitted"].ShouldBe("auto-generated");
        message.Date.ShouldBe(Some.Noon);
        message.MessageId.ShouldBe("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.alert.1@example.com");
        message.InReplyTo.ShouldBeNull();
        came.Reference.ShouldBe("<dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.alert.1@example.com>");
        message.TextBody!.ShouldContain("errors: 0.5 % -> 25.3 %");
        message.TextBody!.ShouldContain("▁");
        message.TextBody!.ShouldContain("1.41.3 serves again");
        message.TextBody!.ShouldContain("http://127.0.0.1:5080/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C");
        foreach (var text in (string[])["0.5 % (old version)", "25.3 %", "+24.8 pp (16.4 to 33.2)", "href=\"http://127.0.0.1:5080/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C\"", "color-scheme"])
            message.HtmlBody!.ShouldContain(text);
        message.HtmlBody!.ShouldNotContain("<img");
        message.HtmlBody!.ShouldNotContain("<script");
        var report = message.Attachments.ShouldHaveSingleItem().ShouldBeOfType<TextPart>();
        report.FileName.ShouldBe("report-dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.html");
        report.Text.ShouldStartWith("<!doctype html>");
        report.Text.ShouldContain("checkout 1.42.0 in prod");
    }

    [Fact]
    public async Task Without_evidence_there_is_no_report_and_one_that_is_too_large_is_not_attached()
    {
        (await Send(Some.Rollback())).Message.Attachments.ShouldBeEmpty();
        var deployment = Some.Deployment;
        var huge = deployment with { Verdict = deployment.Verdict! with { Reasoning = new string('x', MailMessage.MaxReport) } };
        var (_, message) = await Send(Some.Rollback() with { Deployment = huge, Evidence = Some.Evidence() });
        message.Attachments.ShouldBeEmpty();
        message.TextBody!.ShouldContain("too large to be attached");
    }

    [Fact]
    public async Task What_follows_goes_on_in_the_conversation_of_the_first_message()
    {
        var (first, _) = await Send(Some.Rollback());
        var (second, message) = await Send(Some.Rollback("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C/alert/2") with { Reference = first.Reference });

        message.MessageId.ShouldBe("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.alert.2@example.com");
        message.InReplyTo.ShouldBe("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.alert.1@example.com");
        message.References.ShouldBe(["dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C.alert.1@example.com"]);
        second.Reference.ShouldBe(first.Reference);
    }

    [Fact]
    public async Task A_second_try_has_the_id_of_the_first_and_other_keys_have_others()
    {
        (await Send(Some.Rollback("a/alert/1"))).Message.MessageId.ShouldBe((await Send(Some.Rollback("a/alert/1") with { InDoubt = true })).Message.MessageId);
        string[] keys = ["system/source prom/1", "system/source.prom/1", "system/source<prom/1", "a//b", "a/./b", new string('k', 500), new string('k', 501), "ä/1"];
        var ids = keys.Select(key => MailMessage.IdOf([Some.Worded(Some.Rollback(key))], "example.com")).ToList();
        ids.Distinct().Count().ShouldBe(keys.Length);
        ids.ShouldAllBe(id => id.Length < 200 && MimeKit.Utils.MimeUtils.ParseMessageId(id) == id && !id.Contains("..", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_group_is_one_message_that_names_all()
    {
        var alerts = Enumerable.Range(1, 200).Select(n => Some.Rollback($"dep-{n}/alert/1") with { Evidence = Some.Evidence(), Severity = n == 7 ? Severity.Critical : Severity.Warning, Deployment = Some.Deployment with { Service = $"shop-{n}", Url = $"http://127.0.0.1:5080/d/dep-{n}" } }).ToArray();
        var (came, message) = await Send(alerts);

        message.Subject.ShouldBe("200 alerts, first of all: Rolled back: shop-7 1.42.0 in prod");
        foreach (var n in Enumerable.Range(1, 200))
        {
            message.TextBody!.ShouldContain($"shop-{n} 1.42.0");
            message.HtmlBody!.ShouldContain($"\"http://127.0.0.1:5080/d/dep-{n}\"");
        }

        message.Attachments.ShouldBeEmpty();
        came.Reference.ShouldBe($"<{message.MessageId}>");
    }

    [Fact]
    public async Task Texts_from_outside_stay_texts()
    {
        var hostile = "checkout\r\nBcc: everybody@example.com\r\n\r\n<script>alert(1)</script>\u202e\u2028";
        var deployment = Some.Deployment with { Service = hostile, Url = "javascript:alert(1)\"><img src=x>" };
        deployment = deployment with { Verdict = deployment.Verdict! with { Reasoning = hostile, Findings = [deployment.Verdict.Findings[0] with { Metric = "<b>errors</b>\r\nX: y", Unit = "<i>\"" }] } };
        await using var server = MailServer.Start();
        var came = await Channel(server.Port).Tell([Some.Worded(Some.Rollback() with { Deployment = deployment, Evidence = Some.Evidence() })], Cancel);

        came.State.ShouldBe(Told.Done, came.Message);
        var message = server.Messages.ShouldHaveSingleItem();
        message.Bcc.ShouldBeEmpty();
        message.To.Count.ShouldBe(1);
        server.Texts.ShouldHaveSingleItem().Split("\r\n\r\n")[0].Split("\r\n").ShouldAllBe(line => !line.StartsWith("Bcc", StringComparison.OrdinalIgnoreCase));
        message.Subject!.ShouldStartWith("Rolled back: checkout  Bcc: everybody@example.com");
        message.Subject!.ShouldNotContain("\u202e");
        message.HtmlBody!.ShouldNotContain("<script>");
        message.HtmlBody!.ShouldNotContain("<b>errors");
        message.HtmlBody!.ShouldNotContain("<img");
        message.HtmlBody!.ShouldNotContain("javascript:");
        message.HtmlBody!.ShouldContain("&lt;script&gt;");
    }

    [Fact]
    public async Task News_of_the_server_itself_are_a_message_too()
    {
        var (_, message) = await Send(new Alert("system/source prom/3", Occasions.System, Severity.Warning, Some.Noon, null) { News = new SystemNews("source prom", false, "refused the connection", "http://127.0.0.1:5080/health") });

        message.Subject.ShouldBe("Check failed: source prom");
        message.TextBody!.ShouldContain("refused the connection");
        message.HtmlBody!.ShouldContain("Show the checks");
    }

    [Fact]
    public async Task Several_are_told_by_one_message_and_one_who_is_unknown_keeps_it_from_nobody()
    {
        await using var server = MailServer.Start();
        server.Recipient = address => address == "gone@example.com" ? new SmtpResponse(SmtpReplyCode.MailboxUnavailable, "no such user") : null;
        var came = await Channel(server.Port, "a@example.com, gone@example.com,b@example.com").Tell([Some.Worded(Some.Rollback())], Cancel);

        came.State.ShouldBe(Told.Done);
        came.Message!.ShouldContain("2 of 3");
        came.Message!.ShouldContain("no such user");
        server.Messages.ShouldHaveSingleItem().To.Count.ShouldBe(3);
    }

    [Fact]
    public async Task What_the_server_refuses_for_good_is_not_tried_again_and_what_it_cannot_take_now_is()
    {
        await using var server = MailServer.Start();
        server.Recipient = _ => new SmtpResponse(SmtpReplyCode.MailboxUnavailable, "no such user");
        (await Tell(server)).ShouldSatisfyAllConditions(came => came.State.ShouldBe(Told.Refused), came => came.Message!.ShouldContain("refused the recipient: 550 no such user"));
        server.Recipient = _ => new SmtpResponse(SmtpReplyCode.Unavailable, "come back in five minutes");
        (await Tell(server)).ShouldSatisfyAllConditions(came => came.State.ShouldBe(Told.Later), came => came.Message!.ShouldContain("450 come back in five minutes"));
        server.Recipient = _ => null;
        server.Answer = new SmtpResponse(SmtpReplyCode.TransactionFailed, "looks like spam");
        (await Tell(server)).ShouldSatisfyAllConditions(came => came.State.ShouldBe(Told.Refused), came => came.Message!.ShouldContain("554 looks like spam"));
        server.Answer = new SmtpResponse(SmtpReplyCode.InsufficientStorage, "the disk is full");
        (await Tell(server)).ShouldSatisfyAllConditions(came => came.State.ShouldBe(Told.Later), came => came.Message!.ShouldContain("452 the disk is full"));
        server.Answer = SmtpResponse.Ok;
        server.Sender = new SmtpResponse(SmtpReplyCode.MailboxUnavailable, "who are you");
        (await Tell(server)).ShouldSatisfyAllConditions(came => came.State.ShouldBe(Told.Later), came => came.Message!.ShouldContain("COMMANDER_SMTP_FROM"));
        server.Sender = null;
        (await Tell(server)).State.ShouldBe(Told.Done);

        static Task<Delivery> Tell(MailServer server) => Channel(server.Port).Tell([Some.Worded(Some.Rollback())], Cancel);
    }

    [Fact]
    public async Task Who_signs_in_is_let_in_and_who_is_not_let_in_hears_what_to_mend_without_the_password()
    {
        await using var server = MailServer.Start(authentication: true);
        (await Channel(server.Port, user: MailServer.User, password: MailServer.Password).Tell([Some.Worded(Some.Rollback())], Cancel)).State.ShouldBe(Told.Done);
        server.SignedIn.ShouldNotBeEmpty();
        (await Channel(server.Port, user: MailServer.User, password: MailServer.Password).Check(Cancel)).ShouldBeNull();

        var wrong = await Channel(server.Port, user: MailServer.User, password: "hunter22").Tell([Some.Worded(Some.Rollback())], Cancel);
        wrong.State.ShouldBe(Told.Later);
        wrong.Message!.ShouldContain("COMMANDER_SMTP_PASSWORD");
        wrong.Message!.ShouldNotContain("hunter22");
        var nobody = await Channel(server.Port).Tell([Some.Worded(Some.Rollback())], Cancel);
        nobody.State.ShouldBe(Told.Later);
        nobody.Message!.ShouldContain("signed in");
        (await Channel(server.Port, user: MailServer.User, password: "hunter22").Check(Cancel))!.ShouldContain("does not let commander in");
        server.Messages.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_certificate_that_nobody_trusts_is_refused_and_one_that_is_trusted_carries_the_password(bool fromTheStart)
    {
        using var certificate = MailServer.Certificate();
        await using var server = MailServer.Start(certificate, fromTheStart, authentication: true);
        foreach (var encryption in fromTheStart ? [Encryption.FromTheStart] : (Encryption[])[Encryption.Required, Encryption.Optional])
        {
            var refused = await Channel(server.Port, host: "localhost", encryption: encryption, user: MailServer.User, password: MailServer.Password).Tell([Some.Worded(Some.Rollback())], Cancel);
            refused.State.ShouldBe(Told.Later);
            refused.Message!.ShouldContain("has no certificate that is trusted here");
            server.SignedIn.ShouldBeEmpty();
        }

        var came = await Channel(server.Port, host: "localhost", encryption: fromTheStart ? Encryption.FromTheStart : Encryption.Required, user: MailServer.User, password: MailServer.Password, trusted: certificate.GetCertHashString()).Tell([Some.Worded(Some.Rollback())], Cancel);
        came.State.ShouldBe(Told.Done, came.Message);
        server.SignedIn.ShouldHaveSingleItem();
        server.Messages.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Nothing_is_said_in_the_clear_to_a_server_that_shall_be_encrypted()
    {
        await using var server = MailServer.Start();
        var came = await Channel(server.Port, encryption: Encryption.Required).Tell([Some.Worded(Some.Rollback())], Cancel);
        came.State.ShouldBe(Told.Later);
        came.Message!.ShouldContain("offers no TLS");
        server.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task Nobody_there_nobody_known_and_addresses_of_the_cloud_are_told_apart()
    {
        (await Channel(RunningServer.FreePort()).Check(Cancel))!.ShouldContain("refused the connection");
        (await Channel(25, host: "169.254.169.254").Check(Cancel))!.ShouldContain("link-local or metadata address");
        (await Channel(25, host: "169.254.169.254").Tell([Some.Worded(Some.Rollback())], Cancel)).State.ShouldBe(Told.Later);
        (await new MailChannel(new AlertPolicy("email", "a@example.com", []), null, TimeProvider.System, _ => null).Check(Cancel))!.ShouldContain("COMMANDER_SMTP=");
        var text = Channel(RunningServer.FreePort(), "${COMMANDER_SECRET_ONCALL}");
        (await text.Check(Cancel))!.ShouldContain("${COMMANDER_SECRET_ONCALL} is not there");
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_left_when_the_time_is_over()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var told = Channel(((IPEndPoint)silent.LocalEndpoint).Port).Tell([Some.Worded(Some.Rollback())], soon.Token);
        // It is connected, and waits for the greeting.
        using var connection = await silent.AcceptTcpClientAsync(Cancel);
        told.IsCompleted.ShouldBeFalse();
        await soon.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => told.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
        (await connection.GetStream().ReadAsync(new byte[1], Cancel)).ShouldBe(0, "the connection is closed");
    }

    [Fact]
    public async Task Addresses_that_are_a_secret_are_told_and_not_repeated()
    {
        await using var server = MailServer.Start();
        server.Recipient = address => new SmtpResponse(SmtpReplyCode.MailboxUnavailable, $"{address} is unknown");
        var came = await Channel(server.Port, "${COMMANDER_SECRET_ONCALL}", secret: _ => "anna@example.com").Tell([Some.Worded(Some.Rollback())], Cancel);
        came.State.ShouldBe(Told.Refused);
        came.Message!.ShouldContain("(recipient) is unknown");
        came.Message!.ShouldNotContain("anna");
    }
}
