using Commander.Judging.Evidence;
using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

public class PolicyReaderTests
{
    /// <summary>The example of the design, word by word.</summary>
    public const string Example = """
        sources:
          prom: { type: prometheus, url: http://localhost:9090 }
        defaults: { compare: auto }
        services:
          checkout:
            source: prom
            metrics:
              errors:  { kind: ratio, bad: 'http_requests_total{service="{{service}}",version="{{version}}",code=~"5.."}', total: 'http_requests_total{service="{{service}}",version="{{version}}"}', tolerance: 1pp, objective: 1%, critical: true }
              latency: { kind: histogram, query: 'http_request_duration_seconds_bucket{service="{{service}}",version="{{version}}"}', quantile: 0.95, tolerance: 20%, floor: 25ms }
              memory:  { kind: gauge, query: 'process_memory_percent{service="{{service}}",version="{{version}}"}', tolerance: 25%, unit: percent }
            compare: auto                  # control | before | seasonal | auto (best that exists)
            watch:  { step: 15s, lag: 30s, min: 2m, max: 30m, reference: 30m, after: 30m, slow: 6h, warmup: { latency: 120s, cpu: 180s, memory: 180s }, expect_traffic: true, on_hold: page }
            decide: { false_alarms: 1%, cost: { false_rollback: 1, missed: 9 }, reasoning: advise }     # off | explain | advise | decide
            act:    { autonomy: enforce, rollback: { type: kubernetes, namespace: shop, deployment: checkout }, late: recommend, ask_for: 15m, cooldown: 30m, max_per_hour: 3, irreversible: [migration] }
            fix:    { repository: acme/checkout, agent: cline, test: 'dotnet test', auto_merge: false }
            alert:  [ { slack: '#deploys', on: [rollback, hold] } ]
            learn:  { explore: 0%, train: daily, oumi: off }
            environments: { staging: { act: { autonomy: observe } } }    # overrides
        """;

    [Fact]
    public void An_intended_share_is_read_and_without_one_the_stored_form_is_as_it_was()
    {
        var none = Read("services: { s: { watch: { min: 2m } } }").For("s", "prod");
        none.Watch.Share.ShouldBeNull();
        System.Text.Encoding.UTF8.GetString(PolicyHash.Body(none)).ShouldNotContain("share");
        var tenth = Read("services: { s: { watch: { share: 10% } } }").For("s", "prod");
        tenth.Watch.Share.ShouldBe(0.1);
        PolicyHash.Read(PolicyHash.Body(tenth)).Watch.Share.ShouldBe(0.1);
    }

    [Theory]
    [InlineData("errors", "kind: ratio, bad: a, total: b", 0.5, true, 0.5)]
    [InlineData("errors", "kind: gauge, query: a, unit: percent", 1, false, 0)]
    [InlineData("errors", "kind: gauge, query: a, unit: failures", 0.5, true, 0)]
    [InlineData("errors", "kind: count, query: a", 0.5, true, 1)]
    [InlineData("latency", "kind: gauge, query: a, unit: ms", 0.2, true, 25)]
    [InlineData("cpu", "kind: gauge, query: a, unit: percent", 0.5, true, 5)]
    [InlineData("cpu", "kind: gauge, query: a, unit: cores", 0.5, true, 0)]
    [InlineData("memory", "kind: gauge, query: a, unit: percent", 0.25, true, 5)]
    [InlineData("memory", "kind: gauge, query: a, unit: MB", 0.25, true, 0)]
    [InlineData("requests", "kind: count, query: a", 0.4, true, 0)]
    [InlineData("orders", "kind: gauge, query: a", 0.5, true, 0)]
    [InlineData("orders", "kind: histogram, query: a_bucket", 0.2, true, 0)]
    public void Without_a_tolerance_a_metric_has_that_of_its_family(string name, string form, double amount, bool relative, double floor)
    {
        var metric = Read($"sources: {{ prom: {{ type: prometheus, url: 'http://a' }} }}\nservices: {{ s: {{ source: prom, metrics: {{ {name}: {{ {form} }} }} }} }}").For("s", "prod").Metrics.Single();
        (metric.Tolerance, metric.Floor).ShouldBe((new Tolerance(amount, relative), floor));
    }

    [Fact]
    public void An_environment_without_a_word_is_like_all_and_too_many_are_refused()
    {
        Read("services: { s: { environments: { staging: } } }").For("s", "staging").Watch.ShouldBe(Read("services: { s: {} }").For("s", "prod").Watch);
        var many = string.Join(", ", Enumerable.Range(0, 200).Select(n => $"e{n}: {{ compare: auto }}"));
        PolicyReader.Read([new PolicyFile("policy.yaml", $"services: {{ s: {{ environments: {{ {many} }} }} }}")]).Errors.ShouldContain(error => error.ToString().Contains("override only what differs"));
    }

    [Fact]
    public void The_designs_example_is_read_whole()
    {
        var set = Read(Example);
        set.Sources["prom"].Type.ShouldBe("prometheus");
        set.Sources["prom"].Settings["url"].ShouldBe("http://localhost:9090");

        var checkout = set.For("checkout", "prod");
        checkout.Name.ShouldBe("checkout");
        checkout.Source.ShouldBe("prom");
        checkout.Compare.ShouldBe(Compare.Auto);
        checkout.NoData.ShouldBe(NoData.Rollback);
        checkout.Metrics.Select(metric => metric.Name).ShouldBe(["errors", "latency", "memory"]);

        var errors = checkout.Metrics[0];
        errors.Kind.ShouldBe(MetricKind.Ratio);
        errors.Family.ShouldBe(Family.Error);
        errors.Tolerance.ShouldBe(new Tolerance(1, Relative: false));
        errors.Objective.ShouldBe(1);
        errors.Critical.ShouldBeTrue();
        errors.Unit.ShouldBe("%");
        errors.Warmup.ShouldBe(TimeSpan.Zero);
        errors.Query.ShouldBeNull();

        var latency = checkout.Metrics[1];
        latency.Kind.ShouldBe(MetricKind.Histogram);
        latency.Family.ShouldBe(Family.Latency);
        latency.Quantile.ShouldBe(0.95);
        latency.Tolerance.ShouldBe(new Tolerance(0.2, Relative: true));
        latency.Floor.ShouldBe(25);
        latency.Unit.ShouldBe("ms");
        latency.Scale.ShouldBe(1000);
        latency.Warmup.ShouldBe(TimeSpan.FromSeconds(120));
        latency.Critical.ShouldBeFalse();

        var memory = checkout.Metrics[2];
        memory.Kind.ShouldBe(MetricKind.Gauge);
        memory.Unit.ShouldBe("%");
        memory.Scale.ShouldBe(1);
        memory.Tolerance.ShouldBe(new Tolerance(0.25, Relative: true));
        memory.Warmup.ShouldBe(TimeSpan.FromSeconds(180));

        checkout.Watch.ShouldBe(new WatchPolicy(
            TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(30),
            TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(30), TimeSpan.FromHours(6), ExpectTraffic: true, "page"));
        checkout.Decide.ShouldBe(new DecidePolicy(0.01, 1, 9, Authority.Advise));
        checkout.Act.Autonomy.ShouldBe(Autonomy.Enforce);
        checkout.Act.Rollback!.Type.ShouldBe("kubernetes");
        checkout.Act.Rollback.Settings.ShouldBe(new Dictionary<string, string> { ["deployment"] = "checkout", ["namespace"] = "shop" }, ignoreOrder: true);
        checkout.Act.Rollback.Timeout.ShouldBe(TimeSpan.FromSeconds(60));
        checkout.Act.Irreversible.ShouldBe(["migration"]);
        checkout.Fix.ShouldBe(new FixPolicy("acme/checkout", "cline", "dotnet test", AutoMerge: false));
        checkout.Alert[0].Channel.ShouldBe("slack");
        checkout.Alert[0].To.ShouldBe("#deploys");
        checkout.Alert[0].On.ShouldBe(["rollback", "hold"]);
        checkout.Learn.ShouldBe(new LearnPolicy(0, "daily", "off"));

        var staging = set.For("checkout", "staging");
        staging.Environment.ShouldBe("staging");
        staging.Act.Autonomy.ShouldBe(Autonomy.Observe);
        staging.Act.Rollback!.Type.ShouldBe("kubernetes");
        staging.Metrics.Count.ShouldBe(3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing yet\n")]
    [InlineData("defaults:\nservices:\n")]
    public void Without_a_policy_nothing_is_measured_and_everything_only_recorded(string yaml)
    {
        var policy = Read(yaml).For("checkout", "prod");
        policy.Name.ShouldBe("defaults");
        policy.Source.ShouldBeNull();
        policy.Metrics.ShouldBeEmpty();
        policy.Act.Autonomy.ShouldBe(Autonomy.Observe);
        PolicyHash.Of(policy).ShouldBe(PolicyHash.Of(PolicySet.Empty.Defaults));
    }

    [Fact]
    public void What_a_service_does_not_say_is_as_the_example_shows()
    {
        var policy = Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services:
              cart:
                source: prom
                metrics:
                  errors: { kind: ratio, bad: 'a{v="{{version}}"}', total: 'b{v="{{version}}"}' }
                  cpu: { kind: gauge, query: 'c' }
            """).For("cart", "prod");
        policy.Act.Autonomy.ShouldBe(Autonomy.Recommend);
        policy.Watch.ShouldBe(PolicySet.Empty.Defaults.Watch);
        policy.Decide.ShouldBe(PolicySet.Empty.Defaults.Decide);
        policy.Metrics[0].Tolerance.ShouldBe(new Tolerance(0.5, Relative: true));
        policy.Metrics[0].Floor.ShouldBe(0.5);
        policy.Metrics[0].Critical.ShouldBeTrue();
        policy.Metrics[0].Objective.ShouldBeNull();
        policy.Metrics[1].Warmup.ShouldBe(TimeSpan.FromSeconds(180));
    }

    [Fact]
    public void Defaults_services_and_environments_are_laid_over_each_other_key_by_key()
    {
        var set = Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            defaults:
              source: prom
              metrics: { errors: { kind: ratio, bad: 'a', total: 'b', tolerance: 2pp }, cpu: { kind: gauge, query: 'c' } }
              watch: { step: 5s, warmup: { cpu: 10s } }
              environments: { staging: { act: { autonomy: observe } } }
            services:
              cart:
                metrics: { errors: { objective: 3% }, cpu: off }
                watch: { min: 1m }
                environments: { staging: { watch: { min: 30s } } }
              shop:
            """);
        var cart = set.For("cart", "prod");
        cart.Metrics.Single().Tolerance.Amount.ShouldBe(2);
        cart.Metrics.Single().Objective.ShouldBe(3);
        cart.Watch.Step.ShouldBe(TimeSpan.FromSeconds(5));
        cart.Watch.Min.ShouldBe(TimeSpan.FromMinutes(1));
        set.For("cart", "staging").Watch.Min.ShouldBe(TimeSpan.FromSeconds(30));
        set.For("cart", "staging").Act.Autonomy.ShouldBe(Autonomy.Observe);
        set.For("shop", "prod").Metrics.Count.ShouldBe(2);
        set.For("shop", "prod").Metrics[1].Warmup.ShouldBe(TimeSpan.FromSeconds(10));
        set.For("nobody", "staging").Act.Autonomy.ShouldBe(Autonomy.Observe);
        set.For("nobody", "prod").Act.Autonomy.ShouldBe(Autonomy.Recommend);
        set.For("nobody", "prod").Name.ShouldBe("defaults");
    }

    [Theory]
    [InlineData("kind: ratio, bad: 'a', total: 'b', tolerance: 1pp", 1, false)]
    [InlineData("kind: ratio, bad: 'a', total: 'b', tolerance: 20%", 0.2, true)]
    [InlineData("kind: histogram, query: 'x_seconds_bucket', tolerance: 25ms", 25, false)]
    [InlineData("kind: histogram, query: 'x_seconds_bucket', tolerance: 1.5s", 1500, false)]
    [InlineData("kind: gauge, query: 'x_bytes', tolerance: 8MB", 8, false)]
    [InlineData("kind: gauge, query: 'x_bytes', unit: MiB, tolerance: 1GiB", 1024, false)]
    [InlineData("kind: gauge, query: 'x_percent', tolerance: 5pp", 5, false)]
    [InlineData("kind: gauge, query: 'x_percent', tolerance: 50%", 0.5, true)]
    [InlineData("kind: count, query: 'x_total', tolerance: 10", 10, false)]
    [InlineData("kind: gauge, query: 'x', unit: orders, tolerance: 3 orders", 3, false)]
    public void A_tolerance_is_relative_in_percent_and_absolute_in_the_metrics_unit(string metric, double amount, bool relative) =>
        Metric(metric).Tolerance.ShouldBe(new Tolerance(amount, relative));

    [Theory]
    [InlineData("kind: histogram, query: 'http_request_duration_seconds_bucket{a=\"b_bytes\"}'", "ms", 1000)]
    [InlineData("kind: histogram, query: 'http_request_duration_milliseconds_bucket'", "ms", 1)]
    [InlineData("kind: histogram, query: 'http_request_duration_seconds_bucket', unit: s", "s", 1)]
    [InlineData("kind: histogram, query: 'took_bucket', family: latency", "ms", 1)]
    [InlineData("kind: gauge, query: 'process_resident_memory_bytes'", "MB", 1e-6)]
    [InlineData("kind: gauge, query: 'used_ratio'", "%", 100)]
    [InlineData("kind: gauge, query: 'used', unit: percent", "%", 1)]
    [InlineData("kind: gauge, query: 'used', unit: MB, scale: 0.001", "MB", 0.001)]
    [InlineData("kind: gauge, query: 'queue_depth'", "", 1)]
    [InlineData("kind: count, query: 'orders_total'", "count", 1)]
    [InlineData("kind: ratio, bad: 'a_seconds', total: 'b'", "%", 1)]
    public void The_unit_is_read_off_the_metrics_name_unless_it_is_written(string metric, string unit, double scale)
    {
        Metric(metric).Unit.ShouldBe(unit);
        Metric(metric).Scale.ShouldBe(scale);
    }

    [Theory]
    [InlineData("service_errors", Family.Service, Direction.Up)]
    [InlineData("downstream_latency", Family.Downstream, Direction.Up)]
    [InlineData("http_error_rate", Family.Error, Direction.Up)]
    [InlineData("request_duration", Family.Latency, Direction.Up)]
    [InlineData("checkout_p99", Family.Latency, Direction.Up)]
    [InlineData("p95", Family.Latency, Direction.Up)]
    [InlineData("step99", Family.Kpi, Direction.Either)]
    [InlineData("cpu_usage", Family.Cpu, Direction.Up)]
    [InlineData("memory", Family.Memory, Direction.Up)]
    [InlineData("requests", Family.Traffic, Direction.Down)]
    [InlineData("baskets", Family.Kpi, Direction.Either)]
    public void The_family_is_read_off_the_name(string name, Family family, Direction direction)
    {
        var metric = Metric("kind: gauge, query: 'x'", name);
        metric.Family.ShouldBe(family);
        metric.Direction.ShouldBe(direction);
    }

    [Theory]
    [InlineData("error_rate", "kind: gauge, query: 'x', unit: percent", 1, false, 0)]
    [InlineData("latency", "kind: histogram, query: 'x_seconds_bucket'", 0.2, true, 25)]
    [InlineData("latency", "kind: histogram, query: 'x_seconds_bucket', unit: s", 0.2, true, 0.025)]
    [InlineData("latency_p95", "kind: gauge, query: 'x_seconds'", 0.2, true, 25)]
    [InlineData("cpu", "kind: gauge, query: 'x_percent'", 0.5, true, 5)]
    [InlineData("memory", "kind: gauge, query: 'x_bytes'", 0.25, true, 0)]
    [InlineData("requests", "kind: count, query: 'x'", 0.4, true, 0)]
    [InlineData("downstream_latency", "kind: gauge, query: 'x_seconds'", 0.2, true, 25)]
    [InlineData("baskets", "kind: gauge, query: 'x'", 0.5, true, 0)]
    public void Tolerance_and_floor_are_the_familys_where_nothing_is_written(string name, string metric, double amount, bool relative, double floor)
    {
        var read = Metric(metric, name);
        read.Tolerance.ShouldBe(new Tolerance(amount, relative));
        read.Floor.ShouldBe(floor);
    }

    [Fact]
    public void A_service_without_a_source_judges_snapshots_by_its_objectives()
    {
        var policy = Read("""
            services:
              cart:
                metrics: { error_rate: { kind: gauge, objective: 5%, unit: percent }, response_time: { kind: gauge, family: latency, objective: 800ms } }
                act: { autonomy: enforce }
            """).For("cart", "prod");
        policy.Source.ShouldBeNull();
        policy.Metrics.Select(metric => metric.Objective).ShouldBe([5, 800]);
        policy.Act.Autonomy.ShouldBe(Autonomy.Enforce);
    }

    [Fact]
    public void Presets_fill_in_what_the_service_does_not_say()
    {
        var policy = Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services: { cart: { source: prom, preset: http, metrics: { latency: { tolerance: 50% } } } }
            """).For("cart", "prod");
        policy.Metrics.Select(metric => metric.Name).ShouldBe(["errors", "latency"]);
        policy.Metrics[0].Critical.ShouldBeTrue();
        policy.Metrics[1].Tolerance.Amount.ShouldBe(0.5);
        policy.Metrics[1].Scale.ShouldBe(1000);
    }

    [Theory]
    [InlineData("http", "errors,latency")]
    [InlineData("kubernetes-pod", "memory,cpu,restarts")]
    [InlineData("dotnet", "errors,latency,memory,cpu,exceptions")]
    [InlineData("jvm", "errors,latency,memory,cpu,gc_pause")]
    [InlineData("node", "errors,latency,memory,cpu,event_loop")]
    [InlineData("[http, kubernetes-pod]", "memory,cpu,restarts,errors,latency")]
    [InlineData("[node, kubernetes-pod]", "memory,cpu,restarts,errors,latency,event_loop")]
    public void Every_preset_can_be_asked_of_a_Prometheus(string presets, string metrics)
    {
        var policy = Read($$"""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services: { cart: { source: prom, preset: {{presets}} } }
            """).For("cart", "prod");
        policy.Metrics.Select(metric => metric.Name).ShouldBe(metrics.Split(','));
        if (policy.Metrics.FirstOrDefault(metric => metric.Name == "cpu") is { } cpu)
        {
            // Cores or a fraction of one, shown in percent.
            (cpu.Unit, cpu.Scale).ShouldBe(("%", 100));
        }
    }

    [Fact]
    public void Of_two_presets_that_fill_in_the_same_metric_the_first_counts()
    {
        var policy = Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services: { cart: { source: prom, preset: [node, kubernetes-pod] } }
            """).For("cart", "prod");
        policy.Metrics.Single(metric => metric.Name == "memory").Query.ShouldNotBeNull().ShouldStartWith("process_resident");
    }

    [Fact]
    public void Sources_and_targets_keep_their_own_keys_flattened_and_secrets_as_references()
    {
        var set = Read("""
            sources:
              shop: { type: scrape, targets: { candidate: 'http://new:8080/metrics', control: 'http://old:8080/metrics' }, timeout: 5s }
              prom: { type: prometheus, url: 'https://prom.example.com', token: '${COMMANDER_SECRET_PROM}', headers: { X-Scope-OrgID: shop, Authorization: file:prom/auth } }
              dog: { type: datadog, api_key: file:dd, app_key: '${COMMANDER_SECRET_DD}', site: datadoghq.eu }
              aws: { type: cloudwatch, region: eu-central-1 }
              stats: { type: json, url: 'http://localhost:1/stats' }
            services:
              a: { act: { rollback: { type: command, run: [./undo, --now], state: [./serving], timeout: 20s } } }
              b: { act: { rollback: { type: webhook, url: 'http://localhost:9/rollback', secret: '${COMMANDER_SECRET_HOOK}' }, max_per_hour: off, cooldown: 0s } }
              c: { act: { rollback: { type: argo, namespace: shop, rollout: c } } }
              d: { act: { rollback: { type: git, repository: acme/deployments, path: shop/ } } }
            """);
        set.Sources["shop"].Settings.ShouldBe(new Dictionary<string, string>
        {
            ["targets.candidate"] = "http://new:8080/metrics",
            ["targets.control"] = "http://old:8080/metrics",
            ["timeout"] = "5s",
        }, ignoreOrder: true);
        set.Sources["prom"].Settings["headers.Authorization"].ShouldBe("file:prom/auth");
        set.Sources["prom"].Settings["token"].ShouldBe("${COMMANDER_SECRET_PROM}");
        set.For("a", "prod").Act.Rollback!.Run.ShouldBe(["./undo", "--now"]);
        set.For("a", "prod").Act.Rollback!.State.ShouldBe(["./serving"]);
        set.For("b", "prod").Act.Rollback!.State.ShouldBeEmpty();
        PolicyHash.Read(PolicyHash.Body(set.For("a", "prod"))).Act.Rollback!.State.ShouldBe(["./serving"]);
        set.For("a", "prod").Act.Rollback!.Timeout.ShouldBe(TimeSpan.FromSeconds(20));
        set.For("b", "prod").Act.Rollback!.Settings["secret"].ShouldBe("${COMMANDER_SECRET_HOOK}");
        set.For("b", "prod").Act.MaxPerHour.ShouldBeNull();
        set.For("b", "prod").Act.Cooldown.ShouldBe(TimeSpan.Zero);
        set.For("b", "prod").Act.Autonomy.ShouldBe(Autonomy.Observe);
    }

    [Fact]
    public void A_bare_warmup_counts_for_every_metric()
    {
        var policy = Read("""
            sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
            services: { cart: { source: prom, watch: { warmup: 2s, step: 500ms, lag: 0s, min: 10s }, metrics: { cpu: { kind: gauge, query: 'c' }, depth: { kind: gauge, query: 'd' } } } }
            """).For("cart", "prod");
        policy.Metrics.ShouldAllBe(metric => metric.Warmup == TimeSpan.FromSeconds(2));
        policy.Watch.Lag.ShouldBe(TimeSpan.Zero);
    }

    internal static PolicySet Read(string yaml)
    {
        var result = PolicyReader.Read(yaml, "policy.yaml");
        result.Errors.ShouldBeEmpty();
        return result.Policies.ShouldNotBeNull();
    }

    private static MetricPolicy Metric(string metric, string name = "m") => Read($$"""
        sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }
        services: { cart: { source: prom, metrics: { {{name}}: { {{metric}} } } } }
        """).For("cart", "prod").Metrics.Single();
}
