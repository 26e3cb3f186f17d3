using Commander.Judging.Policies;

namespace Commander.Server.Alerting;

/// <summary>All channels, wherever in the cluster they are spoken for.</summary>
internal interface IAlerting
{
    /// <summary>Tells one channel one thing; in a storm together with others, up to a minute later. Never throws but when cancelled.</summary>
    Task<Delivery> Tell(AlertPolicy to, Alert alert, CancellationToken cancel);
}
