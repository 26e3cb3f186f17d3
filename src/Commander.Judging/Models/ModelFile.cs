using System.Text.Json;
using Commander.Judging.Evidence;

namespace Commander.Judging.Models;

/// <summary>A model as a document of its own: one JSON object with version, intercept, weights (one per family, in their order), no_data and guard; all log odds.</summary>
public static class ModelFile
{
    // The log odds of a certainty of one in 10^43: beyond it lies a slip of the hand.
    private const double Largest = 100;

    private const int LongestVersion = 100;

    /// <summary>The document of a model.</summary>
    public static byte[] Write(Model model) => JsonSerializer.SerializeToUtf8Bytes(model, Json.Strict);

    /// <summary>Reads one.</summary>
    /// <exception cref="RefusedException">It is none; the message names the field and what to write there.</exception>
    public static Model Read(ReadOnlySpan<byte> json)
    {
        Model? model;
        try
        {
            model = JsonSerializer.Deserialize<Model>(json, Json.Strict);
        }
        catch (JsonException problem)
        {
            var said = Json.Explain(problem);
            throw new RefusedException(problem.Path is { Length: > 2 } path ? path[2..] : "model", $"is no model: {said[(said.IndexOf(": ", StringComparison.Ordinal) + 2)..]}");
        }
        if (model is null || model.Version.Length is 0 or > LongestVersion || model.Version.Any(char.IsControl))
        {
            throw new RefusedException("version", $"give the model a name of at most {LongestVersion} characters");
        }
        if (model.Weights.Count != Words.FamilyCount)
        {
            throw new RefusedException("weights", $"has {model.Weights.Count} numbers; give one per family: {string.Join(", ", Enum.GetValues<Family>().Select(static family => family.Word()))}");
        }
        Check("intercept", model.Intercept);
        Check("no_data", model.NoData, least: 0);
        Check("guard", model.Guard, least: 0);
        for (var at = 0; at < model.Weights.Count; at++)
        {
            Check($"weights[{at}]", model.Weights[at], least: 0);
        }
        return model;
    }

    // Evidence of harm never speaks for a version.
    private static void Check(string place, double value, double least = -Largest)
    {
        if (!(value >= least && value <= Largest))
        {
            throw new RefusedException(place, $"must lie between {least} and {Largest}");
        }
    }
}
