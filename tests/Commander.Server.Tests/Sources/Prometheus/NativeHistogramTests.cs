using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Policies;
using Commander.Server.Sources;

namespace Commander.Server.Tests.Sources.Prometheus;

/// <summary>Native histograms as the installed Prometheus scrapes, stores and answers them. They are exposed in protocol buffers only.</summary>
public sealed class NativeHistogramTests
{
    private static readonly MetricPolicy Latency = new("latency", MetricKind.Histogram, Family.Latency, Direction.Up, "d_seconds", null, null, 0.95, new Tolerance(1, false), 0, null, false, "ms", 1000, null, TimeSpan.Zero);

    [Fact]
    public async Task A_scraped_native_histogram_is_counted_at_powers_of_two()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using var exporter = await Exporter.Start();
        var scrapes = 0;
        exporter.Answer = async context =>
        {
            scrapes++;
            context.Response.ContentType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
            // With every scrape three more up to 125 ms and one more up to 2 s; schema 0, so bounds are powers of two.
            await context.Response.Body.WriteAsync(Exposition(count: 4 * scrapes, low: 3 * scrapes, high: scrapes), patience.Token);
        };
        await using var prometheus = await RealPrometheus.Start(new Uri(exporter.Url), history: null, "--enable-feature=native-histograms");
        using var source = prometheus.Source();
        while (scrapes < 2)
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, patience.Token);
        var from = TimeProvider.System.GetUtcNow();
        while (scrapes < 5)
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, patience.Token);
        var reading = (await source.Observe([new Question(Latency, 0, Arm.Candidate, "d_seconds", null, from, TimeProvider.System.GetUtcNow())], patience.Token))[0];
        reading.Quality.ShouldBe(Quality.Value, reading.Detail);
        var total = reading.Buckets!.Total;
        total.ShouldBeGreaterThanOrEqualTo(4);
        (total % 4).ShouldBe(0);
        double Below(double ms) => reading.Buckets.Counts[Array.IndexOf(reading.Buckets.Edges, ms)] / total;
        (Below(62.5), Below(125), Below(1000), Below(2000)).ShouldBe((0, 0.75, 0.75, 1));
    }

    /// <summary>io.prometheus.client.MetricFamily with one histogram of schema 0: buckets (0.0625, 0.125] and (1, 2].</summary>
    private static byte[] Exposition(int count, int low, int high)
    {
        var histogram = new Message().Number(1, count).Double(2, 1).Signed(5, 0).Double(6, 1e-9).Number(7, 0)
            .Inner(12, new Message().Signed(1, -3).Number(2, 1)).Inner(12, new Message().Signed(1, 3).Number(2, 1))
            .Signed(13, low).Signed(13, high - low);
        var family = new Message().Text(1, "d_seconds").Text(2, "how long").Number(3, 4).Inner(4, new Message().Inner(7, histogram));
        return [.. Message.Varint((ulong)family.Bytes.Count), .. family.Bytes];
    }

    private sealed class Message
    {
        public List<byte> Bytes { get; } = [];

        public static IEnumerable<byte> Varint(ulong value)
        {
            for (; value >= 128; value >>= 7)
                yield return (byte)(value | 128);
            yield return (byte)value;
        }

        public Message Number(int field, long value) => Add(field, 0, Varint((ulong)value));

        public Message Signed(int field, long value) => Add(field, 0, Varint((ulong)((value << 1) ^ (value >> 63))));

        public Message Double(int field, double value) => Add(field, 1, BitConverter.GetBytes(value));

        public Message Text(int field, string value) => Add(field, 2, [.. Varint((ulong)value.Length), .. Encoding.ASCII.GetBytes(value)]);

        public Message Inner(int field, Message inner) => Add(field, 2, [.. Varint((ulong)inner.Bytes.Count), .. inner.Bytes]);

        private Message Add(int field, int type, IEnumerable<byte> value)
        {
            Bytes.AddRange(Varint((ulong)((field << 3) | type)));
            Bytes.AddRange(value);
            return this;
        }
    }
}
