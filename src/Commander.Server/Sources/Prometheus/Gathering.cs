namespace Commander.Server.Sources.Prometheus;

/// <summary>
/// Puts questions of many watches together. Two requests of a shape are under way at once; what comes meanwhile goes together with
/// the next. A single watch waits for nobody; the busier the source, the more share a request. The past that watches begin with is
/// gathered by itself: its answers are long, and ticks do not wait behind them.
/// </summary>
internal sealed class Gathering(PrometheusClient client, TimeProvider clock)
{
    private const int MostUnderWay = 2;
    private const int MostTogether = 100;

    // Less than what one answer may have, so that one that grows still fits.
    private const int MostSeries = AnswerReader.MaxSeries * 3 / 4;
    private const int MostPoints = AnswerReader.MaxPoints / 2;

    // Who wants another time's points does not share a request that would have to span both.
    private static readonly TimeSpan Near = TimeSpan.FromSeconds(10);

    // Where many ask, the next request goes so long after the last one at the earliest: a few large ones cost both sides less than many small ones.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(40);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Shape, long Hour), Line> _lines = [];

    /// <summary>The points of a selector in (from, to], as the source has them; <paramref name="query"/> is its own text.</summary>
    public async Task<PromAnswer> Points(Shape shape, string query, DateTimeOffset from, DateTimeOffset to, bool past, Room.Share share, CancellationToken cancel)
    {
        var mine = new Wanted(shape, query, from, to);
        // Yesterday's points and today's share nothing.
        var hour = to.ToUnixTimeSeconds() / 3600;
        var key = (shape.Key, past ? -hour : hour);
        Line line;
        lock (_lock)
        {
            if (!_lines.TryGetValue(key, out line!))
                _lines[key] = line = new Line();
            if (line.UnderWay < MostUnderWay)
            {
                line.UnderWay++;
                _ = Go(key, line, [mine]);
            }
            else
            {
                line.Add(mine);
            }
        }

        try
        {
            var answer = await mine.Answer.Task.WaitAsync(cancel);
            return answer ?? await Alone(mine, share, cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return client.TooLate();
        }
    }

    private Task<PromAnswer> Alone(Wanted wanted, Room.Share share, CancellationToken cancel) => Ask(wanted.Query, wanted.From, wanted.To, share, cancel);

    private Task<PromAnswer> Ask(string query, DateTimeOffset from, DateTimeOffset to, Room.Share share, CancellationToken cancel) =>
        client.Query($"{query}[{(long)(to - from).TotalMilliseconds}ms]", to, share, cancel);

    // One after the other until nobody waits. What goes wrong is an answer too, so that nobody waits for ever.
    private async Task Go((string Shape, long Hour) key, Line line, List<Wanted> round)
    {
        while (true)
        {
            var began = clock.GetTimestamp();
            try
            {
                await Answer(line, round);
            }
            catch (Exception e)
            {
                round.ForEach(wanted => wanted.Answer.TrySetException(e));
            }

            if (round.Count > 1 && Pace - clock.GetElapsedTime(began) is { Ticks: > 0 } early)
                await Task.Delay(early, clock);
            lock (_lock)
            {
                if (line.Next() is { } next)
                {
                    round = next;
                    continue;
                }

                if (--line.UnderWay == 0)
                    _lines.Remove(key);
                return;
            }
        }
    }

    private async Task Answer(Line line, List<Wanted> round)
    {
        // Not on the thread and in the lock of who asks.
        await Task.Yield();
        // Accounted for while it is read; what of it each one keeps for some milliseconds is less.
        using var share = client.Begin();
        if (round is [var only])
        {
            only.Answer.TrySetResult(await Alone(only, share, CancellationToken.None));
            return;
        }

        Shape[] shapes = [.. round.Select(wanted => wanted.Shape)];
        var answer = await Ask(Shape.United(shapes).Query, round.Min(wanted => wanted.From), round.Max(wanted => wanted.To), share, CancellationToken.None);
        if (!answer.Good)
        {
            // Too much together is not too much for each.
            round.ForEach(wanted => wanted.Answer.TrySetResult(answer.TooLarge ? null : answer));
            line.Most = answer.TooLarge ? Math.Max(1, round.Count / 2) : line.Most;
            return;
        }

        var points = answer.Series.Sum(series => series.Points.Length);
        line.Most = (int)Math.Clamp(Math.Min((long)MostSeries * round.Count / Math.Max(1, answer.Series.Count), (long)MostPoints * round.Count / Math.Max(1, points)), 1, MostTogether);
        var parts = Shape.Split(shapes, answer.Series);
        for (var i = 0; i < round.Count; i++)
            round[i].Answer.TrySetResult(answer with { Series = [.. parts[i].Select(series => Cut(series, round[i])).OfType<PromSeries>()] });
    }

    private static PromSeries? Cut(PromSeries series, Wanted wanted)
    {
        var (from, to) = (wanted.From.ToUnixTimeMilliseconds(), wanted.To.ToUnixTimeMilliseconds());
        if (series.First > from && series.Last(long.MaxValue) <= to)
            return series;
        var points = Array.FindAll(series.Points, point => point.At > from && point.At <= to);
        var histograms = Array.FindAll(series.Histograms, point => point.At > from && point.At <= to);
        return points.Length + histograms.Length == 0 ? null : new PromSeries(series.Labels, points, histograms);
    }

    /// <summary>What one watch wants; answered null when it must ask alone.</summary>
    private sealed record Wanted(Shape Shape, string Query, DateTimeOffset From, DateTimeOffset To)
    {
        public TaskCompletionSource<PromAnswer?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Those who want the same shape.</summary>
    private sealed class Line
    {
        private readonly Queue<Wanted> _waiting = new();

        public int UnderWay { get; set; }

        public int Most { get; set; } = MostTogether;

        public void Add(Wanted wanted) => _waiting.Enqueue(wanted);

        /// <summary>The next that go together; null when nobody waits.</summary>
        public List<Wanted>? Next()
        {
            List<Wanted> round = [];
            while (round.Count < Most && _waiting.TryPeek(out var next) && (round.Count == 0 || (next.To - round[0].To).Duration() <= Near))
                round.Add(_waiting.Dequeue());
            return round.Count == 0 ? null : round;
        }
    }
}
