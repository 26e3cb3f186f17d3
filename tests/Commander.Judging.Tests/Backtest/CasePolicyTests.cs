using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Backtest;

public class CasePolicyTests
{
    [Theory]
    [InlineData("error_rate", "%", Family.Error, 1, false, 0, 0)]
    [InlineData("error_log_lines", "count", Family.Error, 0.5, true, 1, 0)]
    [InlineData("error_rate", "ratio", Family.Error, 0.01, false, 0, 0)]
    [InlineData("error_rate", "fraction", Family.Error, 0.01, false, 0, 0)]
    [InlineData("error_rate", "share", Family.Error, 0.01, false, 0, 0)]
    [InlineData("error_rate", "% of requests", Family.Error, 1, false, 0, 0)]
    [InlineData("error_rate", "percent", Family.Error, 1, false, 0, 0)]
    [InlineData("error_rate", "1", Family.Error, 0.01, false, 0, 0)]
    [InlineData("error_rate", "", Family.Error, 0.01, false, 0, 0)]
    [InlineData("front_error_rate", "furlongs", Family.Error, 0.5, true, 1, 0)]
    [InlineData("latency_p95", "us", Family.Latency, 0.2, true, 25e3, 120)]
    [InlineData("latency_p95", "ns", Family.Latency, 0.2, true, 25e6, 120)]
    [InlineData("latency_p95", "ms", Family.Latency, 0.2, true, 25, 120)]
    [InlineData("latency_p95", "s", Family.Latency, 0.2, true, 0.025, 120)]
    [InlineData("latency_p95", "ticks", Family.Latency, 0.2, true, 0, 120)]
    [InlineData("cpu", "%", Family.Cpu, 0.5, true, 5, 180)]
    [InlineData("cpu", "cores", Family.Cpu, 0.5, true, 0, 180)]
    [InlineData("memory", "% of limit", Family.Memory, 0.25, true, 5, 180)]
    [InlineData("memory", "MB", Family.Memory, 0.25, true, 0, 180)]
    [InlineData("requests", "count", Family.Traffic, 0.4, true, 0, 0)]
    [InlineData("orders", "", Family.Kpi, 0.5, true, 0, 0)]
    [InlineData("downstream_latency", "ms", Family.Downstream, 0.2, true, 25, 120)]
    [InlineData("service_error_rate", "%", Family.Service, 1, false, 0, 0)]
    public void A_series_is_judged_by_the_tolerance_floor_and_warm_up_of_what_it_is_about(
        string name, string unit, Family family, double tolerance, bool relative, double floor, int warmup)
    {
        var metric = CasePolicy.Of(Recorded(Made(name, unit))).Policy.Metrics.Single();
        (metric.Family, metric.Tolerance, metric.Floor, metric.Warmup).ShouldBe((family, new Tolerance(tolerance, relative), floor, TimeSpan.FromSeconds(warmup)));
        (metric.Unit, metric.Critical, metric.Scale).ShouldBe((unit, false, 1d));
    }

    [Fact]
    public void What_a_series_says_of_itself_counts_before_its_name_and_unit()
    {
        var plain = CasePolicy.Of(Recorded(Made("orders", "count"))).Policy.Metrics.Single();
        (plain.Kind, plain.Family, plain.Direction).ShouldBe((MetricKind.Count, Family.Kpi, Direction.Either));
        var told = CasePolicy.Of(Recorded(Made("orders", "count") with { Kind = MetricKind.Gauge, Family = Family.Latency, Direction = Direction.Down })).Policy.Metrics.Single();
        (told.Kind, told.Family, told.Direction).ShouldBe((MetricKind.Gauge, Family.Latency, Direction.Down));
        var downstream = CasePolicy.Of(Recorded(Made("downstream_requests", "count"))).Policy.Metrics.Single();
        (downstream.Family, downstream.Direction).ShouldBe((Family.Downstream, Direction.Down));
    }

    [Theory]
    [InlineData("1", 0.5, "ROLLBACK")]
    [InlineData("", 0.5, "ROLLBACK")]
    [InlineData("ratio", 0.5, "ROLLBACK")]
    public void An_error_rate_in_parts_of_one_is_rolled_back(string unit, double candidate, string decision)
    {
        var series = new Series("error_rate", unit, null, null, null, [.. Enumerable.Repeat(0.001, 30)], [.. Enumerable.Repeat(candidate, 20)], [.. Enumerable.Repeat(0.001, 20)], null, null);
        Backtests.Run(new Judging.Backtest.Case("a", "s", Recorded(series), "BAD", null, null, false), "commander").Decision.ShouldBe(decision);
    }

    [Fact]
    public void What_has_no_unit_and_a_value_above_one_is_no_share()
    {
        foreach (var unit in (string[])["", "1"])
        {
            var share = Made("error_rate", unit);
            foreach (var none in (Series[])[share with { Baseline = [1, 2] }, share with { Candidate = [1.01] }, share with { Control = [-0.1] }, share with { Seasonal = [3] }, share with { SeasonalWeek = [3] }, share with { Kind = MetricKind.Count }])
                CasePolicy.Of(Recorded(none)).Policy.Metrics.Single().Tolerance.ShouldBe(new Tolerance(0.5, true));
            CasePolicy.Of(Recorded(share with { Baseline = [double.NaN, 0] })).Policy.Metrics.Single().Tolerance.ShouldBe(new Tolerance(0.01, false));
        }
    }

    [Theory]
    [InlineData("% of requests", true)]
    [InlineData("%core", true)]
    [InlineData("MB", true)]
    [InlineData("rps", true)]
    [InlineData("", true)]
    [InlineData("furlongs", false)]
    [InlineData("mb", false)]
    public void A_unit_is_known_or_not(string unit, bool known) => CasePolicy.IsKnown(unit).ShouldBe(known);

    [Fact]
    public void Only_two_counts_of_those_very_names_become_an_error_ratio()
    {
        Names(Made("requests", "count"), Made("errors", "count")).ShouldBe(["errors", "requests"]);
        Kinds(Made("requests", "count"), Made("errors", "%")).ShouldBe([MetricKind.Count, MetricKind.Gauge]);
        Kinds(Made("requests", "count"), Made("errors", "count") with { Kind = MetricKind.Gauge }).ShouldBe([MetricKind.Count, MetricKind.Gauge]);
        Kinds(Made("requests", "count"), Made("failures", "count")).ShouldBe([MetricKind.Count, MetricKind.Count]);
        // An error rate in other units than % says something of its own.
        Names(Made("requests", "count"), Made("errors", "count"), Made("error_rate", "per hour")).ShouldBe(["errors", "requests", "error_rate"]);
        var ratio = CasePolicy.Of(Recorded(Made("requests", "count"), Made("errors", "count"))).Policy.Metrics[0];
        (ratio.Kind, ratio.Critical, ratio.Tolerance, ratio.Floor, ratio.Unit).ShouldBe((MetricKind.Ratio, true, new Tolerance(0.5, true), 0.5, "%"));

        static IEnumerable<string> Names(params Series[] series) => CasePolicy.Of(Recorded(series)).Policy.Metrics.Select(static metric => metric.Name);

        static IEnumerable<MetricKind> Kinds(params Series[] series) => CasePolicy.Of(Recorded(series)).Policy.Metrics.Select(static metric => metric.Kind);
    }

    [Fact]
    public void A_recording_is_judged_like_a_service_that_says_nothing_and_is_never_acted_on()
    {
        var policy = CasePolicy.Of(Recorded(Made("cpu", "%")) with { StepSeconds = 7 }).Policy;
        policy.Watch.Step.ShouldBe(TimeSpan.FromSeconds(7));
        (policy.Watch.Min, policy.Watch.Max, policy.Watch.Reference, policy.Watch.After).ShouldBe((TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(30)));
        policy.Watch.ExpectTraffic.ShouldBeTrue();
        (policy.Compare, policy.NoData, policy.Decide).ShouldBe((Compare.Auto, NoData.Rollback, new DecidePolicy(0.01, 1, 9, Authority.Off)));
        (policy.Act.Autonomy, policy.Act.Late, policy.Act.Rollback).ShouldBe((Autonomy.Observe, Autonomy.Observe, null));
        (policy.Watch.Lag, policy.Watch.Slow, policy.Watch.OnHold).ShouldBe((TimeSpan.Zero, TimeSpan.FromHours(6), "page"));
        (policy.Name, policy.Learn, policy.Metrics[0].Quantile).ShouldBe(("case", new LearnPolicy(0, "off", "off"), 0.95));
    }

    [Fact]
    public void As_many_metrics_as_a_watch_holds_are_taken() =>
        CasePolicy.Of(Recorded([.. Enumerable.Range(0, 16).Select(static at => Made($"m{at}", "x"))])).Policy.Metrics.Count.ShouldBe(16);

    [Fact]
    public void A_given_policy_finds_its_levels_and_counts_by_name_and_its_errors_among_the_two_counts()
    {
        var policy = PolicyReader.Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services:
              s:
                source: prom
                metrics:
                  failed: { kind: ratio, family: error, bad: 'a', total: 'b' }
                  cpu: { kind: gauge, query: 'c' }
                  requests: { kind: count, query: 'd' }
                  missing: { kind: gauge, query: 'e' }
                  latency: { kind: histogram, query: 'f_bucket' }
                  hits: { kind: ratio, family: kpi, bad: 'g', total: 'h' }
            """, "p.yaml").Policies!.For("s", "prod");
        CasePolicy.Match(Recorded(Made("requests", "count"), Made("latency", "ms"), Made("cpu", "%"), Made("errors", "count")), policy)
            .ShouldBe([new MetricSeries(3, 0), new MetricSeries(2, -1), new MetricSeries(0, -1), new MetricSeries(-1, -1), new MetricSeries(-1, -1), new MetricSeries(-1, -1)]);
    }

    private static Recording Recorded(params Series[] series) => new(0, 60, false, series);

    private static Series Made(string name, string unit) => new(name, unit, null, null, null, [1, 1], [1, 1], null, null, null);
}
