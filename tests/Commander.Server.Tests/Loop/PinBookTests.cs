using System.Text;
using System.Text.Json;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Loop;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Commander.Server.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Loop;

/// <summary>While nodes are replaced one by one, a newer build's policies and models lie beside those of an older one.</summary>
public sealed class PinBookTests : IAsyncLifetime
{
    private static readonly PolicySet Policies = PolicyReader.Read(LoopWorld.PolicyText, "policy.yaml").Policies!;
    private static readonly Policy Mine = Policies.Services.Values.Single();
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TestFolder _folder = new();
    private SqliteStore _store = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _store = SqliteStore.Open(_folder.Path, _clock, NullLogger.Instance);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_node_starts_and_finds_its_own_beside_what_only_a_newer_build_can_read()
    {
        await Keep("policy/" + Mine.Name, NewerPolicy);
        await Keep("model", NewerModel);

        var book = await PinBook.Open(_store, Policies, Model.Shipped, _clock, Cancel);

        IPinned pinned = book;
        pinned.Policy(PolicyHash.Of(Mine)).ShouldNotBeNull();
        pinned.Model(book.ModelHash).ShouldNotBeNull();
        pinned.Policy(PolicyHash.Of(NewerPolicy)).ShouldBeNull();
        await book.Know(Pinned(PolicyHash.Of(Mine), book.ModelHash), Cancel);
    }

    [Fact]
    public async Task What_an_older_build_pinned_is_found_when_a_newer_one_has_stored_before_it_is_asked_for()
    {
        var book = await PinBook.Open(_store, Policies, Model.Shipped, _clock, Cancel);
        var other = Mine with { Environment = "elsewhere" };
        await Keep("policy/" + Mine.Name, NewerPolicy);
        await Keep("policy/" + Mine.Name, PolicyHash.Body(other));

        await book.Know(Pinned(PolicyHash.Of(other), book.ModelHash), Cancel);

        book.Policy(PolicyHash.Of(other)).ShouldNotBeNull().Environment.ShouldBe("elsewhere");
    }

    [Fact]
    public async Task A_watch_that_has_pinned_what_only_a_newer_build_can_read_is_not_gone_on_with_as_if_nothing_were_pinned()
    {
        var book = await PinBook.Open(_store, Policies, Model.Shipped, _clock, Cancel);
        await Keep("policy/" + Mine.Name, NewerPolicy);
        await Keep("model", NewerModel);

        var policy = await Should.ThrowAsync<JsonException>(() => book.Know(Pinned(PolicyHash.Of(NewerPolicy), book.ModelHash), Cancel));
        policy.Message.ShouldContain("only a newer one can go on with it");
        await Should.ThrowAsync<JsonException>(() => book.Know(Pinned(PolicyHash.Of(Mine), PolicyHash.Of(NewerModel)), Cancel));
    }

    private static byte[] NewerPolicy => Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(PolicyHash.Body(Mine)).Replace("\"kind\":\"ratio\"", "\"kind\":\"sketch\"", StringComparison.Ordinal));

    private static byte[] NewerModel => """{"version":"later","intercept":{"of":"two parts"}}"""u8.ToArray();

    private static PinnedBody Pinned(string policy, string model) => new(Mine.Name, policy, "m", model, "j", null, false, DateTimeOffset.UnixEpoch, null);

    private async Task Keep(string stream, byte[] body)
    {
        var facts = await _store.Read(stream, 0, 500, Cancel);
        var kept = Fact.After(stream, facts.Count + 1, facts.Count == 0 ? Fact.NoHash : facts[^1].Hash, _clock.GetUtcNow(), stream == "model" ? "model" : "policy", 1, body);
        (await _store.Append(new Append([kept], null), Cancel)).ShouldBeTrue();
    }
}
