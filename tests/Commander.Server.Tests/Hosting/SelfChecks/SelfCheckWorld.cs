using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Connections;
using Commander.Server.Hosting.SelfChecks;
using Commander.Server.Sources;
using Commander.Server.Storage;
using Commander.Server.Storage.Sqlite;
using Commander.Server.Tests.Sources;
using Commander.Server.Tests.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Hosting.SelfChecks;

/// <summary>A channel that posts an alert's title to a real server and gives its answer's body as the reference.</summary>
internal sealed class HookChannel(HttpClient http, string url) : IAlertChannel
{
    public int Most => 1;

    public async Task<Delivery> Tell(IReadOnlyList<Worded> alerts, CancellationToken cancel)
    {
        var (alert, text) = alerts[0];
        try
        {
            using var body = new StringContent(JsonSerializer.Serialize(new { key = alert.Key, title = text.Title, sentence = text.Sentence, reference = alert.Reference, in_doubt = alert.InDoubt }), Encoding.UTF8, "application/json");
            using var answer = await http.PostAsync(url, body, cancel);
            return answer.StatusCode == HttpStatusCode.OK ? new Delivery(Told.Done, await answer.Content.ReadAsStringAsync(cancel))
                : answer.StatusCode == HttpStatusCode.BadRequest ? new Delivery(Told.Refused, Message: "said no")
                : new Delivery(Told.Later, Message: $"answered {(int)answer.StatusCode}");
        }
        catch (HttpRequestException refused)
        {
            return new Delivery(Told.Later, Message: "the channel " + Outgoing.Why(refused));
        }
    }

    public async Task<string?> Check(CancellationToken cancel)
    {
        try
        {
            using var answer = await http.GetAsync(url, cancel);
            return answer.IsSuccessStatusCode ? null : $"answered {(int)answer.StatusCode}";
        }
        catch (HttpRequestException refused)
        {
            return Outgoing.Why(refused);
        }
    }
}

/// <summary>A real server that is told, and what it was told.</summary>
internal sealed class ToldServer : IAsyncDisposable
{
    private Exporter _exporter = null!;

    public string Url => _exporter.Url;

    /// <summary>What it answers with; 0 breaks the connection off.</summary>
    public int Status { get; set; } = 200;

    public ConcurrentQueue<JsonElement> Said { get; } = new();

    public IReadOnlyList<string> Titles => [.. Said.Select(said => said.GetProperty("title").GetString()!)];

    public static async Task<ToldServer> Start()
    {
        var server = new ToldServer { _exporter = await Exporter.Start() };
        server._exporter.Answer = async context =>
        {
            if (context.Request.Method == "POST" && server.Status is 200 or 500)
            {
                using var document = await JsonDocument.ParseAsync(context.Request.Body);
                if (server.Status == 200)
                    server.Said.Enqueue(document.RootElement.Clone());
            }

            context.Response.StatusCode = server.Status;
            if (server.Status == 200)
                await context.Response.WriteAsync($"message-{server.Said.Count}");
        };
        return server;
    }

    public ValueTask DisposeAsync() => _exporter.DisposeAsync();
}

/// <summary>One node that looks at itself.</summary>
internal sealed record SelfNode(SelfCheck Self, CheckTeller Teller, CheckBook Book) : IDisposable
{
    /// <summary>One round: everything is looked at, what is doubted again half a minute later, and who is due is told.</summary>
    public async Task Round(FakeTimeProvider clock)
    {
        clock.Advance(TimeSpan.FromMinutes(5));
        await Self.Run(TestContext.Current.CancellationToken);
        clock.Advance(SelfCheck.Again);
        await Self.LookAgain(TestContext.Current.CancellationToken);
        await Teller.Pass(TestContext.Current.CancellationToken);
    }

    public CheckState State(string name) => Self.Shown.Single(state => state.Name == name);

    public void Dispose()
    {
        Self.Dispose();
        Teller.Dispose();
        Book.Dispose();
    }
}

/// <summary>A real store, real servers that are asked and told, a clock that only a test moves.</summary>
internal sealed class SelfCheckWorld : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<IDisposable> _nodes = [];
    private readonly HttpClient _http = Outgoing.Create();

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero));

    public SqliteStore Store { get; }

    public SelfCheckWorld() => Store = SqliteStore.Open(_folder["data"], Clock, NullLogger.Instance);

    public static PolicySet Policies(string yaml)
    {
        var read = PolicyReader.Read(yaml, "policy.yaml");
        read.Policies.ShouldNotBeNull(string.Join("; ", read.Errors));
        return read.Policies!;
    }

    /// <summary>A node as it begins: with nothing in memory. Its checks are those of the server unless others are given.</summary>
    public SelfNode Begin(PolicySet policies, string node = "node-a:1", Func<IReadOnlyCollection<string>>? members = null, IReadOnlyList<Check>? checks = null, IFactStore? store = null, Func<string, string?>? secret = null)
    {
        store ??= Store;
        var alerts = new AlertBook(to => to.Channel == "webhook" ? new HookChannel(_http, to.To) : null, static (_, alert) => AlertText.Of(alert), Clock);
        var book = new CheckBook(store, Clock);
        var teller = new CheckTeller(book, alerts, policies.Defaults.Alert, node, "http://127.0.0.1:5080/checks", Clock, NullLogger<CheckTeller>.Instance);
        // The machine that the tests run on may have a full disk, and its servers tell its own time.
        var looked = checks ?? [.. Checks.Of(new CheckParts(store, new SourceBook(policies, _http, Clock, secret ?? (_ => null)), alerts, null, policies, _folder.Path, node, members, null, Clock))
            .Where(check => !check.Name.StartsWith("disk", StringComparison.Ordinal) && (secret is not null || !check.Name.StartsWith("clock", StringComparison.Ordinal)))];
        var begun = new SelfNode(new SelfCheck(looked, book, teller, members ?? (() => [node]), node, text => text, Clock, NullLogger<SelfCheck>.Instance), teller, book);
        _nodes.Add(begun);
        return begun;
    }

    public async Task<IReadOnlyList<(string Kind, JsonElement Body)>> Facts()
    {
        var facts = await Store.Read(Streams.Checks, 0, 1000, TestContext.Current.CancellationToken);
        return [.. facts.Select(fact =>
        {
            using var document = JsonDocument.Parse(fact.Body!);
            return (fact.Kind, document.RootElement.Clone());
        })];
    }

    public async ValueTask DisposeAsync()
    {
        _nodes.ForEach(node => node.Dispose());
        _http.Dispose();
        await Store.DisposeAsync();
        _folder.Dispose();
    }
}
