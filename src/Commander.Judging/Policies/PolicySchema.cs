namespace Commander.Judging.Policies;

/// <summary>The JSON schema of policy files, for editors and pipelines. What a schema cannot say (queries, units, references) only <see cref="PolicyReader"/> checks.</summary>
public static class PolicySchema
{
    /// <summary>The schema, draft 7, as UTF-8 text.</summary>
    public static string Text { get; } = Read();

    private static string Read()
    {
        using var stream = typeof(PolicySchema).Assembly.GetManifestResourceStream("policy.schema.json")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
