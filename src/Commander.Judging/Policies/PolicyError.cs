namespace Commander.Judging.Policies;

/// <summary>One thing that is wrong in a policy file: where, what, and what to write instead.</summary>
/// <param name="File">The file's name as the caller gave it.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1.</param>
/// <param name="Key">The path of the key, such as services.checkout.watch.step; empty where the text is no YAML at all.</param>
/// <param name="Message">What is wrong, with the offending text quoted.</param>
/// <param name="Remedy">What to write instead.</param>
public sealed record PolicyError(string File, int Line, int Column, string Key, string Message, string Remedy)
{
    /// <summary>One line: file:line:column key: message; remedy.</summary>
    public override string ToString() =>
        Key.Length == 0 ? $"{File}:{Line}:{Column} {Message}; {Remedy}" : $"{File}:{Line}:{Column} {Key}: {Message}; {Remedy}";
}

/// <summary>What reading policy files gives: policies, or everything that is wrong with them.</summary>
/// <param name="Policies">The policies; null when there is any error.</param>
/// <param name="Errors">All errors in the order of the files; empty when they are valid.</param>
public sealed record PolicyReadResult(PolicySet? Policies, IReadOnlyList<PolicyError> Errors);

/// <summary>A policy file as its reader found it.</summary>
/// <param name="Name">Its name, for errors.</param>
/// <param name="Yaml">Its text.</param>
public sealed record PolicyFile(string Name, string Yaml);
