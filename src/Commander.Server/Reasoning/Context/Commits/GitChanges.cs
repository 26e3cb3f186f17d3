using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Commander.Judging.Policies;
using Commander.Server.Connections;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>
/// A repository on this machine, read by git. Names of versions are looked up first; what is then listed are hashes. Nothing that a
/// repository's own settings name is run: no hook, pager, filter, signature check or fetch.
/// </summary>
/// <param name="policy">The policy's settings: path, tag.</param>
/// <param name="clock">The clock.</param>
/// <param name="program">git, or its path.</param>
internal sealed class GitChanges(ContextPolicy policy, TimeProvider clock, string program = "git") : IChangeSource
{
    private const int MaxOutput = 512 * 1024;
    private const int MaxError = 4096;

    // git cuts titles itself, so that one of a megabyte does not push the others out; what is longer than allowed is cut again.
    private const string Line = "--format=tformat:%H%x09%cI%x09%<(400,trunc)%s";

    // What git needs to be found and to know whom it trusts. Nothing else of ours is its: no secret, and no GIT_* that leads it elsewhere.
    private static readonly string[] PassedOn = ["PATH", "HOME", "TMPDIR", "SystemRoot", "USERPROFILE", "TEMP", "TMP", "PATHEXT"];

    private static readonly (string Name, string Value)[] Quiet =
    [
        ("LC_ALL", "C"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_ALLOW_PROTOCOL", "none"),
    ];

    private static readonly string[] Harmless =
    [
        "--no-pager",
        "-c", "core.pager=cat",
        "-c", "core.fsmonitor=false",
        "-c", "core.hooksPath=/dev/null",
        "-c", "core.sshCommand=false",
        "-c", "credential.helper=",
        "-c", "protocol.allow=never",
        "-c", "log.showSignature=false",
        "-c", "gpg.program=false",
    ];

    private readonly string _path = Path.GetFullPath(policy.Settings.GetValueOrDefault("path") ?? ".");

    public async Task<ChangeList> Between(ChangeQuestion question, CancellationToken cancel)
    {
        if (!policy.Settings.ContainsKey("path"))
            return ChangeBounds.Nothing("changes.git.path is not set");
        if (!Directory.Exists(_path))
            return ChangeBounds.Nothing($"{_path} is no folder that this server can read");
        var names = RefNames.Of(question, policy.Settings.GetValueOrDefault("tag"));
        if (names.Missing is { } unnamed)
            return ChangeBounds.Nothing(unnamed);
        using var patience = new CancellationTokenSource(ChangeBounds.Patience, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await Read(names, both.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return ChangeBounds.Nothing($"git did not end within {ChangeBounds.Patience.TotalSeconds:0.#} s on {_path} and was stopped");
        }
        catch (GitEndedException ended)
        {
            return ChangeBounds.Nothing(ended.Message);
        }
    }

    private async Task<ChangeList> Read(RefNames names, CancellationToken cancel)
    {
        Whole(await Run(["rev-parse", "--git-dir"], cancel));
        var start = await Find(names.Base, cancel);
        var head = await Find(names.Head, cancel);
        if (start is null || head is null)
            return ChangeBounds.Nothing($"{_path} has no {string.Join(" or ", start is null ? names.Base : names.Head)}; tried {names.Tried}; changes.git.tag says how tags are written, and it may have to be fetched");
        if (start == head)
            return new ChangeList([], 0, [], null);
        var range = $"{start}..{head}";
        var listed = Whole(await Run(["log", $"-n{ChangeBounds.Commits}", "--no-color", "--no-decorate", "--no-notes", "--no-show-signature", "--encoding=UTF-8", Line, "--end-of-options", range, "--"], cancel));
        var commits = ChangeBounds.Numbered(listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Commit).OfType<Change>());
        if (commits.Count == 0)
            return ChangeBounds.Nothing($"{names.Head[0]} has no commit that {names.Base[0]} does not have: it lies before it");
        var counted = Whole(await Run(["rev-list", "--count", "--end-of-options", range, "--"], cancel));
        var total = int.TryParse(counted.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? Math.Max(count, commits.Count) : commits.Count;
        var changed = Whole(await Run(["diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--ignore-submodules=dirty", "--end-of-options", start, head, "--"], cancel));
        var files = changed.Split('\0', ChangeBounds.Files + 1, StringSplitOptions.RemoveEmptyEntries).Take(ChangeBounds.Files).Select(ChangeBounds.PathOf);
        return new ChangeList(commits, total, files.ToArray(), null);
    }

    private static Change? Commit(string line) =>
        line.Split('\t', 3) is [var hash, var at, var title] ? ChangeBounds.Commit(hash, title, at) : null;

    private async Task<string?> Find(IReadOnlyList<string> names, CancellationToken cancel)
    {
        foreach (var name in names)
        {
            var found = await Run(["rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"], cancel);
            // Versions of git before 2.30 print the option itself.
            if (found.Code == 0 && found.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., var hash] && hash.Length is 40 or 64 && RefNames.IsHexadecimal(hash))
                return hash;
        }

        return null;
    }

    // What git says of itself may name what nobody asked for: it is understood, not repeated.
    private string Whole(Ran ran) => ran switch
    {
        { Code: 0 } or { More: true } => ran.Output,
        { Error: var said } when said.Contains("dubious ownership", StringComparison.Ordinal) =>
            throw new GitEndedException($"git does not trust {_path}, which another user owns: give it to this server's user, or add it to that user's safe.directory"),
        { Error: var said } when said.Contains("not a git repository", StringComparison.Ordinal) =>
            throw new GitEndedException($"{_path} is no git repository"),
        _ => throw new GitEndedException($"git ended with {ran.Code} on {_path}"),
    };

    /// <param name="Code">The exit code.</param>
    /// <param name="Output">The beginning of its standard output.</param>
    /// <param name="Error">The beginning of its standard error.</param>
    /// <param name="More">Whether it had more to say than was wanted, and was stopped.</param>
    private sealed record Ran(int Code, string Output, string Error, bool More);

    /// <summary>git cannot say what is asked; the message is for a person.</summary>
    private sealed class GitEndedException(string message) : Exception(message);

    private async Task<Ran> Run(string[] arguments, CancellationToken cancel)
    {
        using var process = new Process { StartInfo = Programs.Prepared(program, ["-C", _path, .. Harmless, .. arguments], PassedOn, Quiet) };
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or FileNotFoundException)
        {
            throw new GitEndedException("git cannot be started: install it where this server runs");
        }

        // Whoever still holds the other end of a pipe ends with it, so that nothing below waits longer.
        await using var stopped = cancel.Register(() => Programs.Kill(process));
        try
        {
            process.StandardInput.Close();
            var reading = Read(process.StandardError.BaseStream, MaxError, cancel);
            var output = await Read(process.StandardOutput.BaseStream, MaxOutput, cancel);
            if (output.More)
            {
                Programs.Kill(process);
                return new Ran(0, output.Text, "", More: true);
            }

            var error = await reading;
            await process.WaitForExitAsync(cancel);
            return new Ran(process.ExitCode, output.Text, error.Text, More: false);
        }
        finally
        {
            Programs.Kill(process);
        }
    }

    private static async Task<(string Text, bool More)> Read(Stream stream, int most, CancellationToken cancel)
    {
        var bytes = new byte[most + 1];
        try
        {
            var length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancel);
            return (Encoding.UTF8.GetString(bytes, 0, Math.Min(length, most)), length > most);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return ("", false);
        }
    }
}
