using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;

namespace Commander.Samples;

/// <summary>Deployments as the loop would leave them, with evidence made by a seeded generator: for charts and pages.</summary>
internal static class Sample
{
    public static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 45, TimeSpan.Zero);

    public static readonly Policy Policy = new(
        "checkout",
        null,
        "prom",
        [
            Metric("errors", MetricKind.Ratio, Family.Error, new Tolerance(1, false), 0, "%", objective: 1),
            Metric("latency", MetricKind.Histogram, Family.Latency, new Tolerance(0.2, true), 25, "ms"),
            Metric("memory", MetricKind.Gauge, Family.Memory, new Tolerance(0.25, true), 16, "MB"),
            Metric("cpu", MetricKind.Gauge, Family.Cpu, new Tolerance(0.5, true), 10, "%"),
        ],
        Compare.Auto,
        Commander.Judging.Policies.NoData.Rollback,
        new WatchPolicy(TimeSpan.FromMilliseconds(500), TimeSpan.Zero, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(90), TimeSpan.FromHours(6), true, "page"),
        new DecidePolicy(0.01, 1, 9, Authority.Off),
        new ActPolicy(Autonomy.Enforce, null, Autonomy.Enforce, TimeSpan.FromMinutes(15), TimeSpan.Zero, null, []),
        null,
        [],
        new LearnPolicy(0, "off", "off"));

    /// <summary>Errors of 25 %: rolled back after 2.25 s, restored and recovered.</summary>
    public static (Deployment Deployment, EvidenceDocument Evidence) Rollback(int after = 120) => (
        Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C", "checkout", "1.42.0", "1.41.3", "closed", "decided") with
        {
            Reference = "control",
            Commit = "4f9c1e07aa",
            ChangeUrl = "https://example.test/checkout/pull/812",
            Verdict = Verdict("ROLLBACK", true, 0.98, 52, "error rate 0.5 % -> 25.3 % on 411 requests (control 0.5 % on 430): 24.8 pp worse, at least 16.4 pp", 2.25, 0.98, Errors(25.3, 24.8, 16.4, 33.2, 6.2, "worse"), Latency(182, 7, -14, 27), Memory(71, 0.8), Cpu()),
            Verdicts = [new("HOLD", false, Start.AddSeconds(1), "needs about 40 more requests to see a change of 1 pp"), new("ROLLBACK", false, Start.AddSeconds(2.25), "error rate 24.8 pp worse than control")],
            Actions = [new("rollback", "done", "dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C/rollback/1", "kubernetes:shop/checkout", "policy", Start.AddSeconds(2.26), Start.AddSeconds(13.9), "1.41.3", true, "1.41.3 serves on 3 of 3 pods; error rate back to 0.5 %")],
            Outcome = new("BAD", "recovered-after-rollback", Start.AddSeconds(315)),
        },
        Evidence(after, badShare: 0.25, candidateEnds: 14));

    /// <summary>Nothing worse: carries on, watched on.</summary>
    public static (Deployment Deployment, EvidenceDocument Evidence) Continue() => (
        Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2D", "checkout", "1.43.0", "1.41.3", "observing", null) with
        {
            Reference = "control",
            Verdict = Verdict("CONTINUE", false, 0.97, 89, "no metric is worse than the old version; errors differ by at most 0.6 pp on 1503 requests", 10.5, 0.03, Errors(0.1, -0.02, -0.5, 0.6, 0, "same"), Latency(178, 3, -10, 15), Memory(71, 0.8), Cpu()),
            Verdicts = [new("HOLD", false, Start.AddSeconds(1), "watches for at least 10 s"), new("CONTINUE", false, Start.AddSeconds(10.5), "no metric is worse")],
        },
        Evidence(60, badShare: 0.005));

    /// <summary>Not decided yet.</summary>
    public static (Deployment Deployment, EvidenceDocument Evidence) Watching() => (
        Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2E", "payments", "7.0.1", "7.0.0", "watching", null) with
        {
            Reference = "control",
            Verdict = Verdict("HOLD", false, 0.9, 89, "needs about 40 more requests to see a change of 1 pp", 2, 0.1, Errors(0.6, 0.1, -2.1, 2.4, 0.05, "unclear"), Latency(178, 3, -30, 45) with { Verdict = "unclear" }, Memory(71, 0.8) with { Verdict = "warming_up", Reason = "not judged for 2 s after a restart" }, Cpu()),
            Verdicts = [new("HOLD", false, Start.AddSeconds(1), "needs about 40 more requests to see a change of 1 pp")],
        },
        Evidence(4, badShare: 0.005));

    /// <summary>Closed without a verdict.</summary>
    public static (Deployment Deployment, EvidenceDocument Evidence) OnHold() => (
        Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2F", "search", "2026.11.23-2", "2026.11.22-9", "closed", "on_hold") with
        {
            Reference = "before",
            Verdict = Verdict("HOLD", true, 0.81, 85, "latency could be 21 ms to 60 ms worse than before: too close to its tolerance", 120, 0.19, Latency(221, 46, -2, 94) with { Verdict = "unclear", ReferenceArm = "before", Score = 0.62, Reason = "46 ms slower than before, could be within 20 %" }, Errors(0.5, 0, -0.4, 0.5, 0, "same") with { ReferenceArm = "before" }),
            Verdicts = [new("HOLD", false, Start.AddSeconds(1), "needs more requests"), new("HOLD", true, Start.AddSeconds(120), "time is up")],
        },
        Evidence(240, badShare: 0.005, control: false, slower: 1.25));

    /// <summary>A service nobody measures.</summary>
    public static (Deployment Deployment, EvidenceDocument Evidence) NoData() => (
        Deployment("dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2G", "billing", "3.1.0", null, "watching", null) with
        {
            Verdict = Verdict("HOLD", false, 0.97, null, "no source answers for billing", 5, 0.03, Errors(null, null, null, null, 0, "no_data") with { Reference = null, Quality = "denied", Reason = "prom answered 403: the token may not read this series", Query = "http_requests_total{service=\"billing\"}" }),
            Verdicts = [new("HOLD", false, Start.AddSeconds(1), "no data")],
            Notes = ["source prom refuses: check its token"],
        },
        new EvidenceDocument(0.5, []));

    public static IReadOnlyList<(Deployment Deployment, EvidenceDocument Evidence)> All() => [Rollback(), Continue(), Watching(), OnHold(), NoData()];

    public static Deployment Deployment(string id, string service, string version, string? previous, string state, string? closed) => new(
        id, service, "prod", version, previous, state, closed, Start, Start.AddMilliseconds(12), Start.AddMinutes(2), new PolicyReference(service, "sha256:9f2c41aa03b77d10"), null, null, [], [], null, "http://127.0.0.1:5080/d/" + id);

    public static Finding Errors(double? candidate, double? difference, double? low, double? high, double score, string verdict) => new(
        "errors", "error", "ratio", candidate, 0.5, "control", difference, low, high, "%", score, verdict, "value", verdict == "worse" ? "24.8 pp worse than control, tolerance 1 pp" : "within 1 pp", "http_requests_total{service=\"checkout\",version=\"1.42.0\",code=~\"5..\"}");

    public static EvidenceDocument Evidence(int ticks, double badShare, double candidateEnds = double.MaxValue, bool control = true, double slower = 1, int past = 120)
    {
        var noise = new Noise(7);
        var all = new List<EvidenceTick>(ticks + past);
        for (var n = 1 - past; n <= ticks; n++)
        {
            var to = Start.AddSeconds(n * 0.5);
            var arms = n <= 0 ? new[] { "before" } : control ? ["candidate", "control"] : ["candidate"];
            var metrics = new Dictionary<string, IReadOnlyDictionary<string, EvidenceReading>>(StringComparer.Ordinal);
            foreach (var metric in new[] { "errors", "latency", "memory", "cpu" })
            {
                var readings = new Dictionary<string, EvidenceReading>(StringComparer.Ordinal);
                foreach (var arm in arms)
                {
                    var ours = arm == "candidate";
                    readings[arm] = ours && n * 0.5 > candidateEnds
                        ? new(null, null, null, null, "empty", null, "the version is gone")
                        : Read(metric, ours ? badShare : 0.005, ours ? slower : 1, to, noise);
                }

                metrics[metric] = readings;
            }

            all.Add(new EvidenceTick(n, to.AddSeconds(-0.5), to, metrics));
        }

        return new EvidenceDocument(0.5, all);
    }

    private static EvidenceReading Read(string metric, double badShare, double slower, DateTimeOffset at, Noise noise)
    {
        var total = 45 + noise.Below(12);
        switch (metric)
        {
            case "errors":
                var bad = 0;
                for (var i = 0; i < total; i++)
                {
                    bad += noise.Unit() < badShare ? 1 : 0;
                }

                return new(null, bad, total, null, "value", at, null);
            case "latency":
                var edges = new[] { 5d, 10, 20, 40, 60, 90, 130, 180, 250, 500, 1000, double.PositiveInfinity };
                var counts = new double[edges.Length];
                for (var i = 0; i < total; i++)
                {
                    var took = 40 * slower * Math.Exp(0.85 * (noise.Unit() + noise.Unit() + noise.Unit() + noise.Unit() - 2) * 1.73);
                    for (var b = 0; b < edges.Length; b++)
                    {
                        counts[b] += took <= edges[b] ? 1 : 0;
                    }
                }

                return new(null, null, null, edges.Zip(counts).ToDictionary(p => double.IsPositiveInfinity(p.First) ? "+Inf" : p.First.ToString("R"), p => p.Second, StringComparer.Ordinal), "value", at, null);
            case "memory":
                return new(Math.Round(70 + noise.Unit(), 1), null, null, null, "value", at, null);
            default:
                return new(Math.Round(22 + (6 * noise.Unit()), 1), null, null, null, "value", at, null);
        }
    }

    private static Verdict Verdict(string decision, bool final, double confidence, int? health, string reasoning, double seconds, double bad, params Finding[] findings) =>
        new(decision, final, confidence, bad, health, reasoning, findings, null, "shipped-1", "commander", Start.AddSeconds(seconds), seconds * 1000);

    private static Finding Latency(double candidate, double difference, double low, double high) => new(
        "latency", "latency", "histogram", candidate, 175, "control", difference, low, high, "ms", 0.1, "same", "value", "within 20 %", "http_request_duration_seconds_bucket{service=\"checkout\",version=\"1.42.0\"}");

    private static Finding Memory(double candidate, double difference) => new(
        "memory", "memory", "gauge", candidate, 70.2, "control", difference, null, null, "MB", 0, "same", "value", "within 25 %", "process_resident_memory_bytes{service=\"checkout\",version=\"1.42.0\"}");

    private static Finding Cpu() => new(
        "cpu", "cpu", "gauge", 25.1, 24.9, "control", 0.2, null, null, "%", 0, "same", "value", "within 50 %", "process_cpu_percent{service=\"checkout\",version=\"1.42.0\"}");

    private static MetricPolicy Metric(string name, MetricKind kind, Family family, Tolerance tolerance, double floor, string unit, double? objective = null) =>
        new(name, kind, family, Direction.Up, "q", null, null, 0.95, tolerance, floor, objective, true, unit, 1, null, TimeSpan.FromSeconds(2));

    /// <summary>SplitMix64: small, seeded, the same everywhere.</summary>
    private sealed class Noise(ulong seed)
    {
        private ulong _state = seed;

        public double Unit()
        {
            _state += 0x9E3779B97F4A7C15;
            var z = _state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return ((z ^ (z >> 31)) >> 11) * (1.0 / (1ul << 53));
        }

        public int Below(int limit) => (int)(Unit() * limit);
    }
}
