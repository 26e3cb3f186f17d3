using Commander.Charts;
using Commander.Judging.Verdicts;

namespace Commander.Cli;

/// <summary>When following a deployment ends.</summary>
internal enum Until
{
    /// <summary>When the watch closes: after the late judgement, the action and its recovery.</summary>
    Closed,
    /// <summary>At ROLLBACK or CONTINUE, when it is clear that none will come, or when the watch closes.</summary>
    Verdict,
}

/// <summary>Follows a deployment to its verdict or its end. A server that restarts meanwhile is waited for: the watch goes on there too.</summary>
internal static class Following
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // Numbers move with every tick; nobody reads a log of them.
    private static readonly TimeSpan Numbers = TimeSpan.FromSeconds(10);

    /// <returns>The newest state, and whether it is the one that was waited for.</returns>
    public static async Task<(Answered<Deployment> Newest, bool Ended)> Follow(
        Server server, Answered<Deployment> first, Until until, TimeSpan timeout, TimeProvider clock, Action<string> progress, CancellationToken cancel)
    {
        var began = clock.GetTimestamp();
        var newest = first;
        var (said, stage, saidAt) = ("", "", began);
        var lost = false;
        while (true)
        {
            var line = lost ? said : Words.Progress(newest.Value);
            if (line != said && (Words.Stage(newest.Value) != stage || clock.GetElapsedTime(saidAt) >= Numbers))
            {
                progress(said = line);
                (stage, saidAt) = (Words.Stage(newest.Value), clock.GetTimestamp());
            }

            if (Ends(newest.Value, until))
                return (newest, true);

            var left = timeout - clock.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
                return (newest, false);
            await Task.Delay(left < Interval ? left : Interval, clock, cancel);
            try
            {
                newest = await server.Get(newest.Value.Id, cancel);
                lost = false;
            }
            catch (Unreachable unreachable)
            {
                if (!lost)
                    progress(said = $"{unreachable.Message}; trying again");
                stage = "";
                lost = true;
            }
        }
    }

    public static int Code(Deployment deployment) => deployment switch
    {
        { State: "closed", ClosedReason: "failed" } => ExitCode.Error,
        { Verdict.Decision: "ROLLBACK" } => ExitCode.Rollback,
        { Verdict.Decision: "CONTINUE" } => ExitCode.Done,
        _ => ExitCode.Hold,
    };

    private static bool Ends(Deployment deployment, Until until) =>
        deployment.State == "closed"
        || (until == Until.Verdict && (deployment.Verdict?.Decision is "ROLLBACK" or "CONTINUE" || Headline.NothingToJudge(deployment)));
}
