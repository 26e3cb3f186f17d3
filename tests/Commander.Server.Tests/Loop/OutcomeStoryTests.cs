using System.Text.Json;
using Commander.Judging.Verdicts;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Storage;

namespace Commander.Server.Tests.Loop;

/// <summary>What a deployment really was, said by several, with restarts in between.</summary>
public sealed class OutcomeStoryTests
{
    private const string Shop = "acme/checkout";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Compared with its past alone: nothing stands beside it in the same seconds.
    private static string WithoutControl => LoopWorld.PolicyText.Replace("source: truth\n", "source: truth\n    compare: before\n", StringComparison.Ordinal);

    private static IEnumerable<string> Said(Deployment deployment) => (deployment.Outcomes ?? []).Select(label => $"{label.Label} {label.Source}{(label.Standing ? " stands" : "")}");

    private static async Task<int> Labels(LoopWorld world, string id) => (await world.Facts(id)).Count(fact => fact.Kind == FactKind.Outcome);

    private static async Task<string> Quiet(LoopWorld world, string version = "2.0.0")
    {
        var id = (await world.Announce(version)).Id;
        await world.Run(id, d => d.State == "closed");
        return id;
    }

    private static async Task<string> RolledBack(LoopWorld world, string version = "2.0.0")
    {
        world.Source.ErrorShare[version] = 0.25;
        var id = (await world.Announce(version)).Id;
        (await world.Run(id, d => d.State == "closed")).Actions.ShouldHaveSingleItem().Recovered.ShouldBe(true);
        return id;
    }

    // The version is healthy now, and long enough ago to be a deployment of its own.
    private static void Mended(LoopWorld world, string version = "2.0.0")
    {
        world.Source.ErrorShare[version] = 0.001;
        world.Platform.RolledBackFrom.Remove(version);
        world.Clock.Advance(TimeSpan.FromMinutes(30));
    }

    private static JsonElement Sample(LoopWorld world, string id)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(world.SamplesFolder, $"sample-{id}-1.json")));
        return document.RootElement.Clone();
    }

    private static (string? Outcome, string? Source, int? Reward) Reward(LoopWorld world, string id) =>
        Sample(world, id) is var sample
            ? (sample.GetProperty("outcome").GetString(), sample.GetProperty("outcome_source").GetString(), sample.GetProperty("reward") is { ValueKind: JsonValueKind.Number } reward ? reward.GetInt32() : null)
            : default;

    [Fact]
    public async Task A_rollback_beside_a_control_that_stayed_well_was_right()
    {
        await using var world = await LoopWorld.Begin();
        var closed = await world.Get(await RolledBack(world));
        closed.Verdict!.Findings.ShouldContain(f => f.Verdict == "worse" && f.ReferenceArm == "control");
        Said(closed).ShouldBe(["BAD recovered-after-rollback stands"]);
    }

    [Fact]
    public async Task A_rollback_without_a_control_is_unknown_and_says_what_would_settle_it()
    {
        await using var world = await LoopWorld.Begin(WithoutControl);
        var id = await RolledBack(world);
        var closed = await world.Get(id);
        closed.Verdict!.Findings.ShouldContain(f => f.Verdict == "worse" && f.ReferenceArm == "before");
        Said(closed).ShouldBe(["UNKNOWN unverified stands"]);
        closed.Outcomes![0].Note.ShouldNotBeNull().ShouldContain("the cause may have passed by itself");
        Reward(world, id).ShouldBe((null, null, null));
    }

    [Theory]
    [InlineData("person", "GOOD")]
    [InlineData("incident", "BAD")]
    public async Task What_was_unknown_is_settled_by_whoever_knows(string source, string label)
    {
        await using var world = await LoopWorld.Begin(WithoutControl);
        var id = await RolledBack(world);
        await world.Restart();
        await world.Desk.Label(id, label, source, "ada", null, Cancel);
        await world.Restart();
        var settled = await world.Get(id);
        Said(settled).ShouldBe(["UNKNOWN unverified", $"{label} {source} stands"]);
        settled.Contested.ShouldBeFalse("what says nothing contests nothing");
        Reward(world, id).ShouldBe((label, source, label == "BAD" ? 1 : -1));
    }

    [Fact]
    public async Task A_candidate_that_answers_nobody_beside_a_control_that_does_was_bad()
    {
        await using var world = await LoopWorld.Begin();
        var id = (await world.Announce("2.0.0")).Id;
        world.Source.Silent.Add("2.0.0");
        var closed = await world.Run(id, d => d.State == "closed");
        closed.Verdict!.Decision.ShouldBe("ROLLBACK");
        closed.Verdict.Findings.ShouldNotContain(f => f.Verdict == "worse");
        closed.Actions.ShouldHaveSingleItem().Recovered.ShouldBe(true);
        Said(closed).ShouldBe(["BAD recovered-after-rollback stands"]);
    }

    [Fact]
    public async Task Quiet_then_an_incident_then_a_person_who_is_sure_and_then_is_not()
    {
        await using var world = await LoopWorld.Begin();
        var id = await Quiet(world);
        Reward(world, id).ShouldBe(("GOOD", "quiet-period", 1));

        await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "pagerduty:Q1", "checkout is down", Cancel);
        var contested = await world.Get(id);
        contested.Contested.ShouldBeTrue();
        Said(contested).ShouldBe(["GOOD quiet-period", "BAD incident stands"]);
        contested.Outcome.ShouldBe(new Outcome("BAD", "incident", world.Clock.GetUtcNow()));
        Reward(world, id).ShouldBe(("BAD", "incident", -1));
        await world.Restart();

        world.Clock.Advance(TimeSpan.FromMinutes(1));
        (await world.Desk.Label(id, "GOOD", "ada", "the database was down", Cancel)).Deployment!.Outcome.ShouldBe(new Outcome("GOOD", "person", world.Clock.GetUtcNow()));
        Reward(world, id).ShouldBe(("GOOD", "person", 1));
        await world.Restart();

        await world.Desk.Label(id, "UNKNOWN", "ada", null, Cancel);
        var last = await world.Get(id);
        Said(last).ShouldBe(["GOOD quiet-period", "BAD incident stands", "GOOD person", "UNKNOWN person"]);
        last.Outcomes!.Select(label => (label.By, label.Note, label.Trust)).ShouldBe([(null, null, 20), ("pagerduty:Q1", "checkout is down", 60), ("ada", "the database was down", 90), ("ada", null, 90)]);
        Reward(world, id).ShouldBe(("BAD", "incident", -1));
        await world.Restart();
        (await world.Get(id)).ShouldBeEquivalentTo(last);
    }

    [Fact]
    public async Task What_becomes_unknown_again_is_so_in_its_sample()
    {
        await using var world = await LoopWorld.Begin(WithoutControl);
        var id = await RolledBack(world);
        await world.Desk.Label(id, "BAD", "ada", null, Cancel);
        Reward(world, id).ShouldBe(("BAD", "person", 1));
        Sample(world, id).GetProperty("cost").ValueKind.ShouldBe(JsonValueKind.Number);
        await world.Desk.Label(id, "UNKNOWN", "ada", null, Cancel);
        Reward(world, id).ShouldBe((null, null, null));
        Sample(world, id).GetProperty("cost").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task The_same_said_again_is_accepted_and_adds_no_fact()
    {
        await using var world = await LoopWorld.Begin();
        var id = await Quiet(world);
        for (var times = 0; times < 3; times++)
        {
            (await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "pagerduty:Q1", "down", Cancel)).Status.ShouldBe(202);
            (await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "pagerduty:Q2", "down", Cancel)).Status.ShouldBe(202);
            await world.Restart();
        }

        (await Labels(world, id)).ShouldBe(3);
    }

    [Fact]
    public async Task More_labels_than_anybody_needs_are_refused_and_a_person_is_heard_still()
    {
        await using var world = await LoopWorld.Begin();
        var id = await Quiet(world);
        for (var n = 1; n < Outcomes.Most; n++)
            await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "pagerduty:" + n, null, Cancel);
        (await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "pagerduty:0", null, Cancel)).Status.ShouldBe(409);
        (await world.Desk.Label(id, "GOOD", "ada", null, Cancel)).Deployment!.Outcome!.Label.ShouldBe("GOOD");
        (await Labels(world, id)).ShouldBe(Outcomes.Most + 1);
    }

    [Fact]
    public async Task An_incident_while_it_is_watched_stands_at_its_end()
    {
        await using var world = await LoopWorld.Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "alertmanager:f1", "slow", Cancel);
        await world.Restart();
        Said(await world.Run(id, d => d.State == "closed")).ShouldBe(["BAD incident stands"]);
    }

    [Fact]
    public async Task A_person_who_keeps_it_outranks_the_incident()
    {
        await using var world = await LoopWorld.Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict is not null);
        await world.Desk.Label(id, "BAD", OutcomeSources.Incident, "alertmanager:f1", "slow", Cancel);
        (await world.Desk.Act(id, "keep", "ada", "not ours", Cancel)).Status.ShouldBe(202);
        var kept = await world.Get(id);
        Said(kept).ShouldBe(["BAD incident", "GOOD person stands"]);
        kept.Outcomes![1].Note.ShouldBe("not ours");
    }

    [Theory]
    [InlineData("never")]
    [InlineData("before")]
    [InlineData("after")]
    public async Task The_same_version_deployed_again_and_quiet_says_that_its_rollback_was_wrong(string dies)
    {
        await using var world = await LoopWorld.Begin();
        var first = await RolledBack(world);
        Reward(world, first).ShouldBe(("BAD", "recovered-after-rollback", 1));
        await world.Restart();
        Mended(world);
        // The process ends before the other owner hears of it, or after it did and before this end is stored.
        var died = dies == "never";
        world.Telling = (_, owner) => new Dying(owner, dies, () => !died && (died = true));
        var second = (await world.Announce("2.0.0")).Id;
        second.ShouldNotBe(first);
        if (!died)
        {
            await world.Run(second, _ => died);
            (await world.Get(second)).State.ShouldNotBe("closed");
            (await Labels(world, first)).ShouldBe(dies == "before" ? 1 : 2);
            await world.Restart();
        }

        (await world.Run(second, d => d.State == "closed")).Outcome!.Source.ShouldBe("quiet-period");
        await world.Restart();
        var wrong = await world.Get(first);
        Said(wrong).ShouldBe(["BAD recovered-after-rollback", "GOOD redeployed-fine stands"]);
        wrong.Outcomes![1].By.ShouldBe(second);
        wrong.Contested.ShouldBeTrue();
        Reward(world, first).ShouldBe(("GOOD", "redeployed-fine", -1));
    }

    [Fact]
    public async Task A_person_who_keeps_it_says_it_too_and_another_version_or_a_later_deployment_is_not_meant()
    {
        await using var world = await LoopWorld.Begin();
        var first = await RolledBack(world);
        Mended(world);
        var other = await RolledBack(world, "3.0.0");
        world.Clock.Advance(TimeSpan.FromMinutes(30));
        var again = (await world.Announce("2.0.0")).Id;
        await world.Run(again, d => d.Verdict is not null);
        await world.Desk.Act(again, "keep", "ada", null, Cancel);
        (await world.Get(first)).Outcome!.Source.ShouldBe("redeployed-fine");
        (await world.Get(other)).Outcome!.Source.ShouldBe("recovered-after-rollback");
    }

    [Fact]
    public async Task An_owner_that_cannot_be_told_holds_up_no_end_for_ever()
    {
        await using var world = await LoopWorld.Begin();
        var first = await RolledBack(world);
        Mended(world);
        world.Telling = (_, owner) => new Dying(owner, "before", () => true);
        var second = (await world.Announce("2.0.0")).Id;
        (await world.Run(second, d => d.State == "closed")).ClosedReason.ShouldBe("decided");
        (await Labels(world, first)).ShouldBe(1);
    }

    [Theory]
    [InlineData("reverts", "2.0.0", "revert-commit")]
    [InlineData("fixes", "abcdef1234", "fix-commit")]
    [InlineData("fixes", "ID", "fix-commit")]
    public async Task An_announcement_may_name_what_it_takes_back_or_mends(string label, string name, string source)
    {
        await using var world = await LoopWorld.Begin();
        var announcing = new Announcing("checkout", "prod", "2.0.0", "1.0.0", null, "abcdef1234567890", Shop, null, new Dictionary<string, string>(StringComparer.Ordinal), "release", null, "test", null, new byte[32]);
        var id = (await world.Desk.Announce(announcing, Cancel)).Deployment!.Id;
        await world.Run(id, d => d.State == "closed");
        await world.Restart();
        var next = (await world.Announce("2.0.1", labels: new Dictionary<string, string>(StringComparer.Ordinal) { [label] = name == "ID" ? id : name })).Id;
        await world.Run(next, d => d.State != "queued");
        var bad = await world.Get(id);
        Said(bad).ShouldBe(["GOOD quiet-period", $"BAD {source} stands"]);
        bad.Outcomes![1].By.ShouldBe(next);
        Reward(world, id).ShouldBe(("BAD", source, -1));
    }

    [Fact]
    public async Task What_retention_dropped_is_not_lost_from_the_document_by_a_late_label()
    {
        await using var world = await LoopWorld.Begin();
        var id = await RolledBack(world);
        var before = await world.Get(id);
        before.Health.ShouldNotBeNull();
        for (var dropped = 1; dropped > 0;)
            dropped = await ((IStoreUpkeep)world.Store).DropTicks(id, 500, Cancel);
        await world.Restart();
        var answer = await world.Desk.Label(id, "GOOD", "ada", "the alarm was wrong", Cancel);
        var after = await world.Get(id);
        after.Outcome!.Label.ShouldBe("GOOD");
        after.Outcomes!.Count.ShouldBe(2);
        after.ShouldBeEquivalentTo(before with { Outcome = after.Outcome, Outcomes = after.Outcomes, Contested = true });
        answer.Deployment.ShouldBeEquivalentTo(after);
    }

    [Fact]
    public async Task A_doctor_finds_documents_whole_that_were_written_before_they_listed_all_labels()
    {
        await using var world = await LoopWorld.Begin();
        var id = await Quiet(world);
        var row = (await world.Store.Find(id, Cancel))!;
        await ((IStoreUpkeep)world.Store).Put(row with { Document = FactBody.Write(FactBody.Read<Deployment>(row.Document) with { Outcomes = null, Contested = false }) }, Cancel);
        var found = await new Doctor(world.Store, (IStoreUpkeep)world.Store, PinBook.ToRead(world.Store), world.Clock).Examine(false, _ => { }, Cancel);
        found.Wrong.ShouldBeEmpty();
    }

    /// <summary>An owner whose asker dies before or after it is asked.</summary>
    private sealed class Dying(IOwner owner, string when, Func<bool> dies) : IOwner
    {
        public Task Wake(CancellationToken cancel) => owner.Wake(cancel);

        public Task<byte[]?> Document(CancellationToken cancel) => owner.Document(cancel);

        public async Task<byte[]> Ask(byte[] command, CancellationToken cancel)
        {
            if (when == "before" && dies())
                throw new InvalidOperationException("the process ends here");
            var answer = await owner.Ask(command, cancel);
            return when == "after" && dies() ? throw new InvalidOperationException("the process ends here") : answer;
        }
    }
}
