using System.Security.Cryptography;
using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Verdicts;
using Commander.Server.Learning;
using Commander.Server.Loop;
using Commander.Server.Tests.Contract;
using Commander.Server.Tests.Loop;
using Commander.Server.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Learning;

public sealed class SampleFilesTests
{
    private static JsonElement Golden(string part) => Shape.Golden("sample.json", part);

    private static List<JsonElement> Written(string folder) => Directory.Exists(folder)
        ? [.. Directory.GetFiles(folder, "sample-*.json").Order(StringComparer.Ordinal).Select(Read)]
        : [];

    private static JsonElement Read(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    private static Deployment Contract(Outcome? outcome) =>
        Shape.Golden("deployment.json").Deserialize<Deployment>(Json.Strict)! with { Outcome = outcome };

    [Fact]
    public async Task The_contracts_deployment_is_the_contracts_sample_before_and_after()
    {
        using var folder = new TestFolder();
        var files = new SampleFiles(folder.Path, NullLogger.Instance);
        await files.Keep(Contract(null), 1, CancellationToken.None);
        var before = Written(folder.Path).ShouldHaveSingleItem();
        before.ShouldHave(Golden("before"));
        Golden("before").ShouldHave(before);
        foreach (var name in (string[])["error_rate", "memory_usage", "response_time", "deployment_id", "findings"])
            JsonElement.DeepEquals(before.GetProperty("state").GetProperty(name), Golden("before").GetProperty("state").GetProperty(name)).ShouldBeTrue(name);
        foreach (var name in (string[])["action", "confidence", "reward", "cost", "outcome", "outcome_source"])
            JsonElement.DeepEquals(before.GetProperty(name), Golden("before").GetProperty(name)).ShouldBeTrue($"{name}: {before.GetProperty(name)}");
        await files.Keep(Contract(new Outcome("BAD", "recovered-after-rollback", DateTimeOffset.UnixEpoch)), 1, CancellationToken.None);
        var after = Written(folder.Path).ShouldHaveSingleItem();
        after.ShouldHave(Golden("after"));
        after.GetProperty("reward").GetInt32().ShouldBe(1);
        after.GetProperty("cost").GetDouble().ShouldBeGreaterThan(0);
        after.GetProperty("outcome").GetString().ShouldBe("BAD");
        after.GetProperty("outcome_source").GetString().ShouldBe("recovered-after-rollback");
        Directory.GetFiles(folder.Path, "*.next").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_sample_is_there_at_the_verdict_and_its_reward_with_the_outcome()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.State == "acting" || d.Actions.Count > 0);
        var decided = Written(world.SamplesFolder).ShouldHaveSingleItem();
        decided.GetProperty("action").GetString().ShouldBe("ROLLBACK");
        decided.GetProperty("reward").ValueKind.ShouldBe(JsonValueKind.Null);
        decided.GetProperty("state").GetProperty("error_rate").GetDouble().ShouldBe(25, 1);
        await world.Run(id, d => d.State == "closed");
        var known = Written(world.SamplesFolder).ShouldHaveSingleItem();
        known.GetProperty("reward").GetInt32().ShouldBe(1);
        known.GetProperty("timestamp").GetString().ShouldBe(decided.GetProperty("timestamp").GetString());
        JsonElement.DeepEquals(known.GetProperty("state"), decided.GetProperty("state")).ShouldBeTrue("what was known when it was decided stays");
        Path.GetFileName(Directory.GetFiles(world.SamplesFolder).ShouldHaveSingleItem()).ShouldBe($"sample-{id}-1.json");
    }

    [Fact]
    public async Task Two_decisions_of_one_deployment_are_two_samples_with_their_own_rewards()
    {
        await using var world = await LoopWorld.Begin();
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict?.Decision == "CONTINUE");
        world.Source.ErrorShare["2.0.0"] = 0.3;
        await world.Run(id, d => d.State == "closed");
        Written(world.SamplesFolder).Select(s => (s.GetProperty("action").GetString(), s.GetProperty("reward").GetInt32())).ShouldBe([("CONTINUE", -1), ("ROLLBACK", 1)]);
    }

    [Fact]
    public async Task A_watch_that_never_decides_is_a_sample_at_its_end_without_a_reward()
    {
        await using var world = await LoopWorld.Begin();
        world.Source.Broken = Commander.Judging.Evidence.Quality.Timeout;
        var id = (await world.Announce("2.0.0")).Id;
        await world.Run(id, d => d.Verdict is not null);
        Written(world.SamplesFolder).ShouldBeEmpty();
        await world.Run(id, d => d.State == "closed");
        var held = Written(world.SamplesFolder).ShouldHaveSingleItem();
        held.GetProperty("action").GetString().ShouldBe("HOLD");
        held.GetProperty("outcome").ValueKind.ShouldBe(JsonValueKind.Null);
        await world.Desk.Label(id, "BAD", "ada", null, CancellationToken.None);
        var labelled = Written(world.SamplesFolder).ShouldHaveSingleItem();
        labelled.GetProperty("outcome").GetString().ShouldBe("BAD");
        labelled.GetProperty("reward").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task A_snapshots_numbers_stand_in_its_sample()
    {
        await using var world = await LoopWorld.Begin();
        var id = (await world.Announce("2.0.0", service: "payments", metrics: new Dictionary<string, double>(StringComparer.Ordinal) { ["error_rate"] = 25.3, ["memory_usage"] = 71, ["response_time"] = 182, ["cpu_usage"] = 72.4 })).Id;
        await world.Run(id, d => d.State == "closed");
        var state = Written(world.SamplesFolder).ShouldHaveSingleItem().GetProperty("state");
        ((string[])["error_rate", "memory_usage", "response_time", "cpu_usage"]).Select(name => state.GetProperty(name).GetDouble()).ShouldBe([25.3, 71, 182, 72.4]);
        // Nothing was compared: the snapshot is all there is.
        state.GetProperty("findings").EnumerateObject().ShouldBeEmpty();
    }

    [Fact]
    public async Task The_oldest_files_go_when_there_are_too_many()
    {
        using var folder = new TestFolder();
        var files = new SampleFiles(folder.Path, NullLogger.Instance, most: 3);
        for (var n = 1; n <= 5; n++)
            await files.Keep(Contract(null) with { Id = $"dep-{n}" }, 1, CancellationToken.None);
        Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["sample-dep-3-1.json", "sample-dep-4-1.json", "sample-dep-5-1.json"]);
    }

    [Fact]
    public async Task Files_older_than_they_are_kept_go_once_a_day_by_when_their_deployment_was_announced()
    {
        using var folder = new TestFolder();
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 10, 30, 0, TimeSpan.Zero));
        var ids = new DeploymentId(clock, RandomNumberGenerator.Create());
        var files = new SampleFiles(folder.Path, NullLogger.Instance, keep: TimeSpan.FromDays(2), clock: clock);
        var kept = new List<string>();
        for (var day = 0; day < 5; day++)
        {
            kept.Add(ids.Next());
            await files.Keep(Contract(null) with { Id = kept[^1] }, 1, CancellationToken.None);
            clock.Advance(TimeSpan.FromDays(1));
        }

        // The last one was written on the fifth day: of two days before and since are three.
        Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(kept[2..].Select(id => $"sample-{id}-1.json"));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_stops_no_watch()
    {
        await using var world = await LoopWorld.Begin();
        await File.WriteAllTextAsync(world.SamplesFolder, "a file stands where the folder should");
        world.Source.ErrorShare["2.0.0"] = 0.25;
        var id = (await world.Announce("2.0.0")).Id;
        (await world.Run(id, d => d.State == "closed")).ClosedReason.ShouldBe("decided");
    }
}
