using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Commander.Server.Loop;

/// <summary>The loop's steps as spans and as a histogram of their durations; names are those of design section 2.</summary>
internal static class Tracing
{
    public const string Name = "Commander";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);
    private static readonly Histogram<double> StepSeconds = Meter.CreateHistogram<double>("commander.loop.step.duration", "s", "How long one step of the loop took");

    /// <summary>A span for one step; disposing it measures the step.</summary>
    public static Span Step(TimeProvider clock, string step, string deployment)
    {
        var activity = Source.StartActivity(step);
        activity?.SetTag("commander.deployment", deployment);
        return new Span(activity, clock, step, clock.GetTimestamp());
    }

    internal readonly struct Span(Activity? activity, TimeProvider clock, string step, long started) : IDisposable
    {
        /// <summary>Milliseconds since the step began.</summary>
        public double ElapsedMs => clock.GetElapsedTime(started).TotalMilliseconds;

        public void Dispose()
        {
            StepSeconds.Record(clock.GetElapsedTime(started).TotalSeconds, new KeyValuePair<string, object?>("step", step));
            activity?.Dispose();
        }
    }
}
