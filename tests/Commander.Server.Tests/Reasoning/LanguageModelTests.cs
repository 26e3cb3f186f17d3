using System.Text.Json.Nodes;
using Commander.Server.Reasoning;
using Microsoft.Extensions.Time.Testing;

namespace Commander.Server.Tests.Reasoning;

public sealed class LanguageModelTests : IAsyncLifetime
{
    private static readonly Message[] Question = [new("system", "Answer."), new("user", "<<DATA\n{\"evidence\":[{\"id\":\"m1\",\"value\":1,\"baseline\":2}]}\nDATA>>")];
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    private ModelServer _server = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await ModelServer.Start();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    private LanguageModel Model(Func<ReasoningOptions, ReasoningOptions>? change = null)
    {
        var options = new ReasoningOptions(_server.Url, "a-model") { Key = "the-key" };
        return new LanguageModel(change?.Invoke(options) ?? options, TimeProvider.System);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_answer_is_read_whole_or_as_it_is_made(bool streams)
    {
        using var model = Model(options => options with { Streams = streams });
        var reply = await model.Ask(Question, Long, Cancel);
        reply.Text.ShouldNotBeNull(reply.Missing).ShouldContain("\"decision\":\"HOLD\"");
        (reply.PromptTokens, reply.AnswerTokens, reply.Requests).ShouldBe((900, 80, 1));
        var asked = _server.Asked.ShouldHaveSingleItem();
        asked["model"]!.GetValue<string>().ShouldBe("a-model");
        asked["temperature"]!.GetValue<double>().ShouldBe(0);
        (asked["stream"]?.GetValue<bool>() ?? false).ShouldBe(streams);
        asked["response_format"]!["type"]!.GetValue<string>().ShouldBe("json_schema");
    }

    [Fact]
    public async Task A_stream_that_ends_in_the_middle_is_no_answer()
    {
        _server.Instead = async (context, _, _) =>
        {
            await ModelServer.Stream(context, new JsonObject { ["model"] = "a-model" }, "{\"decision\":\"CONT", finish: false);
            return true;
        };
        using var model = Model(options => options with { Streams = true });
        var reply = await model.Ask(Question, Long, Cancel);
        reply.Text.ShouldBeNull();
        reply.Missing.ShouldBe("127.0.0.1 broke its answer off");
    }

    [Fact]
    public async Task A_server_that_knows_no_schemas_is_asked_without_one_and_not_twice_again()
    {
        _server.KnowsNoSchema = true;
        using var model = Model();
        (await model.Ask(Question, Long, Cancel)).Text.ShouldNotBeNull();
        _server.Asked.Count.ShouldBe(3);
        (await model.Ask(Question, Long, Cancel)).Text.ShouldNotBeNull();
        _server.Asked.Count.ShouldBe(4);
    }

    [Fact]
    public async Task Who_is_asked_too_much_is_asked_again_when_it_says()
    {
        _server.Instead = (context, n, _) =>
        {
            if (n > 1)
                return Task.FromResult(false);
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "1";
            return Task.FromResult(true);
        };
        using var model = Model();
        var began = TimeProvider.System.GetTimestamp();
        (await model.Ask(Question, Long, Cancel)).Text.ShouldNotBeNull();
        TimeProvider.System.GetElapsedTime(began).ShouldBeGreaterThan(TimeSpan.FromSeconds(0.9));
        _server.Asked.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Who_does_not_answer_is_left_alone_and_tried_again_later()
    {
        var clock = new FakeTimeProvider();
        _server.Instead = (context, _, _) =>
        {
            context.Response.StatusCode = 401;
            return Task.FromResult(true);
        };
        using var model = new LanguageModel(new ReasoningOptions(_server.Url, "a-model"), clock);
        for (var n = 0; n < 3; n++)
            (await model.Ask(Question, Long, Cancel)).Missing.ShouldBe("127.0.0.1 does not accept the key");
        model.LeftAloneBecause.ShouldBe("127.0.0.1 failed several times; it is left alone for 30 s");
        (await model.Ask(Question, Long, Cancel)).Missing!.ShouldContain("left alone");
        _server.Asked.Count.ShouldBe(3);
        _server.Instead = null;
        clock.Advance(TimeSpan.FromSeconds(31));
        model.LeftAloneBecause.ShouldBeNull("who looks before asking must ask again");
        (await model.Ask(Question, Long, Cancel)).Text.ShouldNotBeNull();
        model.LeftAloneBecause.ShouldBeNull();
    }

    [Fact]
    public async Task No_key_is_sent_where_there_is_none()
    {
        using var model = Model(options => options with { Key = null });
        (await model.Ask(Question, Long, Cancel)).Text.ShouldNotBeNull();
        _server.Keys.ShouldHaveSingleItem().ShouldBeEmpty();
    }

    [Fact]
    public async Task An_endless_answer_is_cut_off()
    {
        _server.Instead = async (context, _, cancel) =>
        {
            context.Response.ContentType = "application/json";
            var chunk = new byte[64 * 1024];
            try
            {
                while (!cancel.IsCancellationRequested)
                    await context.Response.Body.WriteAsync(chunk, cancel);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // The reader has gone, as it should.
            }

            return true;
        };
        using var model = Model();
        var reply = await model.Ask(Question, Long, Cancel);
        reply.Missing.ShouldBe("127.0.0.1 answered with more than 256 KiB");
    }

    [Fact]
    public async Task No_metadata_address_is_asked()
    {
        using var model = Model(options => options with { Url = new Uri("http://169.254.169.254/v1/") });
        (await model.Ask(Question, Long, Cancel)).Missing.ShouldBe("169.254.169.254 is a link-local or metadata address, which Commander never asks");
    }

    private static (ReasoningOptions? Options, string? Wrong) Read(params (string Name, string Value)[] environment)
    {
        var known = environment.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
        return ReasoningOptions.Read(known.Keys, known.GetValueOrDefault, reference => reference == "file:key" ? "from-a-file" : null);
    }

    [Fact]
    public void Nothing_configured_is_no_model() => Read().ShouldBe((null, null));

    [Fact]
    public void A_key_of_Together_is_enough()
    {
        var (options, wrong) = Read(("TOGETHER_API_KEY", "t-1"));
        wrong.ShouldBeNull();
        (options!.Url.ToString(), options.Model, options.Key).ShouldBe(("https://api.together.xyz/v1/", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "t-1"));
        options.ToString().ShouldNotContain("t-1");
    }

    [Fact]
    public void From_Together_to_OpenAI_it_is_base_URL_and_model()
    {
        var keys = new[] { ("TOGETHER_API_KEY", "t-1"), ("OPENAI_API_KEY", "o-1") };
        var (options, _) = Read([.. keys, ("COMMANDER_REASONING_URL", "https://api.openai.com/v1"), ("COMMANDER_REASONING_MODEL", "gpt-4o-mini")]);
        (options!.Url.ToString(), options.Model, options.Key).ShouldBe(("https://api.openai.com/v1/", "gpt-4o-mini", "o-1"));
    }

    [Theory]
    [InlineData("http://127.0.0.1:11434/v1", "llama3.1", null)]
    [InlineData("https://shop.openai.azure.com/openai/v1", "gpt-4o", "a-1")]
    [InlineData("https://vllm.internal:8000/v1/", "qwen", null)]
    public void A_key_goes_to_its_own_provider_and_to_nobody_else(string url, string model, string? key)
    {
        var (options, wrong) = Read(("TOGETHER_API_KEY", "t-1"), ("OPENAI_API_KEY", "o-1"), ("AZURE_OPENAI_API_KEY", "a-1"), ("COMMANDER_REASONING_URL", url), ("COMMANDER_REASONING_MODEL", model));
        wrong.ShouldBeNull();
        options!.Key.ShouldBe(key);
        Read(("COMMANDER_REASONING_KEY", "file:key"), ("COMMANDER_REASONING_URL", url), ("COMMANDER_REASONING_MODEL", model)).Options!.Key.ShouldBe("from-a-file");
    }

    [Theory]
    [InlineData("COMMANDER_REASONING_URL", "api.openai.com", "is no address")]
    [InlineData("COMMANDER_REASONING_URL", "https://api.openai.com/v1", "COMMANDER_REASONING_MODEL: is missing")]
    [InlineData("COMMANDER_REASONING_URL", "https://user:word@api.together.xyz/v1", "is no address")]
    [InlineData("COMMANDER_REASONING_KEY", "file:nowhere", "is not there")]
    [InlineData("COMMANDER_REASONING_KEY", "two words", "cannot stand in a header")]
    [InlineData("COMMANDER_REASONING_TIMEOUT", "10", "write 10s")]
    [InlineData("COMMANDER_REASONING_TIMEOUT", "5m", "from 1s to 2m")]
    [InlineData("COMMANDER_REASONING_STREAM", "yes", "neither on nor off")]
    [InlineData("COMMANDER_REASONING_AT_ONCE", "0", "from 1 to 256")]
    [InlineData("COMMANDER_REASONING_TOKENS", "lots", "deployment=40000")]
    [InlineData("COMMANDER_REASONING_PRICE", "0.18", "0.18/0.18")]
    [InlineData("COMMANDER_REASONING_COST", "week=2", "deployment=0.1")]
    public void What_is_wrong_is_said_with_what_to_write(string name, string value, string said) =>
        Read(("TOGETHER_API_KEY", "t-1"), (name, value)).Wrong.ShouldNotBeNull().ShouldContain(said);

    [Theory]
    [InlineData("COMMANDER_REASONING_TIMEOUT", "junk", "is no time")]
    [InlineData("COMMANDER_REASONING_MODEL", "x", "TOGETHER_API_KEY: is missing")]
    [InlineData("COMMANDER_REASONING_TIMOUT", "10s", "is no variable that is known")]
    public void What_is_wrong_is_wrong_without_a_model_too(string name, string value, string said) =>
        Read((name, value)).Wrong.ShouldNotBeNull().ShouldContain(said);

    [Fact]
    public void A_provider_that_answers_nobody_without_a_key_needs_one() =>
        Read(("COMMANDER_REASONING_URL", "https://api.openai.com/v1"), ("COMMANDER_REASONING_MODEL", "gpt-4o")).Wrong.ShouldNotBeNull().ShouldStartWith("OPENAI_API_KEY: is missing");

    [Fact]
    public void Every_setting_is_read()
    {
        var (options, wrong) = Read(
            ("TOGETHER_API_KEY", "t-1"), ("COMMANDER_REASONING_TIMEOUT", "20s"), ("COMMANDER_REASONING_STREAM", "on"), ("COMMANDER_REASONING_AT_ONCE", "2"),
            ("COMMANDER_REASONING_TOKENS", "deployment=1000, day=2000"), ("COMMANDER_REASONING_PRICE", "0.5/1.5"), ("COMMANDER_REASONING_COST", "service=3"));
        wrong.ShouldBeNull();
        (options!.Timeout, options.Streams, options.AtOnce, options.Tokens, options.Price, options.Cost)
            .ShouldBe((TimeSpan.FromSeconds(20), true, 2, new Limits(1000, 500_000, 2000), (0.5, 1.5), new Limits(0.1, 3, 20)));
    }

    [Fact]
    public void A_model_can_be_switched_off() => Read(("TOGETHER_API_KEY", "t-1"), ("COMMANDER_REASONING_URL", "off")).ShouldBe((null, null));
}
