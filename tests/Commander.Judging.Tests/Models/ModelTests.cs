using System.Text;
using Commander.Judging.Evidence;
using Commander.Judging.Models;

namespace Commander.Judging.Tests.Models;

public class ModelTests
{
    private const string Document =
        """{"version":"own-1","intercept":-3,"weights":[1,2,3,4,5,6,7,8],"no_data":9,"guard":0.5}""";

    private static readonly Model Own = new("own-1", -3, [1, 2, 3, 4, 5, 6, 7, 8], 9, 0.5);

    [Fact]
    public void The_log_odds_are_the_intercept_and_every_score_times_its_own_weight()
    {
        Own.Odds(default).ShouldBe(-3);
        for (var family = 0; family < Words.FamilyCount; family++)
        {
            var alone = new Features();
            alone[family] = 0.5;
            Own.Odds(alone).ShouldBe(-3 + (0.5 * (family + 1)), 1e-12);
        }
        Own.Odds(Features.Of(new double[Words.FamilyCount], 1.5, guard: false)).ShouldBe(-3 + (9 * 1.5), 1e-12);
        Own.Odds(Features.Of(new double[Words.FamilyCount], 0, guard: true)).ShouldBe(-2.5, 1e-12);
    }

    [Fact]
    public void The_probability_is_that_of_the_log_odds()
    {
        Own.PBad(default).ShouldBe(1 / (1 + Math.Exp(3)), 1e-12);
        (Own with { Intercept = 0 }).PBad(default).ShouldBe(0.5);
        Own.PBad(Features.Of(new double[Words.FamilyCount], 2, guard: true)).ShouldBe(1, 1e-6);
    }

    [Fact]
    public void A_score_beyond_two_counts_as_two()
    {
        var features = Features.Of([0.5, 2, 2.5, 99, 0, 1, 1.5, double.PositiveInfinity], 0.7, guard: true);
        ((ReadOnlySpan<double>)features).ToArray().ShouldBe([0.5, 2, 2, 2, 0, 1, 1.5, 2, 0.7, 1]);
    }

    [Fact]
    public void A_model_is_written_as_it_is_read()
    {
        var read = ModelFile.Read(Encoding.UTF8.GetBytes(Document));
        (read.Version, read.Intercept, read.NoData, read.Guard).ShouldBe(("own-1", -3d, 9d, 0.5));
        read.Weights.ShouldBe([1, 2, 3, 4, 5, 6, 7, 8]);
        Encoding.UTF8.GetString(ModelFile.Write(read)).ShouldBe(Document);
        Encoding.UTF8.GetString(ModelFile.Write(ModelFile.Read(ModelFile.Write(Model.Shipped)))).ShouldBe(Encoding.UTF8.GetString(ModelFile.Write(Model.Shipped)));
    }

    [Theory]
    [InlineData("[1,2,3,4,5,6,7,8]", "[1,2,3,4,5,6,7]", "weights: has 7 numbers; give one per family: error, latency, cpu, memory, traffic, downstream, service, kpi")]
    [InlineData("[1,2,3,4,5,6,7,8]", "[1,2,3,4,5,6,7,101]", "weights[7]: must lie between 0 and 100")]
    [InlineData("[1,2,3,4,5,6,7,8]", "[1,-0.5,3,4,5,6,7,8]", "weights[1]: must lie between 0 and 100")]
    [InlineData("-3", "-1e3", "intercept: must lie between -100 and 100")]
    [InlineData("\"no_data\":9", "\"no_data\":900", "no_data: must lie between 0 and 100")]
    [InlineData("\"guard\":0.5", "\"guard\":100.5", "guard: must lie between 0 and 100")]
    [InlineData("own-1", "", "version: give the model a name of at most 100 characters")]
    [InlineData("own-1", "a\\nb", "version: give the model a name of at most 100 characters")]
    [InlineData("own-1", "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901", "version: give the model a name of at most 100 characters")]
    public void What_is_no_model_is_refused_with_its_field_and_what_to_write(string good, string bad, string message)
    {
        Document.ShouldContain(good);
        var refused = Should.Throw<RefusedException>(() => ModelFile.Read(Encoding.UTF8.GetBytes(Document.Replace(good, bad, StringComparison.Ordinal))));
        refused.Message.ShouldBe(message);
    }

    [Fact]
    public void What_is_wrong_with_a_document_is_said_in_the_words_of_every_document()
    {
        Told(Document.Replace("-3", "\"high\"", StringComparison.Ordinal)).ShouldStartWith("intercept: is no model: ");
        Told(Document.Replace("-3", "\"high\"", StringComparison.Ordinal)).ShouldNotContain("$.intercept");
        Told("{").ShouldStartWith("model: is no model: ");
        Told("null").ShouldBe("version: give the model a name of at most 100 characters");

        static string Told(string json) => Should.Throw<RefusedException>(() => ModelFile.Read(Encoding.UTF8.GetBytes(json))).Message;
    }

    [Theory]
    [InlineData("null", "version")]
    [InlineData("{", "model")]
    [InlineData("[]", "model")]
    [InlineData("""{"version":"own-1","intercept":"high","weights":[],"no_data":0,"guard":0}""", "intercept")]
    [InlineData("""{"version":"own-1","intercept":0,"weights":[1,"x"],"no_data":0,"guard":0}""", "weights[1]")]
    public void What_is_no_document_of_a_model_is_refused_at_its_place(string json, string place) =>
        Should.Throw<RefusedException>(() => ModelFile.Read(Encoding.UTF8.GetBytes(json))).Place.ShouldBe(place);

    [Fact]
    public void The_largest_numbers_and_the_longest_name_are_taken()
    {
        var largest = Own with { Version = new string('v', 100), Intercept = -100, NoData = 100, Guard = 100, Weights = [100, 0, 0, 0, 0, 0, 0, 100] };
        Encoding.UTF8.GetString(ModelFile.Write(ModelFile.Read(ModelFile.Write(largest)))).ShouldBe(Encoding.UTF8.GetString(ModelFile.Write(largest)));
    }
}
