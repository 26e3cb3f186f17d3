using System.Globalization;
using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Commander.Judging.Mutation;

/// <summary>
/// The tests in a process that stays: compiled once, run for one change after the other. Asked by lines on standard input:
/// "time" and "cover" answer a line for each test, "try CHANGE TEST,TEST,..." answers "unnoticed", "noticed TEST" or, when the test
/// fails afterwards without the change too, "spoilt TEST".
/// </summary>
internal static class Worker
{
    // What Stryker puts into the changed assembly.
    private static readonly Type Control = Assembly.Load("Commander.Judging").GetTypes().Single(type => type.Name == "MutantControl");
    private static readonly FieldInfo Active = Control.GetField("ActiveMutant")!;
    private static readonly FieldInfo Covering = Control.GetField("CaptureCoverage")!;
    private static readonly MethodInfo Reset = Control.GetMethod("ResetCoverage")!;
    private static readonly MethodInfo Covered = Control.GetMethod("GetCoverageData")!;

    /// <summary>No change is at work.</summary>
    public const int None = -1;

    /// <summary>Answers until there are no more questions.</summary>
    /// <param name="changed">The change that is at work from the start, or <see cref="None"/>.</param>
    public static int Run(int changed)
    {
        Active.SetValue(null, changed);
        var output = Console.Out;
        Console.SetOut(TextWriter.Null);
        using var framework = new XunitTestFramework(new Unheard());
        using var tests = framework.GetExecutor(typeof(Worker).Assembly.GetName());
        var cases = Discovered(framework);
        while (Console.In.ReadLine() is { } line)
        {
            switch (line.Split(' '))
            {
                case ["time"]:
                    foreach (var one in cases)
                    {
                        var failed = Failed(tests, [one], out var seconds);
                        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{one.UniqueID}\t{(failed is null ? seconds : -1):R}\t{one.DisplayName.ReplaceLineEndings(" ").Replace('\t', ' ')}"));
                    }

                    break;
                case ["cover", var part, var parts]:
                    Covering.SetValue(null, true);
                    for (var i = int.Parse(part, CultureInfo.InvariantCulture); i < cases.Count; i += int.Parse(parts, CultureInfo.InvariantCulture))
                    {
                        Reset.Invoke(null, null);
                        Failed(tests, [cases[i]], out _);
                        var lists = (IList<int>[])Covered.Invoke(null, null)!;
                        output.WriteLine($"{cases[i].UniqueID}\t{string.Join(',', lists[0])}\t{string.Join(',', lists[1])}");
                    }

                    Covering.SetValue(null, false);
                    break;
                case ["try", var change, var asked]:
                    var wanted = asked.Split(',').ToHashSet(StringComparer.Ordinal);
                    Active.SetValue(null, int.Parse(change, CultureInfo.InvariantCulture));
                    var noticed = Failed(tests, [.. cases.Where(one => wanted.Contains(one.UniqueID))], out _);
                    Active.SetValue(null, None);
                    output.WriteLine(noticed is null ? "unnoticed" : $"{(Failed(tests, [noticed], out _) is null ? "noticed" : "spoilt")} {noticed.UniqueID}");
                    break;
            }

            output.WriteLine("done");
            output.Flush();
        }

        return 0;
    }

    private static List<ITestCase> Discovered(XunitTestFramework framework)
    {
        using var discoverer = framework.GetDiscoverer(Reflector.Wrap(typeof(Worker).Assembly));
        using var sink = new Discovery();
        discoverer.Find(includeSourceInformation: false, sink, new Options());
        sink.Finished.Wait();
        // Rates over hundreds of deployments are slow, and notice what the fast tests must notice by themselves.
        return [.. sink.Cases.Where(one => one.SkipReason is null && !(one.Traits.TryGetValue("Category", out var kinds) && kinds.Exists(kind => kind is "Measured" or "Long")))
            .OrderBy(one => one.UniqueID, StringComparer.Ordinal)];
    }

    // The first that fails; the others are not run then.
    private static ITestCase? Failed(ITestFrameworkExecutor tests, List<ITestCase> cases, out double seconds)
    {
        var options = new Options();
        options.SetValue("xunit.execution.DisableParallelization", true);
        options.SetValue("xunit.execution.SynchronousMessageReporting", true);
        using var sink = new FirstFailure();
        var started = TimeProvider.System.GetTimestamp();
        tests.RunTests(cases, sink, options);
        sink.Finished.Wait();
        seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        return sink.Failed;
    }

    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

        public TValue GetValue<TValue>(string name) => _values.TryGetValue(name, out var value) ? (TValue)value! : default!;

        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }

    private sealed class Unheard : IMessageSink
    {
        public bool OnMessage(IMessageSinkMessage message) => true;
    }

    private sealed class Discovery : IMessageSink, IDisposable
    {
        public List<ITestCase> Cases { get; } = [];

        public ManualResetEventSlim Finished { get; } = new();

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is ITestCaseDiscoveryMessage found)
                Cases.Add(found.TestCase);
            if (message is IDiscoveryCompleteMessage)
                Finished.Set();
            return true;
        }

        public void Dispose() => Finished.Dispose();
    }

    private sealed class FirstFailure : IMessageSink, IDisposable
    {
        public ManualResetEventSlim Finished { get; } = new();

        public ITestCase? Failed { get; private set; }

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is ITestFailed failed)
                Failed ??= failed.TestCase;
            if (message is IErrorMessage { TestCases: var cases })
                Failed ??= cases.FirstOrDefault();
            if (message is ITestAssemblyFinished)
                Finished.Set();
            return Failed is null;
        }

        public void Dispose() => Finished.Dispose();
    }
}
