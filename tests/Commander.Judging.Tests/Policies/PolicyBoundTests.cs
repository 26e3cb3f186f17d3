using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

/// <summary>Every bound of a policy file: what is just allowed, and what is just refused, with its place and its remedy.</summary>
public class PolicyBoundTests
{
    private const string Prom = "sources: { p: { type: prometheus, url: 'http://a' } }\n";

    [Fact]
    public void A_folder_has_at_most_a_thousand_files()
    {
        PolicyFile[] files = [.. Enumerable.Range(0, 1001).Select(n => new PolicyFile($"{n:0000}.yaml", n == 999 ? "services: { last: { compare: before } }" : ""))];
        var read = PolicyReader.Read(files[..1000]);
        read.Errors.ShouldBeEmpty();
        read.Policies!.For("last", "prod").Compare.ShouldBe(Compare.Before);

        files[1000] = files[1000] with { Yaml = "never: read" };
        Errors(files).ShouldBe("1000.yaml:1:1 the folder has more than 1000 policy files; put several services into one file");
    }

    [Fact]
    public void All_files_have_at_most_two_thousand_services()
    {
        string Services(int from, int to) => "services: { " + string.Join(", ", Enumerable.Range(from, to - from).Select(n => $"s{n}: ")) + " }";
        PolicyFile[] files = [new("a.yaml", Services(0, 1999)), new("b.yaml", "services:\n  last: { compare: before }\n")];
        PolicyReader.Read(files).Policies!.For("last", "prod").Compare.ShouldBe(Compare.Before);
        PolicyReader.Read(files).Policies!.Services.Count.ShouldBe(2000);
        Errors([.. files, new("c.yaml", "services:\n  more: { compare: never }")]).ShouldBe("c.yaml:2:3 services.more: is one service more than 2000; run a second Commander for the others");
    }

    [Fact]
    public void A_service_has_at_most_32_environments()
    {
        string Service(int count, string last) => "services:\n  s:\n    environments: { " + string.Join(", ", Enumerable.Range(0, count).Select(n => $"e{n}: {(n < 31 ? "{}" : last)}")) + " }";
        var read = PolicyReader.Read(Service(32, "{ compare: before }"), "p.yaml");
        read.Errors.ShouldBeEmpty();
        read.Policies!.Services.Count.ShouldBe(33);
        read.Policies.For("s", "e31").Compare.ShouldBe(Compare.Before);
        Errors(Service(33, "{}")).ShouldBe("p.yaml:3:19 services.s.environments: has more than 32 environments; override only what differs");
        Errors(Service(33, "{}")[..^2] + ", never: { read: 1 } }").ShouldBe("p.yaml:3:19 services.s.environments: has more than 32 environments; override only what differs");
    }

    [Fact]
    public void All_services_and_environments_make_at_most_ten_thousand_policies()
    {
        // 303 services of 33 policies make 9999.
        var environments = "{ environments: { " + string.Join(", ", Enumerable.Range(0, 32).Select(n => $"e{n}: {{}}")) + " } }";
        var full = "services:\n" + string.Concat(Enumerable.Range(0, 303).Select(n => $"  s{n}: {environments}\n")) + "  last: {}\n";
        Errors(full + "  more: {}\n  never: { read: 1 }\n").ShouldBe(
            "p.yaml:306:3 services.more: services and environments make more than 10000 policies; override less, or run a second Commander for the others");
        PolicyReader.Read(full, "p.yaml").Policies!.Services.Count.ShouldBe(10_000);
    }

    [Fact]
    public void A_policy_has_at_most_16_metrics_and_those_that_are_off_do_not_count()
    {
        string Metrics(string more, int count) => Prom + "services: { s: { source: p, metrics: { " + more + string.Join(", ", Enumerable.Range(0, count).Select(n => $"m{n}: {{ kind: gauge, query: x }}")) + " } } }";
        var read = PolicyReader.Read(Metrics("a: off, b: 'off', ", 16), "p.yaml");
        read.Errors.ShouldBeEmpty();
        read.Policies!.For("s", "prod").Metrics.Count.ShouldBe(16);
        const string tooMany = "p.yaml:2:38 services.s.metrics: has more than 16 metrics; keep the ones that a rollback would be decided by";
        Errors(Metrics("", 17)).ShouldBe(tooMany);
        Errors(Metrics("a: {}, ", 16)).ShouldBe(tooMany + "\np.yaml:2:43 services.s.metrics.a.kind: is missing; write kind: ratio or histogram or gauge or count");
        Errors(Metrics("a: x, ", 15)).ShouldBe("p.yaml:2:43 services.s.metrics.a: is a text, not a map; write { kind: gauge, query: '...' }, or off");
        // Behind the bound nothing is looked at any more.
        Errors(Metrics("", 17)[..^6] + ", a: {} } } }").ShouldBe(tooMany);
    }

    [Fact]
    public void A_policy_has_at_most_32_alerts()
    {
        string Alerts(int count, string more) => "services: { s: { alert: [ " + string.Join(", ", Enumerable.Repeat("{ slack: '#a' }", count)) + more + " ] } }";
        PolicyReader.Read(Alerts(32, ""), "p.yaml").Policies!.For("s", "prod").Alert.Count.ShouldBe(32);
        Errors(Alerts(32, ",\n { slack: '#b' },\n { never: read }")).ShouldBe("p.yaml:2:2 services.s.alert[32]: is one alert more than 32; tell fewer people, or one channel that forwards");
    }

    [Theory]
    [InlineData('x', 1 << 20)]
    [InlineData('é', 1 << 19)]
    [InlineData('€', (1 << 20) / 3)]
    public void A_file_has_at_most_a_mebibyte_of_utf8(char sign, int count)
    {
        Errors("#" + new string(sign, count - 1)).ShouldBe("");
        Errors("#" + new string(sign, count)).ShouldBe(sign == '€' ? "" : "p.yaml:1:1 the file is longer than 1 MiB; split it into several files of one folder");
        Errors("##" + new string(sign, count)).ShouldBe("p.yaml:1:1 the file is longer than 1 MiB; split it into several files of one folder");
    }

    [Fact]
    public void A_file_has_at_most_twelve_levels_and_nothing_behind_a_deeper_one_is_read()
    {
        string Deep(int lists) => "a: " + new string('[', lists) + new string(']', lists) + "\nb: 1";
        Errors(Deep(11)).ShouldBe("p.yaml:1:1 a: is no key here; known are sources, defaults, services\np.yaml:2:1 b: is no key here; known are sources, defaults, services");
        Errors(Deep(12)).ShouldBe("p.yaml:1:15 a[0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 12 levels; no key of a policy lies that deep: check brackets and indentation");
        Errors(string.Concat(Enumerable.Repeat("{ a: ", 13)) + new string('}', 13)).ShouldBe(
            "p.yaml:1:61 a.a.a.a.a.a.a.a.a.a.a.a: is nested deeper than 12 levels; no key of a policy lies that deep: check brackets and indentation");
        Errors(string.Concat(Enumerable.Repeat("{ a: ", 12)) + new string('}', 12)).ShouldBe("p.yaml:1:3 a: is no key here; known are sources, defaults, services");
        // A key that is no word takes a level like any other.
        Errors("? " + new string('[', 11) + new string(']', 11) + "\n: b").ShouldBe("p.yaml:1:3 a key is a list, a map or an alias; write a word before the colon");
        Errors("? " + new string('[', 12) + new string(']', 12) + "\n: b").ShouldContain("is nested deeper than 12 levels");
        Errors("? [a]\n: " + new string('[', 11) + new string(']', 11)).ShouldBe("p.yaml:1:3 a key is a list, a map or an alias; write a word before the colon");
        Errors("? [a]\n: " + new string('[', 12) + new string(']', 12)).ShouldContain("is nested deeper than 12 levels");
    }

    [Fact]
    public void A_file_has_at_most_a_hundred_thousand_values()
    {
        // The map and the list are two of them.
        string Values(int count) => "defaults: [" + string.Join(',', Enumerable.Repeat("1", count - 2)) + "]";
        Errors(Values(100_000)).ShouldBe("p.yaml:1:11 defaults: is a list, not a map; write defaults: { ... }");
        Errors(Values(100_001)).ShouldBe("p.yaml:1:200008 defaults[99998]: the file has more than 100000 values; split it into several files of one folder");
    }

    [Fact]
    public void A_key_has_at_most_two_hundred_characters_and_a_longer_one_does_not_hide_another()
    {
        var longest = new string('k', 200);
        var shown = new string('k', 80) + "...";
        Errors($"{longest}: 1").ShouldBe($"p.yaml:1:1 {shown}: is no key here; known are sources, defaults, services");
        Errors($"{longest}k: 1").ShouldBe($"p.yaml:1:1 {shown}: the key is longer than 200 characters; write a shorter one");
        Errors($"{longest}k: 1\n{longest}: 1").ShouldBe(
            $"p.yaml:1:1 {shown}: the key is longer than 200 characters; write a shorter one\np.yaml:2:1 {shown}: stands twice; the first one is on line 1; remove one of the two");
    }

    [Fact]
    public void A_path_grows_no_more_beyond_two_hundred_characters()
    {
        // Three names of 80 characters, each shown whole, and the dots between.
        var (a, b, c) = (new string('a', 80), new string('b', 80), new string('c', 80));
        string Doubled(string yaml) => PolicyReader.Read(yaml, "p.yaml").Errors.Single(error => error.Message.StartsWith("stands twice", StringComparison.Ordinal)).Key;
        Doubled($"{{ {a}: {{ {b}: {{ {c}: {{ x: 1, x: 1 }} }} }} }}").ShouldBe($"{a}.{b}.{c}");
        Doubled($"{{ {a}: {{ {b}: {{ {c[..38]}: {{ x: 1, x: 1 }} }} }} }}").ShouldBe($"{a}.{b}.{c[..38]}.x");
        Doubled($"{{ {a}: {{ {b}: {{ {c[..39]}: {{ x: 1, x: 1 }} }} }} }}").ShouldBe($"{a}.{b}.{c[..39]}");
        Doubled($"{{ {a}: {{ {b}: {{ {c[..38]}: [ {{ x: 1, x: 1 }} ] }} }} }}").ShouldBe($"{a}.{b}.{c[..38]}[0]");
        Doubled($"{{ {a}: {{ {b}: {{ {c[..39]}: [ {{ x: 1, x: 1 }} ] }} }} }}").ShouldBe($"{a}.{b}.{c[..39]}");
    }

    [Theory]
    [InlineData("fix: { repository: a/b, test: TEXT }", 4096, "services.s.fix.test: is longer than 4096 characters; write less")]
    [InlineData("alert: [ { slack: '#a', template: TEXT } ]", 4000, "services.s.alert[0].template: has more than 4000 characters; say it shorter; the link leads to the rest")]
    [InlineData("alert: [ { email: a@TEXT } ]", 252, "services.s.alert[0].email: 'a@MANY...' is no address, or several with commas between; write oncall@example.com")]
    [InlineData("source: p, metrics: { m: { kind: gauge, query: TEXT } }", 4096, "services.s.metrics.m.query: is longer than 4096 characters; write less")]
    [InlineData("metrics: { m: { kind: gauge, objective: 1, unit: TEXT } }", 20, "services.s.metrics.m.unit: 'MANY' is no unit; write ms, s, percent, MB, count or a word of at most 20 letters")]
    public void A_text_has_a_longest_form(string service, int longest, string error)
    {
        string Service(int length) => Prom + "services: { s: { " + service.Replace("TEXT", new string('x', length), StringComparison.Ordinal) + " } }";
        Errors(Service(longest)).ShouldBe("");
        var refused = Errors(Service(longest + 1));
        refused[(refused.IndexOf(' ', StringComparison.Ordinal) + 1)..].ShouldBe(error.Replace("MANY", new string('x', error.Contains("...", StringComparison.Ordinal) ? 58 : 21), StringComparison.Ordinal));
    }

    [Fact]
    public void An_error_repeats_at_most_sixty_characters_of_what_the_file_says()
    {
        string Word(string text) => "services: { s: { compare: \"" + text + "\" } }";
        Errors(Word(new string('x', 60))).ShouldContain($"'{new string('x', 60)}' is not known");
        Errors(Word(new string('x', 61))).ShouldContain($"'{new string('x', 60)}...' is not known");
        Errors(Word("a\\tb\\u0085c\U0001f6d2")).ShouldContain("'a b c\U0001f6d2' is not known");
    }

    [Theory]
    [InlineData(200, 200, false)]
    [InlineData(201, 201, true)]
    [InlineData(300, 201, true)]
    public void Two_hundred_errors_are_told_and_that_there_are_others(int wrong, int told, bool more)
    {
        var errors = PolicyReader.Read("{ " + string.Join(", ", Enumerable.Range(0, wrong).Select(n => $"k{n:000}: 1")) + " }", "p.yaml").Errors;
        errors.Count.ShouldBe(told);
        errors[199].Key.ShouldBe("k199");
        (errors[^1] == new PolicyError("p.yaml", 1, errors[199].Column, "", "there are more than 200 errors", "mend these first")).ShouldBe(more);
    }

    [Fact]
    public void After_two_hundred_errors_no_further_service_is_looked_at()
    {
        var keys = string.Join(", ", Enumerable.Range(0, 200).Select(n => $"k{n:000}: 1"));
        PolicyReader.Read($"services:\n  a: {{ {keys} }}\n  b: {{ wrong: 1 }}", "p.yaml").Errors.Count.ShouldBe(200);
    }

    [Fact]
    public void Errors_stand_in_the_order_of_the_files_names_lines_columns_and_keys()
    {
        PolicyFile[] files =
        [
            new("b.yaml", "services:\n  c: { compare: x, wrong: 1 }\n  d: { act: { rollback: { type: kubernetes } } }\nwrong: 1"),
            new("B.yaml", "zzz: 1"),
            new("a.yaml", "services: { e: { compare: x } }"),
        ];
        PolicyReader.Read(files).Errors.Select(error => $"{error.File}:{error.Line}:{error.Column} {error.Key}").ShouldBe(
        [
            "B.yaml:1:1 zzz",
            "a.yaml:1:27 services.e.compare",
            "b.yaml:2:17 services.c.compare",
            "b.yaml:2:20 services.c.wrong",
            "b.yaml:3:25 services.d.act.rollback.deployment",
            "b.yaml:3:25 services.d.act.rollback.namespace",
            "b.yaml:4:1 wrong",
        ]);
    }

    [Fact]
    public void What_stands_in_two_files_of_a_folder_names_the_first_one()
    {
        PolicyFile[] files =
        [
            new("a.yaml", "sources: { p: { type: prometheus, url: 'http://a' } }\nservices:\n  a: { source: p }\n  b: {}"),
            new("b.yaml", "defaults:\nservices: { a: { compare: never }, c: {} }"),
            new("c.yaml", "services:\n  b: { compare: never }\n  c: {}\nsources: { p: {} }\ndefaults: { compare: before }"),
            new("d.yaml", "defaults: []\n"),
            new("e.yaml", "null"),
        ];
        Errors(files).ShouldBe("""
            b.yaml:2:13 services.a: stands in a.yaml on line 3 too; remove one of the two
            c.yaml:2:3 services.b: stands in a.yaml on line 4 too; remove one of the two
            c.yaml:3:3 services.c: stands in b.yaml on line 2 too; remove one of the two
            c.yaml:4:12 sources.p: stands in a.yaml on line 1 too; remove one of the two
            d.yaml:1:11 defaults: stands in c.yaml too; write defaults into one file of the folder
            """);
        var good = PolicyReader.Read([files[0], new PolicyFile("b.yaml", "defaults:"), new PolicyFile("c.yaml", "defaults: { compare: before }"), new PolicyFile("d.yaml", "~"), files[4]]);
        good.Errors.ShouldBeEmpty();
        good.Policies!.For("a", "prod").Compare.ShouldBe(Compare.Before);
    }

    [Fact]
    public void Half_of_a_sign_is_no_text_and_no_name()
    {
        string Text(string text) => Errors($"services: {{ s: {{ fix: {{ repository: a/b, test: '{text}' }} }} }}");
        string Name(string text) => Errors($"services: {{ '{text}': {{}} }}");
        foreach (var half in (string[])["a\ud800", "\udc00a", "\ud800\ud800\udc00", "\ud83d\uded2\udc00", "\ud83d"])
        {
            Text(half).ShouldBe("p.yaml:1:48 services.s.fix.test: has characters that are no text; remove NUL and broken characters");
            Name(half).ShouldEndWith(" is no name of a service; write 1 to 100 characters without / and *");
        }

        Name("a\ud800b").ShouldBe("p.yaml:1:13 services.a\ufffdb: 'a\ufffdb' is no name of a service; write 1 to 100 characters without / and *");
        foreach (var whole in (string[])["\ud83d\uded2\ud83d\uded2", "a\ud83d\uded2b"])
            (Text(whole) + Name(whole)).ShouldBe("");
    }

    [Fact]
    public void A_service_names_at_most_eight_presets_and_each_once()
    {
        string Named(string presets) => Errors(Prom + $"services: {{ s: {{ source: p, preset: [{presets}] }} }}");
        Named("http, kubernetes-pod, dotnet, jvm, node").ShouldBe("");
        Named("jvm, kubernetes-pod, jvm").ShouldBe("p.yaml:2:59 services.s.preset[2]: 'jvm' stands twice; name a preset once");
        Named("jvm,jvm,jvm,jvm,jvm,jvm,jvm,jvm,\n never, read").Split('\n')[^1].ShouldBe(
            "p.yaml:3:2 services.s.preset[8]: is one preset more than 8; name each once; known are http, kubernetes-pod, dotnet, jvm, node");
    }

    [Fact]
    public void A_preset_named_a_thousand_times_in_two_hundred_services_costs_little()
    {
        var yaml = Prom + $"defaults: {{ source: p, preset: [{string.Join(',', Enumerable.Repeat("jvm", 1000))}] }}\nservices: {{ {string.Join(", ", Enumerable.Range(0, 200).Select(n => $"s{n}: "))} }}";
        Allocated(() => Errors(yaml).Split('\n')[^1].ShouldContain("is one preset more than 8")).ShouldBeLessThan(100);
    }

    [Fact]
    public void Long_queries_that_ten_thousand_policies_inherit_are_read_once()
    {
        var metrics = string.Join(", ", Enumerable.Range(0, 16).Select(n => $"m{n}: {{ kind: gauge, query: 'up + {string.Join(" + ", Enumerable.Repeat("a", 990))}' }}"));
        string Environments(string own) => string.Join(", ", Enumerable.Range(0, 32).Select(n => $"e{n}: {{ {own} }}"));
        string Yaml(string own) => Prom + $"defaults: {{ source: p, metrics: {{ {metrics} }}, environments: {{ {Environments(own)} }} }}\nservices: {{ {string.Join(", ", Enumerable.Range(0, 301).Select(n => $"s{n}: "))} }}";
        Allocated(() => PolicyReader.Read(Yaml("compare: before"), "p.yaml").Policies!.Services.Count.ShouldBe((33 * 301) + 32)).ShouldBeLessThan(300);
        // An override of every metric makes every policy's metrics its own, and still no text is scanned twice.
        var tolerated = $"metrics: {{ {string.Join(", ", Enumerable.Range(0, 16).Select(n => $"m{n}: {{ tolerance: 30% }}"))} }}";
        Allocated(() => PolicyReader.Read(Yaml(tolerated), "p.yaml").Policies!.For("s300", "e31").Metrics[15].Tolerance.ShouldBe(new Tolerance(0.3, Relative: true))).ShouldBeLessThan(1500);
    }

    [Fact]
    public void What_all_policies_inherit_together_is_bounded()
    {
        // 20,000 values in each of 9,966 policies are 200 million.
        var yaml = $"defaults: {{ act: {{ irreversible: [{string.Join(',', Enumerable.Repeat("a", 20_000))}] }}, environments: {{ {string.Join(", ", Enumerable.Range(0, 32).Select(n => $"e{n}: {{ compare: before }}"))} }} }}\nservices:\n"
            + string.Concat(Enumerable.Range(0, 302).Select(n => $"  s{n}:\n"));
        Errors(yaml).ShouldBe("p.yaml:9:3 services.s6: services and environments make more than 5000000 values, those that they inherit counted in each; write less under defaults, override less, or run a second Commander for the others");
    }

    [Fact]
    public void Forty_thousand_keys_that_are_not_known_are_told_like_two_hundred()
    {
        var keys = string.Join('\n', Enumerable.Range(0, 40_000).Select(n => $"      k{n}: 1s"));
        Allocated(() => PolicyReader.Read("services:\n  s:\n    watch:\n" + keys, "p.yaml").Errors.Count.ShouldBe(201)).ShouldBeLessThan(200);
        Allocated(() => PolicyReader.Read("services:\n  s:\n   watch:\n     warmup:\n" + keys, "p.yaml").Errors.Count.ShouldBe(201)).ShouldBeLessThan(200);
        // Inherited ones are looked at once, however many services there are.
        var some = string.Join('\n', Enumerable.Range(0, 150).Select(n => $"    k{n}: 1s"));
        PolicyReader.Read($"defaults:\n  watch:\n{some}\nservices:\n" + string.Concat(Enumerable.Range(0, 500).Select(n => $"  s{n}:\n")), "p.yaml").Errors.Count.ShouldBe(150);
    }

    [Fact]
    public void A_warm_up_names_any_of_forty_thousand_metrics_that_are_off_and_is_told_a_few()
    {
        var metrics = string.Join(", ", Enumerable.Range(0, 40_000).Select(n => $"m{n}: off"));
        string Warmup(string keys) => $"services: {{ s: {{ metrics: {{ {metrics} }}, watch: {{ warmup: {{ {keys} }} }} }} }}";
        Errors(Warmup("m39999: 5s")).ShouldBe("");
        Errors(Warmup("zzzzzzzz: 5s")).ShouldEndWith("m30, m31");
    }

    // Megabytes; many times what it takes, and a small part of what it took.
    private static long Allocated(Action act)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        act();
        return (GC.GetAllocatedBytesForCurrentThread() - before) >> 20;
    }

    [Fact]
    public void A_byte_order_mark_before_the_text_is_passed_over()
    {
        PolicyReader.Read("\ufeffservices: { s: { compare: before } }", "p.yaml").Policies!.For("s", "prod").Compare.ShouldBe(Compare.Before);
        Errors("\ufeff{}").ShouldBe("");
        Errors("\ufeffwrong: 1").ShouldStartWith("p.yaml:1:1 wrong: is no key here");
    }

    [Fact]
    public void Reading_nothing_is_a_mistake_of_the_caller()
    {
        Should.Throw<ArgumentNullException>(() => PolicyReader.Read(null!, "p.yaml")).ParamName.ShouldBe("yaml");
        Should.Throw<ArgumentNullException>(() => PolicyReader.Read("", null!)).ParamName.ShouldBe("fileName");
        Should.Throw<ArgumentNullException>(() => PolicyReader.Read(null!)).ParamName.ShouldBe("files");
    }

    private static string Errors(string yaml) => Errors([new PolicyFile("p.yaml", yaml)]);

    private static string Errors(IReadOnlyList<PolicyFile> files) => string.Join('\n', PolicyReader.Read(files).Errors);
}
