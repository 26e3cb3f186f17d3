namespace Commander.Server.Storage;

/// <summary>How streams are named.</summary>
internal static class Streams
{
    /// <summary>What stands before a deployment's id.</summary>
    public const string Deployment = "deployment/";

    /// <summary>What concerns the whole server: freezes.</summary>
    public const string System = "system";

    /// <summary>Which checks of the server itself failed and hold again, and who was told.</summary>
    public const string Checks = "system/checks";

    /// <summary>What stands before a day: what was spent on the language model on it.</summary>
    public const string Reasoning = "reasoning/";

    /// <summary>The stream of a deployment.</summary>
    public static string Of(string deploymentId) => Deployment + deploymentId;
}
