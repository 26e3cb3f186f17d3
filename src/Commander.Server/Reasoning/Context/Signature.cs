namespace Commander.Server.Reasoning.Context;

/// <summary>One kind of log line: what all of its lines have in common, with what differs as &lt;*&gt;.</summary>
/// <param name="Id">Its place in the list: l1, l2 ...</param>
/// <param name="Template">At most 160 characters of an allowed set (letters, digits, space and a few signs); no addresses, no markup.</param>
/// <param name="Candidate">How many lines of the candidate.</param>
/// <param name="Control">How many lines of the control in the same seconds.</param>
internal sealed record Signature(string Id, string Template, int Candidate, int Control)
{
    /// <summary>Whether only the candidate says it.</summary>
    public bool IsNew => Candidate > 0 && Control == 0;
}

/// <summary>What the logs say, new in the candidate first, then by how much more often the candidate says it.</summary>
/// <param name="Lines">At most 20.</param>
/// <param name="Missing">Why there are none; null when the source answered.</param>
internal sealed record Signatures(IReadOnlyList<Signature> Lines, string? Missing);
