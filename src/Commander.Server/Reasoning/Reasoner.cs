using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json.Serialization;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Reasoning.Context;
using Commander.Server.Storage;

namespace Commander.Server.Reasoning;

/// <summary>A question and all that came of it: what a watch keeps as a fact, so that it replays without asking anybody.</summary>
/// <param name="Purpose">What for.</param>
/// <param name="Model">Which model was asked.</param>
/// <param name="Opinion">What it says; null when there is none.</param>
/// <param name="Missing">Why there is no opinion, or why it is not grounded.</param>
/// <param name="ErrorType">What kind of error it names.</param>
/// <param name="PromptHash">SHA-256 of the question; null when none was made.</param>
/// <param name="Messages">The question.</param>
/// <param name="Answer">The answer as it came.</param>
/// <param name="PromptTokens">What it took.</param>
/// <param name="AnswerTokens">What it took.</param>
/// <param name="Cost">In the currency of the price; null when nobody said one.</param>
/// <param name="TookMs">From the question to here.</param>
/// <param name="Requests">How many requests it took; 0 when it was not asked.</param>
/// <param name="Cached">Whether the same question had been answered already.</param>
/// <param name="Withheld">How many texts read like an instruction and were not passed on.</param>
/// <param name="Context">What could not be read of logs and changes.</param>
internal sealed record OpinionBody(
    Purpose Purpose,
    string Model,
    Opinion? Opinion,
    string? Missing,
    string? ErrorType = null,
    string? PromptHash = null,
    IReadOnlyList<Message>? Messages = null,
    string? Answer = null,
    int PromptTokens = 0,
    int AnswerTokens = 0,
    double? Cost = null,
    double TookMs = 0,
    int Requests = 0,
    bool Cached = false,
    int Withheld = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Context = null);

/// <summary>What a watch wants to know of the language model.</summary>
/// <param name="Deployment">As it stands, with its verdict.</param>
/// <param name="Policy">The pinned policy.</param>
/// <param name="Purpose">What for.</param>
/// <param name="Now">Now.</param>
/// <param name="Spent">What this deployment took already.</param>
/// <param name="Around">Logs and changes where they were read already; null to read them.</param>
internal sealed record Asking(Deployment Deployment, Policy Policy, Purpose Purpose, DateTimeOffset Now, Spent Spent, Surroundings? Around)
{
    /// <summary>When whoever asks gives up; null: after the time-out.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>An attack to plant into the question, to see what it changes; null in earnest.</summary>
    public (Attack Attack, Field Field)? Planted { get; init; }
}

/// <summary>Asks the language model about a deployment: gathers what may explain it, keeps to the budget, checks the answer.</summary>
internal sealed class Reasoner(LanguageModel model, ReasoningOptions options, IPurse purse, ContextBook? context, Secrets secrets, TimeProvider clock, string meter) : IDisposable
{
    /// <summary>Under which name usage is measured.</summary>
    public const string Meter = "Commander.Reasoning";

    /// <summary>Under which name that of jobs is measured: it is no deployment's, and ends with the job.</summary>
    public const string JobMeter = "Commander.Reasoning.Jobs";

    private const int MaxCached = 500;
    private static readonly TimeSpan Tail = TimeSpan.FromMilliseconds(500);

    // Who waits for the answer gives up at the time-out: what is known by then must have reached it.
    private static readonly TimeSpan Earlier = TimeSpan.FromMilliseconds(300);

    private readonly ConcurrentDictionary<string, string> _answers = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _oldest = new();
    private readonly Meter _meter = new(meter);
    private Counter<long>? _questions;
    private Counter<long>? _tokens;
    private Counter<double>? _cost;
    private Histogram<double>? _took;

    /// <summary>Paid from the day's purse.</summary>
    public Reasoner(LanguageModel model, ReasoningOptions options, UsageBook usage, ContextBook? context, Secrets secrets, TimeProvider clock)
        : this(model, options, new DayPurse(options, usage), context, secrets, clock, Meter)
    {
    }

    public string Model => model.Name;

    /// <summary>From the question to the verdict without an opinion.</summary>
    public TimeSpan Patience => options.Timeout;

    /// <summary>Why nothing is asked now; null when it is.</summary>
    public string? NotNow => model.LeftAloneBecause;

    /// <summary>Questions in a row that found no answer; null when the last one was answered.</summary>
    public Unanswered? Unanswered => model.Unanswered;

    /// <summary>Always answers, at the latest shortly after <see cref="Patience"/>.</summary>
    public async Task<OpinionBody> Ask(Asking asking, CancellationToken cancel)
    {
        var began = clock.GetTimestamp();
        OpinionBody said;
        try
        {
            said = await Answered(asking, began, cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // Whatever fails here, the verdict is made without it.
            said = Nothing(asking, $"the question failed: {e.GetType().Name}");
        }
        finally
        {
            purse.Release(asking.Deployment.Id);
        }

        said = said with { TookMs = Math.Round(clock.GetElapsedTime(began).TotalMilliseconds, 1) };
        Measure(said);
        return said;
    }

    /// <summary>A question that is not asked, and why.</summary>
    public OpinionBody Nothing(Asking asking, string why) => new(asking.Purpose, Model, null, why);

    private async Task<OpinionBody> Answered(Asking asking, long began, CancellationToken cancel)
    {
        var patience = (asking.Until is { } until ? until - asking.Now : options.Timeout) - Earlier;
        TimeSpan Left() => patience - clock.GetElapsedTime(began) is { Ticks: > 0 } left ? left : TimeSpan.Zero;
        // Half of the time at most: the other half is the model's.
        var around = asking.Around ?? (context is null ? Surroundings.None : await context.Gather(asking.Deployment, asking.Policy, asking.Now, options.Timeout / 2, cancel));
        var inquiry = new Inquiry(asking.Deployment, asking.Policy, asking.Purpose, (asking.Now - asking.Deployment.StartedAt).TotalSeconds, around.Logs, around.Changes);
        var prompt = Prompt.Of(asking.Planted is { } planted ? Attacks.Planted(inquiry, planted.Attack, planted.Field) : inquiry, secrets.Scrub);
        var messages = prompt.Messages.ToArray();
        var body = Nothing(asking, "") with { PromptHash = prompt.Hash, Messages = messages, Withheld = prompt.Withheld, Context = around.Missing is { Count: > 0 } missing ? missing : null };
        if (_answers.TryGetValue(prompt.Hash, out var known))
            return Heard(body, Answer.Read(known, prompt, Model), known) with { Cached = true };
        var estimate = LanguageModel.Tokens(messages) + LanguageModel.MaxAnswer;
        if (await purse.Over(asking, estimate, cancel) is { } over)
            return body with { Missing = over, Messages = null };

        var reply = await model.Ask(messages, Left(), cancel);
        var heard = reply.Text is { } text ? Answer.Read(text, prompt, Model) : null;
        var (promptTokens, answerTokens, requests) = (reply.PromptTokens, reply.AnswerTokens, reply.Requests);
        if (heard is { Malformed: true } && Left() > Tail && await purse.Over(asking, estimate + promptTokens + answerTokens, cancel) is null)
        {
            // Once: told what was wrong, most models mend it.
            Message[] again = [.. messages, new("assistant", secrets.Scrub(Cut(reply.Text!))), new("user", $"That is not in the form that was asked for: {heard.Wrong}. Answer again with the one JSON object and nothing else.")];
            var second = await model.Ask(again, Left(), cancel);
            (promptTokens, answerTokens, requests) = (promptTokens + second.PromptTokens, answerTokens + second.AnswerTokens, requests + second.Requests);
            if (second.Text is { } mended)
            {
                (reply, heard, messages) = (second, Answer.Read(mended, prompt, Model), again);
            }
        }

        double? cost = options.Price is { } price ? ((promptTokens * price.Prompt) + (answerTokens * price.Answer)) / 1_000_000 : null;
        if (requests > 0)
            await Add(new UsageBody(asking.Deployment.Id, asking.Deployment.Service, promptTokens, answerTokens, cost), cancel);
        body = body with { Messages = messages, PromptTokens = promptTokens, AnswerTokens = answerTokens, Cost = cost, Requests = requests };
        if (heard is null)
            return body with { Missing = reply.Missing };
        if (heard.Opinion is not null)
            Keep(prompt.Hash, reply.Text!);
        return Heard(body, heard, reply.Text!);
    }

    private OpinionBody Heard(OpinionBody body, Heard heard, string text) => body with
    {
        Opinion = heard.Opinion is { } opinion ? opinion with { Reasoning = secrets.Scrub(opinion.Reasoning) } : null,
        Missing = heard.Wrong,
        // What cites what is not there has no say in this either.
        ErrorType = heard.Opinion is { Grounded: true } ? heard.ErrorType : null,
        Answer = secrets.Scrub(Cut(text)),
    };

    // An answer that is paid for is heard, also while the store cannot write down what it took: the deployment's own facts will have it.
    private async Task Add(UsageBody used, CancellationToken cancel)
    {
        try
        {
            await purse.Add(used, cancel);
        }
        catch (StoreUnavailableException)
        {
            // The day's sum is too low by this.
        }
    }

    private static string Cut(string text) => text.Length <= Answer.MaxText ? text : text[..Answer.MaxText];

    private void Keep(string hash, string answer)
    {
        if (!_answers.TryAdd(hash, answer))
            return;
        _oldest.Enqueue(hash);
        while (_answers.Count > MaxCached && _oldest.TryDequeue(out var oldest))
            _answers.TryRemove(oldest, out _);
    }

    private void Measure(OpinionBody said)
    {
        _questions ??= _meter.CreateCounter<long>("commander.reasoning.questions", description: "Questions to the language model, by what came of them.");
        _tokens ??= _meter.CreateCounter<long>("commander.reasoning.tokens", description: "Tokens of prompts and answers.");
        _cost ??= _meter.CreateCounter<double>("commander.reasoning.cost", description: "What they cost, in the currency of the price.");
        _took ??= _meter.CreateHistogram<double>("commander.reasoning.duration", "s", "From the question to the answer or to none.");
        var came = said.Opinion switch
        {
            { Grounded: true } => "grounded",
            { } => "ungrounded",
            null when said.Requests == 0 && !said.Cached => "not_asked",
            null => "none",
        };
        _questions.Add(1, new KeyValuePair<string, object?>("result", came));
        _tokens.Add(said.PromptTokens, new KeyValuePair<string, object?>("of", "prompt"));
        _tokens.Add(said.AnswerTokens, new KeyValuePair<string, object?>("of", "answer"));
        if (said.Cost is { } cost)
            _cost.Add(cost);
        _took.Record(said.TookMs / 1000);
    }

    public void Dispose()
    {
        _meter.Dispose();
        model.Dispose();
    }
}
