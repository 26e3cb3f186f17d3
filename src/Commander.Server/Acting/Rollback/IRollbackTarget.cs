using Commander.Judging.Decisions;

namespace Commander.Server.Acting.Rollback;

/// <summary>A rollback as it is asked of a platform.</summary>
/// <param name="Key">The action's key, DEPLOYMENT/rollback/N: the platform takes effect at most once for it.</param>
/// <param name="Deployment">The deployment's id.</param>
/// <param name="Service">The service.</param>
/// <param name="Environment">The environment.</param>
/// <param name="Version">The version to leave.</param>
/// <param name="TargetVersion">The version to go back to.</param>
/// <param name="Fence">What <see cref="IRollbackTarget.Look"/> answered before the intent was stored.</param>
internal sealed record RollbackOrder(string Key, string Deployment, string Service, string Environment, string Version, string TargetVersion, string? Fence);

/// <summary>What a platform says of itself.</summary>
/// <param name="Reached">Whether it answered at all.</param>
/// <param name="ServingVersion">The version that serves now; null when it cannot say.</param>
/// <param name="Settled">Whether the platform has finished what it was told: every instance is of that version and ready.</param>
/// <param name="Fence">Its state's version (a resourceVersion, an ETag), by which a change in between is noticed; null when it has none.</param>
/// <param name="Message">One sentence for a person.</param>
/// <param name="OnlyWord">It cannot be asked what serves: that it took an order is all that can be known, so an accepted order counts as carried out, and the metrics must show the rest.</param>
internal sealed record PlatformState(bool Reached, string? ServingVersion, bool Settled, string? Fence, string Message, bool OnlyWord = false)
{
    /// <summary>Not reached, and asking again will not help: not allowed, not there.</summary>
    public bool Hopeless { get; init; }

    /// <summary>Everything that the version that serves may be called, where a platform knows it by several names.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>What it could go back to, best first, where the target says <see cref="IRollbackTarget.KnowsHistory"/>.</summary>
    public IReadOnlyList<EarlierVersion> Earlier { get; init; } = [];

    /// <summary>Whether it serves a version, by whichever of its names.</summary>
    public bool Serves(string version) => Reached && (ServingVersion == version || Names.Contains(version));
}

/// <summary>How a platform answered an order.</summary>
/// <param name="Accepted">Whether it took the order (or had taken it before: same key).</param>
/// <param name="Refused">It will never take it: the target is gone, not allowed, a person's newer rollout is in the way.</param>
/// <param name="Message">One sentence for a person.</param>
/// <param name="Note">What a person must know or do although it was taken; it stays on the deployment's page. Null for nothing.</param>
internal sealed record OrderResult(bool Accepted, bool Refused, string Message, string? Note = null);

/// <summary>Where a rollback takes effect. Every call is bounded by its token and answers with data, never throws for what the outside does.</summary>
internal interface IRollbackTarget
{
    /// <summary>How the target is named in actions: kubernetes:shop/checkout, webhook:http://...</summary>
    string Name { get; }

    /// <summary>Whether the platform can say itself what to go back to when nobody else knows.</summary>
    bool KnowsHistory { get; }

    /// <summary>Reads the platform's state: before the intent, after a crash, and while verifying.</summary>
    Task<PlatformState> Look(string service, string environment, CancellationToken cancel);

    /// <summary>Orders the rollback. Repeating it with the same key takes no second effect.</summary>
    Task<OrderResult> Order(RollbackOrder order, CancellationToken cancel);
}
