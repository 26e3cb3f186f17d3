namespace Commander.Server.Reasoning;

/// <summary>What questions are paid from.</summary>
internal interface IPurse
{
    /// <summary>Which budget a question would exceed, as a sentence; null when there is enough for it.</summary>
    /// <param name="asking">The question.</param>
    /// <param name="estimate">About how many tokens it takes, what it took already among them.</param>
    /// <param name="cancel">Ends the look.</param>
    Task<string?> Over(Asking asking, int estimate, CancellationToken cancel);

    /// <summary>Writes down what a question took.</summary>
    Task Add(UsageBody used, CancellationToken cancel);

    /// <summary>Nothing more is asked about a deployment now: what was set aside for it is free again.</summary>
    void Release(string deployment);
}

/// <summary>The day's purse of real deployments: of each, of its service, of all.</summary>
internal sealed class DayPurse(ReasoningOptions options, UsageBook usage) : IPurse
{
    private readonly Lock _lock = new();
    // What questions under way will take, so that a hundred at once do not spend the same tokens.
    private readonly Dictionary<string, (string Service, int Tokens)> _aside = new(StringComparer.Ordinal);

    public async Task<string?> Over(Asking asking, int estimate, CancellationToken cancel)
    {
        var (id, name) = (asking.Deployment.Id, asking.Deployment.Service);
        var (day, service) = await usage.Today(name, cancel);
        lock (_lock)
        {
            _aside.Remove(id);
            var over = Over("this deployment", asking.Spent, options.Tokens.Deployment, options.Cost.Deployment)
                ?? Over("this service today", With(service, _aside.Values.Where(aside => aside.Service == name)), options.Tokens.Service, options.Cost.Service)
                ?? Over("today", With(day, _aside.Values), options.Tokens.Day, options.Cost.Day);
            if (over is null)
                _aside[id] = (name, estimate);
            return over;
        }

        Spent With(Spent spent, IEnumerable<(string Service, int Tokens)> aside)
        {
            var tokens = aside.Sum(one => (long)one.Tokens);
            return new Spent(spent.Questions, spent.Tokens + tokens, spent.Cost + (options.Price is { } price ? tokens * Math.Max(price.Prompt, price.Answer) / 1_000_000 : 0));
        }

        string? Over(string whose, Spent spent, double tokens, double cost) =>
            spent.Tokens + estimate > tokens ? $"the budget of tokens for {whose} is used up ({tokens:0})"
            : options.Price is { } price && spent.Cost + (estimate * Math.Max(price.Prompt, price.Answer) / 1_000_000) > cost ? $"the budget of money for {whose} is used up ({cost:0.##})"
            : null;
    }

    public Task Add(UsageBody used, CancellationToken cancel) => usage.Add(used, cancel);

    public void Release(string deployment)
    {
        lock (_lock)
            _aside.Remove(deployment);
    }
}

/// <summary>The purse of one job: so many tokens, whoever asks. What is under way is set aside, so that questions at once do not spend the same tokens.</summary>
/// <param name="most">How many tokens there are.</param>
internal sealed class JobPurse(long most) : IPurse
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _aside = new(StringComparer.Ordinal);
    private long _spent;

    /// <summary>Why there was not enough for a question; null while there was.</summary>
    public string? Empty { get; private set; }

    public Task<string?> Over(Asking asking, int estimate, CancellationToken cancel)
    {
        lock (_lock)
        {
            _aside.Remove(asking.Deployment.Id);
            if (_spent + _aside.Values.Sum(static tokens => (long)tokens) + estimate > most)
                return Task.FromResult<string?>(Empty ??= $"the next question would take more than max_tokens, {most}: {_spent} were taken");
            _aside[asking.Deployment.Id] = estimate;
            return Task.FromResult<string?>(null);
        }
    }

    public Task Add(UsageBody used, CancellationToken cancel)
    {
        lock (_lock)
        {
            _aside.Remove(used.Deployment);
            _spent += used.PromptTokens + used.AnswerTokens;
        }

        return Task.CompletedTask;
    }

    /// <summary>Nothing more is asked about a deployment: what was set aside for it is free again.</summary>
    public void Release(string deployment)
    {
        lock (_lock)
            _aside.Remove(deployment);
    }
}
