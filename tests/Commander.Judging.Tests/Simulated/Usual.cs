using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Simulation;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Tests.Simulated;

/// <summary>Ticks of 15 s under the usual policy, whose readings a test makes by hand.</summary>
internal static class Usual
{
    public static Policy Policy(params MetricPolicy[] metrics)
    {
        var shop = Shop.Policy(metrics);
        return shop with { Watch = shop.Watch with { Step = TimeSpan.FromSeconds(15), Min = TimeSpan.FromMinutes(2), Max = TimeSpan.FromMinutes(30), Reference = TimeSpan.FromMinutes(30), After = TimeSpan.FromMinutes(30) } };
    }

    /// <summary>What came of a watch: its last decision, the tick of the first ROLLBACK, whether it ever was CONTINUE.</summary>
    public static (Decision Decision, int? RolledBack, bool EverContinued) Watch(Policy policy, int ticks, int past, Action<Tick, Noise> measure, bool restarted = false)
    {
        var noise = new Noise(3);
        var state = Judge.Start(policy, restarted);
        var (decision, everContinued) = (Decision.Hold, false);
        int? rolledBack = null;
        for (var n = 1 - past; n <= ticks; n++)
        {
            var tick = new Tick(n, 1, policy.Metrics.Count);
            measure(tick, noise);
            decision = Judge.Next(policy, Model.Shipped, ref state, Input.Of(tick)).Decision;
            everContinued |= decision == Decision.Continue;
            if (decision == Decision.Rollback)
            {
                rolledBack ??= n;
            }
        }
        return (decision, rolledBack, everContinued);
    }

    public static Reading Of(double bad, double total) => new(Quality.Value, bad, total);

    public static Reading Ratio(Noise noise, double share, int total) => Of(noise.Binomial(total, share), total);
}
