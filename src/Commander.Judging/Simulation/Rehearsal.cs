using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Judging.Simulation;

/// <summary>What a judge did in one simulated deployment.</summary>
/// <param name="RolledBack">The tick of ROLLBACK, which ends the watch; null without one.</param>
/// <param name="Continued">The tick of the first CONTINUE; null without one.</param>
/// <param name="Decision">How the watch ended.</param>
/// <param name="Grounds">What the rollback was for: a metric's name, "silence", or "several"; null without one.</param>
/// <param name="Ticks">How many ticks the watch had, those of the past among them.</param>
public sealed record Rehearsed(int? RolledBack, int? Continued, Decision Decision, string? Grounds, int Ticks);

/// <summary>Lets a judge watch a simulated deployment, tick by tick through the same function as the live loop, with a look at every tick over the whole watch.</summary>
public static class Rehearsal
{
    /// <summary>The judges that can watch; the rules of a backtest judge recordings only.</summary>
    public static IReadOnlyList<string> Judges { get; } = [Judge.Name, Snapshot.HealthScore];

    /// <summary>Watches one deployment.</summary>
    /// <param name="scenario">What happens.</param>
    /// <param name="policy">The policy; its step is replaced by the scenario's.</param>
    /// <param name="model">The model.</param>
    /// <param name="judge">One of <see cref="Judges"/>.</param>
    /// <param name="seed">Which of all deployments of this kind.</param>
    /// <exception cref="RefusedException">The judge is unknown.</exception>
    public static Rehearsed Run(Scenario scenario, Policy policy, Model model, string judge, ulong seed)
    {
        var simulator = new Simulator(scenario, policy, seed);
        policy = simulator.Policy;
        var scored = judge switch
        {
            Judge.Name => false,
            Snapshot.HealthScore => true,
            _ => throw new RefusedException("judge", $"'{judge}' is unknown; give one of {string.Join(", ", Judges)}"),
        };
        var state = Judge.Start(policy, scenario.Restarted);
        var watch = new OfflineWatch();
        int? continued = null;
        while (simulator.NextTick <= scenario.WatchTicks)
        {
            var n = simulator.NextTick;
            var tick = simulator.Next();
            var decision = (scored ? Judge.Next(policy, model, ref state, Input.Of(tick)) : watch.Next(policy, model, ref state, tick)).Decision;
            if (n <= 0)
            {
                continue;
            }
            if (scored)
            {
                decision = Judge.HealthScore(policy, state) < HealthTerms.Bad ? Decision.Rollback : Decision.Continue;
            }
            if (decision == Decision.Rollback)
            {
                return new Rehearsed(n, continued, decision, scored ? Snapshot.HealthScore : Grounds(policy, state), n + scenario.PastTicks);
            }
            if (decision == Decision.Continue)
            {
                continued ??= n;
            }
            if (scenario.PromotedAfter is { } wait && continued is { } since && (n - since) * scenario.StepSeconds >= wait)
            {
                simulator.Promote();
            }
        }

        return new Rehearsed(null, continued, scored ? Decision.Continue : state.Decision, null, scenario.WatchTicks + scenario.PastTicks);
    }

    private static string Grounds(Policy policy, in WatchState state)
    {
        if (state.Silence >= 1 && policy.NoData == NoData.Rollback)
        {
            return "silence";
        }
        var worst = -1;
        for (var index = 0; index < policy.Metrics.Count; index++)
        {
            if (state.Metrics[index].Head.Score >= 1 && (worst < 0 || state.Metrics[index].Head.Score > state.Metrics[worst].Head.Score))
            {
                worst = index;
            }
        }
        return worst < 0 ? "several" : policy.Metrics[worst].Name;
    }
}
