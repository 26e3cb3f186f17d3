using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Commander.Server.Hosting;

/// <summary>One line per entry, in UTC, and whatever is said, no secret that was ever resolved here.</summary>
internal sealed class LogLines(Secrets secrets, TimeProvider clock) : ConsoleFormatter(FormatName)
{
    public const string FormatName = "commander";
    private const int Longest = 16 * 1024;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        var text = logEntry.Exception is { } exception ? $"{message} {exception}" : message;
        var level = logEntry.LogLevel switch
        {
            LogLevel.Trace => "trce",
            LogLevel.Debug => "dbug",
            LogLevel.Information => "info",
            LogLevel.Warning => "warn",
            LogLevel.Error => "fail",
            _ => "crit",
        };
        textWriter.Write(clock.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z' ", CultureInfo.InvariantCulture));
        textWriter.WriteLine($"{level}: {logEntry.Category}[{logEntry.EventId.Id}] {OneLine(secrets.Scrub(text))}");
    }

    private static string OneLine(string text) =>
        string.Concat((text.Length <= Longest ? text : text[..Longest] + "...").Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c));
}

/// <summary>Adds the log.</summary>
internal static class LogLinesHosting
{
    public static ILoggingBuilder AddLogLines(this ILoggingBuilder log, Secrets secrets)
    {
        log.Services.AddSingleton(secrets);
        log.Services.AddSingleton(TimeProvider.System);
        log.AddConsoleFormatter<LogLines, ConsoleFormatterOptions>();
        return log.AddConsole(console => console.FormatterName = LogLines.FormatName);
    }
}
