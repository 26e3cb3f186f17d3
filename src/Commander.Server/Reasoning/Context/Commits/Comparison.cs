using System.Text.Json;

namespace Commander.Server.Reasoning.Context.Commits;

/// <summary>What the systems call the parts of a comparison.</summary>
/// <param name="Total">The property with the number of commits; null where there is none and all of them come.</param>
/// <param name="Behind">The property with the number of commits that only the version before has; null where there is none.</param>
/// <param name="Same">The property that says whether both versions are one commit; null where there is none.</param>
/// <param name="Files">The property with the changed files.</param>
/// <param name="Commit">Reads one commit; null when it is none.</param>
/// <param name="File">Reads one file's path; null when it has none.</param>
internal sealed record ComparisonForm(string? Total, string? Behind, string? Same, string Files, Func<JsonElement, Change?> Commit, Func<JsonElement, string?> File);

/// <summary>What a comparison of two versions says.</summary>
/// <param name="Commits">The newest, newest first.</param>
/// <param name="Total">How many there are in all.</param>
/// <param name="Behind">How many commits only the version before has; 0 where that is not said.</param>
/// <param name="IsOther">Whether it is said that the two versions are not one commit.</param>
/// <param name="Files">The first of the changed files.</param>
internal sealed record Comparison(IReadOnlyList<Change> Commits, int Total, int Behind, bool IsOther, IReadOnlyList<string> Files)
{
    private const string CommitList = "commits";

    /// <summary>
    /// Reads an answer from its beginning on. Every file comes with its difference, so answers get longer than anybody wants to hold:
    /// one that was left off in the middle of the files is still worth its commits.
    /// </summary>
    /// <param name="body">The answer, or its beginning.</param>
    /// <param name="whole">Whether it is all of it.</param>
    /// <param name="form">What its parts are called.</param>
    /// <returns>Null when it was left off before all commits had come.</returns>
    /// <exception cref="JsonException">It is no JSON, or no comparison.</exception>
    public static Comparison? Read(ReadOnlySpan<byte> body, bool whole, ComparisonForm form)
    {
        var reader = new Utf8JsonReader(body, whole, default);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("no object");
        var newest = new Queue<Change>();
        var files = new List<string>();
        var (known, other, count, total, behind) = (false, false, 0, 0, 0);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isCommits = reader.ValueTextEquals(CommitList);
            var isFiles = reader.ValueTextEquals(form.Files);
            var isTotal = form.Total is not null && reader.ValueTextEquals(form.Total);
            var isBehind = form.Behind is not null && reader.ValueTextEquals(form.Behind);
            var isSame = form.Same is not null && reader.ValueTextEquals(form.Same);
            if (!reader.Read())
                break;
            if (isCommits)
            {
                if (reader.TokenType != JsonTokenType.StartArray)
                    throw new JsonException("no commits");
                if (!Each(ref reader, Take))
                    break;
                known = true;
            }
            else if (isFiles && reader.TokenType == JsonTokenType.StartArray)
            {
                if (!Each(ref reader, Keep))
                    break;
            }
            else if (isTotal || isBehind)
            {
                if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var number))
                    throw new JsonException("no number");
                (total, behind) = isTotal ? (number, behind) : (total, number);
            }
            else if (isSame)
            {
                other = reader.TokenType == JsonTokenType.False;
            }
            else if (!reader.TrySkip())
            {
                break;
            }
        }

        if (!known)
            return whole ? throw new JsonException("no commits") : null;
        return new Comparison(ChangeBounds.Numbered(newest.Reverse()), Math.Max(Math.Max(0, total), count), Math.Max(0, behind), other, files);

        // Both systems list the oldest first.
        void Take(JsonElement element)
        {
            count++;
            if (form.Commit(element) is not { } commit)
                return;
            newest.Enqueue(commit);
            if (newest.Count > ChangeBounds.Commits)
                newest.Dequeue();
        }

        void Keep(JsonElement element)
        {
            if (files.Count < ChangeBounds.Files && form.File(element) is { Length: > 0 } path)
                files.Add(ChangeBounds.PathOf(path));
        }
    }

    /// <summary>A text of an object, wherever it stands in it; null when it is not there or no text.</summary>
    public static string? Text(JsonElement element, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element))
                return null;
        }

        return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
    }

    // False when the rest of the array has not come.
    private static bool Each(ref Utf8JsonReader reader, Action<JsonElement> take)
    {
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndArray)
                return true;
            if (!JsonElement.TryParseValue(ref reader, out var element))
                return false;
            take(element.Value);
        }

        return false;
    }
}
