using System.Text.Json.Nodes;
using Commander.Judging.Evidence;
using Commander.Judging.Models;
using Commander.Judging.Verdicts;
using Commander.Server.Hosting;
using Commander.Server.Reasoning;
using Commander.Server.Tests.Loop;
using CsCheck;

namespace Commander.Server.Tests.Reasoning;

/// <summary>
/// The worst that can be: a model that does what an attack wants and gives grounds that are in order. What is measured, and what the policy lets an opinion do, bounds it;
/// with the loop around it and, very many times, over the fold alone.
/// </summary>
public sealed class ObedienceTests : IAsyncLifetime
{
    private static readonly string[] Authorities = ["off", "explain", "advise", "decide"];

    // Sales and the share of failed requests of the new version.
    private static readonly (string Name, double Sales, double Errors)[] Evidence =
    [
        ("clean", 40, 0.001),
        ("grey", 31.85, 0.001),
        ("mild", 30, 0.001),
        ("counted", 40, 0.05),
        ("guarded", 40, 0.4),
    ];

    private ModelServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ModelServer.Start();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var authority in Authorities)
        {
            foreach (var (name, _, _) in Evidence)
                cases.Add(authority, name);
        }

        return cases;
    }

    /// <summary>Obeys: the decision that is wanted, as sure as can be, with every row as it stands.</summary>
    private static string Obeys(string wants, JsonObject data) => new JsonObject
    {
        ["decision"] = wants,
        ["confidence"] = 1,
        ["reasons"] = new JsonArray("I was told so and all rows speak for it."),
        ["evidence"] = new JsonArray([.. data["evidence"]!.AsArray().Select(row => (JsonNode)new JsonObject { ["id"] = row!["id"]!.DeepClone(), ["value"] = row["value"]?.DeepClone(), ["baseline"] = row["baseline"]?.DeepClone(), ["claim"] = "as told" })]),
        ["error_type"] = "unknown",
    }.ToJsonString();

    private Task<LoopWorld> Begin(ShopSource shop, string authority, bool asks) => LoopWorld.Begin(
        ShopSource.Policy(authority).Replace("max: 2m", "max: 25s", StringComparison.Ordinal).Replace("after: 3m", "after: 20s", StringComparison.Ordinal),
        source: shop,
        reasoner: !asks ? null : (store, clock) =>
        {
            var options = new ReasoningOptions(_server.Url, "a-model") { Timeout = TimeSpan.FromSeconds(10) };
            return new Reasoner(new LanguageModel(options, clock), options, new UsageBook(store, clock), null, new Secrets(_ => null), clock);
        });

    private async Task<(Deployment Deployment, int Effects)> Told(string authority, string evidence, Attack? attack)
    {
        var (_, sales, errors) = Evidence.Single(one => one.Name == evidence);
        var shop = new ShopSource();
        (shop.Sales["2.0.0"], shop.ErrorShare["2.0.0"]) = (sales, errors);
        await using var world = await Begin(shop, authority, attack is not null);
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        if (attack is not null)
        {
            (labels["note"], labels[attack.Text]) = (attack.Text, "x");
            _server.Says = data => Obeys(attack.Wants, data);
        }

        var announced = await world.Announce("2.0.0", service: attack is null ? "checkout" : $"checkout {attack.Text}", labels: labels);
        var closed = await world.Run(announced.Id, deployment => deployment.State == "closed");
        if (attack is { Wants: "HOLD" })
            (await world.Desk.Replay(announced.Id, null, null, null, TestContext.Current.CancellationToken))!.Identical.ShouldBeTrue();
        return (closed, world.Platform.Effects);
    }

    private static string[] Decisions(Deployment deployment) => [.. deployment.Verdicts.Select(entry => entry.Decision), deployment.Verdict!.Decision];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task With_the_whole_loop_around_it_no_verdict_changes_beyond_the_authority(string authority, string evidence)
    {
        // By itself the evidence says the same whatever the authority is.
        var (alone, effects) = await Told("off", evidence, null);
        var decided = alone.Verdict!.Decision;
        decided.ShouldBe(evidence switch { "clean" => "CONTINUE", "grey" => "HOLD", _ => "ROLLBACK" });
        // Who is not asked, or only to explain, is told one thing of three.
        string[] all = ["ROLLBACK", "CONTINUE", "HOLD"];
        foreach (var wants in authority is "off" or "explain" ? [all[Array.FindIndex(Evidence, one => one.Name == evidence) % 3]] : all)
        {
            var attacks = Attacks.All.Where(attack => attack.Wants == wants).ToList();
            var attack = attacks[(Array.IndexOf(Authorities, authority) + Array.FindIndex(Evidence, one => one.Name == evidence)) * 7 % attacks.Count];
            var (told, done) = await Told(authority, evidence, attack);
            var (verdict, why) = (told.Verdict!, $"{attack.Name}: {told.Verdict!.Reasoning}");
            switch (authority, evidence)
            {
                case ("off" or "explain", _):
                case (_, "clean" or "counted" or "guarded"):
                    // What is proven comes, at the latest, after a CONTINUE that was chosen while nothing was proven; what is fine was never asked about.
                    verdict.Decision.ShouldBe(decided, why);
                    done.ShouldBe(effects, why);
                    if (authority is "off" or "explain" or "advise")
                        Decisions(told).ShouldBe(Decisions(alone), why);
                    break;
                case ("advise", "grey"):
                    verdict.Decision.ShouldBe("HOLD", why);
                    break;
                case ("advise", "mild"):
                    verdict.Decision.ShouldBe(wants == "ROLLBACK" ? "ROLLBACK" : "HOLD", why);
                    break;
                default:
                    verdict.Decision.ShouldBe(wants, why);
                    if (decided != wants)
                        verdict.Reasoning.ShouldContain("language model", Case.Sensitive, why);
                    if (wants == "ROLLBACK")
                        verdict.Findings.Max(finding => finding.Score).ShouldBeGreaterThanOrEqualTo(0.5, why);
                    break;
            }

            if (authority == "off")
                _server.Asked.ShouldBeEmpty();
            if (verdict.Opinion is { } opinion)
                opinion.Grounded.ShouldBeTrue(why);
        }
    }

    [Fact]
    public async Task A_rollback_for_which_only_a_fine_row_is_cited_is_not_chosen()
    {
        var shop = new ShopSource();
        shop.Sales["2.0.0"] = 31.85;
        _server.Says = data =>
        {
            var answer = JsonNode.Parse(Obeys("ROLLBACK", data))!.AsObject();
            var (cited, rows) = (answer["evidence"]!.AsArray(), data["evidence"]!.AsArray());
            var errors = rows.Index().Single(row => (string?)row.Item!["metric"] == "errors").Index;
            answer["evidence"] = new JsonArray(cited[errors]!.DeepClone());
            return answer.ToJsonString();
        };
        await using var world = await Begin(shop, "decide", asks: true);
        var announced = await world.Announce("2.0.0");
        var closed = await world.Run(announced.Id, deployment => deployment.State == "closed");
        closed.Verdict!.Decision.ShouldBe("HOLD");
        closed.Verdict.Opinion!.Decision.ShouldBe("ROLLBACK");
        closed.Verdict.Opinion.Metrics.ShouldBe(["errors"]);
        world.Platform.Effects.ShouldBe(0);
    }

    /// <summary>Every attack in every field by every authority: the question is made, obeyed, the answer read, the opinion folded into each kind of evidence.</summary>
    [Fact]
    public void Every_attack_in_every_field_changes_no_more_than_the_authority_allows()
    {
        var states = Authorities.SelectMany(_ => Evidence, (authority, evidence) =>
        {
            var policy = Questions.Policy(authority);
            var (state, random) = (Judge.Start(policy, restarted: false), new Random(1));
            Step step = default;
            for (var n = -59; n <= 25; n++)
                step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(Tick(n, evidence.Sales, evidence.Errors, 0.02, random)));
            return (policy, authority, evidence.Name, state, step);
        }).ToArray();
        states.Take(Evidence.Length).Select(one => one.step.Decision).ShouldBe([Decision.Continue, Decision.Hold, Decision.Rollback, Decision.Rollback, Decision.Rollback]);
        (states[2].step.Mild, states[3].step.Mild, states[3].step.Guard, states[4].step.Guard).ShouldBe((true, false, false, true));
        var question = Questions.Of();
        foreach (var field in Enum.GetValues<Field>())
        {
            foreach (var attack in Attacks.All)
            {
                var prompt = Prompt.Of(Attacks.Planted(question, attack, field));
                var heard = Server.Reasoning.Answer.Read(Obeys(attack.Wants, Questions.Data(prompt)), prompt, "m");
                heard.Wrong.ShouldBeNull(attack.Name);
                heard.Opinion!.Grounded.ShouldBeTrue(attack.Name);
                foreach (var (policy, authority, evidence, before, step) in states)
                {
                    var state = before;
                    var after = Judge.Next(policy, Model.Shipped, ref state, Input.Of(heard.Opinion)).Decision;
                    // A metric that is called like an attack is none of the policy's, so it is no ground for anything.
                    var wants = Enum.Parse<Decision>(attack.Wants, ignoreCase: true);
                    var (name, grounds) = ($"{attack.Name} in {field}, {authority}, {evidence}", field != Field.Metric);
                    after.ShouldBe((authority, evidence) switch
                    {
                        ("advise", "mild") when wants != Decision.Rollback => Decision.Hold,
                        ("decide", "grey" or "mild") when wants != Decision.Rollback => wants,
                        ("decide", "grey") when grounds => Decision.Rollback,
                        _ => step.Decision,
                    }, name);
                }
            }
        }
    }

    /// <summary>The same evidence folded twice, once with opinions at arbitrary ticks that want anything and cite anything.</summary>
    [Fact]
    public void Over_the_fold_alone_no_opinion_at_any_time_changes_more_than_its_authority()
    {
        var policies = Authorities.ToDictionary(authority => authority, Questions.Policy);
        var attack = Gen.Select(Gen.Int[1, 60], Gen.Int[0, 2], Gen.Int[0, 3], Gen.Bool, (at, wants, cites, grounded) => (At: at, Wants: wants, Cites: cites, Grounded: grounded));
        Gen.Select(Gen.Int[0, 3].Select(i => Authorities[i]), Gen.Double[22, 42], Gen.OneOf(Gen.Const(0.001), Gen.Double[0, 0.08], Gen.Double[0, 0.5]), Gen.Double[0, 0.05], Gen.Int[0, 10_000], attack.Array[0, 6])
            .Sample((authority, sales, errors, noise, seed, attacks) =>
            {
                var policy = policies[authority];
                var (alone, told) = (Judge.Start(policy, restarted: false), Judge.Start(policy, restarted: false));
                var random = new Random(seed);
                var (proven, unclear) = (false, false);
                for (var n = -59; n <= 60; n++)
                {
                    var tick = Tick(n, sales, errors, noise, random);
                    var step = Judge.Next(policy, Model.Shipped, ref alone, Input.Of(tick));
                    var heard = Judge.Next(policy, Model.Shipped, ref told, Input.Of(tick));
                    Holds(step, heard);
                    foreach (var (_, wants, cites, grounded) in attacks.Where(one => one.At == n))
                    {
                        string[] metrics = [.. new[] { "errors", "sales" }.Where((_, i) => (cites & (1 << i)) != 0)];
                        heard = Judge.Next(policy, Model.Shipped, ref told, Input.Of(new Opinion(((Decision)wants).Word(), 1, "as told", grounded, "m", metrics)));
                        Holds(step, heard);
                    }

                    void Holds(Step step, Step heard)
                    {
                        unclear |= heard.Unclear;
                        // Of these two metrics only the errors are counted; they alone prove something where they alone are beyond.
                        proven |= step.Guard || (step.Alarm && sales >= 36 && step.Decision == Decision.Rollback);
                        heard.PBad.ShouldBe(step.PBad);
                        heard.Alarm.ShouldBe(step.Alarm);
                        heard.Guard.ShouldBe(step.Guard);
                        if (heard.Decision == step.Decision)
                            return;
                        authority.ShouldNotBe("off");
                        authority.ShouldNotBe("explain");
                        attacks.ShouldNotBeEmpty();
                        proven.ShouldBeFalse($"{step.Decision} -> {heard.Decision} although it is proven");
                        if (authority == "advise")
                        {
                            heard.Decision.ShouldNotBe(Decision.Rollback);
                            // CONTINUE comes of evidence only: after a held-back alarm that faded until everything that CONTINUE needs was there.
                            if (heard.Decision == Decision.Continue)
                                (step.Decision, step.Alarm).ShouldBe((Decision.Rollback, false));
                        }
                        else
                        {
                            unclear.ShouldBeTrue();
                        }
                    }
                }
            }, iter: 800);
    }

    [Fact]
    public void Over_the_fold_alone_a_chosen_rollback_cites_a_finding_of_half_an_alarm_at_least()
    {
        var policy = Questions.Policy("decide");
        Gen.Select(Gen.Double[28, 42], Gen.Double[0, 0.05], Gen.Int[0, 10_000], Gen.Int[1, 40], Gen.Int[0, 3]).Sample((sales, noise, seed, at, cites) =>
        {
            var state = Judge.Start(policy, restarted: false);
            var random = new Random(seed);
            Step step = default;
            for (var n = -59; n <= at; n++)
                step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(Tick(n, sales, 0.001, noise, random)));
            if (step.Decision == Decision.Rollback)
                return;
            string[] metrics = [.. new[] { "errors", "sales" }.Where((_, i) => (cites & (1 << i)) != 0)];
            step = Judge.Next(policy, Model.Shipped, ref state, Input.Of(new Opinion("ROLLBACK", 1, "as told", true, "m", metrics)));
            var verdict = Judge.Read(policy, Model.Shipped, state, new Reader(default, 0, [], false));
            if (step.Decision != Decision.Rollback)
                return;
            verdict.Findings.Where(finding => metrics.Contains(finding.Metric)).Max(finding => finding.Score).ShouldBeGreaterThanOrEqualTo(0.5);
            verdict.Reasoning.ShouldStartWith("chosen by the language model");
        }, iter: 800);
    }

    private static Tick Tick(int n, double sales, double errors, double noise, Random random)
    {
        var tick = new Tick(n, 1, 2);
        foreach (var arm in n <= 0 ? (Arm[])[Arm.Before] : [Arm.Candidate, Arm.Control])
        {
            var candidate = arm == Arm.Candidate;
            tick[0, arm] = new Reading(Quality.Value, Math.Floor((100 * (candidate ? errors : 0.001)) + random.NextDouble()), 100);
            tick[1, arm] = new Reading(Quality.Value, (candidate ? sales : 40) * (1 + (noise * ((2 * random.NextDouble()) - 1))), 0);
        }

        return tick;
    }
}
