using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Commander.Server.Demo;

/// <summary>
/// One version of the shop: <c>Commander.Server shop --version V --fault F --port 0</c>, a small web service with a catalogue, a
/// database that takes its time, and the fault that it was deployed with. It prints its port as a line of JSON and lives until its
/// standard input closes, so that none outlives the server that started it, however that one ends.
/// </summary>
internal sealed class ShopProcess : IDisposable
{
    /// <summary>Marks calls that warm a new version up; they are no traffic.</summary>
    public const string WarmUpHeader = "Shop-Warmup";

    /// <summary>Names the version that answered.</summary>
    public const string VersionHeader = "Shop-Version";

    private const int Items = 400;
    private const int Connections = 48;
    private const int RequestsBeforeCrash = 20;
    private const int LeakPerStep = 1024 * 1024;
    private const int LeakLimit = 400;
    private const double BaseErrors = 0.001;
    private static readonly TimeSpan LeakStep = TimeSpan.FromMilliseconds(125);

    private readonly string _version;
    private readonly Fault _fault;
    private readonly Lock _lock = new();
    private readonly Random _random;
    private readonly byte[][] _catalogue;
    private readonly SemaphoreSlim _connections = new(Connections);
    private readonly List<byte[]> _kept = [];
    private int _served;

    private ShopProcess(string version, Fault fault)
    {
        _version = version;
        _fault = fault;
        _random = new Random(Seed.Of(version));
        _catalogue = [.. Enumerable.Range(0, Items).Select(Describe)];
    }

    /// <summary>Runs until standard input closes. Exit codes: 0 the parent is gone, 1 the port is taken, 2 wrong arguments.</summary>
    public static async Task<int> Run(string[] args)
    {
        if (!TryRead(args, out var version, out var fault, out var port))
        {
            await Console.Error.WriteLineAsync("usage: Commander.Server shop --version V --fault none|errors|slow|leak|crash|subtle [--port 0]");
            return 2;
        }
        // A thread of its own: a read of standard input cannot be cancelled and must not hold one of the pool's.
        new Thread(EndWithParent) { IsBackground = true, Name = "parent" }.Start();
        using var shop = new ShopProcess(version, fault);
        Listener listener;
        try
        {
            listener = await Listener.Start(port, shop.Answer, CancellationToken.None);
        }
        catch (IOException taken)
        {
            await Console.Error.WriteLineAsync($"--port {port}: {taken.Message}");
            return 1;
        }
        await using (listener)
        {
            await Console.Out.WriteLineAsync($$"""{"version":{{JsonSerializer.Serialize(version)}},"fault":"{{fault.Word()}}","port":{{listener.Port}}}""");
            await Console.Out.FlushAsync();
            if (fault == Fault.Leak)
            {
                await shop.Leak();
            }
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
        }
        return 0;
    }

    public void Dispose() => _connections.Dispose();

    private static bool TryRead(string[] args, out string version, out Fault fault, out int port)
    {
        (version, fault, port) = ("", Fault.None, 0);
        for (var i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length)
            {
                return false;
            }
            var value = args[i + 1];
            var right = args[i] switch
            {
                "--version" => (version = value).Length is > 0 and <= 64,
                "--fault" => Faults.TryWord(value, out fault),
                "--port" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= 65535,
                _ => false,
            };
            if (!right)
            {
                return false;
            }
        }
        return version.Length > 0;
    }

    private static void EndWithParent()
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[64];
        try
        {
            while (input.Read(buffer) > 0)
            {
                // Nobody has anything to say here; only the end counts.
            }
        }
        catch (IOException)
        {
            // The pipe is broken: the same as closed.
        }
        Environment.Exit(0);
    }

    private async Task Answer(HttpContext context)
    {
        var response = context.Response;
        response.Headers[VersionHeader] = _version;
        switch (context.Request.Path.Value)
        {
            case "/" when HttpMethods.IsGet(context.Request.Method):
                await Sell(context);
                break;
            case "/metrics":
                response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
                await response.WriteAsync(OwnMetrics(), context.RequestAborted);
                break;
            default:
                response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    }

    private async Task Sell(HttpContext context)
    {
        var (chance, wait, timeOut) = Roll();
        if (_fault == Fault.Crash && !context.Request.Headers.ContainsKey(WarmUpHeader) && Interlocked.Increment(ref _served) > RequestsBeforeCrash)
        {
            await Console.Error.WriteLineAsync("shop: out of file handles, giving up");
            Environment.Exit(70);
        }
        await _connections.WaitAsync(context.RequestAborted);
        try
        {
            var timesOut = _fault == Fault.Slow && chance < 0.3;
            await Task.Delay(timesOut ? timeOut : wait, TimeProvider.System, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        finally
        {
            _connections.Release();
        }
        var errors = _fault switch { Fault.Errors => 0.25, Fault.Subtle => 0.02, _ => BaseErrors };
        // The slow third is decided by the low end of the same number; the two do not meet in one version.
        if (chance > 1 - errors)
        {
            context.Response.StatusCode = StatusCodes.Status500InternalServerError;
            context.Response.ContentType = "application/problem+json";
            await context.Response.WriteAsync("""{"title":"the catalogue could not be read","status":500}""", context.RequestAborted);
            return;
        }
        _ = int.TryParse(context.Request.Query["item"], NumberStyles.None, CultureInfo.InvariantCulture, out var item);
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(LookUp(item % Items), context.RequestAborted);
    }

    private (double Chance, TimeSpan Wait, TimeSpan TimeOut) Roll()
    {
        lock (_lock)
        {
            return (_random.NextDouble(), TimeSpan.FromMilliseconds(1 + (2 * _random.NextDouble())), TimeSpan.FromMilliseconds(800 + (400 * _random.NextDouble())));
        }
    }

    /// <summary>Reads an item and what goes with it out of the catalogue and writes what a page needs.</summary>
    private ReadOnlyMemory<byte> LookUp(int item)
    {
        var page = new ArrayBufferWriter<byte>(2048);
        using var writer = new Utf8JsonWriter(page);
        writer.WriteStartObject();
        writer.WriteString("version", _version);
        writer.WriteStartArray("items");
        for (var i = 0; i < 4; i++)
        {
            using var document = JsonDocument.Parse(_catalogue[(item + (i * 7)) % Items]);
            var root = document.RootElement;
            long price = 0;
            foreach (var part in root.GetProperty("parts").EnumerateArray())
            {
                price += part.GetProperty("cents").GetInt64();
            }
            writer.WriteStartObject();
            writer.WriteString("name", root.GetProperty("name").GetString());
            writer.WriteNumber("price", price / 100m);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.Flush();
        return page.WrittenMemory;
    }

    private byte[] Describe(int item)
    {
        var random = new Random(item);
        return JsonSerializer.SerializeToUtf8Bytes(new
        {
            id = item,
            name = $"item {item}",
            parts = Enumerable.Range(0, 12).Select(part => new { id = part, name = $"part {item}.{part}", cents = random.Next(100, 5000) }),
        });
    }

    private async Task Leak()
    {
        for (var held = 0; held < LeakLimit; held++)
        {
            var block = GC.AllocateUninitializedArray<byte>(LeakPerStep);
            // Memory counts as used only once it has been written to.
            block.AsSpan().Fill(1);
            _kept.Add(block);
            await Task.Delay(LeakStep, TimeProvider.System, CancellationToken.None);
        }
    }

    private static string OwnMetrics()
    {
        using var self = Process.GetCurrentProcess();
        return new StringBuilder()
            .Append("# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes ").Append(self.WorkingSet64).Append('\n')
            .Append("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ").Append(CultureInfo.InvariantCulture, $"{self.TotalProcessorTime.TotalSeconds:0.###}").Append('\n')
            .ToString();
    }
}
