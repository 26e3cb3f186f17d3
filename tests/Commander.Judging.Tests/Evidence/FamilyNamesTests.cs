using Commander.Judging.Evidence;

namespace Commander.Judging.Tests.Evidence;

public class FamilyNamesTests
{
    [Theory]
    [InlineData("service_error_rate", Family.Service)]
    [InlineData("downstream_latency", Family.Downstream)]
    [InlineData("front_error_rate", Family.Error)]
    [InlineData("latency_p95", Family.Latency)]
    [InlineData("request_duration", Family.Latency)]
    [InlineData("p50", Family.Latency)]
    [InlineData("x_p99", Family.Latency)]
    [InlineData("cpu", Family.Cpu)]
    [InlineData("memory_rss", Family.Memory)]
    [InlineData("requests", Family.Traffic)]
    [InlineData("throughput", Family.Traffic)]
    [InlineData("orders", Family.Kpi)]
    [InlineData("http500", Family.Kpi)]
    [InlineData("http95", Family.Kpi)]
    [InlineData("a95", Family.Kpi)]
    [InlineData("p49", Family.Kpi)]
    [InlineData("p5", Family.Kpi)]
    [InlineData("pa1", Family.Kpi)]
    [InlineData("p505", Family.Kpi)]
    [InlineData("p999", Family.Latency)]
    [InlineData("p50_of_all", Family.Latency)]
    public void A_name_belongs_to_the_first_family_it_matches(string name, Family family) => FamilyNames.Of(name).ShouldBe(family);

    [Fact]
    public void Less_traffic_is_worse_and_a_key_figure_is_watched_both_ways()
    {
        Family.Traffic.Direction().ShouldBe(Direction.Down);
        Family.Kpi.Direction().ShouldBe(Direction.Either);
        Family.Error.Direction().ShouldBe(Direction.Up);
    }
}
