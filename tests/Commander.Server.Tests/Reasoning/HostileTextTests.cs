using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Commander.Judging.Evidence;
using Commander.Judging.Verdicts;
using Commander.Server.Api;
using Commander.Server.Dashboard;
using Commander.Server.Hosting;
using Commander.Server.Loop;
using Commander.Server.Reasoning;
using Commander.Server.Storage;
using Commander.Server.Tests.Cli;
using Commander.Server.Tests.Loop;
using CsCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Answer = Commander.Server.Reasoning.Answer;

namespace Commander.Server.Tests.Reasoning;

/// <summary>What a hostile model says, and what attacks say in a deployment's own fields, wherever a person or a program reads it.</summary>
public sealed partial class HostileTextTests
{
    private const string Signs = "<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(2)>\"'>`[x](javascript:alert(3)) https://evil.example/x ht\u200Btps://evil.example/y http:<//evil.example/z "
        + "www.evil.example \u001b[31mred\u001b]8;;https://evil.example\u0007 \u009b2J \u202Egnorw\u202C \u2066x\u2069 \u2028\u2029\u0085\0\u0008 \U0001F4A5 a\u0301\u0302\u0303\u0304\u0305\u0306 \uE000 @((MarkupString)\"<b>\") {{7*7}} &lt;b&gt;";

    private static readonly Prompt Question = Prompt.Of(Questions.Of());

    // ---- What is read of an answer ----

    private static JsonObject Truth(Prompt? prompt = null) => JsonNode.Parse(ModelServer.Truth("HOLD")(Questions.Data(prompt ?? Question)))!.AsObject();

    /// <summary>The same answer with a text somewhere in it.</summary>
    private static string With(string place, string text)
    {
        var answer = Truth();
        switch (place)
        {
            case "decision" or "error_type" or "confidence":
                answer[place] = text;
                break;
            case "reasons":
                answer["reasons"] = new JsonArray(text, text, text, text, text, text, text);
                break;
            case "reason":
                answer["reasons"] = text;
                break;
            case "another property":
                answer[text] = text;
                break;
            case "around":
                return text + answer.ToJsonString() + text;
            case "alone":
                return text;
            default:
                answer["evidence"]![0]![place] = text;
                break;
        }

        return answer.ToJsonString();
    }

    private static readonly string[] Places = ["decision", "confidence", "error_type", "reasons", "reason", "another property", "around", "alone", "id", "value", "baseline", "claim"];

    private static void Readable(Heard heard, string why)
    {
        foreach (var text in new[] { heard.Opinion?.Reasoning, heard.Opinion?.Decision, heard.ErrorType, heard.Wrong }.OfType<string>())
        {
            text.Length.ShouldBeLessThanOrEqualTo(1_600, why);
            text.All(c => !char.IsControl(c) && !char.IsSurrogate(c) && CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format && c != '\u2028' && c != '\u2029').ShouldBeTrue(why);
            text.AsSpan().ContainsAny("<>`[]").ShouldBeFalse($"{why}: {text}");
            text.ShouldNotContain("//", Case.Sensitive, why);
            text.ShouldNotContain("javascript:", Case.Insensitive, why);
        }

        if (heard.ErrorType is { } type)
            Answer.ErrorTypes.ShouldContain(type);
        if (heard.Opinion is { } opinion)
        {
            DecisionWords.TryDecision(opinion.Decision, out _).ShouldBeTrue();
            opinion.Confidence.ShouldBeInRange(0, 1);
            opinion.Metrics.ShouldBeSubsetOf(["sales", "errors"]);
        }
    }

    [Fact]
    public void Nothing_of_an_attack_that_a_model_repeats_is_markup_an_address_or_a_sign_that_nobody_sees()
    {
        foreach (var text in Attacks.All.Select(attack => attack.Text).Append(Signs))
        {
            foreach (var place in Places)
                Readable(Answer.Read(With(place, text), Question, "m"), $"{place}: {text}");
        }
    }

    [Fact]
    public void Answers_of_any_text_and_any_change_of_a_true_one_are_read_without_a_fault()
    {
        var truth = Truth().ToJsonString();
        var change = Gen.Select(Gen.Int[0, truth.Length - 1], Gen.Int[0, 8], Gen.OneOf(Gen.String[0, 6], Gen.Int[0, 11].Select(i => ((string[])["\\ud800", "\"", "{", "}", "[", "]", ",", "null", "1e999", "-0", "\\u0000", "NaN"])[i])));
        var changed = change.Array[1, 6].Select(changes => changes.Aggregate(truth, (text, one) => text.Length == 0 ? one.Item3 : text[..(one.Item1 % text.Length)] + one.Item3 + text[Math.Min(text.Length, (one.Item1 % text.Length) + one.Item2)..]));
        var placed = Gen.Select(Gen.Int[0, Places.Length - 1], Gen.OneOf(Gen.String[0, 400], Gen.Const(Signs)), (place, text) => With(Places[place], text));
        Gen.OneOf(Gen.String[0, 300], changed, placed).Sample(text => Readable(Answer.Read(text, Question, "m"), text), iter: 3_000);
    }

    [Theory]
    [InlineData("\\ud800")]
    [InlineData("\\udc00 and more")]
    public void Half_a_character_by_its_escape_is_a_fault_of_form(string half)
    {
        foreach (var place in Places)
        {
            var heard = Answer.Read(With(place, "HALF").Replace("HALF", half, StringComparison.Ordinal), Question, "m");
            Readable(heard, place);
            if (place is "reason" or "reasons" or "claim" or "id")
                (heard.Opinion, heard.Malformed).ShouldBe((null, true), place);
        }
    }

    [Fact]
    public void The_reference_code_is_found_in_whatever_way_it_is_written()
    {
        var canary = Question.Canary;
        foreach (var told in (string[])[canary, canary.ToUpperInvariant(), string.Join('-', canary.ToCharArray()), string.Join(' ', canary.ToCharArray()), canary.Replace("-", " ", StringComparison.Ordinal), canary.Insert(5, "\u200B")])
        {
            foreach (var place in (string[])["reasons", "claim", "error_type", "another property", "around"])
                Answer.Read(With(place, told), Question, "m").ShouldSatisfyAllConditions(heard => heard.Opinion.ShouldBeNull(), heard => heard.Wrong!.ShouldContain("never to write"));
        }

        var escaped = string.Concat(canary.Select(c => $"\\u{(int)c:x4}"));
        Answer.Read(With("claim", "CODE").Replace("CODE", escaped, StringComparison.Ordinal), Question, "m").Wrong!.ShouldContain("never to write");
        Answer.Read(With("claim", "K-0123"), Question, "m").Opinion.ShouldNotBeNull();
    }

    [Fact]
    public void A_name_with_digits_excuses_no_number_but_itself()
    {
        var inquiry = Questions.Of();
        var prompt = Prompt.Of(inquiry with { Deployment = inquiry.Deployment with { Version = "9", PreviousVersion = "8" } });
        Heard Read(string reason)
        {
            var answer = Truth(prompt);
            answer["reasons"] = new JsonArray(reason);
            return Answer.Read(answer.ToJsonString(), prompt, "m");
        }

        Read("Version 9 sells less than version 8.").Wrong.ShouldBeNull();
        Read("Sales fell to 98.").Wrong!.ShouldContain("98");
        Read("Sales fell by 9.5 of 99.").Wrong!.ShouldContain("9.5");
        Read("Sales fell by 9%.").Wrong!.ShouldContain("9");
        Read("9 percent of the sales are lost, 9 % of all.").Wrong!.ShouldContain("9");
    }

    // ---- Where people and programs read it ----

    private sealed class Pages(WebApplication app) : IAsyncDisposable
    {
        public static async Task<Pages> Of(IDeployments deployments)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
            builder.Services.AddSingleton(deployments);
            builder.Services.AddSingleton<PinnedPolicy>((_, _) => ValueTask.FromResult<Judging.Policies.Policy?>(Questions.Policy("advise")));
            builder.Services.ConfigureHttpJsonOptions(json => Judging.Json.Apply(json.SerializerOptions, System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow));
            builder.Services.AddDashboard();
            builder.Services.Configure<DashboardOptions>(options => options.HasPolicy = true);
            var app = builder.Build();
            app.MapDashboard();
            app.MapDeploymentsApi();
            await app.StartAsync();
            return new Pages(app);
        }

        public async Task<string> Get(string path)
        {
            using var http = new HttpClient();
            using var answer = await http.GetAsync(app.Urls.First() + path);
            var text = await answer.Content.ReadAsStringAsync();
            if (path.Contains("/api/", StringComparison.Ordinal))
                answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
            answer.IsSuccessStatusCode.ShouldBeTrue($"{path}: {answer.StatusCode} {text}");
            return text;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }

    /// <summary>The tags of a page in their order, with the names of their attributes.</summary>
    private static string Tags(string html) =>
        string.Join('\n', Tag().Matches(html).Select(tag => $"{tag.Groups["name"].Value} {string.Join(' ', tag.Groups["attribute"].Captures.Select(attribute => attribute.Value))}"));

    // What begins like a tag and is no whole one.
    private static string[] Begun(string html) => [.. Declarations().Replace(Tag().Replace(html, ""), "").Split('<').Skip(1).Select(rest => rest.Length <= 80 ? rest : rest[..80])];

    private static void NothingForeign(string html, string why)
    {
        // Nothing that begins a tag is anything but a whole tag of ours.
        Begun(html).ShouldBeEmpty(why);
        foreach (Match tag in Tag().Matches(html))
        {
            tag.Groups["attribute"].Captures.Any(attribute => attribute.Value.StartsWith("on", StringComparison.OrdinalIgnoreCase) || attribute.Value == "srcdoc").ShouldBeFalse(why);
            tag.Value.ShouldNotContain("javascript:", Case.Insensitive, why);
            tag.Value.ShouldNotContain("evil.example/x\"", Case.Insensitive, why);
            if (tag.Groups["name"].Value.Equals("script", StringComparison.OrdinalIgnoreCase))
                tag.Value.ShouldContain("app.", Case.Sensitive, why);
        }

        html.All(c => c == '\n' || c == '\r' || c == '\t' || !char.IsControl(c)).ShouldBeTrue(why);
    }

    [Theory]
    [InlineData("reasons")]
    [InlineData("claim")]
    [InlineData("decision")]
    [InlineData("id")]
    [InlineData("alone")]
    public async Task Nothing_of_a_hostile_answer_stands_on_a_page_in_a_report_or_on_a_terminal_but_as_text(string place)
    {
        await using var server = await ModelServer.Start();
        server.Says = data =>
        {
            var answer = JsonNode.Parse(ModelServer.Truth("HOLD")(data))!.AsObject();
            var text = place == "alone" ? "" : With(place, Signs + new string('x', 15 * 1024 / (place is "reasons" ? 40 : 6)));
            if (place == "alone")
                return Signs + new string('x', 16 * 1024);
            var hostile = JsonNode.Parse(text)!.AsObject();
            var cited = hostile["evidence"]![0]!.AsObject();
            foreach (var name in (string[])["id", "value", "baseline"])
            {
                if (name != place)
                    cited[name] = answer["evidence"]![0]![name]?.DeepClone();
            }

            return hostile.ToJsonString();
        };
        var shop = new ShopSource();
        shop.Sales["2.0.0"] = 30;
        await using var world = await LoopWorld.Begin(ShopSource.Policy("advise").Replace("max: 2m", "max: 20s", StringComparison.Ordinal).Replace("after: 3m", "after: 10s", StringComparison.Ordinal), source: shop, reasoner: (store, clock) =>
        {
            var options = new ReasoningOptions(server.Url, "a-model") { Timeout = TimeSpan.FromSeconds(10) };
            return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), null, new Secrets(_ => null), clock);
        });
        var announced = await world.Announce("2.0.0");
        var done = await world.Run(announced.Id, deployment => deployment.State == "closed");
        server.Asked.ShouldNotBeEmpty();
        await using var pages = await Pages.Of(world.Desk);
        foreach (var path in (string[])[$"/d/{done.Id}", $"/d/{done.Id}/fragment", $"/d/{done.Id}.html", "/"])
        {
            var page = await pages.Get(path);
            NothingForeign(page, path);
            page.All(c => CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format).ShouldBeTrue(path);
        }

        (await pages.Get($"/d/{done.Id}.md")).ShouldNotContain("<script", Case.Insensitive);
        foreach (var path in (string[])[$"/d/{done.Id}.json", $"/api/v1/deployments/{done.Id}", $"/api/v1/deployments/{done.Id}/facts?limit=500"])
        {
            var json = await pages.Get(path);
            using var whole = JsonDocument.Parse(json);
            // The facts keep the answer as it came: escaped as JSON is, for programs.
            if (!path.Contains("/facts", StringComparison.Ordinal))
                json.ShouldNotContain("<script", Case.Insensitive, path);
            json.All(c => !char.IsControl(c)).ShouldBeTrue(path);
        }

        await using var told = await Answering.Start();
        told.With(JsonNode.Parse(await pages.Get($"/d/{done.Id}.json"))!);
        NothingForTerminals(await told.Run("explain", done.Id));
    }

    [Fact]
    public async Task Explain_prints_no_escape_sequence_even_of_a_document_that_no_server_of_ours_would_send()
    {
        var document = Documents.RolledBack();
        foreach (var name in (string[])["service", "environment", "version", "previous_version", "state", "closed_reason"])
            document[name] = Signs;
        var verdict = document["verdict"]!.AsObject();
        foreach (var name in (string[])["decision", "reasoning", "model", "judge"])
            verdict[name] = Signs;
        verdict["opinion"] = JsonSerializer.SerializeToNode(new { decision = Signs, confidence = 1, reasoning = Signs, grounded = false, model = Signs, metrics = (string[])[Signs] });
        document["notes"] = new JsonArray(Signs);
        document["contested"] = true;
        document["outcomes"] = new JsonArray(
            JsonSerializer.SerializeToNode(new { label = "GOOD", source = Signs, trust = 20, at = "2026-11-23T10:36:00.000Z", by = Signs, note = Signs, standing = false }),
            JsonSerializer.SerializeToNode(new { label = "BAD", source = Signs, trust = 60, at = "2026-11-23T10:36:00.000Z", by = Signs, note = Signs, standing = true }));
        await using var server = await Answering.Start();
        server.With(document);
        NothingForTerminals(await server.Run("explain", Documents.Id));
    }

    private static void NothingForTerminals(Ran ran)
    {
        ran.Code.ShouldBe(0, ran.Error);
        ran.Out.All(c => c == '\n' || !char.IsControl(c)).ShouldBeTrue();
        ran.Out.All(c => !(c >= '\u202A' && c <= '\u202E') && !(c >= '\u2066' && c <= '\u2069') && c != '\u2028' && c != '\u2029').ShouldBeTrue();
    }

    [Fact]
    public async Task No_attack_in_any_field_of_a_deployment_is_markup_on_its_pages()
    {
        var shown = new Shown();
        await using var pages = await Pages.Of(shown);
        async Task<string> Drawn(Attack attack)
        {
            var inquiry = Enum.GetValues<Field>().Aggregate(Questions.Of(), (one, field) => Attacks.Planted(one, attack, field));
            // Only http and https are links.
            shown.Deployment = inquiry.Deployment with
            {
                ChangeUrl = Uri.TryCreate(attack.Text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? "x" : attack.Text,
                Commit = attack.Text,
                Notes = [attack.Text],
                Verdict = inquiry.Deployment.Verdict! with { Reasoning = attack.Text, Opinion = new Opinion("HOLD", 1, attack.Text, false, attack.Text, [attack.Text]) },
                Verdicts = [new VerdictEntry("HOLD", false, inquiry.Deployment.StartedAt, attack.Text)],
                Outcome = new Outcome("BAD", "incident", inquiry.Deployment.StartedAt),
                Outcomes =
                [
                    new OutcomeLabel("GOOD", attack.Text, 20, inquiry.Deployment.StartedAt, attack.Text, attack.Text, false),
                    new OutcomeLabel("BAD", "incident", 60, inquiry.Deployment.StartedAt, attack.Text, attack.Text, true),
                ],
                Contested = true,
                Actions = [new ActionEntry("rollback", "failed", "k", attack.Text, attack.Text, inquiry.Deployment.StartedAt, null, attack.Text, null, attack.Text)],
            };
            var tags = "";
            foreach (var path in (string[])["/d/dep-1", "/d/dep-1.html", "/"])
            {
                var page = await pages.Get(path);
                Begun(page).ShouldBeEmpty($"{path}: {attack.Name}");
                tags += Tags(page) + "\n";
            }

            (await pages.Get("/d/dep-1.md")).AsSpan().ContainsAny('<', '>').ShouldBeFalse(attack.Name);
            return tags;
        }

        var plain = await Drawn(new Attack("none", "x", "HOLD"));
        foreach (var attack in Attacks.All.Append(new Attack("signs", Signs, "HOLD")))
            (await Drawn(attack)).ShouldBe(plain, attack.Name);
    }

    /// <summary>One deployment, whatever is asked for.</summary>
    private sealed class Shown : IDeployments
    {
        public Deployment Deployment { get; set; } = Questions.Of().Deployment;

        public Task<(AnnounceResult Result, Deployment? Deployment)> Announce(Announcing announcing, CancellationToken cancel) => throw new NotSupportedException();

        public Task<Deployment?> Get(string id, CancellationToken cancel) => Task.FromResult<Deployment?>(Deployment);

        public Task<DeploymentPage> List(DeploymentFilter filter, CancellationToken cancel) => Task.FromResult(new DeploymentPage([Deployment], null));

        public Task<EvidenceDocument?> Evidence(string id, CancellationToken cancel) => Task.FromResult<EvidenceDocument?>(new EvidenceDocument(1, []));

        public Task<IReadOnlyList<Fact>> Facts(string id, long afterSeq, int limit, CancellationToken cancel) => Task.FromResult<IReadOnlyList<Fact>>([]);

        public Task<Server.Loop.Answer> Act(string id, string kind, string by, string? reason, CancellationToken cancel) => throw new NotSupportedException();

        public Task<Server.Loop.Answer> Label(string id, string label, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

        public Task<Server.Loop.Answer> Label(string id, string label, string source, string by, string? note, CancellationToken cancel) => throw new NotSupportedException();

        public Task<ReplayAnswer?> Replay(string id, string? policy, string? model, string? judge, CancellationToken cancel) => throw new NotSupportedException();

        public IAsyncEnumerable<LiveEvent> Watch(string? id, CancellationToken cancel) => throw new NotSupportedException();
    }

    [GeneratedRegex("""<(?<name>/?[A-Za-z][A-Za-z0-9]*)(?:\s+(?<attribute>[A-Za-z][-A-Za-z0-9:]*)(?:="[^"<]*"|=[^\s"'<>]+)?)*\s*/?>""", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    [GeneratedRegex("<(?:!doctype html|!--!?-->)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Declarations();
}
