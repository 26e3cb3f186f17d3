using Commander.Judging.Policies;
using Commander.Server.Alerting;
using Commander.Server.Hosting;

namespace Commander.Server.Tests.Alerting;

/// <summary>What a policy's own words may say, and what they cannot do.</summary>
public sealed class TemplatesTests
{
    private static readonly Templates Templates = new();

    private static string Say(string template, Alert? alert = null)
    {
        Templates.Wrong(template).ShouldBeNull();
        return Templates.Of(new AlertPolicy("slack", "#deploys", ["rollback"]) { Template = template }, alert ?? Some.Rollback()).Sentence;
    }

    [Theory]
    [InlineData("{{ deployment.service }} {{ deployment.version }} in {{deployment.environment}} ({{ deployment.previous_version }}, {{ deployment.policy.name }})", "checkout 1.42.0 in prod (1.41.3, checkout)")]
    [InlineData("{{ verdict.decision }} {{ verdict.p_bad }} {{ verdict.findings.size }} {{ verdict.findings[0].metric }} {{ verdict['model'] }}", "ROLLBACK 0.98 3 errors shipped-1")]
    [InlineData("{% for f in findings %}{{ f.metric }}: {{ f.reference }} to {{ f.candidate }} {{ f.unit }} (+{{ f.difference }}, {{ f.low }}..{{ f.high }}){% endfor %}", "errors: 0.5 to 25.3 % (+24.8, 16.4..33.2)")]
    [InlineData("{{ alert.occasion }} {{ alert.severity }} {{ alert.title }} {{ alert.confidence }} {{ alert.url }}", "rollback critical Rolled back: checkout 1.42.0 in prod 98 % http://127.0.0.1:5080/d/dep-01JD9Q4W8Z6M0T3V5X7Y9A1B2C")]
    [InlineData("{{ rollback.serving_version }} {{ rollback.recovered }} {{ outcome.label }} {{ outcome.source }}", "1.41.3 true BAD recovered-after-rollback")]
    [InlineData("{{ deployment.started_at | date: '%H:%M' }} {{ 'now' | date: '%Y' }} {{ deployment.started_at | time_zone: 'Europe/Berlin' | date: '%H:%M' }}", "10:30 2026 11:30")]
    [InlineData("{% if verdict.decision == 'ROLLBACK' and rollback.recovered %}{{ deployment.service | upcase }}{% else %}no{% endif %}{{ news.message }}{{ deployment.labels.nothing.at.all }}", "CHECKOUT")]
    [InlineData("{% assign name = deployment.service | append: '!' %}{{ name }}{% capture more %}{{ name }}?{% endcapture %}{{ more }}", "checkout!checkout!?")]
    public void A_template_knows_the_names_of_the_api(string template, string says) => Say(template).ShouldBe(says);

    [Fact]
    public void It_takes_the_place_of_the_sentence_and_of_nothing_else()
    {
        var own = AlertText.Of(Some.Rollback());
        Templates.Of(new AlertPolicy("slack", "#deploys", []) { Template = "said" }, Some.Rollback()).ShouldSatisfyAllConditions(
            text => text.Sentence.ShouldBe("said"),
            text => (text with { Sentence = own.Sentence, Findings = own.Findings, Reasons = own.Reasons }).ShouldBe(own));
        Say("{% if alert.occasion == 'hold' %}wait{% endif %}").ShouldBe(own.Sentence);
        Templates.Of(new AlertPolicy("slack", "#deploys", []), Some.Rollback()).Sentence.ShouldBe(own.Sentence);
    }

    [Fact]
    public void News_of_the_server_have_no_deployment() =>
        Say("{{ news.check }}: {{ news.message }}{{ deployment.service }}{{ findings.size }}", new Alert("system/1", Occasions.System, Severity.Warning, Some.Noon, null) { News = new SystemNews("store", false, "is full", "http://x/") }).ShouldBe("store: is full0");

    [Fact]
    public void Texts_from_outside_are_no_templates_and_steer_nothing()
    {
        var deployment = Some.Deployment with { Service = "{{ verdict.decision }}{% for a in b %}<b>\u001b[31m\r\nX" };
        Say("{{ deployment.service }}", Some.Rollback() with { Deployment = deployment }).ShouldBe("{{ verdict.decision }}{% for a in b %}<b> [31m\nX");
    }

    [Theory]
    [InlineData("{% assign a = 'xxxxxxxxxxxxxxxx' %}DOUBLE{{ a }}", "{% assign a = a | append: a %}", 60)]
    [InlineData("{% assign a = 'xxxxxxxxxxxxxxxx' %}DOUBLE{{ a }}", "{% capture a %}{{ a }}{{ a }}{% endcapture %}", 40)]
    [InlineData("{% assign a = 'xxxxxxxxxxxxxxxx' | split: '' %}DOUBLE{{ a | join: ' ' }}", "{% assign a = a | concat: a %}", 60)]
    [InlineData("{% assign a = 'xxxxxxxxxxxxxxxx' %}DOUBLE{{ a }}", "{% assign a = a | replace: 'x', a %}", 60)]
    [InlineData("{{ deployment.started_at | date: '%999999999d' }}DOUBLE", " ", 1)]
    [InlineData("{{ 1 | divided_by: 0 }}DOUBLE", " ", 1)]
    [InlineData("{% assign a = 9 %}DOUBLE{{ a }}", "{% assign a = a | times: a %}", 40)]
    public void What_grows_without_end_ends_and_our_own_words_go_out(string around, string doubling, int times)
    {
        var said = Say(around.Replace("DOUBLE", string.Concat(Enumerable.Repeat(doubling, times)), StringComparison.Ordinal));
        said.ShouldStartWith(AlertText.Of(Some.Rollback()).Sentence);
        said.Split('\n').Length.ShouldBe(2);
        said.ShouldContain("These are Commander's own words: the policy's template ");
    }

    [Fact]
    public void Loops_in_loops_end_and_long_texts_are_cut()
    {
        var verdict = Some.Deployment.Verdict!;
        var many = Some.Rollback() with { Deployment = Some.Deployment with { Verdict = verdict with { Findings = [.. Enumerable.Range(0, 16).Select(n => verdict.Findings[0] with { Metric = $"m{n}" })] } } };
        const string all = "{% for a in verdict.findings %}";
        Say($"{all}{all}{all}{all}x{{% endfor %}}{{% endfor %}}{{% endfor %}}{{% endfor %}}", many).ShouldContain("takes too many steps");
        var long_ = Say($"{all}{new string('y', 500)}{{% endfor %}}", many);
        long_.Length.ShouldBe(Templates.MaxOutput);
        long_.ShouldEndWith("…");
    }

    [Theory]
    [InlineData("{{ deployment.service", "line 1")]
    [InlineData("one\ntwo {% if verdict %}", "line 2")]
    [InlineData("{% include 'secrets' %}", "unknown tag 'include'; write one of assign, ")]
    [InlineData("{% render 'secrets' %}", "unknown tag 'render'")]
    [InlineData("{% liquid\n assign a = 1 %}", "unknown tag 'liquid'")]
    [InlineData("{{ deployment.service | upcse }}", "line 1: there is no filter 'upcse'; write upcase")]
    [InlineData("{{ deployment | json }}", "there is no filter 'json'; write one of abs")]
    [InlineData("{{ 1 | format_number: 'F999999999' }}", "there is no filter 'format_number'")]
    [InlineData("a\nb\n{{ verdit.decision }}", "line 3: there is no value 'verdit'; write verdict")]
    [InlineData("{% for f in findings %}{{ g.metric }}{% endfor %}", "there is no value 'g'")]
    [InlineData("a\n{{ deployment.servce }}", "line 2: there is no 'servce' in deployment; write service")]
    [InlineData("{{ alert.sentense }}", "there is no 'sentense' in alert; write sentence")]
    [InlineData("{{ rollback.took }}", "there is no 'took' in rollback; write one of kind, state")]
    [InlineData("{% for f in findings %}{{ f.metrik }}{% endfor %}", "there is no 'metrik' in a finding; write metric")]
    [InlineData("{% for i in (1..2000000000) %}x{% endfor %}", "counts from one number to another")]
    [InlineData("{% assign a = (1..2000000000) %}", "counts from one number to another")]
    public void What_is_wrong_is_said_with_its_place_and_what_to_write(string template, string says)
    {
        Templates.Wrong(template).ShouldNotBeNull().ShouldContain(says);
        Templates.Wrong(template)!.ShouldContain("write ");
    }

    // A stack that ends would take the process along: with it this test.
    [Theory]
    [InlineData("a[")]
    [InlineData("{{a[")]
    [InlineData("{% if a %}")]
    [InlineData("{% if (")]
    [InlineData("{{ a | default: ")]
    [InlineData("{% if a and ")]
    [InlineData("a and ")]
    [InlineData("{% raw %}")]
    [InlineData("{{ (")]
    [InlineData("{% case a %}{% when 1 %}")]
    [InlineData("{% for a in findings %}")]
    [InlineData("{{ '")]
    public async Task What_is_nested_deeply_is_refused_on_a_small_stack_too(string part)
    {
        var text = string.Concat(Enumerable.Repeat(part, 4000 / part.Length));
        foreach (var template in (string[])[text, "{{ " + text, "{% if " + text, text[..(text.Length / 3)], text[..(text.Length / 8)]])
        {
            var done = new TaskCompletionSource<string?>();
            var thread = new Thread(() =>
            {
                try
                {
                    done.SetResult(Templates.Wrong(template));
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            }, 1 << 20);
            thread.Start();
            (await done.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken))?.Length.ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public void A_wrong_template_is_named_where_it_stands_and_once()
    {
        const string yaml = """
            defaults:
              alert: [ { slack: '#all', template: '{{ verdict.decision | nonsense }}' } ]
            services:
              checkout: { alert: [ { slack: '#a' }, { slack: '#b', template: '{{ deploymint.service }}' } ] }
              cart: { environments: { staging: { alert: [ { slack: '#c', template: '{% if %}' } ] } } }
            """;
        var (policies, errors) = PolicyFiles.Check(yaml, "p.yaml");
        policies.ShouldBeNull();
        errors.Count.ShouldBe(3);
        errors[0].ShouldStartWith("p.yaml: defaults.alert[0].template: line 1: there is no filter 'nonsense'; write ");
        errors[1].ShouldBe("p.yaml: services.checkout.alert[1].template: line 1: there is no value 'deploymint'; write deployment");
        errors[2].ShouldStartWith("p.yaml: services.cart.environments.staging.alert[0].template: line 1");
        PolicyFiles.Check(yaml.Replace("| nonsense", "", StringComparison.Ordinal).Replace("deploymint", "deployment", StringComparison.Ordinal).Replace("{% if %}", "x", StringComparison.Ordinal), "p.yaml").Errors.ShouldBeEmpty();
    }

    [Fact]
    public void A_template_of_an_older_policy_that_cannot_be_read_is_not_used()
    {
        var text = Templates.Of(new AlertPolicy("slack", "#deploys", []) { Template = "{% include 'x' %}" }, Some.Rollback());
        text.Sentence.ShouldStartWith(AlertText.Of(Some.Rollback()).Sentence);
        text.Sentence.ShouldContain("cannot be read: line 1");
    }
}
