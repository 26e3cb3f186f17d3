using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Tests.Storage;

namespace Commander.Server.Tests.Acting;

public sealed class CommandTargetTests : RollbackTargetCompliance, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly TestFolder _folder = new();
    private readonly CommandOrders _orders = new();

    private protected override int Effects => File.Exists(_folder["effects"]) ? File.ReadAllLines(_folder["effects"]).Length : 0;

    // A platform as a file: which version serves, and a line for every effect.
    private protected override async Task<IRollbackTarget> Target(PlatformMood mood, TimeSpan timeout)
    {
        await File.WriteAllTextAsync(_folder["serving"], "2.0.0\nsince yesterday\n");
        var (run, state) = mood switch
        {
            PlatformMood.Accepts => ($"echo \"$COMMANDER_ACTION_KEY\" >> '{_folder["effects"]}'; echo \"$COMMANDER_TARGET_VERSION\" > '{_folder["serving"]}'; echo rolled back", $"cat '{_folder["serving"]}'"),
            PlatformMood.Refuses => ("echo working; echo first >&2; echo the target is gone >&2; exit 3", "exit 1"),
            PlatformMood.Away => ("echo no connection; exit 75", "echo no connection >&2; exit 75"),
            _ => ("sleep 60", "sleep 60"),
        };
        return Sh(run, timeout, state);
    }

    [Fact]
    public async Task The_program_is_given_the_order_and_no_secret_of_ours()
    {
        const string secret = "COMMANDER_SECRET_OF_THIS_TEST";
        Environment.SetEnvironmentVariable(secret, "s3cret");
        try
        {
            (await Sh($"env > '{_folder["environment"]}'").Order(Order, CancellationToken.None)).Accepted.ShouldBeTrue();
        }
        finally
        {
            Environment.SetEnvironmentVariable(secret, null);
        }

        var given = (await File.ReadAllLinesAsync(_folder["environment"])).Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
        given.Where(pair => pair.Key.StartsWith("COMMANDER_", StringComparison.Ordinal)).OrderBy(pair => pair.Key, StringComparer.Ordinal).ShouldBe(
        [
            new("COMMANDER_ACTION_KEY", "dep-1/rollback/1"),
            new("COMMANDER_DEPLOYMENT", "dep-1"),
            new("COMMANDER_ENVIRONMENT", "prod"),
            new("COMMANDER_SERVICE", "checkout"),
            new("COMMANDER_TARGET_VERSION", "1.0.0"),
            new("COMMANDER_VERSION", "2.0.0"),
        ]);
        given["PATH"].ShouldBe(Environment.GetEnvironmentVariable("PATH"));
        string[] known = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "KUBECONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "PWD", "SHLVL", "_", "OLDPWD"];
        given.Keys.Where(name => !name.StartsWith("COMMANDER_", StringComparison.Ordinal)).ShouldBeSubsetOf(known);
    }

    [Fact]
    public async Task Arguments_are_passed_as_they_are_without_a_shell()
    {
        var target = new CommandTarget(Policy(["/bin/echo", "$HOME", "a b;c", "*"]), TimeProvider.System, _orders);
        (await target.Order(Order, CancellationToken.None)).Message.ShouldBe("/bin/echo is done: $HOME a b;c *");
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_refused_in_words()
    {
        var result = await new CommandTarget(Policy(["/nowhere/rollback"]), TimeProvider.System, _orders).Order(Order, CancellationToken.None);
        (result.Accepted, result.Refused).ShouldBe((false, true));
        result.Message.ShouldContain("/nowhere/rollback cannot be started");
        result.Message.ShouldContain("Write its full path");
    }

    [Fact]
    public async Task Another_exit_code_is_refused_with_it_and_the_last_line_of_standard_error()
    {
        var result = await Sh("echo fine; echo warning >&2; echo not allowed >&2; exit 4").Order(Order, CancellationToken.None);
        result.ShouldBe(new OrderResult(false, true, "/bin/sh ended with 4: not allowed"));
    }

    [Fact]
    public async Task Exit_code_75_is_asked_again_and_then_accepted()
    {
        var target = Sh($"if [ -f '{_folder["ready"]}' ]; then echo done; else touch '{_folder["ready"]}'; echo busy; exit 75; fi");
        (await target.Order(Order, CancellationToken.None)).ShouldBe(new OrderResult(false, false, "/bin/sh asks to be run again (exit code 75): busy"));
        (await target.Order(Order, CancellationToken.None)).ShouldBe(new OrderResult(true, false, "/bin/sh is done: done"));
    }

    [Fact]
    public async Task A_time_out_ends_the_whole_process_tree()
    {
        var target = Sh($"sh -c 'echo $$ > {_folder["child"]}; exec sleep 60' & wait", TimeSpan.FromSeconds(2));
        (await target.Order(Order, CancellationToken.None)).Message.ShouldContain("did not end within 2 s and was stopped");
        var child = int.Parse(await File.ReadAllTextAsync(_folder["child"]));
        await Gone(child);
    }

    [Fact]
    public async Task However_much_it_writes_the_last_two_kilobytes_are_kept()
    {
        var result = await Sh("i=0; while [ $i -lt 20000 ]; do echo \"line $i\"; i=$((i+1)); done").Order(Order, CancellationToken.None);
        result.Accepted.ShouldBeTrue();
        result.Message.ShouldEndWith("line 19998 line 19999");
        result.Message.Length.ShouldBeLessThanOrEqualTo(2048 + 40);
    }

    [Fact]
    public async Task A_child_that_is_left_behind_with_the_output_open_is_not_waited_for()
    {
        var result = await Sh("sleep 20 & echo started").Order(Order, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(15));
        result.ShouldBe(new OrderResult(true, false, "/bin/sh is done: started"));
    }

    [Fact]
    public async Task Two_at_once_with_one_key_run_one_program()
    {
        var target = Sh($"echo once >> '{_folder["effects"]}'; read line < '{_folder["gate"]}'");
        using (var made = System.Diagnostics.Process.Start("mkfifo", [_folder["gate"]]))
            await made.WaitForExitAsync();
        var first = target.Order(Order, CancellationToken.None);
        (await target.Order(Order, CancellationToken.None)).ShouldBe(new OrderResult(false, false, "the program is still running"));
        await File.WriteAllTextAsync(_folder["gate"], "go\n").WaitAsync(Patience);
        (await first.WaitAsync(Patience)).Accepted.ShouldBeTrue();
        Effects.ShouldBe(1);
    }

    [Fact]
    public async Task Without_a_state_program_the_commands_own_word_is_all_there_is()
    {
        var state = await Sh("true").Look("checkout", "prod", CancellationToken.None);
        state.ShouldBe(new PlatformState(true, null, true, null, "as the command says", OnlyWord: true));
    }

    [Theory]
    [InlineData("true", "printed no version on its first line")]
    [InlineData("echo; echo 1.0.0", "printed no version on its first line")]
    [InlineData("echo no rights >&2; exit 1", "ended with 1: no rights")]
    public async Task A_state_that_cannot_be_read_is_not_reached(string state, string said)
    {
        var read = await Sh("true", state: state).Look("checkout", "prod", CancellationToken.None);
        (read.Reached, read.ServingVersion).ShouldBe((false, null));
        read.Message.ShouldContain(said);
    }

    private CommandTarget Sh(string run, TimeSpan? timeout = null, string? state = null) =>
        new(Policy(["/bin/sh", "-c", run], timeout) with { State = state is null ? [] : ["/bin/sh", "-c", state] }, TimeProvider.System, _orders);

    private static RollbackPolicy Policy(IReadOnlyList<string> run, TimeSpan? timeout = null) =>
        new("command", new Dictionary<string, string>(StringComparer.Ordinal), run, timeout ?? TimeSpan.FromSeconds(20));

    private static async Task Gone(int process)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (Directory.Exists($"/proc/{process}") && !(await File.ReadAllTextAsync($"/proc/{process}/stat")).Contains(" Z ", StringComparison.Ordinal))
        {
            TimeProvider.System.GetElapsedTime(started).ShouldBeLessThan(Patience, $"process {process} lives on");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
        }
    }

    public void Dispose() => _folder.Dispose();
}
