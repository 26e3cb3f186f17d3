using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Commander.Server.Storage.Postgres;
using Commander.Server.Tests.Storage.Postgres;
using Npgsql;

[assembly: AssemblyFixture(typeof(SharedPostgres))]

namespace Commander.Server.Tests.Storage.Postgres;

/// <summary>One server for all tests of the run that leave it in peace; started when the first of them asks for it.</summary>
public sealed class SharedPostgres : IAsyncDisposable
{
    private static readonly Lazy<Task<RealPostgres>> Started = new(() => RealPostgres.Start());

    internal static Task<RealPostgres> Server()
    {
        RealPostgres.SkipWhenMissing();
        return Started.Value;
    }

    public async ValueTask DisposeAsync()
    {
        if (Started.IsValueCreated)
        {
            await (await Started.Value).DisposeAsync();
        }
    }
}

/// <summary>The installed PostgreSQL on a free loopback port, with data in a folder of its own, as a user that is not root.</summary>
internal sealed class RealPostgres : IAsyncDisposable
{
    public const string Password = "secret-of-the-database";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // The shell ends the server when whoever started it is gone, however it went, and ends when the server does.
    private const string KeptByParent =
        """
        exec 3<&0
        "$@" & pid=$!
        { read -r forever; kill -INT $pid; } <&3 2>/dev/null & parent=$!
        wait $pid
        kill $parent 2>/dev/null
        """;

    private static int _ports;

    private readonly string _folder;
    private Process? _shell;
    private int _databases;

    private RealPostgres(string folder) => _folder = folder;

    public int Port { get; private set; }

    private static string? Programs => Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")))
        : null;

    public static void SkipWhenMissing()
    {
        if (Programs is null)
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") == "true", "PostgreSQL is not installed: apt-get install postgresql");
            Assert.Fail("PostgreSQL is not installed, and a CI run must not pass without it: apt-get install postgresql");
        }
    }

    public static async Task<RealPostgres> Start()
    {
        SkipWhenMissing();
        var server = new RealPostgres((await Output("mktemp", "-d", "/tmp/commander-postgres-XXXXXX")).Trim());
        try
        {
            // Without the last flush of the new files, which a test's server needs not survive.
            await Output("/bin/sh", "-c", $"echo {Password} > '{server._folder}/password' && '{Programs}/initdb' -D '{server._folder}/data' -U commander --pwfile='{server._folder}/password' -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync");
            server.Port = FreePort();
            await server.Run();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>A database of nobody else's, empty.</summary>
    public async Task<string> Fresh()
    {
        var name = "t" + Interlocked.Increment(ref _databases);
        await Sql(Connection("public"), "CREATE SCHEMA " + name);
        return Connection(name);
    }

    public string Connection(string schema) =>
        $"Host=127.0.0.1;Port={Port};Database=postgres;Username=commander;Password={Password};Search Path={schema}";

    /// <summary>Runs statements as an administrator would; the first column of the first row.</summary>
    public static async Task<object?> Sql(string connection, string sql)
    {
        await using var opened = new NpgsqlConnection(connection + ";Pooling=false");
        await opened.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, opened);
        return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken);
    }

    public static Database Read(string connection) => Database.Read(connection).Database!;

    /// <summary>SIGKILL for the server and all its processes.</summary>
    public async Task Kill()
    {
        await Signal("KILL");
        _shell!.StandardInput.Close();
        await _shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        _shell.Dispose();
        _shell = null;
    }

    /// <summary>Nobody of it does anything any more, and nobody is gone.</summary>
    public Task Stop() => Signal("STOP");

    public Task Continue() => Signal("CONT");

    public async Task Run()
    {
        // Few buffers: many tests run beside it. The flush of a commit stays.
        string[] arguments = AsUser(
            "/bin/sh", "-c", KeptByParent, "sh",
            $"{Programs}/postgres", "-D", $"{_folder}/data", "-h", "127.0.0.1", "-p", Port.ToString(), "-k", "", "-c", "max_connections=300", "-c", "shared_buffers=64MB", "-c", "lc_messages=C");
        _shell = Process.Start(new ProcessStartInfo(arguments[0], arguments[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        })!;
        using var patience = new CancellationTokenSource(Patience);
        List<string> said = [];
        try
        {
            while (await _shell.StandardError.ReadLineAsync(patience.Token) is { } line)
            {
                said.Add(line);
                if (line.Contains("ready to accept connections", StringComparison.Ordinal))
                {
                    _ = _shell.StandardError.ReadToEndAsync(CancellationToken.None);
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            said.Add($"(and nothing more within {Patience.TotalSeconds:0} s)");
        }

        throw new InvalidOperationException($"PostgreSQL did not start:\n{string.Join('\n', said)}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_shell is not null)
        {
            _shell.StandardInput.Close();
            using var patience = new CancellationTokenSource(Patience);
            await _shell.WaitForExitAsync(patience.Token);
            _shell.Dispose();
        }

        await Output("rm", "-rf", _folder);
    }

    // Below those that the system gives to connections: it must still be free when a killed server starts again.
    private static int FreePort()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 15_000 + ((Environment.ProcessId + Interlocked.Increment(ref _ports)) % 15_000));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException)
            {
                // Somebody's: the next one.
            }
        }
    }

    private async Task Signal(string name)
    {
        var postmaster = (await File.ReadAllLinesAsync($"{_folder}/data/postmaster.pid"))[0];
        if (name != "CONT")
        {
            // So that none is started behind the back of who lists them.
            await Output("/bin/sh", "-c", $"kill -STOP {postmaster}");
        }

        var children = await Output("/bin/sh", "-c", $"ps -o pid= --ppid {postmaster} || true");
        string[] all = [postmaster, .. children.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];
        await Output("/bin/sh", "-c", $"for pid in {string.Join(' ', all)}; do kill -{name} $pid 2>/dev/null || true; done");
    }

    private static string[] AsUser(params string[] command) =>
        Environment.UserName == "root" ? ["runuser", "-u", "postgres", "--", .. command] : command;

    private static async Task<string> Output(params string[] command)
    {
        command = AsUser(command);
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        })!;
        using var patience = new CancellationTokenSource(Patience);
        var error = process.StandardError.ReadToEndAsync(patience.Token);
        var output = await process.StandardOutput.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        process.ExitCode.ShouldBe(0, $"{string.Join(' ', command)}: {await error}");
        return output;
    }
}
