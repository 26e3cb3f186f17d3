using System.Text;
using System.Text.Json.Nodes;
using Commander.Charts;
using Commander.Cli;
using Commander.Judging.Models;

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

    [Fact]
    public async Task A_model_can_withhold_an_alarm()
    {
        var model = Path.Combine(_folder, "model.json");
        await File.WriteAllBytesAsync(model, ModelFile.Write(Model.Shipped with { Version = "doubtful", Intercept = -30 }), TestContext.Current.CancellationToken);
        var lines = await Verdicts("--model", model);
        lines.Select(line => line["decision"]!.GetValue<string>()).ShouldBe(["HOLD", "HOLD"]);
        lines[0]["p_bad"]!.GetValue<double>().ShouldBeLessThan(0.01);
    }

    [Theory]
    [InlineData("[]", "model: is no model")]
    [InlineData("{\"version\":\"a\",\"intercept\":0,\"weights\":[1],\"no_data\":1,\"guard\":1}", "weights: has 1 numbers; give one per family")]
    [InlineData("{\"version\":\"a\",\"intercept\":\"0\",\"weights\":[1],\"no_data\":1,\"guard\":1}", "intercept: is no model")]
    [InlineData("{\"version\":\"a\",\"intercept\":1e9,\"weights\":[1,1,1,1,1,1,1,1],\"no_data\":1,\"guard\":1}", "intercept: must lie between")]
    [InlineData("{\"version\":\"\",\"intercept\":1,\"weights\":[1,1,1,1,1,1,1,1],\"no_data\":1,\"guard\":1}", "version: give the model a name")]
    public async Task What_is_no_model_is_refused_with_its_place(string text, string said)
    {
        var model = Path.Combine(_folder, "model.json");
        await File.WriteAllTextAsync(model, text, TestContext.Current.CancellationToken);
        var ran = await new Shell().Run("backtest", Cases, "--model", model);
        ran.Code.ShouldBe(1);
        ran.Error.ShouldContain(said);
    }

    [Theory]
    [InlineData("commander")]
    [InlineData("health-score")]
    [InlineData("argo")]
    [InlineData("mann-whitney")]
    public async Task Each_case_leaves_one_line_in_the_contracts_shape(string judge)
    {
        var lines = await Verdicts("--judge", judge, "--horizon", "2");
        lines.Select(line => line["id"]!.GetValue<string>()).ShouldBe(["bad-1", "good-1"]);
        var contract = JsonNode.Parse(await File.ReadAllTextAsync(Repository.At("tests/Commander.Server.Tests/Contract/backtest-line.json"), TestContext.Current.CancellationToken))!.AsObject();
        foreach (var line in lines)
        {
            line.Select(field => field.Key).ShouldBe(contract.Select(field => field.Key));
            line["source"]!.GetValue<string>().ShouldBe("example");
            line["reason"]!.GetValue<string>().ShouldNotBeEmpty();
        }

        lines.Select(line => line["label"]!.GetValue<string>()).ShouldBe(["BAD", "GOOD"]);
    }

    // What is said of each of the contract's cases.
    private async Task<JsonObject[]> Verdicts(params string[] options)
    {
        var output = Path.Combine(_folder, "verdicts.jsonl");
        (await new Shell().Run(["backtest", Cases, .. options, "--out", output])).Code.ShouldBe(0);
        return [.. (await File.ReadAllLinesAsync(output, TestContext.Current.CancellationToken)).Select(line => JsonNode.Parse(line)!.AsObject())];
    }

    [Theory]
    [InlineData("{\"id\":\"a\"}", "cases.jsonl: line 1, ")]
    [InlineData("no json", "cases.jsonl: line 1")]
    [InlineData("id,source,metrics\na,b,c", "JSON lines are expected")]
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

    [Fact]
    public async Task A_case_that_cannot_be_judged_is_named_by_file_and_line()
    {
        var file = Path.Combine(_folder, "wide.jsonl");
        var metrics = string.Join(',', Enumerable.Range(0, 17).Select(at => $$"""
            "m{{at}}":{"unit":"x","baseline":[],"candidate":[1]}
            """.Trim()));
        await File.WriteAllTextAsync(file, $$"""
            
            {"id":"a","source":"s","change_time":0,"step_seconds":60,"restarted":false,"metrics":{ {{metrics}} } }
            """, TestContext.Current.CancellationToken);
        (await new Shell().Run("backtest", file)).Error.ShouldContain("wide.jsonl: line 2, metrics: are 17; at most 16 can be judged together");
    }

    [Fact]
    public async Task A_case_is_counted_once()
    {
        var file = Many("one", 40, "a");
        var ran = await new Shell().Run("backtest", file, Path.Combine(_folder, ".", "one.jsonl"));
        (ran.Code, ran.Out).ShouldBe((2, ""));
        ran.Error.ShouldContain("is named twice: its cases would be counted twice");
        var copy = Path.Combine(_folder, "copy.jsonl");
        File.Copy(file, copy);
        (await new Shell().Run("backtest", file, copy)).Error.ShouldContain("copy.jsonl: line 1, id: 'one-0' of the source 'a' stands in an earlier file too");
        await File.AppendAllTextAsync(file, (await File.ReadAllLinesAsync(file))[2]);
        ran = await new Shell().Run("backtest", file);
        (ran.Code, ran.Out).ShouldBe((1, ""));
        ran.Error.ShouldContain("one.jsonl: line 41, id: 'one-2' stands on line 3 too");
        File.Delete(copy);
    }

    [Fact]
    public async Task A_folder_is_said_to_be_one()
    {
        var ran = await new Shell().Run("backtest", _folder);
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain($"{_folder} is a folder");
        ran.Error.ShouldContain("name the case files in it");
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
    public async Task Several_files_are_judged_in_their_order_with_rows_per_source_all_and_the_mean()
    {
        var (one, two, output) = (Many("one", 70, "a"), Many("two", 50, "b"), Path.Combine(_folder, "out.jsonl"));
        var ran = await new Shell().Run("backtest", two, one, "--out", output);
        ran.Error.ShouldContain("120 cases judged by commander");
        ran.Lines.Skip(1).Take(4).Select(line => line.Split("  ")[0]).ShouldBe(["a", "b", "all", "mean over sources"]);
        (await File.ReadAllLinesAsync(output)).Select(line => JsonNode.Parse(line)!["id"]!.GetValue<string>())
            .ShouldBe(Enumerable.Range(0, 50).Select(at => $"two-{at}").Concat(Enumerable.Range(0, 70).Select(at => $"one-{at}")));
    }

    [Fact]
    public async Task Any_number_of_cores_says_the_same()
    {
        var order = new BacktestOrder([Many("one", 300, "a"), Many("two", 5, "b")], ["commander", "three-sigma"], null, null, new Horizons(null, new Dictionary<string, int>()));
        var (first, second) = (await Judged(1), await Judged(7));
        first.ShouldBe(second);
        first.ShouldContain("one-299");

        async Task<string> Judged(int cores)
        {
            using var verdicts = new MemoryStream();
            var report = new BacktestReport(order.Judges);
            var tested = await Backtesting.Run(order, verdicts, report, cores, TimeProvider.System, (_, _) => { }, TestContext.Current.CancellationToken);
            return Encoding.UTF8.GetString(verdicts.ToArray()) + string.Concat(tested.Summaries) + string.Concat(tested.Comparison.Rows(1))
                + report.Html(["one"], "", tested.Summaries, tested.Comparison.Rows(1));
        }
    }

    [Fact]
    public async Task Of_many_wrong_lines_the_first_is_named_and_nothing_is_printed()
    {
        var file = Many("one", 200, "a");
        var lines = await File.ReadAllLinesAsync(file);
        (lines[150], lines[90], lines[199]) = ("wrong", "also wrong", "{}");
        await File.WriteAllLinesAsync(file, lines);
        var ran = await new Shell().Run("backtest", file);
        (ran.Code, ran.Out).ShouldBe((1, ""));
        ran.Error.ShouldContain("one.jsonl: line 91");
    }

    [Fact]
    public async Task A_horizon_is_given_for_all_for_a_source_or_for_a_file_and_a_name_nothing_has_is_refused()
    {
        var (one, two, output) = (Many("one", 2, "a=b"), Many("two", 2, "c"), Path.Combine(_folder, "out.jsonl"));
        (await new Shell().Run("backtest", one, two, "--horizon", "a=b=2", "--horizon", "two=3", "--out", output)).Code.ShouldBe(0);
        Ticks().ShouldBe([2, 2, 3, 3]);
        (await new Shell().Run("backtest", one, two, "--horizon", "c=3", "--horizon", "1", "--out", output)).Code.ShouldBe(0);
        Ticks().ShouldBe([1, 1, 3, 3]);
        var ran = await new Shell().Run("backtest", one, "--horizon", "tow=3");
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain("--horizon names tow");
        ran.Error.ShouldContain("known are a=b, one");

        int[] Ticks() => [.. File.ReadAllLines(output).Select(line => JsonNode.Parse(line)!["tick"]!.GetValue<int>())];
    }

    [Fact]
    public async Task Two_judges_are_compared_on_the_same_cases()
    {
        var ran = await new Shell().Run("backtest", "--compare", "commander", "argo", Cases);
        ran.Code.ShouldBe(0);
        ran.Lines[0].ShouldBe("commander");
        ran.Lines.ShouldContain("argo");
        ran.Lines[^1].ShouldStartWith("mean over sources");
        ran.Lines.Single(line => line.StartsWith("example", StringComparison.Ordinal) && line.Contains("recall")).ShouldContain("+100.0 pp");
        var document = JsonNode.Parse((await new Shell().Run("backtest", Cases, "--compare", "commander", "argo", "--json", "--seed", "4")).Out)!;
        document["judges"]!.AsArray().Select(judge => judge!["judge"]!.GetValue<string>()).ShouldBe(["commander", "argo"]);
        document["differences"]!.AsArray().Single(row => row!["source"]!.GetValue<string>() == "mean over sources" && row["measure"]!.GetValue<string>() == "recall")!["difference"]!.GetValue<double>().ShouldBe(1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_report_is_written_and_never_over_the_cases(bool terminal)
    {
        var (file, report) = (Many("one", 3, "a"), Path.Combine(_folder, "report.html"));
        var ran = await new Shell { IsTerminal = terminal }.Run("backtest", file, "--judge", "argo", "--report", report);
        ran.Code.ShouldBe(0);
        (await File.ReadAllTextAsync(report)).ShouldContain("<h1>Backtest of argo</h1>");
        (await new Shell().Run("backtest", file, "--report", file)).Code.ShouldBe(2);
        (await new Shell().Run("backtest", file, "--report", report, "--out", report)).Code.ShouldBe(2);
        (await File.ReadAllLinesAsync(file)).Length.ShouldBe(3);
    }

    [Fact]
    public async Task Recorded_cases_are_judged_by_a_given_policy()
    {
        var policy = Path.Combine(_folder, "policy.yaml");
        await File.WriteAllTextAsync(policy, """
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services:
              shop:
                source: prom
                metrics: { errors: { kind: ratio, bad: 'b{version="{{version}}"}', total: 't{version="{{version}}"}', tolerance: 50pp } }
            """);
        JsonNode.Parse((await new Shell().Run("backtest", Cases, "--json", "--policy", policy)).Out)!["rows"]![0]!["true_positives"]!.GetValue<int>().ShouldBe(0);
    }

    [Fact]
    public async Task Of_a_policy_file_with_several_services_one_is_named()
    {
        var policy = Path.Combine(_folder, "policy.yaml");
        string Service(string name, string tolerance) => $"  {name}:\n    source: prom\n    metrics: {{ errors: {{ kind: ratio, bad: 'b', total: 't', tolerance: {tolerance} }} }}\n    environments: {{ staging: {{ metrics: {{ errors: {{ tolerance: 50pp }} }} }} }}\n";
        await File.WriteAllTextAsync(policy, "sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }\nservices:\n" + Service("shop", "1pp") + Service("slow", "50pp") + "  bare: {}\n", TestContext.Current.CancellationToken);
        (await Found("shop")).ShouldBe(1);
        (await Found("slow")).ShouldBe(0);
        (await Found("shop/staging")).ShouldBe(0);
        (await Said()).ShouldContain("give --service with one of its services: bare, shop, slow");
        (await Said("--service", "shp")).ShouldContain("did you mean shop?");
        (await Said("--service", "bare")).ShouldContain("bare has no metrics to judge by");
        (await new Shell().Run("backtest", Cases, "--service", "shop")).Error.ShouldContain("--service goes with --policy");
        (await new Shell().Run("backtest", "--simulate", "no errors", "--deployments", "2", "--policy", policy, "--service", "shop")).Code.ShouldBe(0);

        async Task<int> Found(string service) =>
            JsonNode.Parse((await new Shell().Run("backtest", Cases, "--json", "--policy", policy, "--service", service)).Out)!["rows"]![0]!["true_positives"]!.GetValue<int>();

        async Task<string> Said(params string[] more) => (await new Shell().Run(["backtest", Cases, "--policy", policy, .. more])).Error;
    }

    [Fact]
    public async Task A_unit_that_is_not_known_is_said()
    {
        var file = Path.Combine(_folder, "units.jsonl");
        await File.WriteAllTextAsync(file, """{"id":"a","source":"s","change_time":0,"step_seconds":60,"restarted":false,"metrics":{"speed":{"unit":"furlongs","baseline":[1],"candidate":[1]},"latency":{"unit":"ms","baseline":[1],"candidate":[1]}}}""", TestContext.Current.CancellationToken);
        (await new Shell().Run("backtest", file)).Error.ShouldContain("not known are the units furlongs (speed): such a metric is judged relative to its reference");
        (await new Shell().Run("backtest", Cases)).Error.ShouldNotContain("not known");
    }

    // Cases of which every third is bad: one in ten requests fails.
    private string Many(string name, int count, string source)
    {
        var path = Path.Combine(_folder, name + ".jsonl");
        File.WriteAllLines(path, Enumerable.Range(0, count).Select(at =>
        {
            var bad = at % 3 == 0;
            return $$"""{"id":"{{name}}-{{at}}","source":"{{source}}","change_time":0,"step_seconds":60,"restarted":false,"metrics":{"requests":{"unit":"count","baseline":[900,{{900 + at}},910],"candidate":[900,900,900,905]},"errors":{"unit":"count","baseline":[1,0,1],"candidate":[1,1,1,{{(bad ? 200 : 1)}}] } },"label":"{{(bad ? "BAD" : "GOOD")}}","group":"{{at / 7}}"}""";
        }));
        return path;
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
    public async Task Of_simulated_deployments_the_document_has_counts_and_says_within_how_long()
    {
        var cells = JsonNode.Parse((await new Shell().Run("backtest", "--simulate", "plain; crash 90 %, 200/s, share 50 %", "--deployments", "20", "--json")).Out)!["cells"]!.AsArray();
        cells.Select(cell => cell!["cell"]!.GetValue<string>()).ShouldBe(["plain", "crash 90 %, 200/s, share 50 %"]);
        foreach (var cell in cells)
            (cell!["rolled_back"]!.GetValue<int>() + cell["continued"]!.GetValue<int>() + cell["held"]!.GetValue<int>()).ShouldBe(20);
        cells[1]!["within"]!.AsArray().Select(within => (within!["seconds"]!.GetValue<double>(), within["rolled_back"]!.GetValue<int>())).ShouldBe([(15, 20), (60, 20), (300, 20)]);
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
    [InlineData("give either case files or --simulate")]
    [InlineData("give either case files or --simulate", "cases.jsonl", "--simulate", "plain")]
    [InlineData("--compare, --horizon, --model, --out and --report go with case files", "--simulate", "--horizon", "3")]
    [InlineData("--model goes with the judge commander", "cases.jsonl", "--judge", "argo", "--model", "model.json")]
    [InlineData("--compare, --horizon, --model, --out and --report go with case files", "--simulate", "--model", "model.json")]
    [InlineData("--compare, --horizon, --model, --out and --report go with case files", "--simulate", "--compare", "argo", "cusum")]
    [InlineData("argo judges recorded cases only", "--simulate", "plain", "--judge", "argo")]
    [InlineData("--judge and --out go with one judge, --compare with two", "cases.jsonl", "--compare", "argo", "cusum", "--judge", "argo")]
    [InlineData("--policy goes with the judges commander and health-score", "cases.jsonl", "--judge", "argo", "--policy", "policy.yaml")]
    [InlineData("--horizon x=0 is no number of steps; write 1 or more, or SOURCE=N", "cases.jsonl", "--horizon", "x=0")]
    [InlineData("--horizon names x twice", "cases.jsonl", "--horizon", "x=1", "--horizon", "x=2")]
    [InlineData("--horizon has two numbers for all", "cases.jsonl", "--horizon", "1", "--horizon", "2")]
    [InlineData("--seed goes with --simulate and --compare", "cases.jsonl", "--seed", "3")]
    [InlineData("--deployments goes with --simulate", "cases.jsonl", "--deployments", "3")]
    [InlineData("--deployments 0 is no number of deployments; write 1 to 1000000", "--simulate", "--deployments", "0")]
    [InlineData("no cell's name has 'nonsense'", "--simulate", "nonsense")]
    public async Task What_does_not_go_together_is_a_usage_error(string said, params string[] more)
    {
        var ran = await new Shell().Run(["backtest", .. more]);
        ran.Code.ShouldBe(2);
        ran.Error.ShouldContain(said);
    }
}
