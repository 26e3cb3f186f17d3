using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Commander.Judging.Mutation;

/// <summary>One change of the code, as the report names it.</summary>
internal sealed record Change(int Id, string File, int Line, string Kind, string Replacement, bool IsStatic)
{
    public string Folder => File.Split('/')[0];

    /// <summary>noticed, late (the tests did not end), unnoticed or uncovered.</summary>
    public string Fate { get; set; } = "uncovered";
}

/// <summary>How many of a report's changes the tests notice: each is tried with the tests that run through it, the quick ones first.</summary>
internal static class Score
{
    private const double Bar = 85;

    // The first tests of a change may take so long together, the next four times as long, and so on.
    private const double FirstSeconds = 0.2;

    // What so few tests run through and do not notice is tried again where nothing was kept from before.
    private const int FewTests = 12;

    // So many of the tests that noticed something lately come first.
    private const int Lately = 15;

    public static async Task<int> Of(string report, string[] scopes)
    {
        var workers = int.Parse(Environment.GetEnvironmentVariable("CONCURRENCY") ?? "2", CultureInfo.InvariantCulture);
        var sample = double.Parse(Environment.GetEnvironmentVariable("SAMPLE") ?? "100", CultureInfo.InvariantCulture) / 100;
        var seed = int.Parse(Environment.GetEnvironmentVariable("SEED") ?? "1", CultureInfo.InvariantCulture);
        var random = new Random(seed);
        var changes = Read(report).Where(change => scopes.Length == 0 || scopes.Any(scope => change.File == scope || change.File.StartsWith(scope + "/", StringComparison.Ordinal))).ToList();
        var all = changes.Count;
        changes = [.. changes.Where(_ => random.NextDouble() < sample)];

        if (changes.Count == 0)
        {
            await Console.Error.WriteLineAsync(all == 0 ? $"No change is in {string.Join(", ", scopes)}: name folders and files of src/Commander.Judging, such as Decisions or Verdicts/Fold.cs" : "The sample is empty: another SEED, or a larger SAMPLE.");
            return 2;
        }

        var times = await Timed();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{changes.Count} of {all} changes; {times.Count} tests of {times.Values.Sum():F0} s"));
        var (covering, once) = await Coverage(workers, times);
        var queue = new ConcurrentQueue<Change>(changes.Where(change => change.IsStatic || covering.ContainsKey(change.Id)).OrderBy(_ => random.Next()));
        var total = queue.Count;
        Console.WriteLine($"{total} of them are run through by a test");
        await Task.WhenAll(Enumerable.Range(0, workers).Select(number => Task.Run(() => Try(queue, covering, once, times, number == 0 ? () => Console.Error.Write($"\r{total - queue.Count} of {total} tried ") : () => { }))));
        Console.Error.WriteLine();
        foreach (var change in changes.Where(change => change.Fate is "unnoticed" or "uncovered").OrderBy(change => change.File, StringComparer.Ordinal).ThenBy(change => change.Line))
            Console.WriteLine($"{change.Fate} {change.File}:{change.Line} {change.Kind}: {change.Replacement}");
        return Print(changes);
    }

    private static int Print(List<Change> changes)
    {
        Console.WriteLine($"{"folder",-14} {"noticed",8} {"late",6} {"unnoticed",10} {"not covered",12} {"score",8}");
        foreach (var folder in changes.GroupBy(change => change.Folder).OrderBy(folder => folder.Key, StringComparer.Ordinal))
            Line(folder.Key, [.. folder]);
        var score = Line("all", changes);
        return score >= Bar ? 0 : 1;

        static double Line(string name, List<Change> of)
        {
            int Count(string fate) => of.Count(change => change.Fate == fate);
            var score = 100.0 * (Count("noticed") + Count("late")) / Math.Max(1, of.Count);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-14} {Count("noticed"),8} {Count("late"),6} {Count("unnoticed"),10} {Count("uncovered"),12} {score,6:F1} %"));
            return score;
        }
    }

    // Those that compile and that Stryker counts; what it leaves out (a block whose content is changed anyway) is left out here.
    private static IEnumerable<Change> Read(string report)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(report));
        foreach (var file in document.RootElement.GetProperty("files").EnumerateObject())
        {
            var path = file.Name.Replace('\\', '/');
            var name = path[(path.LastIndexOf("Commander.Judging/", StringComparison.Ordinal) is >= 0 and var at ? at + "Commander.Judging/".Length : 0)..];
            foreach (var one in file.Value.GetProperty("mutants").EnumerateArray())
            {
                if (one.GetProperty("status").GetString() is "Killed" or "Survived" or "NoCoverage" or "Timeout")
                {
                    yield return new Change(
                        int.Parse(one.GetProperty("id").GetString()!, CultureInfo.InvariantCulture),
                        name,
                        one.GetProperty("location").GetProperty("start").GetProperty("line").GetInt32(),
                        one.GetProperty("mutatorName").GetString()!,
                        string.Join(' ', (one.GetProperty("replacement").GetString() ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)) is var text && text.Length > 140 ? text[..140] : text,
                        one.TryGetProperty("static", out var isStatic) && isStatic.GetBoolean());
                }
            }
        }
    }

    private static async Task<Dictionary<string, double>> Timed()
    {
        using var worker = new TestProcess();
        var answer = await worker.Ask("time", TimeSpan.FromMinutes(10)) ?? throw new InvalidOperationException("The tests did not end within ten minutes.");
        var rows = answer.Select(row => row.Split('\t')).Select(row => (Test: row[0], Seconds: double.Parse(row[1], CultureInfo.InvariantCulture), Name: row[2])).ToList();
        foreach (var row in rows.Where(row => row.Seconds < 0))
            Console.WriteLine($"left out, for it fails without a change: {row.Name}");
        return rows.Where(row => row.Seconds >= 0).ToDictionary(row => row.Test, row => row.Seconds, StringComparer.Ordinal);
    }

    private static async Task<(Dictionary<int, string[]> Covering, HashSet<int> Once)> Coverage(int workers, Dictionary<string, double> times)
    {
        var parts = await Task.WhenAll(Enumerable.Range(0, workers).Select(async part =>
        {
            using var worker = new TestProcess();
            return await worker.Ask($"cover {part} {workers}", TimeSpan.FromMinutes(30)) ?? throw new InvalidOperationException("What the tests run through was not found within half an hour.");
        }));
        var covering = new Dictionary<int, List<string>>();
        var once = new HashSet<int>();
        foreach (var row in parts.SelectMany(part => part).Select(row => row.Split('\t')).Where(row => times.ContainsKey(row[0])))
        {
            foreach (var id in Ids(row[1]).Concat(Ids(row[2])).Distinct())
                (covering.TryGetValue(id, out var tests) ? tests : covering[id] = []).Add(row[0]);
            once.UnionWith(Ids(row[2]));
        }

        return (covering.ToDictionary(one => one.Key, one => one.Value.OrderBy(test => times[test]).ToArray()), once);

        static IEnumerable<int> Ids(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture));
    }

    private static async Task Try(ConcurrentQueue<Change> queue, Dictionary<int, string[]> covering, HashSet<int> once, Dictionary<string, double> times, Action progress)
    {
        var worker = new TestProcess();
        // Which tests noticed something lately: what is near is noticed by the same.
        var lately = new LinkedList<string>();
        string[] all = [.. times.Keys.OrderBy(test => times[test])];
        try
        {
            while (queue.TryDequeue(out var change))
            {
                progress();
                // What runs once in a process is seen to be run through by the first test that needs it only, or by none when the search for tests did: any may notice it.
                var fresh = change.IsStatic || once.Contains(change.Id);
                var tests = fresh ? all : covering[change.Id];
                change.Fate = fresh ? "unnoticed" : await Tried(change, tests, Worker.None);
                if (change.Fate == "unnoticed" && (fresh || tests.Length <= FewTests))
                {
                    // In a process in which nothing was kept from before the change.
                    Renew(change.Id);
                    change.Fate = await Tried(change, tests, change.Id);
                    Renew();
                }
            }
        }
        finally
        {
            worker.Dispose();
        }

        void Renew(int changed = Worker.None)
        {
            worker.Dispose();
            worker = new TestProcess(changed);
        }

        async Task<string> Tried(Change change, string[] tests, int changed)
        {
            var among = tests.ToHashSet(StringComparer.Ordinal);
            var first = lately.Where(among.Contains).Take(Lately).ToList();
            string[] order = [.. first, .. tests.Except(first, StringComparer.Ordinal)];
            var again = false;
            for (var (at, most) = (0, FirstSeconds); at < order.Length; most *= 4)
            {
                List<string> some = [];
                for (var spent = 0.0; at < order.Length && (some.Count == 0 || spent + times[order[at]] < most); at++)
                {
                    some.Add(order[at]);
                    spent += times[order[at]];
                }

                var answer = await worker.Ask($"try {change.Id} {string.Join(',', some)}", TimeSpan.FromSeconds(10 + (8 * some.Sum(test => times[test]))));
                if (answer is null)
                {
                    Renew();
                    return "late";
                }

                if (answer is ["unnoticed"])
                    continue;
                var test = answer[0].Split(' ')[1];
                if (answer[0].StartsWith("spoilt", StringComparison.Ordinal))
                {
                    // Something that is kept was changed, now or by a change before: only what a new process says counts.
                    Renew(changed);
                    if (!again && changed == Worker.None)
                    {
                        (again, at, most) = (true, 0, FirstSeconds / 4);
                        continue;
                    }
                }

                lately.Remove(test);
                lately.AddFirst(test);
                if (lately.Count > 40)
                    lately.RemoveLast();
                return "noticed";
            }

            return "unnoticed";
        }
    }

    /// <summary>A process with the tests.</summary>
    /// <param name="changed">The change that is at work from the start, before the tests are looked for: their data may be what it changes.</param>
    private sealed class TestProcess(int changed = Worker.None) : IDisposable
    {
        private readonly Process _process = Process.Start(new ProcessStartInfo("dotnet", [typeof(Score).Assembly.Location, "worker", changed.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;

        /// <summary>The lines of the answer; null when it does not come in time or the process ended.</summary>
        public async Task<List<string>?> Ask(string question, TimeSpan most)
        {
            using var deadline = new CancellationTokenSource(most);
            try
            {
                await _process.StandardInput.WriteLineAsync(question.AsMemory(), deadline.Token);
                await _process.StandardInput.FlushAsync(deadline.Token);
                List<string> lines = [];
                while (await _process.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
                {
                    if (line == "done")
                        return lines;
                    lines.Add(line);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // Ended by the change, or never ending.
            }

            return null;
        }

        public void Dispose()
        {
            if (!_process.HasExited)
                _process.Kill();
            _process.Dispose();
        }
    }
}
