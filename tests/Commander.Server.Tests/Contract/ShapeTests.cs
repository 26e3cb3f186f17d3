using System.Text.Json;
using Commander.Judging;
using Commander.Judging.Verdicts;

namespace Commander.Server.Tests.Contract;

public sealed class ShapeTests
{
    [Theory]
    [InlineData("""{"a":1,"b":"x"}""", """{"b":"y","a":2.5,"more":true}""")]
    [InlineData("""{"a":null}""", """{"a":{"deep":1}}""")]
    [InlineData("""{"a":{"deep":1}}""", """{"a":null}""")]
    [InlineData("""{"a":[{"b":1}]}""", """{"a":[]}""")]
    [InlineData("""{"a":[]}""", """{"a":[1,"x"]}""")]
    [InlineData("""{"a":true}""", """{"a":false}""")]
    public void Values_order_and_further_keys_do_not_matter(string golden, string document) =>
        Differences(golden, document).ShouldBeEmpty();

    [Theory]
    [InlineData("""{"a":1}""", """{}""", "$.a is missing")]
    [InlineData("""{"a":1}""", """{"a":"1"}""", "$.a is a text, not a number")]
    [InlineData("""{"a":{"b":1}}""", """{"a":[1]}""", "$.a is an array, not an object")]
    [InlineData("""[{"b":1}]""", """[{"b":1},{"b":true},{}]""", "$[1].b is a boolean, not a number; $[2].b is missing")]
    public void A_missing_key_and_another_type_are_named_with_their_place(string golden, string document, string expected) =>
        string.Join("; ", Differences(golden, document)).ShouldBe(expected);

    [Fact]
    public void A_deployment_is_written_in_the_shape_of_the_contract() => Again<Deployment>("deployment.json");

    [Fact]
    public void A_verdict_is_written_in_the_shape_of_the_contract() => Again<Verdict>("decision-snapshot.json", "response");

    // Reading the golden document strictly and writing it again loses nothing and changes no type.
    private static void Again<T>(string file, string? part = null)
    {
        var golden = Shape.Golden(file, part);

        var document = JsonSerializer.SerializeToElement(golden.Deserialize<T>(Json.Strict), Json.Strict);

        document.ShouldHave(golden);
    }

    private static IReadOnlyList<string> Differences(string golden, string document)
    {
        using var first = JsonDocument.Parse(golden);
        using var second = JsonDocument.Parse(document);
        return Shape.Differences(first.RootElement, second.RootElement);
    }
}
