using System.Text;
using Commander.Judging;
using Commander.Judging.Backtest;
using Commander.Judging.Policies;
using Commander.Server.Hosting;
using Commander.Server.Reasoning.Evaluation;

namespace Commander.Server.Api;

/// <summary>What a language model is measured on.</summary>
/// <param name="Cases">1 to 2,000 lines of a case file.</param>
/// <param name="Authorities">advise, decide; both when not given.</param>
/// <param name="Policy">YAML of a policy with one service, or with metrics in its defaults; else made from each recording.</param>
/// <param name="Attacks">0 to 60: how many attacks are planted per case that is asked about; 5 when not given.</param>
/// <param name="MaxTokens">How many tokens all questions may take, 1 to 1,000,000,000; 2,000,000 when not given.</param>
internal sealed record EvaluationRequest(IReadOnlyList<string> Cases, IReadOnlyList<string>? Authorities = null, string? Policy = null, int? Attacks = null, long? MaxTokens = null);

/// <summary>The job that measures what the language model does to verdicts.</summary>
internal static class EvaluationJob
{
    public const string Name = "evaluate-reasoning";

    private const int MaxBody = 8 << 20;
    private const int MostCases = 2000;
    private const int MostAttacks = 60;
    private const int MostErrors = 10;
    private const long DefaultTokens = 2_000_000;
    private const long MostTokens = 1_000_000_000;

    public static async Task<(JobWork? Work, IResult? Problem)> Read(HttpContext context, CancellationToken cancel)
    {
        if (context.RequestServices.GetService<ModelEvaluation>() is not { } evaluation)
            return (null, Problems.Of(StatusCodes.Status409Conflict, "No language model is configured", "There is nothing to measure. Set COMMANDER_REASONING_URL and COMMANDER_REASONING_MODEL (and COMMANDER_REASONING_KEY where the server asks for one), or TOGETHER_API_KEY, where Commander runs, and start it again."));
        if (await RequestBody.Buffer(context, MaxBody, cancel) is { } tooLarge)
            return (null, tooLarge);
        JobWork? work = null;
        var problem = await context.RequestServices.GetRequiredService<HeavyRequests>().Run(context, async () =>
        {
            (work, var wrong) = await Read(context, evaluation, cancel);
            return wrong ?? Results.Empty;
        }, cancel);
        return (work, work is null ? problem : null);
    }

    private static async Task<(JobWork? Work, IResult? Problem)> Read(HttpContext context, ModelEvaluation evaluation, CancellationToken cancel)
    {
        var (request, _, problem) = await RequestBody.Read<EvaluationRequest>(context, MaxBody, cancel);
        if (request is null)
            return (null, problem);
        var errors = new List<string>();
        var authorities = Authorities(request.Authorities, errors);
        var attacks = request.Attacks ?? 5;
        if (attacks is < 0 or > MostAttacks)
            errors.Add($"attacks: {attacks} is no number from 0 to {MostAttacks}");
        var tokens = request.MaxTokens ?? DefaultTokens;
        if (tokens is < 1 or > MostTokens)
            errors.Add($"max_tokens: {tokens} is no number from 1 to {MostTokens}");
        var policy = request.Policy is { } yaml ? Only(yaml, errors) : null;
        var cases = Cases(request.Cases, policy, errors);
        if (errors.Count > 0)
            return (null, Problems.Invalid([.. errors.Take(MostErrors)]));
        var order = new EvaluationOrder(cases, policy, authorities, attacks, tokens);
        return (async (progress, stop) => await evaluation.Run(order, progress, stop) is var (result, stopped) ? new JobEnd(result, stopped) : new JobEnd(null, null), null);
    }

    private static Authority[] Authorities(IReadOnlyList<string>? given, List<string> errors)
    {
        var authorities = new List<Authority>();
        foreach (var word in given ?? ["advise", "decide"])
        {
            if (word is not ("advise" or "decide"))
                errors.Add($"authorities: '{Problems.Shown(word ?? "null")}' is none of advise, decide");
            else if (authorities.Contains(word == "advise" ? Authority.Advise : Authority.Decide))
                errors.Add($"authorities: {word} is named twice");
            else
                authorities.Add(word == "advise" ? Authority.Advise : Authority.Decide);
            if (errors.Count >= MostErrors)
                break;
        }

        if (authorities.Count == 0 && errors.Count == 0)
            errors.Add("authorities: names none; leave it out for advise and decide");
        return [.. authorities];
    }

    private static Policy? Only(string yaml, List<string> errors)
    {
        var (policies, wrong) = PolicyFiles.Check(yaml, "policy");
        if (policies is null)
            errors.AddRange(wrong);
        else if (policies.Only() is { } only)
            return only;
        else
            errors.Add("policy: there is no single policy to judge by; give one with one service, or with metrics in its defaults");
        return null;
    }

    private static List<Case> Cases(IReadOnlyList<string> lines, Policy? policy, List<string> errors)
    {
        var cases = new List<Case>();
        if (lines.Count is 0 or > MostCases)
            errors.Add($"cases: {lines.Count} lines; give 1 to {MostCases}");
        for (var at = 0; at < lines.Count && lines.Count <= MostCases && errors.Count < MostErrors; at++)
        {
            try
            {
                var found = CaseFile.Parse(Encoding.UTF8.GetBytes(lines[at] ?? ""), at + 1);
                _ = new CaseWatch(found.Recording, policy);
                cases.Add(found);
            }
            catch (RefusedException refused)
            {
                errors.Add($"cases: {(refused.Message.StartsWith("line ", StringComparison.Ordinal) ? "" : $"line {at + 1}: ")}{refused.Message}");
            }
        }

        return cases;
    }
}
