using System.Text;
using Spectre.Console;

namespace Commander.Cli;

/// <summary>Where the program runs: its streams, whether a person looks at them, its environment.</summary>
/// <param name="Out">Results, and nothing else.</param>
/// <param name="Error">Progress and errors.</param>
/// <param name="OutIsTerminal">Whether a person reads <paramref name="Out"/>.</param>
/// <param name="ErrorIsTerminal">Whether a person reads <paramref name="Error"/>.</param>
/// <param name="Variable">The environment.</param>
internal sealed record Terminal(TextWriter Out, TextWriter Error, bool OutIsTerminal, bool ErrorIsTerminal, Func<string, string?> Variable)
{
    public static Terminal OfProcess() =>
        new(Console.Out, Console.Error, !Console.IsOutputRedirected, !Console.IsErrorRedirected, Environment.GetEnvironmentVariable);

    private bool Colour => string.IsNullOrEmpty(Variable("NO_COLOR")) && Variable("TERM") != "dumb";

    /// <summary>Text from a server, a log or a file, made safe for a terminal: one line, no control characters.</summary>
    public static string Safe(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        var line = new StringBuilder(text.Length);
        foreach (var c in text.Length > 2_000 ? text.AsSpan(0, 2_000) : text)
            line.Append(char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') ? ' ' : c);
        return line.ToString();
    }

    /// <summary>One line of progress.</summary>
    public void Progress(string line) => Error.WriteLine(Safe(line));

    /// <summary>Rows under headings: a table for a person, aligned columns for a pipe. Cells are made safe here.</summary>
    public void Table(IReadOnlyList<string> headings, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (OutIsTerminal)
        {
            var table = new Table { Border = TableBorder.Rounded };
            foreach (var heading in headings)
                table.AddColumn(new TableColumn(new Text(heading)));
            foreach (var row in rows)
                table.AddRow(row.Select(cell => new Text(Safe(cell))).ToArray());
            Screen(Out).Write(table);
            return;
        }

        var cells = rows.Prepend(headings).Select(row => row.Select(Safe).ToArray()).ToArray();
        foreach (var row in cells)
        {
            var line = new StringBuilder();
            for (var i = 0; i < row.Length; i++)
                line.Append(i == row.Length - 1 ? row[i] : row[i].PadRight(cells.Max(other => other[i].Length) + 2));
            Out.WriteLine(line.ToString().TrimEnd());
        }
    }

    /// <summary>Runs what takes time; a person sees a line that moves, a pipe sees one line per change.</summary>
    public async Task<T> Waiting<T>(string what, Func<Action<string>, Task<T>> work)
    {
        if (!ErrorIsTerminal)
            return await work(Progress);
        return await Screen(Error).Status().StartAsync(Markup.Escape(Safe(what)), context => work(line => context.Status = Markup.Escape(Safe(line))));
    }

    /// <summary>Runs what takes time and knows how far it is, 0..1; a person sees a bar, a pipe sees the lines.</summary>
    public async Task<T> Measuring<T>(string what, Func<Action<double, string>, Task<T>> work)
    {
        if (!ErrorIsTerminal)
            return await work((_, line) => Progress(line));
        return await Screen(Error).Progress().AutoClear(enabled: true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var task = context.AddTask(Markup.Escape(Safe(what)));
                return await work((share, line) =>
                {
                    task.Value = 100 * share;
                    task.Description = Markup.Escape(Safe(line));
                });
            });
    }

    private IAnsiConsole Screen(TextWriter writer) => AnsiConsole.Create(new AnsiConsoleSettings
    {
        Out = new AnsiConsoleOutput(writer),
        Ansi = Colour ? AnsiSupport.Detect : AnsiSupport.No,
        ColorSystem = Colour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        Interactive = InteractionSupport.Detect,
    });
}
