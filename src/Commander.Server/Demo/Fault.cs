namespace Commander.Server.Demo;

/// <summary>What is wrong with a version of the shop.</summary>
internal enum Fault
{
    /// <summary>Nothing but the base rate of errors that every version has.</summary>
    None,
    /// <summary>A quarter of all requests fails.</summary>
    Errors,
    /// <summary>A third of all requests waits for the database until it times out.</summary>
    Slow,
    /// <summary>Memory grows.</summary>
    Leak,
    /// <summary>The process ends soon after it has got traffic.</summary>
    Crash,
    /// <summary>One request in fifty fails.</summary>
    Subtle,
}

/// <summary>The words by which faults are deployed and started.</summary>
internal static class Faults
{
    /// <summary>The kinds of deployments, as the API names them.</summary>
    public const string Kinds = "good, errors, slow, leak, crash, subtle";

    /// <summary>The fault of a kind of deployment; false for a word that is none.</summary>
    public static bool TryKind(string? kind, out Fault fault)
    {
        (var known, fault) = kind switch
        {
            "good" => (true, Fault.None),
            "errors" => (true, Fault.Errors),
            "slow" => (true, Fault.Slow),
            "leak" => (true, Fault.Leak),
            "crash" => (true, Fault.Crash),
            "subtle" => (true, Fault.Subtle),
            _ => (false, Fault.None),
        };
        return known;
    }

    /// <summary>The word of a shop process' --fault.</summary>
    public static string Word(this Fault fault) => fault switch
    {
        Fault.Errors => "errors",
        Fault.Slow => "slow",
        Fault.Leak => "leak",
        Fault.Crash => "crash",
        Fault.Subtle => "subtle",
        _ => "none",
    };

    /// <summary>Reads --fault; false for a word that is none.</summary>
    public static bool TryWord(string? word, out Fault fault)
    {
        if (word == "none")
        {
            fault = Fault.None;
            return true;
        }
        return TryKind(word, out fault) && fault != Fault.None;
    }
}
