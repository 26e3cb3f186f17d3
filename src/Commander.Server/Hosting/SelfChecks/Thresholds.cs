using System.Globalization;

namespace Commander.Server.Hosting.SelfChecks;

/// <summary>Where a measured number becomes a failure. Pure.</summary>
internal static class Thresholds
{
    /// <summary>Less free space than this fails, however large the disk is.</summary>
    public const long LeastFree = 500L << 20;

    /// <summary>And less than this share of it.</summary>
    public const double LeastShare = 0.05;

    /// <summary>A clock that is off by more is spoken of.</summary>
    public static readonly TimeSpan ClockWarns = TimeSpan.FromSeconds(2);

    // Sources tell their time to the second and answer late: below this their points are used however short a step is.
    private static readonly TimeSpan ClockFailsAtLeast = TimeSpan.FromSeconds(5);

    /// <summary>Whether a disk has room.</summary>
    /// <param name="free">Bytes that this process may still write.</param>
    /// <param name="total">Bytes in all.</param>
    public static Found Disk(long free, long total)
    {
        var share = total > 0 ? (double)free / total : 0;
        var says = $"{Size(free)} of {Size(total)} are free ({(share * 100).ToString("0.#", CultureInfo.InvariantCulture)} %)";
        return free >= LeastFree && share >= LeastShare
            ? Found.Well(says)
            : Found.Not($"only {says}: below {Size(LeastFree)} or {LeastShare * 100:0} % writing may end any time; free some space, or give the data folder another disk");
    }

    /// <summary>Whether this machine's clock goes with the others'.</summary>
    /// <param name="clocks">Who said a time, how far it was ahead of ours, and how much of that may be the way. A time that was told in whole seconds counts from the middle of its second.</param>
    /// <param name="step">The shortest step of the policies: beyond it a source's points cannot be placed.</param>
    public static Found Clock(IReadOnlyCollection<(string Who, TimeSpan Ahead, TimeSpan Within)> clocks, TimeSpan step)
    {
        if (clocks.Count == 0)
            return Found.Well("not compared: nothing that is asked tells its time");
        var (who, ahead, _, off) = clocks.Select(clock => (clock.Who, clock.Ahead, clock.Within, Off: Surely(clock.Ahead, clock.Within))).MaxBy(clock => clock.Off);
        var most = step > ClockFailsAtLeast ? step : ClockFailsAtLeast;
        var says = $"the clock of {who} is {Seconds(ahead.Duration())} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} this machine's";
        return off > most ? Found.Not($"{says}, more than a step of {Seconds(most)} s: what is measured cannot be placed before or after a deployment; let both follow the same time server")
            : off > ClockWarns ? Found.Well($"{says}; let both follow the same time server before it is more than {Seconds(most)} s")
            : Found.Well($"within {ClockWarns.TotalSeconds:0} s of {string.Join(", ", clocks.Select(clock => clock.Who).Take(5))}");
    }

    /// <summary>So much a clock is off whatever the way took.</summary>
    private static TimeSpan Surely(TimeSpan ahead, TimeSpan within) => ahead.Duration() > within ? ahead.Duration() - within : TimeSpan.Zero;

    private static string Seconds(TimeSpan span) => span.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes >= 1L << 30
        ? (bytes / (double)(1L << 30)).ToString("0.#", CultureInfo.InvariantCulture) + " GiB"
        : (bytes >> 20).ToString(CultureInfo.InvariantCulture) + " MiB";
}
