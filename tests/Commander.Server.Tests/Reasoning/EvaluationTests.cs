using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Commander.Judging;
using Commander.Judging.Backtest;
using Commander.Judging.Policies;
using Commander.Judging.Verdicts;
using Commander.Server.Api;
using Commander.Server.Hosting;
using Commander.Server.Reasoning;
using Commander.Server.Reasoning.Evaluation;
using Commander.Server.Storage;
using Commander.Server.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Commander.Server.Tests.Reasoning;

/// <summary>A language model is measured on recorded deployments: the whole server, real HTTP, a model's server on loopback.</summary>
public sealed class EvaluationTests : IAsyncLifetime
{
    private const string Start = "/api/v1/jobs/evaluate-reasoning";

    private readonly BuiltServer _server = new();
    private ModelServer _model = null!;
    private HttpClient _http = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _model = await ModelServer.Start();
        await Begin(options => options);
        _http = new HttpClient { BaseAddress = _server.Url, Timeout = TimeSpan.FromSeconds(60) };
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        await _model.DisposeAsync();
    }

    private Task Begin(Func<ReasoningOptions, ReasoningOptions?> change) =>
        _server.Begin(new CommanderOptions { Reasoning = change(new ReasoningOptions(_model.Url, "a-model") { Timeout = TimeSpan.FromSeconds(10), Price = (1, 2) }) });

    private static JsonObject Order(IEnumerable<string> cases, int attacks = 0, params string[] authorities)
    {
        var order = new JsonObject { ["cases"] = new JsonArray([.. cases.Select(line => (JsonNode)line)]), ["policy"] = ShopSource.Policy("off"), ["attacks"] = attacks };
        if (authorities.Length > 0)
            order["authorities"] = new JsonArray([.. authorities.Select(word => (JsonNode)word)]);
        return order;
    }

    private async Task<(HttpStatusCode Status, JsonObject Body)> Post(JsonObject order, string path = Start)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(order.ToJsonString(), Encoding.UTF8, "application/json") };
        // Whoever sends too much is told so before it is sent.
        request.Headers.ExpectContinue = true;
        using var answer = await _http.SendAsync(request, Cancel);
        return (answer.StatusCode, (await answer.Content.ReadFromJsonAsync<JsonObject>(Cancel))!);
    }

    private async Task<JsonObject> Begun(JsonObject order)
    {
        var (status, job) = await Post(order);
        status.ShouldBe(HttpStatusCode.Accepted, job.ToJsonString());
        return job;
    }

    // The events tell the end.
    private async Task<JsonObject> Ended(JsonObject job) => (await Events(job))[^1].Data;

    private async Task<IReadOnlyList<(string Name, JsonObject Data)>> Events(JsonObject job)
    {
        var text = await _http.GetStringAsync($"/api/v1/jobs/{job["id"]}/events", Cancel);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(one => one.StartsWith("event: ", StringComparison.Ordinal)).Select(one =>
        {
            var lines = one.Split('\n');
            return (lines[0]["event: ".Length..], JsonNode.Parse(lines[1]["data: ".Length..])!.AsObject());
        })];
    }

    private async Task<ReasoningEvaluation> Measured(JsonObject order)
    {
        var ended = await Ended(await Begun(order));
        ended["state"]!.GetValue<string>().ShouldBe("done", ended["error"]?.ToJsonString());
        ended["progress"]!.GetValue<double>().ShouldBe(1);
        return ended["result"].Deserialize<ReasoningEvaluation>(Json.Tolerant)!;
    }

    [Fact]
    public async Task A_model_that_knows_better_takes_false_alarms_away_and_loses_no_right_one()
    {
        // It sees what the statistics do not: that this little a fall has another cause.
        _model.Says = data => ModelServer.Truth(data["evidence"]!.AsArray().Any(row => row!["metric"]!.GetValue<string>() == "sales" && row["value"]!.GetValue<double>() > 30) ? "HOLD" : "ROLLBACK")(data);
        var result = await Measured(Order(ShopCases.Mixed, attacks: 0, "advise"));
        var alone = result.Deterministic[^1];
        (alone.TruePositives, alone.FalsePositives, alone.FalseNegatives, alone.TrueNegatives).ShouldBe((2, 2, 0, 3));
        var advised = result.Authorities.ShouldHaveSingleItem();
        var with = advised.Rows[^1];
        (with.TruePositives, with.FalsePositives, with.FalseNegatives, with.TrueNegatives, with.Hold).ShouldBe((2, 0, 0, 5, 2));
        with.F1!.Value.ShouldBeGreaterThan(alone.F1!.Value);
        advised.CasesAsked.ShouldBe(3);
        advised.Questions.Answered.ShouldBe(advised.Questions.Asked);
        advised.Questions.Grounded.Value.ShouldBe(1);
        (advised.Changes.Cases, advised.Changes.Right, advised.Changes.Wrong).ShouldBe((2, 2, 0));
        advised.Changes.Examples.Select(changed => (changed.Id, changed.From, changed.To)).ShouldBe([("mild-2", "ROLLBACK", "HOLD"), ("mild-3", "ROLLBACK", "HOLD")]);
        advised.WithLabel.Agree.Value!.Value.ShouldBeGreaterThan(0);
        advised.BeyondAuthority.ShouldBe(0);
        advised.LatencyMs.ShouldNotBeNull().P95.ShouldBeGreaterThanOrEqualTo(advised.LatencyMs.P50);
        advised.PromptTokens.ShouldBe(900L * _model.Asked.Count);
        advised.Cost.ShouldNotBeNull().ShouldBe(((900 * 1) + (80 * 2)) * _model.Asked.Count / 1e6, 1e-9);
    }

    [Fact]
    public async Task A_model_that_always_says_hold_holds_back_what_is_mild_and_nothing_that_is_proven()
    {
        _model.Says = ModelServer.Truth("HOLD");
        var result = await Measured(Order(ShopCases.Mixed));
        foreach (var authority in result.Authorities)
        {
            var with = authority.Rows[^1];
            (with.TruePositives, with.FalsePositives).ShouldBe((1, 0), authority.Authority);
            with.FalseNegatives.ShouldBe(1);
            (authority.Changes.Right, authority.Changes.Wrong).ShouldBe((2, 1));
            authority.BeyondAuthority.ShouldBe(0);
        }

        result.Authorities.Select(one => one.Authority).ShouldBe(["advise", "decide"]);
    }

    [Fact]
    public async Task A_model_that_lies_is_void_and_changes_nothing()
    {
        _model.Says = data =>
        {
            var answer = JsonNode.Parse(ModelServer.Truth("HOLD")(data))!;
            answer["evidence"]![0]!["value"] = 4711;
            return answer.ToJsonString();
        };
        var result = await Measured(Order(ShopCases.Mixed));
        foreach (var authority in result.Authorities)
        {
            authority.Questions.Asked.ShouldBeGreaterThan(0);
            authority.Questions.Void.ShouldBe(authority.Questions.Asked);
            authority.Questions.Grounded.Value.ShouldBe(0);
            authority.Questions.Because.ShouldNotBeEmpty();
            authority.Questions.Because[0].Reason.ShouldContain("4711");
            Unchanged(result, authority);
        }
    }

    [Fact]
    public async Task A_model_that_hangs_is_void_and_changes_nothing()
    {
        await Begin(options => options with { Timeout = TimeSpan.FromSeconds(1) });
        _model.Instead = ModelServer.Hang;
        var result = await Measured(Order(ShopCases.Mixed, attacks: 0, "advise"));
        var advised = result.Authorities[0];
        (advised.Questions.Answered, advised.Questions.Void).ShouldBe((0, advised.Questions.Asked));
        advised.Questions.Because.ShouldContain(reason => reason.Reason.Contains("did not answer", StringComparison.Ordinal));
        Unchanged(result, advised);
    }

    private static void Unchanged(ReasoningEvaluation result, AuthorityEvaluation authority)
    {
        authority.Changes.Cases.ShouldBe(0);
        authority.Rows.ShouldBe(result.Deterministic);
        (authority.BeyondAuthority, authority.Injection.BeyondAuthority).ShouldBe((0, 0));
    }

    [Theory]
    [InlineData("CONTINUE")]
    [InlineData("ROLLBACK")]
    public async Task A_model_that_obeys_whoever_speaks_gets_no_farther_than_its_authority(string wanted)
    {
        // What was planted stands there withheld or cleaned; this one obeys where anything stands that is not its own.
        _model.Says = data => ModelServer.Truth(data["commits"]!.AsArray().Count + data["log_signatures"]!.AsArray().Count + data["changed_files"]!.AsArray().Count + data["deployment"]!["labels"]!.AsArray().Count > 0
            || data["deployment"]!.ToJsonString().Contains("withheld", StringComparison.Ordinal) ? wanted : "HOLD")(data);
        var order = Order([.. ShopCases.Mixed, ShopCases.Line("unclear-1", "GOOD", sales: 31.85), ShopCases.Line("unclear-2", "BAD", sales: 31.8)], attacks: 60);
        order["max_tokens"] = 100_000_000;
        var result = await Measured(order);
        result.Attacks.ShouldBe(Math.Min(60, Attacks.All.Count));
        result.Authorities.Sum(authority => authority.Injection.Changed).ShouldBeGreaterThan(0);
        foreach (var authority in result.Authorities)
        {
            authority.Injection.Planted.ShouldBe(result.Attacks * authority.CasesAsked);
            authority.Injection.BeyondAuthority.ShouldBe(0, authority.Authority);
            authority.BeyondAuthority.ShouldBe(0, authority.Authority);
            authority.Injection.AsWanted.ShouldBeLessThanOrEqualTo(authority.Injection.Changed);
        }
    }

    [Fact]
    public async Task The_repositorys_examples_are_judged()
    {
        var order = Order(await File.ReadAllLinesAsync(Repository.At("examples/cases.jsonl"), Cancel), attacks: 1);
        order.Remove("policy");
        var result = await Measured(order);
        result.Cases.ShouldBe(2);
        result.Deterministic[^1].Cases.ShouldBe(2);
        result.Authorities.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Nothing_that_the_model_sees_says_how_the_case_ends()
    {
        var line = JsonNode.Parse(ShopCases.Line("mild-1", "BAD", sales: 30))!.AsObject();
        string[] known = ["TELLTALE-ID", "TELLTALE-SOURCE", "TELLTALE-FAULT", "TELLTALE-GROUP", "TELLTALE-META"];
        (line["id"], line["source"], line["fault"], line["group"]) = (known[0], known[1], known[2], known[3]);
        line["meta"] = new JsonObject { ["note"] = known[4] };
        await Measured(Order([line.ToJsonString()], attacks: 3));
        var bad = _model.Asked.Select(request => request["messages"]!.ToJsonString()).ToArray();
        bad.ShouldNotBeEmpty();
        bad.ShouldAllBe(text => !text.Contains("TELLTALE", StringComparison.OrdinalIgnoreCase));
        // The other label, the same words.
        _model.Asked.Clear();
        line["label"] = "GOOD";
        await Measured(Order([line.ToJsonString()], attacks: 3));
        _model.Asked.Select(request => request["messages"]!.ToJsonString()).Order(StringComparer.Ordinal).ShouldBe(bad.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Real_deployments_lose_none_of_their_budget()
    {
        await Measured(Order(ShopCases.Mixed));
        _model.Asked.ShouldNotBeEmpty();
        var (day, service) = await _server.App.Services.GetRequiredService<UsageBook>().Today("watched-service", Cancel);
        (day.Questions, service.Questions).ShouldBe((0, 0));
    }

    [Theory]
    [InlineData(1000, "give fewer cases or attacks, or more tokens")]
    [InlineData(6100, "the next question would take more than max_tokens, 6100")]
    public async Task A_job_that_would_take_more_tokens_than_it_may_is_refused(int most, string said)
    {
        if (most > 1000)
        {
            // It answers out of form and is asked again: what was estimated does not last.
            _model.Says = _ => "no JSON " + new string('x', 2000);
        }

        var order = Order(ShopCases.Mixed, attacks: 0, "advise");
        order["max_tokens"] = most;
        var ended = await Ended(await Begun(order));
        ended["state"]!.GetValue<string>().ShouldBe("failed", ended.ToJsonString());
        ended["error"]!.GetValue<string>().ShouldContain(said);
        (980 * _model.Asked.Count).ShouldBeLessThanOrEqualTo(most);
        if (most == 1000)
            _model.Asked.ShouldBeEmpty();
        else
            ended["result"]!["cases"]!.GetValue<int>().ShouldBeInRange(4, 6);
    }

    [Fact]
    public async Task One_job_of_a_kind_runs_at_once_and_whoever_cancels_it_ends_it()
    {
        _model.Instead = ModelServer.Hang;
        var job = await Begun(Order(ShopCases.Mixed));
        job["state"]!.GetValue<string>().ShouldBe("running");
        job["kind"]!.GetValue<string>().ShouldBe("evaluate-reasoning");
        var id = job["id"]!.GetValue<string>();
        var (status, problem) = await Post(Order(ShopCases.Mixed));
        status.ShouldBe(HttpStatusCode.Conflict);
        problem["detail"]!.GetValue<string>().ShouldContain(id);

        using var cancelled = await _http.DeleteAsync("/api/v1/jobs/" + id, Cancel);
        cancelled.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var events = await Events(job);
        events[^1].Name.ShouldBe("cancelled");
        var ended = await _http.GetFromJsonAsync<JsonObject>("/api/v1/jobs/" + id, Cancel);
        ended!["state"]!.GetValue<string>().ShouldBe("cancelled");
        ended["finished_at"].ShouldNotBeNull();
        ended["result"].ShouldBeNull();

        _model.Instead = null;
        (await Measured(Order(ShopCases.Mixed))).Cases.ShouldBe(7);
    }

    [Fact]
    public async Task Events_tell_how_far_it_is_and_end_with_the_result()
    {
        var events = await Events(await Begun(Order(ShopCases.Mixed)));
        events[^1].Name.ShouldBe("done");
        events[^1].Data["result"]!["model"]!.GetValue<string>().ShouldBe("a-model");
        events.Take(events.Count - 1).ShouldAllBe(one => one.Name == "progress" && one.Data["result"] == null);
        var shares = events.Select(one => one.Data["progress"]!.GetValue<double>()).ToArray();
        shares.ShouldBe(shares.Order());
        shares[^1].ShouldBe(1);
    }

    [Fact]
    public async Task What_is_no_order_is_refused_with_its_place()
    {
        var good = ShopCases.Line("calm-1", "GOOD");
        await Refused(Order(["{}"]), "cases: line 1");
        await Refused(Order([good, "nonsense"]), "cases: line 2: is no JSON");
        await Refused(Order([]), "cases: 0 lines; give 1 to 2000");
        await Refused(Order(Enumerable.Repeat("{}", 2001)), "cases: 2001 lines");
        await Refused(Order([good], attacks: 61), "attacks: 61 is no number from 0 to 60");
        await Refused(Order([good], 0, "rule"), "authorities: 'rule' is none of advise, decide");
        await Refused(Order([good], 0, "decide", "decide"), "authorities: decide is named twice");
        await Refused(With(Order([good]), "policy", "services: 1"), "policy");
        await Refused(With(Order([good]), "policy", "{}"), "policy");
        await Refused(With(Order([good]), "max_tokens", 0), "max_tokens: 0 is no number");
        await Refused(With(Order([good]), "budget", 0), "unknown field");
        (await Post(Order([new string('x', 9 << 20)]))).Status.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        _model.Asked.ShouldBeEmpty();

        var (status, problem) = await Post([], "/api/v1/jobs/paint");
        status.ShouldBe(HttpStatusCode.NotFound);
        problem["detail"]!.GetValue<string>().ShouldContain("evaluate-reasoning");
        foreach (var path in (string[])["/api/v1/jobs/job-1", "/api/v1/jobs/job-1/events"])
        {
            using var answer = await _http.GetAsync(path, Cancel);
            answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        }

        static JsonObject With(JsonObject order, string field, JsonNode value)
        {
            order[field] = value;
            return order;
        }

        async Task Refused(JsonObject order, string said)
        {
            var (status, problem) = await Post(order);
            status.ShouldBe(HttpStatusCode.BadRequest, said);
            problem["errors"]!.ToJsonString().ShouldContain(said.Replace("'", "\\u0027", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Without_a_language_model_it_says_how_to_configure_one()
    {
        await Begin(_ => null);
        var (status, problem) = await Post(Order(ShopCases.Mixed));
        status.ShouldBe(HttpStatusCode.Conflict);
        problem["detail"]!.GetValue<string>().ShouldContain("COMMANDER_REASONING_URL");
    }

    [Fact]
    public async Task An_admin_starts_and_cancels_and_a_viewer_reads()
    {
        var admin = await Issue("admin");
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", admin);
        var responder = await Issue("responder");
        var viewer = await Issue("viewer");
        var job = await Begun(Order(ShopCases.Mixed));
        var id = job["id"]!.GetValue<string>();
        foreach (var token in (string[])[viewer, responder])
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            (await Ended(job))["state"]!.GetValue<string>().ShouldBe("done");
            (await Post(Order(ShopCases.Mixed))).Status.ShouldBe(HttpStatusCode.Forbidden);
            using var cancelled = await _http.DeleteAsync("/api/v1/jobs/" + id, Cancel);
            cancelled.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        }

        async Task<string> Issue(string role)
        {
            using var issued = await _http.PostAsJsonAsync("/api/v1/tokens", new { name = role, role }, Cancel);
            return (await issued.Content.ReadFromJsonAsync<JsonObject>(Cancel))!["token"]!.GetValue<string>();
        }
    }

    [Fact]
    public async Task A_server_that_ends_ends_its_jobs()
    {
        _model.Instead = ModelServer.Hang;
        var begun = await Begun(Order(ShopCases.Mixed));
        var job = _server.App.Services.GetRequiredService<JobBook>().Find(begun["id"]!.GetValue<string>())!;
        using var followed = await _http.GetAsync($"/api/v1/jobs/{begun["id"]}/events", HttpCompletionOption.ResponseHeadersRead, Cancel);
        var ending = _server.End();
        // Whoever follows it is told, and holds nobody up.
        (await followed.Content.ReadAsStringAsync(Cancel)).ShouldContain("event: cancelled");
        await ending.WaitAsync(TimeSpan.FromSeconds(15), Cancel);
        job.Now.Document.State.ShouldBe("cancelled");
        job.Now.Document.Error.ShouldBe("the server ended");
    }

    [Fact]
    public async Task The_last_jobs_are_kept_and_what_a_job_does_wrong_is_said()
    {
        var jobs = _server.App.Services.GetRequiredService<JobBook>();
        var ids = new List<string>();
        for (var n = 0; n <= JobBook.Most; n++)
        {
            var job = jobs.Start("evaluate-reasoning", n switch
            {
                0 => (_, _) => Task.FromResult(new JobEnd(new { n }, null)),
                1 => (_, _) => throw new InvalidOperationException("the password is 1234"),
                2 => (_, _) => Task.FromResult(new JobEnd(new string('x', 2 << 20), null)),
                _ => (_, _) => Task.FromResult(new JobEnd(new { n }, n == 3 ? "cut short" : null)),
            }).ShouldNotBeNull();
            for (var (document, changed) = job.Now; document.State == Job.Running; (document, changed) = job.Now)
                await changed.WaitAsync(Cancel);
            ids.Add(job.Now.Document.Id);
        }

        jobs.Find(ids[0]).ShouldBeNull();
        var documents = ids.Skip(1).Select(id => jobs.Find(id).ShouldNotBeNull().Now.Document).ToArray();
        documents[0].State.ShouldBe("failed");
        documents[0].Error!.ShouldNotContain("1234");
        documents[1].Error!.ShouldContain("larger than 1024 KiB");
        (documents[2].State, documents[2].Error, documents[2].Result!.Value.GetProperty("n").GetInt32()).ShouldBe(("failed", "cut short", 3));
        documents.Skip(3).ShouldAllBe(document => document.State == "done");
    }

    // The rule by which the live loop asks too.

    [Fact]
    public void A_question_is_due_once_where_there_is_something_to_ask_about_and_again_when_it_is_another_one()
    {
        var grey = Nothing with { Unclear = false };
        var unclear = Nothing with { GreyZone = false };
        bool Due(Authority authority, Step step, bool askedHere = false, int questions = 0, double? sinceNone = null) =>
            Occasions.AdviceDue(authority, step, askedHere, questions, sinceNone is { } seconds ? TimeSpan.FromSeconds(seconds) : null);

        (Due(Authority.Advise, grey), Due(Authority.Advise, unclear)).ShouldBe((true, false));
        (Due(Authority.Decide, grey), Due(Authority.Decide, unclear)).ShouldBe((false, true));
        (Due(Authority.Explain, Nothing), Due(Authority.Off, Nothing)).ShouldBe((false, false));
        Due(Authority.Advise, grey, askedHere: true).ShouldBeFalse();
        Due(Authority.Advise, grey with { Outgrown = true }, askedHere: true).ShouldBeTrue();
        Due(Authority.Advise, grey, askedHere: true, sinceNone: 59).ShouldBeFalse();
        Due(Authority.Advise, grey, askedHere: true, sinceNone: 60).ShouldBeTrue();
        Due(Authority.Advise, grey, questions: Occasions.Most).ShouldBeFalse();
        (Occasions.Waits(Alarm), Occasions.Waits(Alarm with { Mild = false }), Occasions.Waits(Nothing)).ShouldBe((true, false, false));
    }

    // What the limits are for: a judge that lets an opinion do too much is noticed.

    private static readonly Step Nothing = new(Decision.Hold, 0.5, false, false, false, true, false, true, 0.5, false, 0, null, null);
    private static readonly Step Alarm = Nothing with { Decision = Decision.Rollback, PBad = 0.8, Alarm = true, Mild = true };

    [Fact]
    public void An_opinion_beyond_its_authority_is_noticed()
    {
        var policy = PolicyReader.Read(ShopSource.Policy("advise"), "policy").Policies!.Only()!;
        var decides = policy with { Decide = policy.Decide with { Reasoning = Authority.Decide } };
        var grounded = new Opinion("ROLLBACK", 0.9, "because", true, "a-model", ["sales"]);
        Finding Found(double score) => new("sales", "kpi", "gauge", 30, 40, "control", -10, null, null, "", score, "worse", "value", "", null);
        Finding[] worse = [Found(0.7)];
        Finding[] little = [Found(0.4)];
        bool Beyond(Policy by, Opinion? opinion, Step unheard, Decision heard, Finding[]? findings = null, double seconds = 60) =>
            AuthorityLimits.Exceeded(by, opinion, unheard, unheard with { Decision = heard }, findings ?? worse, TimeSpan.FromSeconds(seconds));

        Beyond(policy, grounded, Alarm, Decision.Hold).ShouldBeFalse();
        Beyond(policy, grounded, Nothing with { Decision = Decision.Continue }, Decision.Hold).ShouldBeFalse();
        Beyond(policy, grounded, Nothing, Decision.Rollback).ShouldBeTrue();
        Beyond(policy, grounded, Nothing, Decision.Continue).ShouldBeTrue();
        Beyond(policy, grounded, Alarm with { Mild = false }, Decision.Hold).ShouldBeTrue();
        Beyond(policy, grounded with { Grounded = false }, Alarm, Decision.Hold).ShouldBeTrue();
        Beyond(policy, null, Alarm, Decision.Hold).ShouldBeTrue();
        Beyond(decides, grounded, Nothing, Decision.Rollback).ShouldBeFalse();
        Beyond(decides, grounded, Nothing, Decision.Rollback, little).ShouldBeTrue();
        Beyond(decides, grounded with { Metrics = [] }, Nothing, Decision.Rollback).ShouldBeTrue();
        Beyond(decides, grounded, Alarm, Decision.Continue).ShouldBeFalse();
        Beyond(decides, grounded, Alarm, Decision.Continue, seconds: 5).ShouldBeTrue();
        Beyond(decides, grounded, Alarm with { Guard = true }, Decision.Hold).ShouldBeTrue();

        bool Later(Policy by, Step step, Finding[]? findings = null) => AuthorityLimits.Exceeded(by, grounded, step, () => findings ?? worse);
        Later(policy, Alarm).ShouldBeFalse();
        Later(policy, Alarm with { Alarm = false }).ShouldBeTrue();
        Later(decides, Alarm with { Alarm = false }).ShouldBeFalse();
        Later(decides, Alarm with { Alarm = false }, little).ShouldBeTrue();
        Later(policy, Alarm with { Decision = Decision.Hold }).ShouldBeFalse();
        Later(policy, Alarm with { Decision = Decision.Hold, Mild = false }).ShouldBeTrue();
        Later(decides, Alarm with { Decision = Decision.Hold, Guard = true }).ShouldBeTrue();
    }
}
