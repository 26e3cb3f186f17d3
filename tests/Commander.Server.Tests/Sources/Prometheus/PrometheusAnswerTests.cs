using System.Text;
using Commander.Judging.Evidence;
using Commander.Server.Sources.Prometheus;

namespace Commander.Server.Tests.Sources.Prometheus;

public class PrometheusAnswerTests
{
    [Theory]
    [InlineData("""{"status":"error","error":"\ud800"}""", null)]
    [InlineData("""{"status":"error","error":"parse error"}""", "parse error")]
    [InlineData("""{"status":"error","error":1}""", null)]
    [InlineData("<html>", null)]
    public void The_message_of_an_error_is_text_or_none(string body, string? message) =>
        PromAnswer.Error(Encoding.UTF8.GetBytes(body)).ShouldBe(message);

    private static PromAnswer Read(string body, int piece, Room? room = null)
    {
        using var share = (room ?? new Room(64 << 20)).Begin();
        var reader = new AnswerReader("prom", share);
        var bytes = Encoding.UTF8.GetBytes(body);
        var (from, have) = (0, Math.Min(piece, bytes.Length));
        while (reader.Stopped is null)
        {
            from += reader.Feed(bytes.AsSpan(from, have - from), last: have == bytes.Length);
            if (have == bytes.Length)
                break;
            have = Math.Min(bytes.Length, have + piece);
        }

        return reader.Finish();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public void However_it_is_cut_into_pieces_an_answer_is_the_same(int piece)
    {
        const string body = """
            {"stats":{"a":[1,{"b":2}]},"data":{"result":[
              {"values":[[1.5,"1"],[2,"NaN"]],"metric":{"zone":"ä\"","__name__":"up"},"more":[[1]]},
              {"metric":{"__name__":"d"},"histograms":[[3,{"sum":"1","count":"4","buckets":[[0,"1","2","3"],[0,"-Inf","1","1"]]}]]}
            ],"resultType":"matrix"},"warnings":["slow","old"],"status":"success"}
            """;
        var answer = Read(body, piece);
        (answer.Quality, answer.Detail).ShouldBe((Quality.Partial, "prom warns: slow (and 1 more)"));
        answer.Series.Count.ShouldBe(2);
        answer.Series[0].Labels.ShouldBe([new("__name__", "up"), new("zone", "ä\"")]);
        answer.Series[0].Points.ShouldBe([new CounterPoint(1500, 1), new CounterPoint(2000, double.NaN)]);
        answer.Series[1].Histograms[0].Count.ShouldBe(4);
        answer.Series[1].Histograms[0].Buckets.ShouldBe([new NativeBucket(double.NegativeInfinity, 1, 1), new NativeBucket(1, 2, 3)]);
    }

    [Fact]
    public void A_scalar_is_one_series_without_labels() =>
        Read("""{"status":"success","data":{"resultType":"scalar","result":[12.5,"3"]}}""", 9).Series.Single().Points.ShouldBe([new CounterPoint(12_500, 3)]);

    [Theory]
    [InlineData("values", "[1,\"1\"]")]
    [InlineData("histograms", "[1,{\"count\":\"1\",\"buckets\":[[0,\"1\",\"2\",\"1\"]]}]")]
    public void An_answer_of_endless_points_stops_at_its_bound_and_takes_no_more_memory_than_that(string key, string point)
    {
        using var share = new Room(64 << 20).Begin();
        var reader = new AnswerReader("prom", share);
        reader.Feed(Encoding.UTF8.GetBytes($$$"""{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"{{{key}}}":[{{{point}}}"""), last: false);
        var many = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("," + point, 1000)));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var fed = 0; reader.Stopped is null && fed < 1000; fed++)
            reader.Feed(many, last: false);

        reader.Stopped.ShouldNotBeNull();
        reader.Finish().Detail!.ShouldContain($"more than {AnswerReader.MaxPoints} points");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(40 << 20);
    }

    [Fact]
    public void What_a_source_holds_at_once_is_bounded_over_all_who_ask_and_given_back()
    {
        var room = new Room(1000);
        const string body = """{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"1"]}]}}""";
        using (var other = room.Begin())
        {
            other.TryAdd(950).ShouldBeTrue();
            var refused = Read(body, 100, room);
            (refused.Quality, refused.Detail!.Contains("more memory than one source is given", StringComparison.Ordinal), refused.TooLarge).ShouldBe((Quality.Error, true, false));
        }

        Read(body, 100, room).Good.ShouldBeTrue();
    }
}
