using System.Globalization;
using Commander.Server.Tests.Storage;
using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Loop.Simulated;

public class SimulationTests(ITestOutputHelper output)
{
    private const int Planted = 10_000;

    [Fact]
    public void Whatever_dies_when_every_deployment_closes_once_and_no_rollback_takes_effect_twice() => Hold(0, Seeds("COMMANDER_SEEDS", 400));

    [Fact]
    [Trait("Category", "Long")]
    public void The_same_over_a_hundred_thousand_seeds() => Hold(1_000_000, 100_000);

    [Fact]
    public async Task The_simulated_store_answers_as_the_real_ones_do() => await Step.Histories.SampleAsync(
        async steps =>
        {
            var now = Written.Start;
            await using var store = new SimulatedStore(new FakeTimeProvider(now));
            await new StoreModel(store, now).Run(steps, TestContext.Current.CancellationToken);
        },
        iter: 200,
        threads: 1);

    [Fact]
    public void A_seed_gives_the_same_run_again_to_the_byte()
    {
        for (var seed = 1; seed <= 20; seed++)
            SimulatedWorld.Run(seed, traced: true).Trace.ShouldBe(SimulatedWorld.Run(seed, traced: true).Trace);
    }

    [Theory]
    [InlineData((int)PlantedFault.NoFence)]
    [InlineData((int)PlantedFault.IntentAfterEffect)]
    [InlineData((int)PlantedFault.TimerLost)]
    public void What_is_broken_on_purpose_is_found(int planted)
    {
        for (var seed = 1; seed <= Planted; seed++)
        {
            if (SimulatedWorld.Run(seed, (PlantedFault)planted) is { Broken: { } broken })
            {
                output.WriteLine($"{(PlantedFault)planted}: {broken}");
                return;
            }
        }

        Assert.Fail($"not found within {Planted} seeds");
    }

    private void Hold(int first, int seeds)
    {
        var time = TimeProvider.System.GetTimestamp();
        for (var seed = first; seed < first + seeds; seed++)
        {
            if (SimulatedWorld.Run(seed) is { Broken: { } broken })
            {
                var (again, trace) = SimulatedWorld.Run(seed, traced: true);
                Assert.Fail($"{broken}\nagain: {again}\n{trace}");
            }
        }

        output.WriteLine($"{seeds} seeds in {TimeProvider.System.GetElapsedTime(time).TotalSeconds:F1} s");
    }

    private static int Seeds(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var seeds) ? seeds : otherwise;
}
