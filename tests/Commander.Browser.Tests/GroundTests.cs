namespace Commander.Browser.Tests;

public class GroundTests
{
    [Fact]
    public void The_ground_holds() => true.ShouldBeTrue();
}
