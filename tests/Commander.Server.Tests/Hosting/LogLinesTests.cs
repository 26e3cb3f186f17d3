using Commander.Server.Access;
using Commander.Server.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Hosting;

/// <summary>What the log says: one line an entry, whoever chose the words, and no secret.</summary>
public sealed class LogLinesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 30, 45, 123, TimeSpan.Zero);

    [Fact]
    public void An_entry_is_one_line_whatever_stands_in_it()
    {
        var line = Line(new Secrets(_ => null), "refused: a\r\nb\u001b[2Jc\u2028d\u0085e\b", new InvalidOperationException("one\ntwo"));
        line.ShouldBe("2026-11-23T10:30:45.123Z warn: Commander.Test[7] refused: a  b [2Jc d e  System.InvalidOperationException: one two\n");
    }

    [Fact]
    public void What_is_too_long_is_cut()
    {
        Line(new Secrets(_ => null), new string('x', 100_000)).Length.ShouldBeLessThan(17_000);
    }

    [Theory]
    [InlineData("${COMMANDER_SECRET_A}", "hunter2 with spaces & signs")]
    [InlineData("${COMMANDER_SECRET_B}", "a-second-secret")]
    public void A_secret_that_was_resolved_stands_in_no_line_neither_as_it_is_nor_as_in_an_address(string reference, string value)
    {
        var secrets = new Secrets(name => name == reference[2..^1] ? value : null);
        Line(secrets, $"before: {value}").ShouldContain(value, Case.Sensitive, "nobody knows yet that it is one");
        secrets.Resolve(reference).ShouldBe(value);
        var line = Line(secrets, $"it is {value}, in an address {Uri.EscapeDataString(value)}", new InvalidOperationException(value));
        line.ShouldNotContain(value);
        line.ShouldNotContain(Uri.EscapeDataString(value));
        line.ShouldContain("it is (secret), in an address (secret)");
    }

    [Fact]
    public void What_anybody_can_bring_about_is_said_five_times_a_second_and_no_more()
    {
        using var limits = new AccessLimits(null);
        Enumerable.Range(0, 1_000).Count(_ => limits.MaySay()).ShouldBeInRange(5, 10);
    }

    private static string Line(Secrets secrets, string message, Exception? exception = null)
    {
        var written = new StringWriter { NewLine = "\n" };
        new LogLines(secrets, new FakeTimeProvider(Now)).Write(new LogEntry<string>(LogLevel.Warning, "Commander.Test", 7, message, exception, (state, _) => state), null, written);
        return written.ToString();
    }
}
