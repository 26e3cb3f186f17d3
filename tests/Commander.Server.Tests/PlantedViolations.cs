// Every kind of use that the architecture tests must notice, once, so that they cannot pass by not looking.
#pragma warning disable RS0030 // The banned clocks are what is planted here.

namespace Commander.Server.Tests.Planted.Loop
{
    internal sealed class Watch
    {
        // Allowed: downwards.
        public static string Observe() => Sources.Prometheus.Name;

        // Upwards, as a type argument inside a body.
        public static int Pages() => new List<Api.Page>().Count;

        // Orleans outside of a grain, in an asynchronous lambda.
        public static Func<Task> Orleans() => async () =>
        {
            await Task.Yield();
            throw new global::Orleans.Runtime.OrleansException();
        };
    }
}

namespace Commander.Server.Tests.Planted.Api
{
    internal sealed class Page
    {
        // Allowed: downwards, also past a layer.
        public static string Loop() => Planted.Loop.Watch.Observe() + Sources.Prometheus.Name;
    }
}

namespace Commander.Server.Tests.Planted.Sources
{
    internal sealed class Prometheus
    {
        public static string Name => "prometheus";

        // A call back, in a method that awaits.
        public static async Task<string> CallsBack()
        {
            await Task.Yield();
            return Planted.Loop.Watch.Observe();
        }
    }
}

namespace Commander.Server.Tests.Planted.Acting
{
    internal sealed class Orders
    {
        // A neighbour, in a lambda.
        public static Func<string> Neighbour => () => Sources.Prometheus.Name;
    }
}

namespace Commander.Server.Tests.Planted.Storage
{
    internal sealed class Table
    {
        // A field's type.
        public Loop.Watch? Watch { get; set; }
    }
}

namespace Commander.Server.Tests.Planted
{
    internal sealed class Impure
    {
        public static async Task<string> Everything(TimeProvider clock)
        {
            using var client = new HttpClient();
            await Task.Yield();
            return File.ReadAllText("x") + DateTimeOffset.UtcNow + clock + client + new Random(1).Next();
        }
    }
}
