using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Backtest;
using Commander.Server.Hosting;
using Commander.Server.Reasoning;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Reasoning;

namespace Commander.Server.Tests.Cli;

/// <summary>The verb beside a real server and a model's server on loopback.</summary>
public sealed class EvaluateReasoningTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("commander-evaluate-").FullName;
    private readonly BuiltServer _server = new();
    private ModelServer _model = null!;
    private string _cases = "";
    private string _policy = "";

    public async ValueTask InitializeAsync()
    {
        _model = await ModelServer.Start();
        await _server.Begin(new CommanderOptions { Reasoning = new ReasoningOptions(_model.Url, "a-model") { Timeout = TimeSpan.FromSeconds(10) } });
        _cases = Write("cases.jsonl", string.Join('\n', ShopCases.Mixed) + "\n\n");
        _policy = Write("policy.yaml", ShopSource.Policy("off"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _model.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private Task<Ran> Run(params string[] args) => new Shell().Run(["evaluate-reasoning", .. args, "--server", _server.Url.ToString()]);

    [Fact]
    public async Task Tables_say_what_the_judge_reaches_alone_and_with_the_model()
    {
        var ran = await Run(_cases, "--policy", _policy, "--attacks", "1");
        ran.Code.ShouldBe(0, ran.Error);
        ran.Lines[0].ShouldStartWith("verdicts of");
        ran.Lines[1].ShouldMatch("^the judge alone +all +2 +2 +0 +3 ");
        ran.Lines[2].ShouldMatch("^with advise +all +1 +0 +1 +5 ");
        ran.Lines[3].ShouldMatch("^with decide +all +1 +0 +1 +5 ");
        ran.Out.ShouldMatch("verdicts changed / right / wrong +3 / 2 / 1 +3 / 2 / 1");
        ran.Out.ShouldMatch(@"beyond authority \(must be 0\) +0 +0");
        ran.Error.ShouldContain("7 cases; the job is job-");
    }

    [Fact]
    public async Task Fewer_cases_and_one_authority_are_enough_and_json_has_the_whole_job()
    {
        var ran = await Run(_cases, "--policy", _policy, "--authority", "advise", "--limit", "3", "--attacks", "0", "--json");
        ran.Code.ShouldBe(0, ran.Error);
        var job = JsonNode.Parse(ran.Out)!;
        job["state"]!.GetValue<string>().ShouldBe("done");
        var result = job["result"].Deserialize<ReasoningEvaluation>(Json.Tolerant)!;
        (result.Given, result.Cases, result.Attacks).ShouldBe((3, 3, 0));
        result.Authorities.ShouldHaveSingleItem().Authority.ShouldBe("advise");
    }

    [Fact]
    public async Task What_is_wrong_with_the_file_is_said_as_backtest_says_it_before_anybody_is_asked()
    {
        var wrong = Write("wrong.jsonl", ShopCases.Mixed[0] + "\n{\"id\":1}\n");
        var ran = await Run(wrong);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldBe((await new Shell().Run("backtest", wrong)).Error);
        ran.Error.ShouldContain("line 2");
        (await Run(Write("empty.jsonl", "\n"))).Error.ShouldContain("the file has no case");
        (await Run(Path.Combine(_folder, "none.jsonl"))).Code.ShouldBe(1);
        (await Run(_cases, "--policy", Write("bad.yaml", "services: 1"))).Error.ShouldContain("is no policy");
        var many = await Run(Write("many.jsonl", string.Join('\n', Enumerable.Range(0, 4000).Select(n => ShopCases.Mixed[0].Replace("mild-1", $"mild-{n}", StringComparison.Ordinal)))));
        many.Code.ShouldBe(1);
        many.Error.ShouldContain("give --limit ");
        _model.Asked.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("--authority rule", "--authority rule is no authority; write advise, decide or advise,decide")]
    [InlineData("--attacks 61", "--attacks 61 is no number from 0 to 60")]
    [InlineData("--limit 0", "--limit 0 is no number from 1 to 2000")]
    [InlineData("--max-tokens many", "--max-tokens")]
    public async Task What_is_not_understood_ends_with_2(string options, string said)
    {
        var ran = await Run([_cases, .. options.Split(' ')]);
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain(said);
    }

    [Fact]
    public async Task A_job_that_fails_ends_with_1_and_says_why()
    {
        var ran = await Run(_cases, "--policy", _policy, "--max-tokens", "100");
        ran.Code.ShouldBe(1);
        ran.Error.ShouldContain("give fewer cases or attacks, or more tokens");
    }

    [Fact]
    public async Task Whoever_interrupts_it_cancels_the_job()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _model.Instead = (context, n, stop) =>
        {
            asked.TrySetResult();
            return ModelServer.Hang(context, n, stop);
        };
        using var interrupted = new CancellationTokenSource();
        var (output, error) = (new StringWriter(), new StringWriter());
        var running = Commander.Cli.CommandLine.Run(
            ["evaluate-reasoning", _cases, "--policy", _policy, "--server", _server.Url.ToString()],
            new Commander.Cli.Terminal(output, error, false, false, _ => null), TimeProvider.System, interrupted.Token);
        await asked.Task.WaitAsync(TestContext.Current.CancellationToken);
        await interrupted.CancelAsync();
        (await running).ShouldBe(1);
        error.ToString().ShouldContain("is cancelled");
        _model.Instead = null;
        (await Run(_cases, "--policy", _policy)).Code.ShouldBe(0);
    }
}
