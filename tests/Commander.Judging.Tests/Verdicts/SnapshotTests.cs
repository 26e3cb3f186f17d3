using Commander.Judging.Policies;
using Commander.Judging.Tests.Simulated;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Verdicts;

public class SnapshotTests
{
    private static readonly Dictionary<string, double> Sick = new(StringComparer.Ordinal)
    {
        ["error_rate"] = 25.3,
        ["memory_usage"] = 88.7,
        ["response_time"] = 1850,
        ["cpu_usage"] = 72.4,
    };

    [Fact]
    public void The_health_score_judges_the_contract_s_example_to_the_letter()
    {
        var verdict = Judged(Sick);
        verdict.Decision.ShouldBe("ROLLBACK");
        verdict.Final.ShouldBeTrue();
        verdict.Confidence.ShouldBe(0.73);
        verdict.PBad.ShouldBe(0.73);
        verdict.HealthScore.ShouldBe(27);
        verdict.Reasoning.ShouldBe("health score 27 of 100: error rate 25.3 % costs 50.6, memory 88.7 % costs 9.4, response time 1850 ms costs 13.5");
        verdict.Findings.ShouldBeEmpty();
        verdict.Model.ShouldBeNull();
        verdict.Judge.ShouldBe("health-score");
    }

    [Fact]
    public void A_fast_and_small_service_earns_points_and_a_term_of_nothing_is_not_said()
    {
        var verdict = Judged(new(StringComparer.Ordinal) { ["error_rate"] = 10, ["memory_usage"] = 70, ["response_time"] = 100 });
        verdict.HealthScore.ShouldBe(84);
        verdict.Reasoning.ShouldBe("health score 84 of 100: error rate 10 % costs 20, response time 100 ms earns 4");
    }

    [Theory]
    [InlineData(25.0, "CONTINUE", 50)]
    [InlineData(25.01, "ROLLBACK", 50)]
    public void Fifty_is_compared_unrounded(double errors, string decision, int shown)
    {
        var verdict = Judged(new(StringComparer.Ordinal) { ["error_rate"] = errors });
        verdict.Decision.ShouldBe(decision);
        verdict.HealthScore.ShouldBe(shown);
    }

    [Fact]
    public void Cpu_alone_is_no_ground_for_anything()
    {
        var verdict = Judged(new(StringComparer.Ordinal) { ["cpu_usage"] = 99 });
        verdict.Decision.ShouldBe("HOLD");
        verdict.HealthScore.ShouldBeNull();
    }

    [Theory]
    [InlineData("error_rate", -1, "must be a percentage from 0 to 100")]
    [InlineData("error_rate", 100.5, "must be a percentage from 0 to 100")]
    [InlineData("memory_usage", double.NaN, "must be a percentage from 0 to 100")]
    [InlineData("cpu_usage", double.PositiveInfinity, "must be a percentage from 0 to 100")]
    [InlineData("response_time", -0.1, "must be a number of milliseconds from 0 to 1000000000")]
    [InlineData("latency", 5, "is not known; give error_rate, memory_usage, response_time or cpu_usage")]
    public void A_value_out_of_range_is_refused_by_name(string field, double value, string why) =>
        Should.Throw<RefusedException>(() => Judged(new(StringComparer.Ordinal) { [field] = value })).Message.ShouldBe($"metrics.{field}: {why}");

    [Fact]
    public void An_empty_snapshot_and_an_unknown_judge_are_refused()
    {
        Should.Throw<RefusedException>(() => Judged([])).Place.ShouldBe("metrics");
        Should.Throw<RefusedException>(() => Snapshot.Judge(Sick, null, "oracle", default, 0)).Place.ShouldBe("judge");
    }

    [Fact]
    public void Objectives_are_matched_by_family_and_the_worst_decides()
    {
        var policy = Shop.Policy(Shop.ErrorMetric with { Objective = 1 }, Shop.LatencyMetric with { Objective = 2000 });
        var verdict = Snapshot.Judge(Sick, policy, "commander", default, 0);
        verdict.Decision.ShouldBe("ROLLBACK");
        verdict.Reasoning.ShouldBe("error rate 25.3 % is above its objective of 1 %");
        verdict.Findings.Select(static finding => (finding.Metric, finding.Verdict)).ShouldBe([("errors", "worse"), ("latency", "same")]);
        Snapshot.Judge(new Dictionary<string, double>(StringComparer.Ordinal) { ["error_rate"] = 0.2 }, policy, "commander", default, 0).Decision.ShouldBe("CONTINUE");
    }

    [Fact]
    public void Without_an_objective_that_fits_the_health_score_decides()
    {
        var verdict = Snapshot.Judge(Sick, Shop.Policy(), "commander", default, 0);
        verdict.HealthScore.ShouldBe(27);
        verdict.Judge.ShouldBe("commander");
        verdict.Decision.ShouldBe("ROLLBACK");
    }

    private static Verdict Judged(Dictionary<string, double> metrics, Policy? policy = null) => Snapshot.Judge(metrics, policy, "health-score", default, 0);
}
