using System.Text.Json.Serialization;
using Commander.Judging;
using Commander.Judging.Models;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Api;
using Commander.Server.Intake;
using Commander.Server.Loop;
using Commander.Server.Sources;
using Commander.Server.Storage;

namespace Commander.Server.Hosting;

/// <summary>Puts the server together: one Add and one Map per folder, in story order.</summary>
internal static class Application
{
    /// <summary>Runs until it is told to stop. Exit code 2 when the policy does not parse, 1 when the server cannot start.</summary>
    public static Task<int> Serve(CommanderOptions options, CancellationToken cancel) => throw new NotSupportedException();
}
