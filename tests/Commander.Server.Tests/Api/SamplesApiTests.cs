using System.Net.Http.Json;
using System.Text.Json;
using Commander.Server.Hosting;

namespace Commander.Server.Tests.Api;

public sealed class SamplesApiTests : IAsyncLifetime
{
    private readonly BuiltServer _server = new();
    private readonly HttpClient _http;

    public SamplesApiTests() => _http = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(30) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task What_the_api_gives_is_what_the_file_says_whatever_stands_and_ends_where_the_files_do()
    {
        await _server.Begin(new CommanderOptions());
        using var announced = await _http.PostAsJsonAsync("/api/v1/deployments?wait=20s", new { service = "checkout", version = "2.0.0", metrics = new { error_rate = 25.3, response_time = 1850 } }, Cancel);
        var id = (await announced.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        await Agree(id, null, null);
        foreach (var (label, reward) in ((string, int?)[])[("BAD", 1), ("GOOD", -1), ("UNKNOWN", null)])
        {
            using var labelled = await _http.PostAsJsonAsync($"/api/v1/deployments/{id}/outcome", new { label }, Cancel);
            labelled.EnsureSuccessStatusCode();
            await Agree(id, reward is null ? null : label, reward);
        }

        await _server.Begin(new CommanderOptions { KeepSamples = TimeSpan.FromTicks(1) });
        (await _http.GetStringAsync("/api/v1/samples", Cancel)).ShouldBeEmpty();
    }

    private async Task Agree(string id, string? outcome, int? reward)
    {
        var line = (await _http.GetStringAsync("/api/v1/samples", Cancel)).Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldHaveSingleItem();
        using var given = JsonDocument.Parse(line);
        using var written = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(_server.Folder["data"], "training-data", $"sample-{id}-1.json"), Cancel));
        JsonElement.DeepEquals(given.RootElement, written.RootElement).ShouldBeTrue(line);
        given.RootElement.GetProperty("outcome").GetString().ShouldBe(outcome);
        (given.RootElement.GetProperty("reward") is { ValueKind: JsonValueKind.Number } number ? number.GetInt32() : (int?)null).ShouldBe(reward);
    }
}
