using Commander.Judging.Backtest;
using Commander.Judging.Decisions;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Reasoning.Context;

namespace Commander.Server.Reasoning.Evaluation;

/// <summary>One question of a case, without its text.</summary>
/// <param name="Opinion">What was said; null for nothing.</param>
/// <param name="Missing">Why nothing was said, or why it is not grounded.</param>
/// <param name="PromptTokens">What it took.</param>
/// <param name="AnswerTokens">What it took.</param>
/// <param name="Cost">In the currency of the price; null without one.</param>
/// <param name="TookMs">From the question to here, in milliseconds.</param>
/// <param name="Sent">Whether it was sent, and not known already or left alone.</param>
internal readonly record struct CaseQuestion(Opinion? Opinion, string? Missing, int PromptTokens, int AnswerTokens, double? Cost, double TookMs, bool Sent)
{
    public static CaseQuestion Of(OpinionBody said) => new(said.Opinion, said.Missing, said.PromptTokens, said.AnswerTokens, said.Cost, said.TookMs, said.Requests > 0);
}

/// <summary>What came of a case with the language model beside the judge.</summary>
/// <param name="Line">The verdict.</param>
/// <param name="Questions">What was asked.</param>
/// <param name="BeyondAuthority">How many judgements the authority does not allow.</param>
internal sealed record CaseHeard(BacktestLine Line, IReadOnlyList<CaseQuestion> Questions, int BeyondAuthority);

/// <summary>
/// One case by one authority: judged tick by tick, asked about when the live loop would ask, the answer folded in before the next tick. Of the
/// case itself only the recording is seen, and what is asked about has a name that says nothing.
/// </summary>
internal sealed class CaseReasoning
{
    private readonly Case _case;
    private readonly int _number;
    private readonly CaseWatch _watch;
    private Decision? _standing;

    private CaseReasoning(Case found, int number, CaseWatch watch) => (_case, _number, _watch) = (found, number, watch);

    /// <summary>Judges a case up to its first question; null when there is none.</summary>
    /// <param name="found">The case.</param>
    /// <param name="number">Its number: its name in questions.</param>
    /// <param name="policy">By which policy; null: made from the recording.</param>
    /// <param name="authority">What the language model may do.</param>
    public static CaseReasoning? ToFirstQuestion(Case found, int number, Policy? policy, Authority authority)
    {
        var reasoning = new CaseReasoning(found, number, new CaseWatch(found.Recording, policy, authority: authority));
        while (reasoning.Next())
        {
            if (reasoning.Due(askedHere: false, 0, null))
                return reasoning;
            reasoning.Stand();
            if (reasoning._standing == Decision.Rollback)
                return null;
        }

        return null;
    }

    /// <summary>About how many tokens the first question and its answer take.</summary>
    public int Estimate => LanguageModel.MaxAnswer + LanguageModel.Tokens(Prompt.Of(new Inquiry(Document("estimate"), _watch.Policy, Purpose.Advise, Elapsed.TotalSeconds, Surroundings.None.Logs, Surroundings.None.Changes)).Messages);

    /// <summary>Goes on from the first question to the end, as often as wanted: with an attack planted in every question, or without.</summary>
    /// <param name="reasoner">Who is asked.</param>
    /// <param name="purse">What it is paid from.</param>
    /// <param name="name">Which of the case's runs: no two at once with one name.</param>
    /// <param name="planted">The attack; null for none.</param>
    /// <param name="cancel">Ends it.</param>
    /// <returns>What came of it; null when the purse did not last.</returns>
    public Task<CaseHeard?> Run(Reasoner reasoner, JobPurse purse, string name, (Attack Attack, Field Field)? planted, CancellationToken cancel) =>
        new CaseReasoning(_case, _number, _watch.Copy()) { _standing = _standing }.Finish(reasoner, purse, name, planted, cancel);

    private async Task<CaseHeard?> Finish(Reasoner reasoner, JobPurse purse, string name, (Attack Attack, Field Field)? planted, CancellationToken cancel)
    {
        var questions = new List<CaseQuestion>();
        var (askedHere, beyond) = (false, 0);
        var spent = default(Spent);
        DateTimeOffset? noneAt = null;
        Opinion? opinion = null;
        do
        {
            cancel.ThrowIfCancellationRequested();
            askedHere &= Occasions.IsThere(_watch.Policy.Decide.Reasoning, _watch.Step);
            if (opinion is not null && AuthorityLimits.Exceeded(_watch.Policy, opinion, _watch.Step, () => _watch.Read(final: false).Findings))
                beyond++;
            var due = Due(askedHere, questions.Count, noneAt);
            // As in the live loop: nothing but a mild ROLLBACK waits for the answer.
            if (!due || !Occasions.Waits(_watch.Step))
                Stand();
            if (due)
            {
                var document = Document(name);
                var asking = new Asking(document, _watch.Policy, Purpose.Advise, Now, spent, Surroundings.None) { Planted = planted };
                var said = reasoner.NotNow is { } why ? reasoner.Nothing(asking, why) : await reasoner.Ask(asking, cancel);
                purse.Release(document.Id);
                if (purse.Empty is not null)
                    return null;
                questions.Add(CaseQuestion.Of(said));
                (askedHere, noneAt) = (true, said.Opinion is null ? Now : null);
                spent = new Spent(spent.Questions + 1, spent.Tokens + said.PromptTokens + said.AnswerTokens, spent.Cost + (said.Cost ?? 0));
                opinion = said.Opinion ?? opinion;
                if (_standing == Decision.Rollback)
                    break;
                var unheard = _watch.Unheard();
                var heard = _watch.Hear(said.Opinion);
                if (heard.Decision != unheard.Decision && AuthorityLimits.Exceeded(_watch.Policy, said.Opinion, unheard, heard, _watch.Read(final: false).Findings, Elapsed))
                    beyond++;
                Stand();
            }
        }
        while (_standing != Decision.Rollback && Next());
        return new CaseHeard(Line(), questions, beyond);
    }

    private DateTimeOffset Now => _watch.At(_watch.Tick);

    private TimeSpan Elapsed => Now - _watch.At(0);

    private bool Next()
    {
        if (_watch.Tick >= _case.Recording.Length)
            return false;
        _watch.Next();
        return true;
    }

    private bool Due(bool askedHere, int questions, DateTimeOffset? noneAt) =>
        _watch is { Tick: > 0, Subject: Subject.Candidate } && _standing != Decision.Rollback
        && Occasions.AdviceDue(_watch.Policy.Decide.Reasoning, _watch.Step, askedHere, questions, noneAt is { } at ? Now - at : null);

    private void Stand()
    {
        if (_watch.Tick > 0 && Standing.Yields(_standing, _watch.Step.Decision))
            _standing = _watch.Step.Decision;
    }

    private BacktestLine Line()
    {
        var verdict = _watch.Read(final: true);
        var decision = _standing ?? Decision.Hold;
        return new BacktestLine(
            _case.Id, decision.Word(), _watch.Tick, decision == Decision.Rollback ? _watch.Tick * _case.Recording.StepSeconds : null, verdict.Confidence, verdict.PBad, [],
            decision == Decision.Hold ? _watch.TooLittle : null);
    }

    // Nothing of the case's own id, source, label, fault, group: they may say how it ends. No digits: they would be numbers that an answer may write.
    private Deployment Document(string name) => new(
        $"case-{_number}-{name}", "watched-service", "prod", "new-version", "old-version", "watching", null, _watch.At(0), _watch.At(0), _watch.At(_case.Recording.Length),
        new PolicyReference("case", ""), null, _watch.Read(final: false), [], [], null, "");
}
