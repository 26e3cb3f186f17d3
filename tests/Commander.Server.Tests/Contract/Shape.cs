using System.Text.Json;

namespace Commander.Server.Tests.Contract;

/// <summary>
/// Compares the shape of two JSON documents: keys and types, not values. Null matches anything, because a document says
/// nothing about the type of what it leaves out; an array's shape is that of its first element, and every element of the
/// other is held against it.
/// </summary>
internal static class Shape
{
    /// <summary>A golden file of the contract, or the part of it below a key.</summary>
    public static JsonElement Golden(string file, string? part = null)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Repository.At("tests/Commander.Server.Tests/Contract/" + file)));
        return (part is null ? document.RootElement : document.RootElement.GetProperty(part)).Clone();
    }

    /// <summary>Fails with every difference when the document lacks a key of the golden one or has another type there. Keys of its own it may have.</summary>
    public static void ShouldHave(this JsonElement document, JsonElement golden) => Differences(golden, document).ShouldBeEmpty();

    /// <summary>Where and how the document differs from the golden one.</summary>
    public static IReadOnlyList<string> Differences(JsonElement golden, JsonElement document)
    {
        List<string> differences = [];
        Compare("$", golden, document, differences);
        return differences;
    }

    private static void Compare(string at, JsonElement golden, JsonElement document, List<string> differences)
    {
        if (golden.ValueKind == JsonValueKind.Null || document.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        if (Kind(golden) != Kind(document))
        {
            differences.Add($"{at} is {Kind(document)}, not {Kind(golden)}");
            return;
        }

        if (golden.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in golden.EnumerateObject())
            {
                if (document.TryGetProperty(member.Name, out var value))
                {
                    Compare($"{at}.{member.Name}", member.Value, value, differences);
                }
                else
                {
                    differences.Add($"{at}.{member.Name} is missing");
                }
            }
        }
        else if (golden.ValueKind == JsonValueKind.Array && golden.GetArrayLength() > 0)
        {
            var n = 0;
            foreach (var element in document.EnumerateArray())
            {
                Compare($"{at}[{n++}]", golden[0], element, differences);
            }
        }
    }

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Number => "a number",
        JsonValueKind.String => "a text",
        JsonValueKind.Array => "an array",
        _ => "an object",
    };
}
