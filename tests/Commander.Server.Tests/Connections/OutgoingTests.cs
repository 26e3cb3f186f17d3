using System.Net;
using Commander.Judging.Policies;
using Commander.Server.Acting.Rollback;
using Commander.Server.Connections;
using Commander.Server.Tests.Sources;

namespace Commander.Server.Tests.Connections;

/// <summary>Where Commander goes by itself: to the address that a policy says, and never to what hands out a machine's credentials.</summary>
public sealed class OutgoingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http://169.254.169.254/latest/meta-data/")]
    [InlineData("http://2852039166/")]
    [InlineData("http://0xa9fea9fe/")]
    [InlineData("http://0251.0376.0251.0376/")]
    [InlineData("http://[::ffff:169.254.169.254]/")]
    [InlineData("http://[::ffff:a9fe:a9fe]/")]
    [InlineData("http://[fe80::1]/")]
    [InlineData("http://[fd00:ec2::254]/")]
    public async Task Metadata_and_link_local_addresses_are_not_asked_however_they_are_written(string url)
    {
        using var http = Outgoing.Create();
        var refused = await Should.ThrowAsync<HttpRequestException>(() => http.GetAsync(url, Cancel));
        Outgoing.Why(refused).ShouldContain("link-local or metadata address");
    }

    [Fact]
    public async Task A_name_is_asked_for_once_and_what_it_said_is_connected_to()
    {
        await using var exporter = await Exporter.Start();
        var answers = new Queue<IPAddress[]>([[IPAddress.Loopback], [IPAddress.Parse("169.254.169.254")], [IPAddress.Loopback, IPAddress.Parse("169.254.169.254")]]);
        var port = new Uri(exporter.Url).Port;
        // Each time over a new connection: the first answer is good, the next ones are another's.
        foreach (var good in (bool[])[true, false, false])
        {
            using var http = new HttpClient(Outgoing.Handler((_, _) => Task.FromResult(answers.Dequeue())));
            if (good)
                (await http.GetAsync($"http://metrics.example:{port}/metrics", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
            else
                Outgoing.Why(await Should.ThrowAsync<HttpRequestException>(() => http.GetAsync($"http://metrics.example:{port}/metrics", Cancel))).ShouldContain("link-local");
        }

        answers.ShouldBeEmpty("no second question between the look and the connection");
    }

    [Fact]
    public async Task Who_is_sent_elsewhere_does_not_go()
    {
        await using var exporter = await Exporter.Start();
        exporter.Answer = context =>
        {
            context.Response.Redirect("http://169.254.169.254/");
            return Task.CompletedTask;
        };
        using var http = Outgoing.Create();
        (await http.GetAsync(exporter.Url, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Redirect);
        exporter.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task A_rollback_goes_there_no_more_than_a_source()
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["url"] = "http://169.254.169.254/rollback" };
        using var http = new HttpClient(Outgoing.Handler());
        var target = new WebhookTarget(new RollbackPolicy("webhook", settings, [], TimeSpan.FromSeconds(5)), http, TimeProvider.System, _ => null);
        var result = await target.Order(new RollbackOrder("dep-1/rollback/1", "dep-1", "checkout", "prod", "2", "1", null), Cancel);
        result.Accepted.ShouldBeFalse();
        result.Message.ShouldContain("link-local or metadata address");
    }
}
