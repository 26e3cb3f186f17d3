using Commander.Judging.Policies;

namespace Commander.Server.Acting.Rollback;

/// <summary>Rollback targets by what the policy says.</summary>
internal sealed class TargetBook(Func<RollbackPolicy, IRollbackTarget?> make)
{
    /// <summary>The types that this version can act on.</summary>
    public static readonly string[] Types = ["webhook"];

    public IRollbackTarget? Find(RollbackPolicy? rollback) => rollback is null ? null : make(rollback);

    /// <summary>The targets that speak HTTP through <paramref name="http"/>.</summary>
    public static TargetBook Over(HttpClient http, TimeProvider clock, Func<string, string?> secret) =>
        new(rollback => rollback.Type == "webhook" ? new WebhookTarget(rollback, http, clock, secret) : null);
}
