using System.Text;
using Commander.Judging.Backtest;
using Commander.Judging.Evidence;
using CsCheck;
using Case = Commander.Judging.Backtest.Case;

namespace Commander.Judging.Tests.Backtest;

public class CaseFileTests
{
    private const string Line =
        """{"id":"a","source":"s","change_time":1700000000,"step_seconds":60,"restarted":true,"metrics":{"latency":{"unit":"ms","baseline":[1,null,3],"candidate":[4,5],"control":[6,7],"seasonal":[1,2,3,4,5]}},"label":"BAD","fault":"slow","group":"g","meta":{"below_tolerance":true,"x":[{}]}}""";

    [Fact]
    public void A_case_is_read_with_all_it_has()
    {
        var found = Parse(Line);
        (found.Id, found.Source, found.Label, found.Fault, found.Group, found.BelowTolerance).ShouldBe(("a", "s", "BAD", "slow", "g", true));
        (found.Recording.ChangeTime, found.Recording.StepSeconds, found.Recording.Restarted).ShouldBe((1700000000d, 60d, true));
        var series = found.Recording.Series.Single();
        (series.Name, series.Unit).ShouldBe(("latency", "ms"));
        series.Baseline.ShouldBe([1, double.NaN, 3]);
        series.Control.ShouldBe([6, 7]);
        series.Seasonal!.Length.ShouldBe(5);
    }

    [Theory]
    [InlineData("\"id\":\"a\",", "", "line 7, id")]
    [InlineData("\"label\":\"BAD\"", "\"label\":\"WORSE\"", "line 7, label")]
    [InlineData("\"fault\"", "\"falt\"", "line 7, falt")]
    [InlineData("\"restarted\":true", "\"restarted\":1", "line 7, restarted")]
    [InlineData("\"step_seconds\":60", "\"step_seconds\":0", "line 7, step_seconds")]
    [InlineData("[4,5]", "[4,\"5\"]", "line 7, metrics.latency.candidate")]
    [InlineData("[4,5]", "[]", "line 7, metrics.latency")]
    [InlineData("[1,2,3,4,5]", "[1,2]", "line 7, metrics.latency")]
    [InlineData("\"unit\":\"ms\",", "", "line 7, metrics.latency.unit")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"kind\":\"ratio\"", "line 7, metrics.latency.kind")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"colour\":\"red\"", "line 7, metrics.latency.colour")]
    [InlineData("\"source\":\"s\"", "\"source\":\"s\",\"source\":\"t\"", "line 7, source")]
    [InlineData("\"group\":\"g\"", "\"group\":5", "line 7, group")]
    [InlineData("{\"id\"", "[{\"id\"", "line 7")]
    public void What_is_no_case_is_refused_with_line_and_field(string good, string bad, string place)
    {
        Line.ShouldContain(good);
        Should.Throw<RefusedException>(() => Parse(Line.Replace(good, bad, StringComparison.Ordinal), 7)).Place.ShouldBe(place);
    }

    [Fact]
    public void Lines_are_read_whole_however_they_are_cut_and_blank_ones_passed_over()
    {
        var text = Encoding.UTF8.GetBytes($"\n{Line}\r\n\n{Line.Replace("\"a\"", "\"" + new string('b', 900) + "\"", StringComparison.Ordinal)}");
        CaseFile.Read(new Dripping(text)).Select(static found => found.Id.Length).ShouldBe([1, 900]);
        Should.Throw<RefusedException>(() => CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes(Line + "\n\nx"))).ToList()).Place.ShouldBe("line 3");
        CaseFile.Read(new MemoryStream()).ShouldBeEmpty();
    }

    [Fact]
    public void Damaged_lines_are_refused_never_anything_else() =>
        Gen.Select(Gen.Int[0, Line.Length - 1], Gen.Char[' ', '~']).Sample((at, character) =>
        {
            try
            {
                Parse(Line[..at] + character + Line[(at + 1)..]);
                Parse(Line[..at]);
            }
            catch (RefusedException)
            {
            }
        });

    [Fact]
    public void Two_counts_become_one_ratio_and_the_percentage_beside_them_is_dropped()
    {
        var (policy, sources) = CasePolicy.Of(Recorded(("requests", "count"), ("errors", "count"), ("error_rate", "%"), ("latency_p95", "ms")));
        policy.Metrics.Select(static metric => (metric.Name, metric.Kind, metric.Family)).ShouldBe([
            ("errors", MetricKind.Ratio, Family.Error), ("requests", MetricKind.Count, Family.Traffic), ("latency_p95", MetricKind.Gauge, Family.Latency)]);
        sources.ShouldBe([new MetricSeries(1, 0), new MetricSeries(0, -1), new MetricSeries(3, -1)]);
        CasePolicy.Of(Recorded(("error_rate", "%"))).Policy.Metrics.Single().Kind.ShouldBe(MetricKind.Gauge);
    }

    [Fact]
    public void More_metrics_than_a_watch_holds_are_refused() =>
        Should.Throw<RefusedException>(() => CasePolicy.Of(Recorded([.. Enumerable.Range(0, 17).Select(static at => ($"m{at}", "x"))]))).Place.ShouldBe("metrics");

    private static Recording Recorded(params (string Name, string Unit)[] series) => new(
        0, 60, false, [.. series.Select(static entry => new Series(entry.Name, entry.Unit, null, null, null, [1, 1], [1, 1], null, null, null))]);

    private static Case Parse(string json, int line = 1) => CaseFile.Parse(Encoding.UTF8.GetBytes(json), line);

    private sealed class Dripping(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 7));
    }
}
