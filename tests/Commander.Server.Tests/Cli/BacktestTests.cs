using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public sealed class BacktestTests : IDisposable
{
    private static readonly string Cases = Repository.At("tests/Commander.Server.Tests/Contract/case.jsonl");

    private readonly string _folder = Directory.CreateTempSubdirectory("commander-backtest-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Recorded_deployments_are_judged_without_a_server_and_counted()
    {
        var ran = await new Shell().Run("backtest", Cases);
        ran.Code.ShouldBe(0);
        ran.Lines[0].ShouldStartWith("source");
        ran.Lines[^1].ShouldStartWith("all");
        ran.Error.ShouldContain("2 cases judged by commander");
    }

    [Fact]
    public async Task Counts_come_as_json_too()
    {
        var ran = await new Shell().Run("backtest", Cases, "--json");
        var all = JsonNode.Parse(ran.Out)!["rows"]!.AsArray().Single(row => row!["source"]!.GetValue<string>() == "all")!;
        all["true_positives"]!.GetValue<int>().ShouldBe(1);
        all["false_positives"]!.GetValue<int>().ShouldBe(0);
        all["true_negatives"]!.GetValue<int>().ShouldBe(1);
    }

    [Theory]
    [InlineData("commander")]
    [InlineData("health-score")]
    public async Task Each_case_leaves_one_line_in_the_contracts_shape(string judge)
    {
        var output = Path.Combine(_folder, "verdicts.jsonl");
        (await new Shell().Run("backtest", Cases, "--judge", judge, "--horizon", "2", "--out", output)).Code.ShouldBe(0);
        var lines = (await File.ReadAllLinesAsync(output, TestContext.Current.CancellationToken)).Select(line => JsonNode.Parse(line)!.AsObject()).ToArray();
        lines.Select(line => line["id"]!.GetValue<string>()).ShouldBe(["bad-1", "good-1"]);
        var contract = JsonNode.Parse(await File.ReadAllTextAsync(Repository.At("tests/Commander.Server.Tests/Contract/backtest-line.json"), TestContext.Current.CancellationToken))!.AsObject();
        foreach (var line in lines)
            line.Select(field => field.Key).ShouldBe(contract.Select(field => field.Key));
    }

    [Theory]
    [InlineData("{\"id\":\"a\"}", "cases.jsonl: line 1, ")]
    [InlineData("no json", "cases.jsonl: line 1")]
    [InlineData("\n\n", "the file has no case")]
    public async Task A_line_that_is_no_case_is_named(string text, string said)
    {
        var file = Path.Combine(_folder, "cases.jsonl");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);
        var ran = await new Shell().Run("backtest", file);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldContain(said);
        ran.Out.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(2, "--judge", "oracle")]
    [InlineData(2, "--horizon", "0")]
    public async Task What_cannot_be_asked_is_a_usage_error(int code, params string[] more) =>
        (await new Shell().Run(["backtest", Cases, .. more])).Code.ShouldBe(code);

    [Fact]
    public async Task The_case_file_is_never_written_over()
    {
        var file = Path.Combine(_folder, "cases.jsonl");
        File.Copy(Cases, file);
        (await new Shell().Run("backtest", file, "--out", file)).Code.ShouldBe(2);
        new FileInfo(file).Length.ShouldBe(new FileInfo(Cases).Length);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        var ran = await new Shell().Run("backtest", Path.Combine(_folder, "none.jsonl"));
        ran.Code.ShouldBe(1);
        ran.Error.ShouldContain("none.jsonl");
    }

    [Fact]
    public async Task Simulated_deployments_are_counted_against_the_budget_and_by_what_was_found()
    {
        var ran = await new Shell().Run("backtest", "--simulate", "no errors; crash 90 %, 200/s, share 50 %", "--deployments", "20");
        ran.Code.ShouldBe(0);
        ran.Lines[0].ShouldStartWith("harmless");
        ran.Lines[0].ShouldContain("budget 1.00 %");
        ran.Lines[1].ShouldStartWith("no errors");
        ran.Lines[^1].ShouldStartWith("crash 90 %, 200/s, share 50 %");
        ran.Lines[^1].ShouldContain("100 %");
        ran.Error.ShouldContain("40 deployments of 2 cells watched by commander");
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_figures_and_a_cell_the_same_alone_and_among_others()
    {
        var (one, among) = (await Cells("bursts phi 10"), await Cells("bursts phi"));
        one.Single()!.ToJsonString().ShouldBe(among.Single(cell => cell!["cell"]!.GetValue<string>() == "bursts phi 10")!.ToJsonString());

        static async Task<JsonArray> Cells(string wanted) => JsonNode.Parse(
            (await new Shell().Run("backtest", "--simulate", wanted, "--deployments", "30", "--seed", "5", "--json")).Out)!["cells"]!.AsArray();
    }

    [Fact]
    public async Task Simulated_deployments_are_judged_by_a_given_policy_and_its_budget()
    {
        var file = Path.Combine(_folder, "policy.yaml");
        await File.WriteAllTextAsync(file, """
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services:
              shop:
                source: prom
                metrics: { errors: { kind: ratio, bad: 'b{version="{{version}}"}', total: 't{version="{{version}}"}', tolerance: 1pp } }
                decide: { false_alarms: 5% }
            """, TestContext.Current.CancellationToken);
        var ran = await new Shell().Run("backtest", "--simulate", "no errors", "--deployments", "20", "--policy", file);
        ran.Error.ShouldNotContain("error:");
        ran.Lines[0].ShouldContain("budget 5.00 %");
    }

    [Theory]
    [InlineData("give either a case file or --simulate")]
    [InlineData("give either a case file or --simulate", "cases.jsonl", "--simulate")]
    [InlineData("--horizon and --out go with a case file", "--simulate", "--horizon", "3")]
    [InlineData("--deployments, --seed and --policy go with --simulate", "cases.jsonl", "--seed", "3")]
    [InlineData("--deployments 0 is no number of deployments; write 1 to 1000000", "--simulate", "--deployments", "0")]
    [InlineData("no cell's name has 'nonsense'", "--simulate", "nonsense")]
    public async Task What_does_not_go_together_is_a_usage_error(string said, params string[] more)
    {
        var ran = await new Shell().Run(["backtest", .. more]);
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain(said);
    }
}
