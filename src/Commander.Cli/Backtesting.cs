using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Backtest;

namespace Commander.Cli;

/// <summary>Judges recorded deployments offline, with the same function as the live loop.</summary>
internal static class Backtesting
{
    private static readonly TimeSpan SaidEvery = TimeSpan.FromSeconds(1);

    /// <summary>Replays every case of a file; one line per case goes to <paramref name="verdicts"/>, the summary is the answer.</summary>
    /// <exception cref="RefusedException">A line is no case, or cannot be judged.</exception>
    public static Summary Run(Stream cases, string judge, int? horizon, Stream? verdicts, TimeProvider clock, Action<string> progress, CancellationToken cancel)
    {
        var summary = new Summary();
        var began = clock.GetTimestamp();
        var said = began;
        var count = 0;
        foreach (var found in CaseFile.Read(cases))
        {
            cancel.ThrowIfCancellationRequested();
            var line = Judged(found, judge, horizon);
            summary.Add(found, line);
            if (verdicts is not null)
            {
                JsonSerializer.Serialize(verdicts, line, Json.Tolerant);
                verdicts.WriteByte((byte)'\n');
            }

            count++;
            if (clock.GetElapsedTime(said) < SaidEvery)
                continue;
            said = clock.GetTimestamp();
            progress($"{count} cases judged");
        }

        if (count == 0)
            throw new Failure("the file has no case", "give JSON lines, one case each");
        var seconds = clock.GetElapsedTime(began).TotalSeconds;
        progress($"{count} cases judged by {judge} in {seconds:0.0} s{(seconds > 0 ? $", {count / seconds:0} a second" : "")}");
        return summary;
    }

    private static BacktestLine Judged(Case found, string judge, int? horizon)
    {
        try
        {
            return Backtests.Run(found, judge, horizon: horizon);
        }
        catch (RefusedException refused)
        {
            throw new Failure($"case {found.Id}: {refused.Message}");
        }
    }
}
