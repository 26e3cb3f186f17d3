using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Loop;

public class ArmsTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    [Fact]
    public void A_query_that_names_the_version_runs_once_per_arm_with_that_arms_version()
    {
        var questions = Arms.Of(Watching("m{version=\"{{version}}\"}", previous: "1.0.0"), Start.AddSeconds(1), separateArms: false).Asked;
        questions.Select(q => (q.Arm, q.Query)).ShouldBe([(Arm.Candidate, "m{version=\"2.0.0\"}"), (Arm.Control, "m{version=\"1.0.0\"}")]);
    }

    [Fact]
    public void Without_a_known_previous_version_there_is_no_control() =>
        Arms.Of(Watching("m{version=\"{{version}}\"}", previous: null), Start.AddSeconds(1), separateArms: true).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate]);

    [Fact]
    public void A_query_that_names_no_version_sees_the_whole_service() =>
        Arms.Of(Watching("m", previous: "1.0.0"), Start.AddSeconds(1), separateArms: false).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate]);

    [Fact]
    public void A_source_with_an_address_per_arm_needs_no_version_in_the_query() =>
        Arms.Of(Watching("m", previous: null), Start.AddSeconds(1), separateArms: true).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate, Arm.Control]);

    [Fact]
    public void A_variable_without_a_value_is_a_reading_that_says_so()
    {
        var (asked, unasked) = Arms.Of(Watching("m{hash=\"{{pod_template_hash}}\"}", previous: null), Start.AddSeconds(1), separateArms: false);
        asked.ShouldBeEmpty();
        unasked.ShouldHaveSingleItem().Reading.Detail!.ShouldContain("pod_template_hash");
    }

    [Fact]
    public void The_season_is_asked_with_the_old_version_where_the_past_has_it()
    {
        var watch = Watching("m{version=\"{{version}}\"}", previous: "1.0.0");
        Arms.OfSeason(watch, TimeSpan.FromDays(1)).Select(q => (q.Arm, q.Query, q.To)).ShouldBe([(Arm.Seasonal, "m{version=\"1.0.0\"}", Start.AddDays(-1))]);
        Arms.Of(watch, Start.AddSeconds(1), separateArms: false).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate, Arm.Control]);
        Season(watch, days: 7);
        var asked = Arms.Of(watch, Start.AddSeconds(15), separateArms: false).Asked[^1];
        (asked.Arm, asked.Query, asked.From, asked.To).ShouldBe((Arm.Seasonal, "m{version=\"1.0.0\"}", Start.AddDays(-7), Start.AddDays(-7).AddSeconds(15)));
    }

    [Fact]
    public void A_season_reading_goes_on_where_the_last_one_ended()
    {
        var watch = Watching("m", previous: null);
        Season(watch, days: 1);
        var end = Start.AddDays(-1).AddSeconds(14);
        Observe(watch, 1, (Arm.Candidate, Start.AddSeconds(14)), (Arm.Seasonal, end));
        Arms.Of(watch, Start.AddSeconds(30), separateArms: false).Asked.Single(q => q.Arm == Arm.Seasonal).From.ShouldBe(end);
    }

    [Fact]
    public void Nobody_asks_for_a_season_beside_a_control()
    {
        var watch = Watching("m{version=\"{{version}}\"}", previous: "1.0.0");
        Season(watch, days: 1);
        Observe(watch, 1, (Arm.Candidate, Start.AddSeconds(14)), (Arm.Control, Start.AddSeconds(14)));
        Arms.Of(watch, Start.AddSeconds(30), separateArms: false).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate, Arm.Control]);
        var alone = Watching("m{version=\"{{version}}\"}", previous: "1.0.0");
        Season(alone, days: 1);
        Observe(alone, 1, (Arm.Candidate, Start.AddSeconds(14)));
        Observe(alone, 2, (Arm.Candidate, Start.AddSeconds(29)), (Arm.Control, Start.AddSeconds(29)));
        Arms.Of(alone, Start.AddSeconds(45), separateArms: false).Asked.Select(q => q.Arm).ShouldBe([Arm.Candidate, Arm.Control, Arm.Seasonal]);
    }

    [Theory]
    [InlineData("before")]
    [InlineData("control")]
    public void A_policy_that_compares_with_something_else_asks_for_no_season(string compare) =>
        Arms.OfSeason(Watching("m", previous: null, compare), TimeSpan.FromDays(1)).ShouldBeEmpty();

    private static void Season(Watch watch, int days)
    {
        var tick = new Tick(0, 1, 1);
        tick[0, Arm.Seasonal] = new Reading(Quality.Value, 5, At: Start.AddDays(-days).AddSeconds(-1).ToUnixTimeMilliseconds());
        watch.Apply(watch.NextTick(Start, tick, 0));
    }

    private static void Observe(Watch watch, int n, params (Arm Arm, DateTimeOffset At)[] readings)
    {
        var tick = new Tick(n, 1, 1);
        foreach (var (arm, at) in readings)
            tick[0, arm] = new Reading(Quality.Value, 5, At: at.ToUnixTimeMilliseconds());
        watch.Apply(watch.NextTick(Start, tick, 0));
    }

    private static Watch Watching(string query, string? previous, string compare = "auto")
    {
        var read = PolicyReader.Read($"sources:\n  s: {{ type: scrape, targets: {{ candidate: 'http://h/m' }} }}\nservices:\n  x:\n    source: s\n    metrics:\n      memory: {{ kind: gauge, query: '{query}', unit: MB, tolerance: 25% }}\n    compare: {compare}\n", "p");
        var pins = new Pins(read.Policies!.For("x", "prod"));
        var watch = new Watch(pins);
        watch.Apply(Fact.After("deployment/d", 1, Fact.NoHash, Start, FactKind.Received, 1, FactBody.Write(new ReceivedBody("d", "x", "prod", "2.0.0", previous, Start, null, null, null, new Dictionary<string, string>(StringComparer.Ordinal), "release", null, Start, "test"))));
        watch.Apply(watch.Next(Start, FactKind.Pinned, new PinnedBody("x", "p", "m", "m", "commander-1", previous, true, Start.AddMinutes(1), null)));
        return watch;
    }

    private sealed class Pins(Policy policy) : IPinned
    {
        Policy? IPinned.Policy(string hash) => policy;

        Model? IPinned.Model(string hash) => Model.Shipped;
    }
}
