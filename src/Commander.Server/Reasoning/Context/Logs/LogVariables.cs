namespace Commander.Server.Reasoning.Context.Logs;

/// <summary>What the variables of a query for log lines stand for.</summary>
internal static class LogVariables
{
    public static Dictionary<string, string> Of(LogQuestion question)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal) { ["service"] = question.Service, ["environment"] = question.Environment, ["version"] = question.Version };
        if (question.Labels.TryGetValue("namespace", out var space))
            values["namespace"] = space;
        if (question.Labels.TryGetValue("pod_template_hash", out var hash) || question.Labels.TryGetValue("pod-template-hash", out hash))
            values["pod_template_hash"] = hash;
        return values;
    }
}
