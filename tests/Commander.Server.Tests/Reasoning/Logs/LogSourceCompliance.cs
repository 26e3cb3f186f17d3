using System.Text;
using Commander.Judging.Policies;
using Commander.Server.Connections;
using Commander.Server.Connections.Kubernetes;
using Commander.Server.Reasoning.Context;
using Commander.Server.Reasoning.Context.Logs;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Reasoning.Logs;

/// <summary>What every place that log lines are read from must do, on a real server of ours that speaks its protocol.</summary>
public abstract class LogSourceCompliance : IAsyncLifetime
{
    protected const string Secret = "s3cret-token";
    protected static readonly DateTimeOffset From = new(2026, 11, 28, 11, 50, 0, TimeSpan.Zero);
    protected static readonly DateTimeOffset To = From.AddMinutes(10);
    private readonly HttpClient _http = Outgoing.Create();
    private Clusters? _clusters;

    private protected string? Token { get; set; } = Secret;

    /// <summary>What the policy says of a server on this address; with its timeout.</summary>
    private protected abstract ContextPolicy Policy(string timeout);

    /// <summary>Version 2.0.0 of the service wrote these lines, one a second from <see cref="From"/> on.</summary>
    private protected abstract void Wrote(params string[] lines);

    /// <summary>Answers every request instead of the server; null for the server.</summary>
    private protected abstract Func<HttpContext, Task>? Instead { set; }

    public abstract ValueTask InitializeAsync();

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _http.Dispose();
        _clusters?.Dispose();
        return ValueTask.CompletedTask;
    }

    private protected ILogSource Source(string timeout = "30s")
    {
        _clusters ??= new Clusters(TimeProvider.System, _ => Token);
        return LogBook.Over(_http, _clusters, TimeProvider.System, _ => Token).Find(Policy(timeout))!;
    }

    private protected static LogQuestion Question(string version = "2.0.0", IReadOnlyDictionary<string, string>? labels = null) =>
        new("checkout", "prod", version, labels ?? new Dictionary<string, string>(), From, To);

    private protected Task<LogAnswer> Read(string version = "2.0.0", string timeout = "30s") => Source(timeout).Read(Question(version), CancellationToken.None);

    [Fact]
    public async Task The_lines_of_the_version_come_oldest_first()
    {
        Wrote("ERROR one", "ERROR two", "ERROR three");
        var answer = await Read();
        answer.Missing.ShouldBeNull();
        answer.Lines.ShouldBe(["ERROR one", "ERROR two", "ERROR three"]);
    }

    [Fact]
    public async Task A_stack_trace_is_one_entry()
    {
        Wrote("ERROR System.Exception: no", "   at Shop.Cart.Total()", "   at Shop.Api.Get()", "ERROR next");
        (await Read()).Lines.ShouldContain(line => line.StartsWith("ERROR System.Exception: no", StringComparison.Ordinal));
        LogTemplates.Of((await Read()).Lines, []).Lines.Select(line => line.Template).ShouldContain("ERROR next");
    }

    [Fact]
    public async Task A_line_of_a_megabyte_is_cut()
    {
        Wrote("ERROR " + new string('x', 1_000_000));
        (await Read()).Lines.ShouldHaveSingleItem().Length.ShouldBe(LogLimits.MaxLine);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(429)]
    [InlineData(400)]
    [InlineData(500)]
    [InlineData(302)]
    public async Task A_refusal_is_a_sentence_that_says_no_secret(int status)
    {
        Instead = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "http://127.0.0.1:1/elsewhere";
            return context.Response.WriteAsync($"no, {Secret} <b>is</b> not welcome; you sent {context.Request.Headers.Authorization}");
        };
        var answer = await Read();
        answer.Lines.ShouldBeEmpty();
        answer.Missing.ShouldNotBeNull().ShouldContain(status == 302 ? "302" : status is 401 or 403 or 400 or 429 ? "" : "500");
        answer.Missing.ShouldNotContain(Secret);
        answer.Missing.ShouldNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes("reader:" + Secret)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("\"text\"")]
    [InlineData("{\"data\":{\"resultType\":\"streams\",\"result\":[{\"values\":[[1]]}]},\"hits\":{\"hits\":7},\"items\":7}")]
    [InlineData("{\"data\":{\"resultType\":\"matrix\",\"result\":[]},\"hits\":[],\"items\":{}}")]
    public async Task An_answer_of_another_form_is_a_sentence(string body)
    {
        Instead = context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(body);
        };
        var answer = await Read();
        answer.Lines.ShouldBeEmpty();
        answer.Missing.ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_a_sentence()
    {
        Instead = async context =>
        {
            context.Response.ContentType = "application/json";
            context.Response.ContentLength = 10_000;
            await context.Response.WriteAsync("{\"data\":{\"res");
            await context.Response.Body.FlushAsync();
            context.Abort();
        };
        (await Read()).Missing.ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task An_answer_without_end_is_a_sentence()
    {
        Instead = async context =>
        {
            context.Response.ContentType = "application/json";
            var part = new byte[64 * 1024];
            Array.Fill(part, (byte)'[');
            for (var n = 0; n < 400 && !context.RequestAborted.IsCancellationRequested; n++)
                await context.Response.Body.WriteAsync(part);
        };
        (await Read()).Missing.ShouldNotBeNullOrEmpty();
    }

    private protected static async Task Hang(HttpContext context)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registered = context.RequestAborted.Register(() => gone.TrySetResult());
        await gone.Task;
    }

    [Fact]
    public async Task A_server_that_hangs_is_waited_for_as_long_as_the_policy_says()
    {
        Instead = Hang;
        (await Read(timeout: "200ms")).Missing.ShouldNotBeNull().ShouldContain("did not answer");
    }

    [Fact]
    public async Task Only_the_caller_s_own_cancellation_is_thrown()
    {
        Instead = Hang;
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Should.ThrowAsync<OperationCanceledException>(() => Source().Read(Question(), soon.Token));
    }

    [Fact]
    public async Task A_secret_that_is_not_there_is_named_by_its_reference()
    {
        Token = null;
        (await Read()).Missing.ShouldNotBeNull().ShouldContain("(file:token) is not there");
    }

    [Fact]
    public async Task A_version_that_is_half_a_query_selects_nothing_else()
    {
        Wrote("ERROR of 2.0.0");
        (await Read("9\"} or {version=~\".*")).Lines.ShouldBeEmpty();
        (await Read("9\" OR *")).Lines.ShouldBeEmpty();
        (await Read("9,version!=8")).Lines.ShouldBeEmpty();
    }
}
