using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Acting.Rollback;

/// <summary>Which orders the programs of this process took already, so that one key runs no program twice.</summary>
internal sealed class CommandOrders
{
    private const int Kept = 1000;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, OrderResult?> _orders = new(StringComparer.Ordinal);
    private readonly Queue<string> _oldest = new();

    /// <summary>Null: the caller is to run it, and to say how it went. Else the answer.</summary>
    public OrderResult? Begin(string key)
    {
        lock (_lock)
        {
            if (_orders.TryGetValue(key, out var known))
                return known ?? new OrderResult(false, false, "the program is still running");
            _orders[key] = null;
            return null;
        }
    }

    /// <summary>What was accepted is remembered; anything else may be tried again.</summary>
    public void End(string key, OrderResult? result)
    {
        lock (_lock)
        {
            if (result is not { Accepted: true })
            {
                _orders.Remove(key);
                return;
            }

            _orders[key] = result;
            _oldest.Enqueue(key);
            if (_oldest.Count > Kept)
                _orders.Remove(_oldest.Dequeue());
        }
    }
}

/// <summary>
/// A program that rolls back: <c>run</c> with the order in its environment, and, where the policy gives one, <c>state</c>, whose
/// first line says which version serves. No shell. The exit code is the answer: 0 done, 75 (EX_TEMPFAIL) ask again, others never.
/// After a crash the same key comes again: the program must know which keys it has taken.
/// </summary>
internal sealed class CommandTarget(RollbackPolicy policy, TimeProvider clock, CommandOrders orders) : IRollbackTarget
{
    private const int AskAgain = 75;
    private const int Tail = 2048;

    // After the program has ended, a child that it left behind may keep its output open.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    // What programs need to find others and their settings. Nothing else of ours is theirs: the environment holds secrets.
    private static readonly string[] PassedOn =
        ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "KUBECONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "SystemRoot", "USERPROFILE", "TEMP", "TMP", "PATHEXT"];

    public string Name => "command:" + policy.Run[0];

    public bool KnowsHistory => false;

    public async Task<PlatformState> Look(string service, string environment, CancellationToken cancel)
    {
        if (policy.State.Count == 0)
            return new PlatformState(true, null, true, null, "as the command says", OnlyWord: true);
        var ran = await Run(policy.State, [("COMMANDER_SERVICE", service), ("COMMANDER_ENVIRONMENT", environment)], cancel);
        if (ran.Fault is { } fault)
            return new PlatformState(false, null, false, null, fault);
        if (ran.Code != 0)
            return new PlatformState(false, null, false, null, $"{policy.State[0]} ended with {ran.Code}{Because(ran.LastError)}");
        var version = ran.FirstLine.Trim();
        return version.Length == 0
            ? new PlatformState(false, null, false, null, $"{policy.State[0]} printed no version on its first line")
            : new PlatformState(true, version, true, null, $"{version} serves");
    }

    public async Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel)
    {
        if (orders.Begin(order.Key) is { } known)
            return known;
        OrderResult? result = null;
        try
        {
            return result = Read(await Run(
                policy.Run,
                [
                    ("COMMANDER_SERVICE", order.Service),
                    ("COMMANDER_ENVIRONMENT", order.Environment),
                    ("COMMANDER_VERSION", order.Version),
                    ("COMMANDER_TARGET_VERSION", order.TargetVersion),
                    ("COMMANDER_DEPLOYMENT", order.Deployment),
                    ("COMMANDER_ACTION_KEY", order.Key),
                ],
                cancel));
        }
        finally
        {
            orders.End(order.Key, result);
        }
    }

    private OrderResult Read(Ran ran) => ran switch
    {
        { Fault: { } fault } => new OrderResult(false, ran.Missing, fault),
        { Code: 0 } => new OrderResult(true, false, ran.Output.Length > 0 ? $"{policy.Run[0]} is done: {ran.Output}" : $"{policy.Run[0]} is done"),
        { Code: AskAgain } => new OrderResult(false, false, $"{policy.Run[0]} asks to be run again (exit code {AskAgain}){Because(ran.Output)}"),
        _ => new OrderResult(false, true, $"{policy.Run[0]} ended with {ran.Code}{Because(ran.LastError)}"),
    };

    private static string Because(string said) => said.Length > 0 ? ": " + said : "";

    /// <param name="Code">The exit code.</param>
    /// <param name="Output">The end of what it wrote, both streams, as one line.</param>
    /// <param name="FirstLine">The first line of its standard output.</param>
    /// <param name="LastError">The last line of its standard error.</param>
    /// <param name="Fault">Why there is no exit code; null when there is one.</param>
    /// <param name="Missing">Whether the program could not be started at all.</param>
    private sealed record Ran(int Code, string Output, string FirstLine, string LastError, string? Fault = null, bool Missing = false);

    private async Task<Ran> Run(IReadOnlyList<string> command, IReadOnlyList<(string Name, string Value)> variables, CancellationToken cancel)
    {
        using var process = new Process { StartInfo = Programs.Prepared(command[0], command.Skip(1), PassedOn, variables) };
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or FileNotFoundException)
        {
            return new Ran(0, "", "", "", $"{command[0]} cannot be started: {e.Message.TrimEnd('.')}. Write its full path, and let this server's user run it.", Missing: !Passing(e));
        }

        using var deadline = new CancellationTokenSource(policy.Timeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancel);
        var (both, output, error) = (new Captured(), new Captured(), new Captured());
        process.StandardInput.Close();
        var reading = Task.WhenAll(
            Read(process.StandardOutput.BaseStream, output, both),
            Read(process.StandardError.BaseStream, error, both));
        try
        {
            await process.WaitForExitAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            Programs.Kill(process);
            await Ended(reading, process, clock);
            cancel.ThrowIfCancellationRequested();
            return new Ran(0, both.End(), output.FirstLine(), error.LastLine(), $"{command[0]} did not end within {policy.Timeout.TotalSeconds:0.#} s and was stopped{Because(both.End())}");
        }

        await Ended(reading, process, clock);
        return new Ran(process.ExitCode, both.End(), output.FirstLine(), error.LastLine());
    }

    private static async Task Ended(Task reading, Process process, TimeProvider clock)
    {
        try
        {
            await reading.WaitAsync(LastWords, clock);
        }
        catch (TimeoutException)
        {
            // Somebody else holds the stream open; what came so far is all that is waited for.
            // The process does not close streams that were taken from it.
            await process.StandardOutput.BaseStream.DisposeAsync();
            await process.StandardError.BaseStream.DisposeAsync();
            _ = reading.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    // EAGAIN, ENOMEM, ENFILE, EMFILE, ETXTBSY: the machine is short of something, or the program is being replaced.
    private static bool Passing(Exception e) => e is Win32Exception { NativeErrorCode: 11 or 12 or 23 or 24 or 26 };

    private static async Task Read(Stream stream, Captured own, Captured both)
    {
        var chunk = new byte[4096];
        try
        {
            for (int read; (read = await stream.ReadAsync(chunk, CancellationToken.None)) > 0;)
            {
                own.Add(chunk.AsSpan(0, read));
                both.Add(chunk.AsSpan(0, read));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // The pipe is gone: nothing more comes.
        }
    }

    /// <summary>The beginning and the end of what a program writes, however much that is.</summary>
    private sealed class Captured
    {
        private readonly Lock _lock = new();
        private readonly byte[] _first = new byte[Tail];
        private readonly byte[] _last = new byte[Tail];
        private int _beginning;
        private long _length;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            lock (_lock)
            {
                var room = Math.Min(bytes.Length, Tail - _beginning);
                bytes[..room].CopyTo(_first.AsSpan(_beginning));
                _beginning += room;
                foreach (var b in bytes)
                    _last[_length++ % Tail] = b;
            }
        }

        /// <summary>The last two kilobytes as one line without control characters.</summary>
        public string End() => OneLine(Text());

        public string FirstLine()
        {
            lock (_lock)
                return Encoding.UTF8.GetString(_first, 0, _beginning).Split('\n')[0];
        }

        public string LastLine() => OneLine(Text().TrimEnd().Split('\n')[^1]);

        private string Text()
        {
            lock (_lock)
            {
                var length = (int)Math.Min(_length, Tail);
                var bytes = new byte[length];
                for (var i = 0; i < length; i++)
                    bytes[i] = _last[(_length - length + i) % Tail];
                return Encoding.UTF8.GetString(bytes);
            }
        }

        private static string OneLine(string text) =>
            string.Join(' ', string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }
}
