using Commander.Judging.Policies;
using Commander.Server.Alerting;
using CsCheck;

namespace Commander.Server.Tests.Alerting;

/// <summary>Who is told of what, and when.</summary>
public sealed class RoutingTests
{
    private static AlertPolicy Entry(string? severity = null, params string[] on) => new("slack", "#deploys", on) { Severity = severity };

    private static AlertPolicy Quiet(string from, string to, string zone = "UTC") =>
        Entry() with { Quiet = new QuietHours(TimeOnly.ParseExact(from, "HH:mm"), TimeOnly.ParseExact(to, "HH:mm"), zone) };

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public void An_entry_hears_of_what_it_names_and_of_nothing_milder_than_it_says()
    {
        Routing.Wants(Entry(null, "rollback"), "rollback", Severity.Critical).ShouldBeTrue();
        Routing.Wants(Entry(null, "rollback"), "hold", Severity.Critical).ShouldBeFalse();
        Routing.Wants(Entry("warning", "hold"), "hold", Severity.Warning).ShouldBeTrue();
        Routing.Wants(Entry("critical", "hold"), "hold", Severity.Warning).ShouldBeFalse();
        Routing.Wants(Entry("info", "continue"), "continue", Severity.Info).ShouldBeTrue();
        Routing.Wants(Entry("warning", "continue"), "continue", Severity.Info).ShouldBeFalse();
    }

    [Theory]
    [InlineData("rollback", false, "Critical")]
    [InlineData("failed", false, "Critical")]
    [InlineData("hold", false, "Warning")]
    [InlineData("outcome", true, "Warning")]
    [InlineData("outcome", false, "Info")]
    [InlineData("system", true, "Warning")]
    [InlineData("system", false, "Info")]
    [InlineData("continue", true, "Info")]
    [InlineData("progress", false, "Info")]
    public void Every_occasion_has_its_severity(string occasion, bool bad, string severity) =>
        Routing.SeverityOf(occasion, bad).ToString().ShouldBe(severity);

    [Theory]
    // Over midnight, from both sides, and its ends.
    [InlineData("22:00", "07:00", "UTC", "2026-11-23T21:59:59Z", "2026-11-23T21:59:59Z")]
    [InlineData("22:00", "07:00", "UTC", "2026-11-23T22:00:00Z", "2026-11-24T07:00:00Z")]
    [InlineData("22:00", "07:00", "UTC", "2026-11-23T00:00:00Z", "2026-11-23T07:00:00Z")]
    [InlineData("22:00", "07:00", "UTC", "2026-11-23T06:59:59Z", "2026-11-23T07:00:00Z")]
    [InlineData("22:00", "07:00", "UTC", "2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z")]
    // Within one day, and to midnight.
    [InlineData("12:00", "13:00", "UTC", "2026-11-23T12:30:00Z", "2026-11-23T13:00:00Z")]
    [InlineData("12:00", "13:00", "UTC", "2026-11-23T13:00:00Z", "2026-11-23T13:00:00Z")]
    [InlineData("22:00", "00:00", "UTC", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z")]
    // By a clock elsewhere, in winter and in summer.
    [InlineData("22:00", "07:00", "Europe/Berlin", "2026-11-23T21:00:00Z", "2026-11-24T06:00:00Z")]
    [InlineData("22:00", "07:00", "Europe/Berlin", "2026-07-23T20:00:00Z", "2026-07-24T05:00:00Z")]
    [InlineData("22:00", "07:00", "America/New_York", "2026-11-23T21:00:00Z", "2026-11-23T21:00:00Z")]
    [InlineData("22:00", "07:00", "Asia/Kolkata", "2026-11-23T16:30:00Z", "2026-11-24T01:30:00Z")]
    // The night that is an hour short, and an end that does not exist in it.
    [InlineData("22:00", "07:00", "Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z")]
    [InlineData("22:00", "02:30", "Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z")]
    // The night that is an hour longer, and an end that comes twice: the later one.
    [InlineData("22:00", "07:00", "Europe/Berlin", "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z")]
    [InlineData("22:00", "02:30", "Europe/Berlin", "2026-10-24T21:00:00Z", "2026-10-25T01:30:00Z")]
    public void What_is_not_critical_waits_for_the_end_of_the_quiet_hours(string from, string to, string zone, string now, string then) =>
        Routing.NotBefore(Quiet(from, to, zone), Severity.Warning, At(now)).ShouldBe(At(then));

    [Fact]
    public void What_is_critical_does_not_wait_and_nothing_waits_without_quiet_hours_or_by_a_zone_that_is_gone()
    {
        var night = At("2026-11-23T23:00:00Z");
        Routing.NotBefore(Quiet("22:00", "07:00"), Severity.Critical, night).ShouldBe(night);
        Routing.NotBefore(Entry(), Severity.Info, night).ShouldBe(night);
        Routing.NotBefore(Quiet("22:00", "07:00", "Europe/Atlantis"), Severity.Info, night).ShouldBe(night);
    }

    private static readonly string[] Zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kolkata", "Pacific/Apia"];

    // Hours of up to 21 a day: where less is left than clocks are changed by, that may fall out of a day.
    [Fact]
    public void Nobody_is_told_within_the_quiet_hours_nor_more_than_a_day_and_an_hour_late() =>
        Gen.Select(Gen.Int[0, 1439], Gen.Int[1, 21 * 60], Gen.Int[0, Zones.Length - 1].Select(at => Zones[at]), Gen.Long[0, 2L * 366 * 86400])
            .Sample((from, length, zone, second) =>
            {
                var begins = TimeOnly.MinValue.AddMinutes(from);
                var hours = new QuietHours(begins, begins.AddMinutes(length), zone);
                var now = At("2026-01-01T00:00:00Z").AddSeconds(second);
                var then = Routing.NotBefore(Entry() with { Quiet = hours }, Severity.Warning, now);
                then.ShouldBeGreaterThanOrEqualTo(now);
                (then - now).ShouldBeLessThanOrEqualTo(TimeSpan.FromHours(25));
                var local = TimeOnly.FromTimeSpan(TimeZoneInfo.ConvertTime(then, TimeZoneInfo.FindSystemTimeZoneById(zone)).TimeOfDay);
                local.IsBetween(hours.From, hours.To).ShouldBeFalse($"{hours} at {now:u} gives {then:u}");
            }, iter: 20_000);

    [Theory]
    [InlineData("slack", "#deploys", "slack #deploys")]
    [InlineData("slack", "${COMMANDER_SECRET_HOOK}", "slack")]
    [InlineData("slack", "https://hooks.slack.com/services/T/B/secret", "slack")]
    [InlineData("teams", "https://example.com/secret", "teams")]
    [InlineData("discord", "https://discord.com/api/webhooks/1/secret", "discord")]
    [InlineData("pagerduty", "${COMMANDER_SECRET_KEY}", "pagerduty")]
    [InlineData("email", "a@example.com", "email a@example.com")]
    [InlineData("email", "file:oncall", "email")]
    [InlineData("webhook", "https://user:secret@example.com/secret?token=secret", "webhook example.com")]
    [InlineData("grafana", "https://grafana.example.com/", "grafana grafana.example.com")]
    [InlineData("github", "acme/checkout", "github acme/checkout")]
    public void A_channel_is_named_without_its_secret(string channel, string to, string name) =>
        Routing.NameOf(new AlertPolicy(channel, to, [])).ShouldBe(name);
}
