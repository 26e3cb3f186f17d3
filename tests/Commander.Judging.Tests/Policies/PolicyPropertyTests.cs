using System.Text;
using Commander.Judging.Policies;
using CsCheck;

namespace Commander.Judging.Tests.Policies;

public class PolicyPropertyTests
{
    private static readonly Gen<string> Duration = Gen.Select(Gen.Int[1, 59], AnyOf("s", "m")).Select((n, unit) => $"{n}{unit}");

    private static readonly Gen<string> Metric = Gen.OneOf(
        Gen.Select(Gen.Int[1, 50], Gen.Int[1, 100], Gen.Bool).Select((pp, objective, critical) =>
            $"{{ kind: ratio, bad: 'b{{v=\"{{{{version}}}}\"}}', total: 't{{v=\"{{{{version}}}}\"}}', tolerance: {pp}pp, objective: {objective}%, critical: {(critical ? "true" : "false")} }}"),
        Gen.Select(Gen.Int[1, 99], Gen.Int[1, 300], Gen.Int[1, 500]).Select((quantile, tolerance, floor) =>
            $"{{ kind: histogram, query: 'd_seconds_bucket{{v=\"{{{{version}}}}\"}}', quantile: 0.{quantile:00}, tolerance: {tolerance}%, floor: {floor}ms }}"),
        Gen.Select(Gen.Double[0.001, 1e6], AnyOf("MB", "kB", "GiB"), AnyOf("up", "down", "either")).Select((tolerance, unit, direction) =>
            $"{{ kind: gauge, query: 'm_bytes', tolerance: {tolerance:0.######}{unit}, direction: {direction}, family: memory }}"),
        Gen.Int[1, 100].Select(tolerance => $"{{ kind: count, query: 'c_total', tolerance: {tolerance}% }}"));

    private static readonly Gen<string> Valid = Gen.Select(
        Metric.Array[0, 6],
        Gen.Select(Duration, Gen.Int[0, 999], AnyOf("page", "continue", "rollback")),
        Gen.Select(Gen.Int[1, 99], Gen.Double[0.1, 100], AnyOf("off", "explain", "advise", "decide")),
        Gen.Select(AnyOf("observe", "recommend", "enforce"), AnyOf("off", "1", "7"), AnyOf("{ type: command, run: [undo, 'a b'] }", "{ type: kubernetes, namespace: n, deployment: d, timeout: 5s }")),
        Gen.Int[0, 5]).Select((metrics, watch, decide, act, explore) =>
        $$"""
        sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
        services:
          s:
            source: prom
            metrics: { {{string.Join(", ", metrics.Select((metric, i) => $"m{i}: {metric}"))}} }
            watch: { warmup: {{watch.Item1}}, lag: {{watch.Item2}}ms, on_hold: {{watch.Item3}} }
            decide: { false_alarms: {{decide.Item1}}%, cost: { missed: {{decide.Item2:0.###}} }, reasoning: {{decide.Item3}} }
            act: { autonomy: {{act.Item1}}, max_per_hour: {{act.Item2}}, rollback: {{act.Item3}} }
            learn: { explore: {{explore}}% }
        """);

    [Fact]
    public void Every_valid_policy_comes_back_from_its_stored_body() =>
        Valid.Sample(
            yaml =>
            {
                var policy = PolicyReaderTests.Read(yaml).For("s", "prod");
                var body = PolicyHash.Body(policy);
                var read = PolicyHash.Read(body);
                PolicyHash.Body(read).ShouldBe(body);
                PolicyHash.Of(read).ShouldBe(PolicyHash.Of(policy));
                read.Metrics.ShouldBe(policy.Metrics);
                read.Watch.ShouldBe(policy.Watch);
                read.Decide.ShouldBe(policy.Decide);
                read.Act.Rollback!.Settings.ShouldBe(policy.Act.Rollback!.Settings);
            },
            iter: 500);

    [Fact]
    public void Any_bytes_are_answered_with_errors_never_an_exception() =>
        Gen.Byte.Array[0, 200].Sample(bytes => Answered(Encoding.UTF8.GetString(bytes)), iter: 5_000);

    [Fact]
    public void Any_text_of_yamls_own_signs_is_answered_with_errors_never_an_exception() =>
        Gen.String[Gen.Char["ab:-[]{},#&*!|>'\"%@`?~ \n\t\\\0\ud83d<.0"], 0, 120].Sample(text => Answered(text), iter: 10_000);

    [Fact]
    public void A_policy_with_any_part_changed_is_answered_never_thrown_at() =>
        Gen.Select(
            Gen.OneOf(Gen.Const(PolicyReaderTests.Example), Valid),
            Gen.Select(Gen.Double[0, 1], Gen.Int[0, 12], Gen.OneOf(AnyOf("", ": ", "- ", "{", "}", "\n", "off", "null", "-1", "1e999", "99999999999999999999", "%", "\"", "'", "\ud800", "<<: *a"), Gen.String[0, 6])).Array[1, 4])
            .Sample(
                (yaml, changes) =>
                {
                    var text = new StringBuilder(yaml);
                    foreach (var (where, length, instead) in changes)
                    {
                        var at = (int)(where * text.Length);
                        text.Remove(at, Math.Min(length, text.Length - at)).Insert(at, instead);
                    }

                    Answered(text.ToString());
                },
                iter: 3_000);

    private static Gen<string> AnyOf(params string[] words) => Gen.Int[0, words.Length - 1].Select(i => words[i]);

    private static void Answered(string yaml)
    {
        var result = PolicyReader.Read(yaml, "p.yaml");
        (result.Policies is null).ShouldBe(result.Errors.Count > 0);
        foreach (var error in result.Errors)
        {
            error.Line.ShouldBeGreaterThan(0);
            error.Column.ShouldBeGreaterThan(0);
            error.Message.ShouldNotBeNullOrWhiteSpace();
            error.Remedy.ShouldNotBeNullOrWhiteSpace();
            error.ToString().ShouldNotContain('\n');
        }

        if (result.Policies is { } policies)
        {
            foreach (var policy in policies.Services.Values.Append(policies.Defaults))
                PolicyHash.Read(PolicyHash.Body(policy)).Name.ShouldBe(policy.Name);
        }
    }
}
