using System.Text;
using Commander.Server.Sources.Prometheus;

namespace Commander.Server.Tests.Sources.Prometheus;

public class PrometheusAnswerTests
{
    [Theory]
    [InlineData("""{"status":"error","error":"\ud800"}""", null)]
    [InlineData("""{"status":"error","error":"parse error"}""", "parse error")]
    [InlineData("""{"status":"error","error":1}""", null)]
    [InlineData("<html>", null)]
    public void The_message_of_an_error_is_text_or_none(string body, string? message) =>
        PromAnswer.Error(Encoding.UTF8.GetBytes(body)).ShouldBe(message);
}
