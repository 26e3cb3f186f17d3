using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Commander.Charts;
using Commander.Judging;
using Commander.Judging.Backtest;
using Commander.Judging.Models;
using Commander.Judging.Policies;

namespace Commander.Cli;

/// <summary>What a backtest is asked for.</summary>
/// <param name="Files">Case files, judged in this order.</param>
/// <param name="Judges">One judge, or two to compare.</param>
/// <param name="Policy">By which commander and the health score judge; null: made from each recording.</param>
/// <param name="Model">By which commander makes P(BAD); null: the shipped one.</param>
/// <param name="Horizons">How far after the change.</param>
internal sealed record BacktestOrder(IReadOnlyList<string> Files, IReadOnlyList<string> Judges, Policy? Policy, Model? Model, Horizons Horizons);

/// <summary>What came out.</summary>
/// <param name="Cases">How many cases.</param>
/// <param name="Summaries">One per judge.</param>
/// <param name="Comparison">Of two judges; empty for one.</param>
/// <param name="Said">How many and how fast, in words.</param>
/// <param name="Unread">Metrics of the given policy that no case has.</param>
/// <param name="Unknown">Units that nothing is known of, each with the first metric that has it; only some of many.</param>
internal sealed record Backtested(int Cases, IReadOnlyList<Summary> Summaries, Comparison Comparison, string Said, IReadOnlyList<string> Unread, IReadOnlyList<string> Unknown);

/// <summary>
/// Judges recorded deployments offline, with the same function as the live loop. One task reads lines, all cores parse and judge batches of them, and what they say is taken in the order of
/// the files: the result is the same whatever the number of cores. At most two batches a core are under way.
/// </summary>
internal static class Backtesting
{
    // A batch is worth its task, and small enough that no core waits long for the last one.
    private const int BatchLines = 32;
    private const int BatchBytes = 1 << 18;

    // More of them nobody reads.
    private const int MostUnits = 8;

    private static readonly TimeSpan SaidEvery = TimeSpan.FromSeconds(1);

    /// <summary>Replays every case.</summary>
    /// <param name="order">What is asked for.</param>
    /// <param name="verdicts">Gets one line per case of the first judge; null for none.</param>
    /// <param name="report">Gets every case with what was said of it; null for none.</param>
    /// <param name="cores">How many batches are judged at once.</param>
    /// <param name="clock">For progress.</param>
    /// <param name="progress">Told how far it is, 0..1, and a line for a person.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="Failure">A file cannot be read, or a line of it is no case or cannot be judged.</exception>
    public static async Task<Backtested> Run(
        BacktestOrder order, Stream? verdicts, BacktestReport? report, int cores, TimeProvider clock, Action<double, string> progress, CancellationToken cancel)
    {
        var summaries = order.Judges.Select(static _ => new Summary()).ToArray();
        var comparison = new Comparison();
        var ids = new CaseIds();
        var unknown = new SortedDictionary<string, string>(StringComparer.Ordinal);
        string? file = null;
        var names = new HashSet<string>(StringComparer.Ordinal);
        var unread = order.Policy?.Metrics.Select(static metric => metric.Name).ToHashSet(StringComparer.Ordinal) ?? [];
        var began = clock.GetTimestamp();
        var (said, count) = (began, 0);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var batches = Channel.CreateBounded<(Task<Judged[]> Work, double Share)>(new BoundedChannelOptions(2 * cores) { SingleReader = true, SingleWriter = true });
        var reading = Task.Run(() => Read(order, report is not null, batches.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (var (work, share) in batches.Reader.ReadAllAsync(cancel))
            {
                foreach (var judged in await work)
                {
                    Take(judged);
                    count++;
                }

                if (clock.GetElapsedTime(said) < SaidEvery)
                    continue;
                said = clock.GetTimestamp();
                progress(share, $"{count} cases judged");
            }
        }
        finally
        {
            await stop.CancelAsync();
            // What is still under way is nobody's business any more; what went wrong in reading comes out below.
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await reading;
        if (count == 0)
            throw new Failure($"{string.Join(", ", order.Files)}: the file has no case", "give JSON lines, one case each");
        if (order.Horizons.Named.Keys.FirstOrDefault(name => !names.Contains(name)) is { } stranger)
            throw new Failure($"--horizon names {stranger}, which is no file's name and no case's source", $"known are {string.Join(", ", names.Order(StringComparer.Ordinal))}", ExitCode.Usage);
        var seconds = clock.GetElapsedTime(began).TotalSeconds;
        return new Backtested(count, summaries, comparison, string.Create(CultureInfo.InvariantCulture,
            $"{count} cases judged by {string.Join(" and ", order.Judges)} in {seconds:0.0} s{(seconds > 0 ? $", {count / seconds:0} a second" : "")}"), [.. unread.Order(StringComparer.Ordinal)],
            [.. unknown.Select(static one => $"{one.Key} ({one.Value})")]);

        void Take(Judged judged)
        {
            if (judged.Path != file)
            {
                ids.NextFile();
                file = judged.Path;
            }

            try
            {
                ids.Add(judged.Case, judged.Line);
            }
            catch (RefusedException refused)
            {
                throw new Failure($"{judged.Path}: {refused.Message}");
            }

            names.Add(judged.Case.Source);
            names.Add(judged.File);
            if (unread.Count > 0)
            {
                var sources = CasePolicy.Match(judged.Case.Recording, order.Policy!);
                unread.RemoveWhere(name => order.Policy!.Metrics.Index().Any(metric => metric.Item.Name == name && sources[metric.Index].Values >= 0));
            }

            foreach (var series in judged.Case.Recording.Series)
            {
                // A policy names the units it judges in.
                if (order.Policy is null && unknown.Count < MostUnits && !CasePolicy.IsKnown(series.Unit))
                    unknown.TryAdd(Told(series.Unit), Told(series.Name));
            }

            for (var judge = 0; judge < summaries.Length; judge++)
                summaries[judge].Add(judged.Case, judged.Said[judge].Line);
            if (summaries.Length == 2)
                comparison.Add(judged.Case, judged.Said[0].Line.Decision, judged.Said[1].Line.Decision);
            report?.Add(judged.Case, judged.Said);
            if (verdicts is null)
                return;
            JsonSerializer.Serialize(verdicts, judged.Said[0].Line, Json.Tolerant);
            verdicts.WriteByte((byte)'\n');
        }
    }

    /// <summary>The table of each judge, and what two of them differ by.</summary>
    public static void Print(BacktestOrder order, Backtested tested, IReadOnlyList<DifferenceRow> differences, Terminal terminal)
    {
        for (var judge = 0; judge < order.Judges.Count; judge++)
        {
            if (order.Judges.Count > 1)
                terminal.Out.WriteLine(order.Judges[judge]);
            foreach (var line in tested.Summaries[judge].ToString().TrimEnd('\n').Split('\n'))
                terminal.Out.WriteLine(Terminal.Safe(line));
            if (order.Judges.Count > 1)
                terminal.Out.WriteLine();
        }

        if (differences.Count == 0)
            return;
        terminal.Table(
            ["source", "figure", order.Judges[0], order.Judges[1], "difference", "95 % interval", "0 excluded", "groups"],
            [.. differences.Select(static row => (string[])
            [
                row.Source, row.Measure.Replace('_', ' '), Figure(row.First, row.Measure), Figure(row.Second, row.Measure), Signed(row.Difference, row.Measure),
                row.Low is null ? "-" : $"{Signed(row.Low, row.Measure)} to {Signed(row.High, row.Measure)}", row.Zero(), row.Groups.ToString(CultureInfo.InvariantCulture),
            ])]);
    }

    private static string Told(string text) => text.Length <= 30 ? text : text[..30] + "...";

    private static string Figure(double? value, string measure) => value is not { } known ? "-"
        : measure == "f1" ? known.ToString("0.00", CultureInfo.InvariantCulture)
        : (100 * known).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Signed(double? value, string measure) => value is not { } known ? "-"
        : measure == "f1" ? known.ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture)
        : (100 * known).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture) + " pp";

    private static async Task Read(BacktestOrder order, bool whole, ChannelWriter<(Task<Judged[]> Work, double Share)> batches, CancellationToken cancel)
    {
        try
        {
            double all = order.Files.Sum(static file => new FileInfo(file) is { Exists: true } known ? known.Length : 0);
            long read = 0;
            foreach (var path in order.Files)
            {
                await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16);
                var (batch, bytes) = (new List<(int, byte[])>(BatchLines), 0);
                foreach (var line in Lines(stream, path))
                {
                    batch.Add(line);
                    bytes += line.Json.Length + 1;
                    if (batch.Count < BatchLines && bytes < BatchBytes)
                        continue;
                    await Send();
                }

                await Send();

                async Task Send()
                {
                    var lines = batch;
                    read += bytes;
                    (batch, bytes) = (new List<(int, byte[])>(BatchLines), 0);
                    var work = Task.Run(() => Judge(lines, path, order, whole, cancel), cancel);
                    await batches.WriteAsync((work, all > 0 ? Math.Min(1, read / all) : 0), cancel);
                }
            }
        }
        finally
        {
            batches.Complete();
        }
    }

    /// <summary>The lines of a case file, without the blank ones.</summary>
    /// <exception cref="Failure">A line is too long.</exception>
    public static IEnumerable<(int Number, byte[] Json)> Lines(Stream stream, string path)
    {
        using var lines = CaseFile.Lines(stream).GetEnumerator();
        while (true)
        {
            try
            {
                if (!lines.MoveNext())
                    yield break;
            }
            catch (RefusedException refused)
            {
                throw NoCase(path, refused);
            }

            yield return lines.Current;
        }
    }

    private static Judged[] Judge(List<(int Number, byte[] Json)> lines, string path, BacktestOrder order, bool whole, CancellationToken cancel)
    {
        var file = Path.GetFileNameWithoutExtension(path);
        var judged = new Judged[lines.Count];
        for (var at = 0; at < judged.Length; at++)
        {
            cancel.ThrowIfCancellationRequested();
            var found = Parse(lines[at].Json, lines[at].Number, path);
            try
            {
                var horizon = order.Horizons.Of(found.Source, file);
                judged[at] = new Judged(found, path, file, lines[at].Number, [.. order.Judges.Select(judge => whole
                    ? Backtests.Examine(found, judge, order.Policy, order.Model, horizon)
                    : new Examined(Backtests.Run(found, judge, order.Policy, order.Model, horizon), "", 0))]);
            }
            catch (RefusedException refused)
            {
                throw new Failure($"{path}: line {lines[at].Number}, {refused.Message}");
            }
        }

        return judged;
    }

    /// <summary>Reads one line.</summary>
    /// <exception cref="Failure">It is no case.</exception>
    public static Case Parse(byte[] json, int line, string path)
    {
        try
        {
            return CaseFile.Parse(json, line);
        }
        catch (RefusedException refused)
        {
            throw NoCase(path, refused);
        }
    }

    private static Failure NoCase(string path, RefusedException refused) =>
        new($"{path}: {refused.Message}", "each line is one case, a JSON object with id, source, change_time, step_seconds, restarted, metrics");

    /// <summary>Refuses a folder in the words of a person: opening one is said to be denied.</summary>
    /// <exception cref="Failure">The path is a folder.</exception>
    public static void NoFolder(string path)
    {
        if (Directory.Exists(path))
            throw new Failure($"{path} is a folder", $"name the case files in it, such as {Path.Combine(path, "cases.jsonl")}", ExitCode.Usage);
    }

    private readonly record struct Judged(Case Case, string Path, string File, int Line, IReadOnlyList<Examined> Said);
}
