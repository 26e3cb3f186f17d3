namespace Commander.Server.Tests.Loop.Simulated;

/// <summary>What must never be, was.</summary>
internal sealed class BrokenInvariantException(string message) : Exception(message);
