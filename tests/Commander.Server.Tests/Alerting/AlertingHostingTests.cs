using System.Collections.Concurrent;
using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Commander.Server.Tests.Alerting;

public sealed class AlertingHostingTests
{
    private const string Secret = "0123456789abcdef0123456789abcdef";

    [Fact]
    public async Task An_address_that_is_a_secret_is_in_no_line_of_any_log_level()
    {
        await using var server = await ChannelServer.Start(context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        using var lines = new Lines();
        var services = new ServiceCollection();
        services.AddLogging(log => log.SetMinimumLevel(LogLevel.Trace).AddProvider(lines));
        services.AddSingleton(TimeProvider.System);
        services.AddAlerting(new Secrets(name => name == "COMMANDER_SECRET_DISCORD" ? $"{server.Url}/api/webhooks/42/{Secret}" : null));
        await using var provider = services.BuildServiceProvider();

        var delivery = await provider.GetRequiredService<AlertBook>().Tell(new AlertPolicy("discord", "${COMMANDER_SECRET_DISCORD}", ["rollback"]), SampleAlerts.Rollback().Alert, TestContext.Current.CancellationToken);

        delivery.State.ShouldBe(Told.Later);
        server.Last.Target.ShouldContain(Secret);
        lines.Said.ShouldAllBe(line => !line.Contains(Secret, StringComparison.Ordinal));
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Said { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            Said.Enqueue(state.ToString() ?? "");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Said.Enqueue(formatter(state, exception));

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
