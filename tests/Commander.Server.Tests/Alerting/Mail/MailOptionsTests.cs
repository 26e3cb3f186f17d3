using Commander.Server.Alerting.Mail;

namespace Commander.Server.Tests.Alerting.Mail;

/// <summary>What the environment says of the mail server.</summary>
public sealed class MailOptionsTests
{
    private static (MailOptions? Options, string? Wrong) Read(string? smtp, string? password = null, string? from = null, string? other = null)
    {
        var variables = new Dictionary<string, string?> { ["COMMANDER_SMTP"] = smtp, ["COMMANDER_SMTP_PASSWORD"] = password, ["COMMANDER_SMTP_FROM"] = from };
        if (other is not null)
            variables[other] = "x";
        return MailOptions.Read(variables.Where(v => v.Value is not null).Select(v => v.Key), name => variables.GetValueOrDefault(name), reference => reference == "${COMMANDER_SECRET_SMTP}" ? "s3cret" : null);
    }

    [Theory]
    [InlineData("smtp://mail.example.com", "mail.example.com", 587, "Required")]
    [InlineData("smtp://mail.example.com:25?tls=optional", "mail.example.com", 25, "Optional")]
    [InlineData("smtp://mail.example.com:25/?tls=off", "mail.example.com", 25, "Off")]
    [InlineData("smtps://mail.example.com", "mail.example.com", 465, "FromTheStart")]
    [InlineData("smtps://mail.example.com:2465?tls=required", "mail.example.com", 2465, "FromTheStart")]
    [InlineData("smtp://localhost:1025", "localhost", 1025, "Optional")]
    [InlineData("smtp://127.0.0.1:1025?tls=required", "127.0.0.1", 1025, "Required")]
    public void An_address_says_where_and_how(string smtp, string host, int port, string encryption)
    {
        var (options, wrong) = Read(smtp);
        wrong.ShouldBeNull();
        (options!.Host, options.Port, options.Encryption.ToString()).ShouldBe((host, port, encryption));
        options.From.Address.ShouldBe(options.IsHere ? "commander@localhost" : "commander@mail.example.com");
    }

    [Fact]
    public void A_user_has_a_password_or_a_reference_to_one_which_is_written_nowhere()
    {
        var (options, _) = Read("smtp://me%40example.com@mail.example.com", "${COMMANDER_SECRET_SMTP}", "Deployments <deploy@example.com>");
        (options!.User, options.Password, options.From.Address, options.From.Name).ShouldBe(("me@example.com", "s3cret", "deploy@example.com", "Deployments"));
        options.ToString().ShouldNotContain("s3cret");
        Read(null).ShouldBe((null, null));
    }

    [Theory]
    [InlineData("mail.example.com:587", null, null, "is no address of a mail server; write smtp://")]
    [InlineData("http://mail.example.com", null, null, "is no address of a mail server")]
    [InlineData("smtp://mail.example.com/inbox", null, null, "is no address of a mail server")]
    [InlineData("smtp://me:hunter22@mail.example.com", null, null, "has a password in it; write it to COMMANDER_SMTP_PASSWORD")]
    [InlineData("smtp://mail.example.com?tls=maybe", null, null, "tls=required, tls=optional or tls=off")]
    [InlineData("smtps://mail.example.com?tls=off", null, null, "write smtp:// with tls=off")]
    [InlineData("smtp://me@mail.example.com?tls=off", "hunter22", null, "would send the password to mail.example.com in the clear")]
    [InlineData("smtp://me@mail.example.com", null, null, "COMMANDER_SMTP_PASSWORD: is missing")]
    [InlineData("smtp://me@mail.example.com", "file:nowhere", null, "COMMANDER_SMTP_PASSWORD: file:nowhere is not there")]
    [InlineData("smtp://mail.example.com", "hunter22", null, "is of no use without a user")]
    [InlineData("smtp://mail.example.com", null, "nobody", "COMMANDER_SMTP_FROM: is no address; write commander@example.com")]
    [InlineData("smtp://mail.example.com", null, "a@b.com\r\nBcc: c@d.com", "COMMANDER_SMTP_FROM: is no address")]
    [InlineData("smtp://10.1.2.3", null, null, "COMMANDER_SMTP_FROM: is missing")]
    [InlineData(null, "hunter22", null, "is of no use without COMMANDER_SMTP")]
    public void What_is_wrong_is_said_with_its_remedy_and_without_the_password(string? smtp, string? password, string? from, string says)
    {
        var (options, wrong) = Read(smtp, password, from);
        options.ShouldBeNull();
        wrong!.ShouldContain(says);
        wrong!.ShouldNotContain("hunter22");
    }

    [Fact]
    public void A_variable_that_is_not_known_is_a_slip_of_the_finger() =>
        Read("smtp://mail.example.com", other: "COMMANDER_SMTP_USER").Wrong!.ShouldBe("COMMANDER_SMTP_USER: is no variable that is known; there are COMMANDER_SMTP, COMMANDER_SMTP_PASSWORD, COMMANDER_SMTP_FROM");
}
