using System.ComponentModel;
using System.Diagnostics;

namespace Commander.Server.Connections;

/// <summary>How programs on this machine are run: without a shell, and with no more of this process's environment than they need. Secrets stand there.</summary>
internal static class Programs
{
    /// <summary>A program to be started, its three streams in our hands.</summary>
    /// <param name="program">A path, or a name that PATH finds.</param>
    /// <param name="arguments">Each as it is.</param>
    /// <param name="passedOn">Which of this process's variables it gets, where they are set.</param>
    /// <param name="variables">Which it gets besides.</param>
    public static ProcessStartInfo Prepared(string program, IEnumerable<string> arguments, IEnumerable<string> passedOn, IEnumerable<(string Name, string Value)> variables)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach (var name in passedOn)
        {
            if (Environment.GetEnvironmentVariable(name) is { } value)
                start.Environment[name] = value;
        }

        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        return start;
    }

    /// <summary>Ends a program and what it started, as far as that can be done from here.</summary>
    public static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is Win32Exception or AggregateException or InvalidOperationException)
        {
            // It has just ended, or a part of the tree is another user's.
        }
    }
}
