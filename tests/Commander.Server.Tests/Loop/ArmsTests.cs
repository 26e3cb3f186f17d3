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

    private static Watch Watching(string query, string? previous)
    {
        var read = PolicyReader.Read($"sources:\n  s: {{ type: scrape, targets: {{ candidate: 'http://h/m' }} }}\nservices:\n  x:\n    source: s\n    metrics:\n      memory: {{ kind: gauge, query: '{query}', unit: MB, tolerance: 25% }}\n", "p");
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
