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
    [InlineData("\"step_seconds\":60", "\"step_seconds\":0.0009", "line 7, step_seconds: must be at least 0.001 and at most 86400")]
    [InlineData("\"step_seconds\":60", "\"step_seconds\":86401", "line 7, step_seconds: must be at least 0.001 and at most 86400")]
    [InlineData("\"change_time\":1700000000", "\"change_time\":\"now\"", "line 7, change_time: must be a finite number")]
    [InlineData("\"change_time\":1700000000,", "", "line 7, change_time: is missing")]
    [InlineData("\"step_seconds\":60,", "", "line 7, step_seconds: is missing")]
    [InlineData("\"restarted\":true,", "", "line 7, restarted: is missing")]
    [InlineData("\"source\":\"s\",", "", "line 7, source: is missing")]
    [InlineData("\"baseline\":[1,null,3],", "", "line 7, metrics.latency.baseline: is missing")]
    [InlineData("\"candidate\":[4,5],", "", "line 7, metrics.latency.candidate: is missing")]
    [InlineData("\"candidate\":[4,5]", "\"candidate\":{}", "line 7, metrics.latency.candidate: must be an array of numbers and nulls")]
    [InlineData("[4,5]", "[4,true]", "line 7, metrics.latency.candidate: must hold numbers and nulls, but point 2 is neither")]
    [InlineData("[4,5]", "[]", "line 7, metrics.latency: has no point in candidate")]
    [InlineData("[4,5]", "[4,1e999]", "line 7, metrics.latency.candidate: must be a finite number")]
    [InlineData("\"seasonal\":[1,2,3,4,5]", "\"seasonal_week\":[1]", "line 7, metrics.latency: has 1 points in seasonal_week; it must cover baseline and candidate: 3 + 2")]
    [InlineData("\"label\":\"BAD\"", "\"label\":\"bad\"", "line 7, label: must be BAD or GOOD, or left out")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"kind\":null", "line 7, metrics.latency.kind: must be gauge or count: a case has one number per point (give a ratio as the counts requests and errors)")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"family\":\"speed\"", "line 7, metrics.latency.family: must be error, latency, cpu, memory, traffic, downstream, service or kpi")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"direction\":\"left\"", "line 7, metrics.latency.direction: must be up, down or either")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":null", "line 7, metrics.latency.unit: must be a text")]
    [InlineData("\"restarted\":true", "\"restarted\":null", "line 7, restarted: must be true or false")]
    [InlineData("{\"below_tolerance\":true,", "{\"below_tolerance\":1,", "line 7, meta: must be true or false")]
    [InlineData("\"meta\":{", "\"meta\":[{", "line 7, meta: must be an object")]
    [InlineData("\"metrics\":{\"latency\"", "\"metrics\":{\"\"", "line 7, metrics.: has a name that is empty or longer than 200 characters")]
    [InlineData("\"fault\":\"slow\"", "\"falt\":1", "line 7, falt: is no field of a case; known are id, source, change_time, step_seconds, restarted, metrics, label, fault, group, meta")]
    [InlineData("\"unit\":\"ms\"", "\"colour\":\"ms\"", "line 7, metrics.latency.colour: is no field of a case; known are unit, kind, family, baseline, candidate, control, seasonal, seasonal_week, direction")]
    [InlineData("\"id\":\"a\"", "\"id\":\"a\",\"id\":\"a\"", "line 7, id: stands there twice")]
    [InlineData("\"group\":\"g\"", "\"group\":\"g\",\"group\":\"g\"", "line 7, group: stands there twice")]
    [InlineData("\"fault\":\"slow\"", "\"fault\":\"slow\",\"group\":\"h\",\"fault\":\"slow\"", "line 7, fault: stands there twice")]
    [InlineData("\"control\":[6,7]", "\"control\":[6,7],\"seasonal_week\":[1,2,3,4,5],\"control\":[6,7]", "line 7, metrics.latency.control: stands there twice")]
    [InlineData("{\"latency\":{", "{\"latency\":{\"unit\":\"ms\",\"baseline\":[1],\"candidate\":[1]},\"latency\":{", "line 7, metrics.latency: stands there twice")]
    [InlineData("\"id\":\"a\",", "", "line 7, id: is missing")]
    [InlineData("\"unit\":\"ms\",", "", "line 7, metrics.latency.unit: is missing")]
    [InlineData("\"unit\":\"ms\"", "\"unit\":\"ms\",\"kind\":\"ratio\"", "line 7, metrics.latency.kind: must be gauge or count: a case has one number per point (give a ratio as the counts requests and errors)")]
    [InlineData("[1,2,3,4,5]", "[1,2]", "line 7, metrics.latency: has 2 points in seasonal; it must cover baseline and candidate: 3 + 2")]
    [InlineData("\"group\":\"g\"", "\"group\":5", "line 7, group: must be a text")]
    [InlineData("\"restarted\":true", "\"restarted\":1", "line 7, restarted: must be true or false")]
    [InlineData("{\"id\"", "[{\"id\"", "line 7: must be an object")]
    [InlineData("\"latency\":{\"unit\":\"ms\"", "\"latency\":[{\"unit\":\"ms\"", "line 7, metrics.latency: must be an object")]
    [InlineData("\"metrics\":{", "\"metrics\":[{", "line 7, metrics: must be an object")]
    [InlineData("\"source\":\"s\"", "\"source\":null", "line 7, source: must be a text")]
    [InlineData("\"step_seconds\":60", "\"step_seconds\":null", "line 7, step_seconds: must be a finite number")]
    [InlineData("\"metrics\":{\"latency\"", "\"metric\":{\"latency\"", "line 7, metric: is no field of a case; known are id, source, change_time, step_seconds, restarted, metrics, label, fault, group, meta")]
    public void What_is_no_case_is_refused_with_line_field_and_what_to_write(string good, string bad, string message)
    {
        Line.ShouldContain(good);
        Should.Throw<RefusedException>(() => Parse(Line.Replace(good, bad, StringComparison.Ordinal), 7)).Message.ShouldBe(message);
    }

    [Theory]
    [InlineData("0.001", 0.001)]
    [InlineData("86400", 86400)]
    public void Steps_of_a_millisecond_to_a_day_are_taken(string written, double step) =>
        Changed("\"step_seconds\":60", $"\"step_seconds\":{written}").Recording.StepSeconds.ShouldBe(step);

    [Fact]
    public void What_a_series_says_of_itself_is_read()
    {
        foreach (var (word, direction) in new[] { ("up", Direction.Up), ("down", Direction.Down), ("either", Direction.Either) })
        {
            var series = Changed("\"unit\":\"ms\"", $"\"unit\":\"ms\",\"kind\":\"count\",\"family\":\"kpi\",\"direction\":\"{word}\"").Recording.Series.Single();
            (series.Kind, series.Family, series.Direction).ShouldBe((MetricKind.Count, Family.Kpi, direction));
        }
        var week = Changed("\"seasonal\":", "\"seasonal_week\":").Recording.Series.Single();
        (week.Seasonal, week.SeasonalWeek!.Length).ShouldBe((null, 5));
        Changed("[6,7]", "null").Recording.Series.Single().Control.ShouldBeNull();
        Changed("\"BAD\"", "null").Label.ShouldBeNull();
        Changed("\"BAD\"", "\"GOOD\"").Label.ShouldBe("GOOD");
        Changed("{\"below_tolerance\":true,\"x\":[{}]}", "null").BelowTolerance.ShouldBeFalse();
        Changed("\"below_tolerance\":true", "\"below_tolerance\":false").BelowTolerance.ShouldBeFalse();
    }

    [Fact]
    public void Everything_is_taken_up_to_its_bound_and_refused_beyond_it()
    {
        Changed("\"a\"", $"\"{new string('a', CaseFile.LongestText)}\"").Id.Length.ShouldBe(1000);
        Refused("\"a\"", $"\"{new string('a', CaseFile.LongestText + 1)}\"").ShouldBe("line 1, id: is longer than 1000 characters");
        Changed("latency", new string('l', 200)).Recording.Series.Single().Name.Length.ShouldBe(200);
        Refused("latency", new string('l', 201)).ShouldEndWith(": has a name that is empty or longer than 200 characters");
        Changed("{\"latency\":", More(CaseFile.MostMetrics)).Recording.Series.Count.ShouldBe(64);
        Refused("{\"latency\":", More(CaseFile.MostMetrics + 1)).ShouldBe("line 1, metrics.latency: is one metric more than 64");
        Refused("{\"latency\":", "{\"latency\":{\"unit\":\"s\",\"baseline\":[],\"candidate\":[1]},\"latency\":").ShouldBe("line 1, metrics.latency: stands there twice");
        Should.Throw<RefusedException>(() => Parse("{\"metrics\":{}}")).Message.ShouldBe("line 1, metrics: has no metric");
        Changed("[4,5],\"control\":[6,7],\"seasonal\":[1,2,3,4,5]", $"[{string.Join(',', Enumerable.Range(0, CaseFile.LongestSeries))}]").Recording.Series.Single().Candidate.ShouldBe(Enumerable.Range(0, 100_000).Select(static at => (double)at));
        Refused("[6,7]", $"[{string.Join(',', Enumerable.Repeat(1, CaseFile.LongestSeries + 1))}]").ShouldBe("line 1, metrics.latency.control: has more than 100000 points");

        static string Refused(string good, string other) => Should.Throw<RefusedException>(() => Changed(good, other)).Message;

        // The line's own metric is the last of so many.
        static string More(int metrics) =>
            "{" + string.Concat(Enumerable.Range(1, metrics - 1).Select(static at => $"\"m{at}\":{{\"unit\":\"x\",\"baseline\":[],\"candidate\":[1]}},")) + "\"latency\":";
    }

    [Fact]
    public void A_line_that_has_no_end_is_refused_by_its_number()
    {
        var longest = new byte[CaseFile.LongestLine + 2];
        Array.Fill(longest, (byte)'x');
        longest[0] = (byte)'\n';
        Should.Throw<RefusedException>(() => CaseFile.Lines(new MemoryStream(longest)).ToList()).Message.ShouldBe("line 2: is longer than 16777216 bytes");
    }

    [Fact]
    public void A_line_s_number_counts_blank_ones_too() =>
        CaseFile.Lines(new MemoryStream("\n \t\r\n a \n\nb"u8.ToArray())).Select(static line => (line.Number, Encoding.UTF8.GetString(line.Json))).ShouldBe([(3, "a"), (5, "b")]);

    [Fact]
    public void Lines_are_read_whole_however_they_are_cut_and_blank_ones_passed_over()
    {
        var text = Encoding.UTF8.GetBytes($"\n{Line}\r\n\n{Line.Replace("\"a\"", "\"" + new string('b', 900) + "\"", StringComparison.Ordinal)}");
        CaseFile.Read(new Dripping(text)).Select(static found => found.Id.Length).ShouldBe([1, 900]);
        Should.Throw<RefusedException>(() => CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes(Line + "\n\nx"))).ToList()).Place.ShouldBe("line 3");
        CaseFile.Read(new MemoryStream()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("]")]
    [InlineData("x")]
    public void What_follows_a_case_on_its_line_is_refused_by_the_line(string more) =>
        Should.Throw<RefusedException>(() => Parse(Line + more, 7)).Message.ShouldStartWith("line 7: is no JSON: ");

    [Theory]
    [InlineData("{\"id\":oops}", "line 7, id: is no JSON: 'o' is an invalid start of a value (byte 7 of the line)")]
    [InlineData("id,source,change_time\u0001,step_seconds,restarted,metrics", "line 7: is no JSON: it begins with 'id,source,change_time ,step_seconds,rest...'; JSON lines are expected, one object a line, such as {\"id\":\"a\", ...}, and no table or list")]
    public void What_is_no_JSON_is_said_in_a_sentence(string line, string message) =>
        Should.Throw<RefusedException>(() => Parse(line, 7)).Message.ShouldBe(message);

    [Fact]
    public void A_metric_of_a_very_long_name_is_refused_by_its_beginning() =>
        Should.Throw<RefusedException>(() => Changed("latency", new string('l', 5_000_000))).Message.Length.ShouldBeLessThan(300);

    [Fact]
    public void A_byte_order_mark_before_the_first_line_is_passed_over()
    {
        CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes("\ufeff" + Line))).Single().Id.ShouldBe("a");
        CaseFile.Lines(new MemoryStream(Encoding.UTF8.GetBytes("\ufeff\n" + Line))).Single().Number.ShouldBe(2);
        Should.Throw<RefusedException>(() => CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes(Line + "\n\ufeff" + Line))).ToList()).Place.ShouldBe("line 2");
    }

    [Theory]
    [InlineData("[6,7]", "[6]", "line 1, metrics.latency: has 1 points in control and 2 in candidate; give both for the same steps, null where there is no sample")]
    [InlineData("\"unit\":\"ms\",\"baseline\":[1,null,3]", "\"unit\":\"count\",\"baseline\":[1,null,-3]", "line 1, metrics.latency.baseline: has -3 at point 3, and a count is 0 or more; write null where there is no sample, or kind gauge for what may be below 0")]
    [InlineData("\"unit\":\"ms\",\"baseline\":[1,null,3],\"candidate\":[4,5],\"control\":[6,7]", "\"unit\":\"ms\",\"kind\":\"count\",\"baseline\":[1,null,3],\"candidate\":[4,5],\"control\":[-0.5,7]", "line 1, metrics.latency.control: has -0.5 at point 1, and a count is 0 or more; write null where there is no sample, or kind gauge for what may be below 0")]
    public void Counts_below_nothing_and_arms_of_two_lengths_are_refused(string good, string bad, string message) =>
        Should.Throw<RefusedException>(() => Changed(good, bad)).Message.ShouldBe(message);

    [Theory]
    [InlineData("[9,9]", "[1,10]", "line 1, metrics.errors.candidate: has 10 errors of 9 requests at point 2; count errors among the requests of the same step, or null for a step that was not counted")]
    [InlineData("[9,9]", "[1]", "line 1, metrics.errors.candidate: has 1 points, and requests has 2; give both for the same steps, null where there is no sample")]
    [InlineData("[9]", "[9.5]", "line 1, metrics.errors.baseline: has 9.5 errors of 9 requests at point 1; count errors among the requests of the same step, or null for a step that was not counted")]
    public void More_errors_than_requests_are_refused(string requests, string errors, string message)
    {
        var candidate = requests == "[9]" ? ("[9,9]", "[9,9]") : (requests, errors);
        var baseline = requests == "[9]" ? (requests, errors) : ("[9]", "[null]");
        string Counts(string unit) => $$"""{"requests":{"unit":"count","baseline":{{baseline.Item1}},"candidate":{{candidate.Item1}}},"errors":{"unit":"{{unit}}","baseline":{{baseline.Item2}},"candidate":{{candidate.Item2}}},"latency":""";
        Should.Throw<RefusedException>(() => Changed("{\"latency\":", Counts("count"))).Message.ShouldBe(message);
        // A percentage is none of the requests.
        Changed("{\"latency\":", Counts("%")).Recording.Series.Count.ShouldBe(3);
    }

    [Fact]
    public void An_id_stands_once_in_a_file_and_once_with_its_source_in_all_of_them()
    {
        Should.Throw<RefusedException>(() => CaseFile.Read(new MemoryStream(Encoding.UTF8.GetBytes($"{Line}\n\n{Line}"))).ToList()).Message.ShouldBe(
            "line 3, id: 'a' stands on line 1 too; give each case an id of its own, or remove one of the two");
        var ids = new CaseIds();
        ids.Add(Parse(Line), 1);
        ids.NextFile();
        ids.Add(Parse(Line) with { Source = "t" }, 1);
        Should.Throw<RefusedException>(() => ids.Add(Parse(Line) with { Source = "u" }, 2)).Message.ShouldStartWith("line 2, id: 'a' stands on line 1 too");
        ids.NextFile();
        Should.Throw<RefusedException>(() => ids.Add(Parse(Line), 4)).Message.ShouldBe(
            "line 4, id: 'a' of the source 's' stands in an earlier file too; leave one of the two files out, or give each case an id of its own");
    }

    [Fact]
    public void What_is_nested_without_end_is_refused()
    {
        Nested(13).BelowTolerance.ShouldBeTrue();
        Should.Throw<RefusedException>(() => Nested(20)).Message.ShouldStartWith("line 1, meta: is no JSON: ");

        static Case Nested(int depth) => Changed("\"x\":[{}]", $"\"x\":{new string('[', depth)}{new string(']', depth)}");
    }

    [Fact]
    public void What_is_no_text_is_refused_by_its_field()
    {
        var bytes = Encoding.UTF8.GetBytes(Line);
        bytes[Line.IndexOf("slow", StringComparison.Ordinal)] = 0xff;
        Should.Throw<RefusedException>(() => CaseFile.Parse(bytes, 7)).Message.ShouldBe("line 7, fault: is no text: it has bytes that are no UTF-8, or half of a surrogate pair");
        Should.Throw<RefusedException>(() => Changed("slow", "\\ud800")).Message.ShouldBe("line 1, fault: is no text: it has bytes that are no UTF-8, or half of a surrogate pair");
    }

    [Fact]
    public void Of_a_long_unknown_field_a_hundred_characters_are_told()
    {
        Told(100).ShouldStartWith($"line 1, {new string('f', 100)}: is no field");
        Told(150).ShouldStartWith($"line 1, {new string('f', 100)}: is no field");

        static string Told(int length) => Should.Throw<RefusedException>(() => Changed("\"fault\"", $"\"{new string('f', length)}\"")).Message;
    }

    [Fact]
    public void A_line_may_end_with_the_stream_or_before_it()
    {
        foreach (var (text, lines) in new[] { ("", 0), ("\n", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\nb\n", 2), ("\ta \r\n", 1) })
        {
            foreach (var stream in new[] { new MemoryStream(Encoding.UTF8.GetBytes(text)), new Dripping(Encoding.UTF8.GetBytes(text)) })
            {
                CaseFile.Lines(stream).Select(static line => (line.Number, Encoding.UTF8.GetString(line.Json))).ShouldBe(((int, string)[])[.. new[] { (1, "a"), (2, "b") }.Take(lines)]);
            }
        }
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
        Should.Throw<RefusedException>(() => CasePolicy.Of(Recorded([.. Enumerable.Range(0, 17).Select(static at => ($"m{at}", "x"))]))).Message.ShouldBe("metrics: are 17; at most 16 can be judged together, leave out those that a rollback would not be decided by");

    private static Recording Recorded(params (string Name, string Unit)[] series) => new(
        0, 60, false, [.. series.Select(static entry => new Series(entry.Name, entry.Unit, null, null, null, [1, 1], [1, 1], null, null, null))]);

    private static Case Changed(string good, string other) => Parse(Line.Replace(good, other, StringComparison.Ordinal));

    private static Case Parse(string json, int line = 1) => CaseFile.Parse(Encoding.UTF8.GetBytes(json), line);

    private sealed class Dripping(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 7));
    }
}
