using Commander.Server.Hosting;
using Commander.Server.Reasoning.Context;

namespace Commander.Server.Reasoning;

/// <summary>Adds the language model, where one is configured.</summary>
internal static class ReasoningHosting
{
    public static void AddReasoning(this IServiceCollection services, ReasoningOptions? options, Secrets secrets)
    {
        services.AddReasoningContext(secrets);
        services.AddSingleton<UsageBook>();
        if (options is null)
            return;
        services.AddSingleton(options);
        services.AddSingleton(provider => new Evaluation.ModelEvaluation(options, secrets, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new LanguageModel(options, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new Reasoner(
            provider.GetRequiredService<LanguageModel>(), options, provider.GetRequiredService<UsageBook>(), provider.GetRequiredService<ContextBook>(), secrets, provider.GetRequiredService<TimeProvider>()));
    }
}
