using Commander.Judging.Backtest;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;

namespace Commander.Server.Reasoning.Evaluation;

/// <summary>What is to be measured of a language model.</summary>
/// <param name="Cases">Recorded deployments.</param>
/// <param name="Policy">By which policy they are judged; null: made from each recording.</param>
/// <param name="Authorities">What the language model may do, one after the other.</param>
/// <param name="Attacks">How many attacks are planted per case that is asked about; at most as many as are known.</param>
/// <param name="MaxTokens">How many tokens all questions may take together.</param>
internal sealed record EvaluationOrder(IReadOnlyList<Case> Cases, Policy? Policy, IReadOnlyList<Authority> Authorities, int Attacks, long MaxTokens);

/// <summary>What was measured, and why it ended early; one of the two may be null.</summary>
internal sealed record Evaluated(ReasoningEvaluation? Result, string? Stopped);

/// <summary>
/// Measures what the language model does to verdicts: each recorded deployment is judged without it and with it, and again with attacks planted
/// into what it is told. It has a connection and a purse of its own, so that real deployments lose neither their turn nor their budget.
/// </summary>
internal sealed class ModelEvaluation(ReasoningOptions options, Secrets secrets, TimeProvider clock)
{
    private const int MostAtOnce = 4;
    private const double Judged = 0.1;

    // A metric's name is written by whoever writes the policy, and to change it would change what is measured.
    private static readonly Field[] Fields = [.. Enum.GetValues<Field>().Where(static field => field != Field.Metric)];

    /// <summary>Runs it to its end.</summary>
    /// <param name="order">What is to be measured.</param>
    /// <param name="progress">Told how far it is, 0..1.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task<Evaluated> Run(EvaluationOrder order, Action<double> progress, CancellationToken cancel)
    {
        var attacks = Math.Min(order.Attacks, Attacks.All.Count);
        var alone = new BacktestLine[order.Cases.Count];
        var asked = new List<(int Authority, int Case)>();
        long estimate = 0;
        for (var number = 0; number < alone.Length; number++)
        {
            cancel.ThrowIfCancellationRequested();
            alone[number] = Backtests.Run(order.Cases[number], Judge.Name, order.Policy);
            for (var at = 0; at < order.Authorities.Count; at++)
            {
                if (CaseReasoning.ToFirstQuestion(order.Cases[number], number, order.Policy, order.Authorities[at]) is not { } first)
                    continue;
                asked.Add((at, number));
                estimate += (1 + attacks) * (long)first.Estimate;
            }

            progress(Judged * (number + 1) / alone.Length);
        }

        if (estimate > order.MaxTokens)
            return new Evaluated(null, $"to ask about {asked.Count} cases once{(attacks > 0 ? $", and with {attacks} attacks each," : "")} takes about {estimate} tokens and max_tokens is {order.MaxTokens}: give fewer cases or attacks, or more tokens");

        var atOnce = Math.Min(options.AtOnce, MostAtOnce);
        var purse = new JobPurse(order.MaxTokens);
        using var reasoner = new Reasoner(new LanguageModel(options with { AtOnce = atOnce }, clock), options, purse, null, secrets, clock, Reasoner.JobMeter);
        var heard = order.Authorities.Select(_ => new CaseRuns?[alone.Length]).ToArray();
        var done = 0;
        await Parallel.ForEachAsync(asked, new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancel }, async (one, cancel) =>
        {
            if (purse.Empty is not null)
                return;
            heard[one.Authority][one.Case] = await Run(reasoner, purse, order, one.Case, order.Authorities[one.Authority], attacks, cancel);
            progress(Judged + ((1 - Judged) * Interlocked.Increment(ref done) / asked.Count));
        });

        // A case of which one authority's part is missing is in no number.
        var missing = asked.Where(one => heard[one.Authority][one.Case] is null).Select(static one => one.Case).ToHashSet();
        var summary = new Summary();
        var tallies = order.Authorities.Select(static authority => new Tally(authority)).ToArray();
        for (var number = 0; number < alone.Length; number++)
        {
            if (missing.Contains(number))
                continue;
            summary.Add(order.Cases[number], alone[number]);
            for (var at = 0; at < tallies.Length; at++)
                tallies[at].Add(order.Cases[number], alone[number], heard[at][number]);
        }

        var result = new ReasoningEvaluation(options.Model, alone.Length - missing.Count, alone.Length, attacks, Tally.Bounded(summary.Rows), [.. tallies.Select(tally => tally.Result(options.Price is not null))]);
        return new Evaluated(result, purse.Empty is { } empty ? $"{empty}; {result.Cases} of {result.Given} cases are judged" : null);
    }

    private static async Task<CaseRuns?> Run(Reasoner reasoner, JobPurse purse, EvaluationOrder order, int number, Authority authority, int attacks, CancellationToken cancel)
    {
        var first = CaseReasoning.ToFirstQuestion(order.Cases[number], number, order.Policy, authority)!;
        if (await first.Run(reasoner, purse, $"{authority}", null, cancel) is not { } plain)
            return null;
        var planted = new List<(Attack Attack, CaseHeard Heard)>();
        for (var n = 0; n < attacks; n++)
        {
            // Every attack comes into every field sooner or later.
            var attack = Attacks.All[((number * attacks) + n) % Attacks.All.Count];
            var field = Fields[(number + n) % Fields.Length];
            if (await first.Run(reasoner, purse, $"{authority}-{n}", (attack, field), cancel) is not { } attacked)
                return null;
            planted.Add((attack, attacked));
        }

        return new CaseRuns(plain, planted);
    }
}

/// <summary>What came of a case without and with attacks.</summary>
internal sealed record CaseRuns(CaseHeard Plain, IReadOnlyList<(Attack Attack, CaseHeard Heard)> Planted);
