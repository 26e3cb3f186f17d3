using Commander.Judging.Evidence;

namespace Commander.Judging.Policies;

/// <summary>Policy files: YAML text to policies, or everything that is wrong with it at once.</summary>
public static class PolicyReader
{
    /// <summary>A file has at most so many bytes of UTF-8: 1 MiB.</summary>
    public const int MaxBytes = YamlTree.MaxBytes;

    /// <summary>A folder has at most so many files.</summary>
    public const int MaxFiles = 1_000;

    /// <summary>All files together have at most so many services.</summary>
    public const int MaxServices = 2_000;

    /// <summary>A service (or the defaults) has at most so many environments with overrides.</summary>
    public const int MaxEnvironments = 32;

    /// <summary>All files together resolve to at most so many policies, environments counted.</summary>
    public const int MaxPolicies = 10_000;

    /// <summary>All policies together have at most so many values, those that are inherited counted in each of them, and a long text as several.</summary>
    public const int MaxValues = 5_000_000;

    /// <summary>A service or environment names at most so many presets.</summary>
    public const int MaxPresets = 8;

    private const int MaxName = 100;
    private const int MaxAlerts = 32;

    private static readonly string[] OverrideKeys =
        ["source", "preset", "metrics", "compare", "no_data", "watch", "decide", "act", "fix", "alert", "learn", "logs", "changes"];

    private static readonly string[] ServiceKeys =
        [.. OverrideKeys, "environments"];

    private static readonly string[] FamilyWords = ["error", "latency", "cpu", "memory", "traffic", "downstream", "service", "kpi"];

    private const int MaxTemplate = 4_000;

    private static readonly string[] Channels = [.. Settings.Alerts.Keys];

    private static readonly string[] Occasions = ["rollback", "hold", "continue", "outcome", "failed", "system"];

    private static readonly string[] Severities = ["info", "warning", "critical"];

    /// <summary>Reads a policy file. Pure: opens no file and no address. Bounded: 1 MiB, 12 levels, 100,000 values; aliases, anchors and tags are refused.</summary>
    /// <param name="yaml">The file's text.</param>
    /// <param name="fileName">The file's name, for errors.</param>
    /// <returns>The policies with defaults, presets and environment overrides resolved; or all errors, in the order of the file. Never throws for what the text is.</returns>
    public static PolicyReadResult Read(string yaml, string fileName)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        ArgumentNullException.ThrowIfNull(fileName);
        return Read([new PolicyFile(fileName, yaml)]);
    }

    /// <summary>Reads the files of a folder as one policy: a source of one file serves the services of all; defaults may stand in one of them. Bounded and pure like <see cref="Read(string, string)"/>.</summary>
    /// <param name="files">At most <see cref="MaxFiles"/>, in any order.</param>
    /// <returns>The policies, or all errors of all files, in the order of their names. Never throws for what the texts are.</returns>
    public static PolicyReadResult Read(IReadOnlyList<PolicyFile> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var errors = new Errors();
        var sources = new List<Entry>();
        var services = new List<Entry>();
        MapNode? defaults = null;
        if (files.Count > MaxFiles)
            errors.Add(new Place(files[MaxFiles].Name, 1, 1), "", $"the folder has more than {MaxFiles} policy files", "put several services into one file");
        foreach (var file in files.Take(MaxFiles))
        {
            var root = YamlTree.Read(file.Name, file.Yaml, errors);
            if (root is null or TextNode { IsNull: true })
                continue;
            if (root is not MapNode map)
            {
                errors.Add(root, $"the file is {Section.What(root)}, not a map", "begin with sources:, defaults: or services:");
                continue;
            }

            var top = new Section(map, errors, "sources", "defaults", "services");
            AddNew(sources, top.Map("sources"), errors);
            AddNew(services, top.Map("services"), errors);
            if (top.Value("defaults") is null)
                continue;
            if (defaults is null)
                defaults = top.Map("defaults");
            else
                top.Wrong("defaults", $"stands in {defaults.Place.File} too", "write defaults into one file of the folder");
        }

        var policies = new Reading(errors).Set(sources, defaults ?? new MapNode(new Place("", 1, 1), "defaults", []), services);
        return errors.Any ? new PolicyReadResult(null, errors.InOrder()) : new PolicyReadResult(policies, []);
    }

    private static void AddNew(List<Entry> all, MapNode map, Errors errors)
    {
        var known = all.ToDictionary(entry => entry.Key, StringComparer.Ordinal);
        foreach (var entry in map.Entries)
        {
            if (known.TryGetValue(entry.Key, out var first))
                errors.Add(entry.Place, entry.Value.Path, $"stands in {first.Place.File} on line {first.Place.Line} too", "remove one of the two");
            else
                all.Add(entry);
        }
    }

    private sealed class Reading(Errors errors)
    {
        private readonly Dictionary<string, SourceSettings> _sources = new(StringComparer.Ordinal);
        private readonly Dictionary<string, Policy> _services = new(StringComparer.Ordinal);

        // What is inherited is the same node in every policy: it is read once.
        private readonly Dictionary<Node, long> _sizes = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<Node, MapNode> _presets = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<(MapNode Map, string? Source), MetricPolicy?> _metrics = [];
        private readonly Dictionary<Node, List<AlertPolicy>> _alerts = new(ReferenceEqualityComparer.Instance);
        private readonly MetricReader.Templates _templates = new();
        private long _values;

        public PolicySet Set(List<Entry> sources, MapNode defaults, List<Entry> services)
        {
            foreach (var entry in sources)
                Source(entry);

            var (plain, shared) = Resolve(null, defaults);
            foreach (var (environment, policy) in shared)
                _services[PolicySet.AnyService + "/" + environment] = policy;

            if (services.Count > MaxServices)
                errors.Add(services[MaxServices].Place, services[MaxServices].Value.Path, $"is one service more than {MaxServices}", "run a second Commander for the others");
            foreach (var entry in services.Take(MaxServices))
            {
                if (errors.Full)
                    break;
                Service(entry, defaults);
                if (_values > MaxValues)
                {
                    errors.Add(entry.Place, entry.Value.Path, $"services and environments make more than {MaxValues} values, those that they inherit counted in each", "write less under defaults, override less, or run a second Commander for the others");
                    break;
                }

                if (_services.Count > MaxPolicies)
                {
                    errors.Add(entry.Place, entry.Value.Path, $"services and environments make more than {MaxPolicies} policies", "override less, or run a second Commander for the others");
                    break;
                }
            }

            return new PolicySet(_sources, plain, _services);
        }

        private void Source(Entry entry)
        {
            if (!Named(entry, "a source"))
                return;
            // An unusable source is kept under its name: services that use it are not to be blamed.
            _sources[entry.Key] = new SourceSettings(entry.Key, "prometheus", new Dictionary<string, string>());
            if (entry.Value is not MapNode map)
            {
                errors.Add(entry.Value, $"is {Section.What(entry.Value)}, not a map", "write { type: prometheus, url: http://localhost:9090 }");
                return;
            }

            if (Typed(map, Settings.Sources, []) is not var (section, type, known))
                return;
            _sources[entry.Key] = new SourceSettings(entry.Key, type, Settings.Read(section, type, known));
        }

        /// <summary>A map whose known keys depend on its type.</summary>
        private (Section Section, string Type, IReadOnlyList<Settings.Setting> Known)? Typed(
            MapNode map, IReadOnlyDictionary<string, IReadOnlyList<Settings.Setting>> types, IReadOnlyList<string> more)
        {
            if (map.Find("type") is not { } entry)
            {
                errors.Add(map.Place, map.Path + ".type", "is missing", $"write one of {Section.List(types.Keys)}");
                return null;
            }

            if (Section.Plain(entry.Value, Section.List(types.Keys), errors) is not { } type)
                return null;
            if (types.TryGetValue(type, out var known))
                return (new Section(map, errors, ["type", .. known.Select(setting => setting.Key), .. more]), type, known);
            Section.WrongWord(entry.Value, type, [.. types.Keys], errors);
            return null;
        }

        private void Service(Entry entry, MapNode defaults)
        {
            if (!Named(entry, "a service"))
                return;
            if (entry.Value is not (MapNode or TextNode { IsNull: true }))
            {
                errors.Add(entry.Value, $"is {Section.What(entry.Value)}, not a map", $"write {entry.Key}: {{ source: NAME, metrics: {{ ... }} }}");
                return;
            }

            var own = entry.Value as MapNode ?? new MapNode(entry.Value.Place, entry.Value.Path, []);
            var (plain, environments) = Resolve(entry.Key, defaults.Under(own));
            _services[entry.Key] = plain;
            foreach (var (environment, policy) in environments)
                _services[$"{entry.Key}/{environment}"] = policy;
        }

        private bool Named(Entry entry, string what)
        {
            if (entry.Key.Length is 0 or > MaxName || entry.Key == PolicySet.AnyService || entry.Key.Any(c => char.IsControl(c) || c == '/') || Section.HasLoneSurrogate(entry.Key))
            {
                errors.Add(entry.Place, entry.Value.Path, $"{Quote.It(entry.Key)} is no name of {what}", $"write 1 to {MaxName} characters without / and *");
                return false;
            }

            return true;
        }

        private (Policy Plain, List<(string Environment, Policy Policy)> Environments) Resolve(string? service, MapNode merged)
        {
            var name = service ?? "defaults";
            var environments = new Section(merged, errors, ServiceKeys).Map("environments");
            var bare = merged.Without("environments");
            var overridden = new List<(string, Policy)>();
            if (environments.Entries.Count > MaxEnvironments)
                errors.Add(environments, $"has more than {MaxEnvironments} environments", "override only what differs");
            foreach (var entry in environments.Entries.Take(MaxEnvironments))
            {
                if (!Named(entry, "an environment"))
                    continue;
                if (entry.Value is MapNode map)
                    overridden.Add((entry.Key, Policy(name, entry.Key, bare.Under(new Section(map, errors, OverrideKeys).Node))));
                else if (entry.Value is not TextNode { IsNull: true })
                    errors.Add(entry.Value, $"is {Section.What(entry.Value)}, not a map", "write { act: { autonomy: observe } }");
            }

            return (Policy(name, null, bare), overridden);
        }

        private Policy Policy(string name, string? environment, MapNode map)
        {
            // Its own keys and the environment's were checked apart, each with what is known there.
            _values += Size(map);
            var section = Checked(map);
            foreach (var (preset, at) in PresetsOf(section))
            {
                if (Preset(preset, at) is { } filling)
                    section = Checked(filling.Under(section.Node));
                else
                    Section.WrongWord(at, preset, [.. Presets.Names], errors);
            }

            var source = SourceOf(section);
            var watch = section.Map("watch");
            var compare = section.Word("compare", Compare.Auto);
            if (compare == Compare.Seasonal && source?.Type == "scrape")
                section.Wrong("compare", $"seasonal needs another day's values, and {Quote.It(source.Name)} is a scrape, which keeps no history", "write compare: auto, or name a source of type prometheus");
            return new Policy(
                name,
                environment,
                source?.Name,
                Metrics(section, source, watch),
                compare,
                section.Word("no_data", NoData.Rollback),
                Watch(watch),
                Decide(section.Map("decide")),
                Act(section.Map("act"), source),
                Fix(section),
                Alerts(section),
                Learn(section.Map("learn")))
            {
                Logs = Context(section, "logs", Settings.Logs),
                Changes = Context(section, "changes", Settings.Changes),
            };
        }

        private Section Checked(MapNode map) => Section.Checked(map, errors);

        /// <summary>How many values a policy has: what reading it costs.</summary>
        private long Size(Node node)
        {
            if (_sizes.TryGetValue(node, out var known))
                return known;
            var size = 1L;
            if (node is TextNode text)
                return size + (text.Value.Length / 256);
            if (node is ListNode list)
                size += list.Items.Sum(Size);
            else if (node is MapNode map)
                size += map.Entries.Sum(entry => Size(entry.Value));
            _sizes.Add(node, size);
            return size;
        }

        private MapNode? Preset(string name, Node at)
        {
            if (!_presets.TryGetValue(at, out var filling) && (filling = Presets.Find(name, at)) is not null)
                _presets.Add(at, filling);
            return filling;
        }

        /// <summary>One preset or a list of them, each once; of two that fill in the same metric the first counts.</summary>
        private List<(string Name, Node At)> PresetsOf(Section section)
        {
            var nodes = section.Value("preset") is ListNode list ? list.Items : section.Has("preset") ? [section.At("preset")] : [];
            var named = new List<(string Name, Node At)>();
            foreach (var node in nodes.Take(MaxPresets))
            {
                if (Section.Plain(node, Section.List(Presets.Names), errors) is not { } name)
                    continue;
                if (named.Any(other => other.Name == name))
                    errors.Add(node, $"{Quote.It(name)} stands twice", "name a preset once");
                else
                    named.Add((name, node));
            }

            if (nodes.Count > MaxPresets)
                errors.Add(nodes[MaxPresets], $"is one preset more than {MaxPresets}", $"name each once; known are {Section.List(Presets.Names)}");

            return named;
        }

        private SourceSettings? SourceOf(Section section)
        {
            if (section.Text("source", "the name of a source") is not { } name)
                return null;
            if (_sources.TryGetValue(name, out var source))
                return source;
            var near = Nearest.To(name, _sources.Keys);
            section.Wrong("source", $"there is no source {Quote.It(name)}",
                near is not null ? $"did you mean {near}?"
                : _sources.Count > 0 ? $"known are {Section.List(_sources.Keys.Take(10))}"
                : $"write sources: {{ {Quote.Clean(name, 40)}: {{ type: prometheus, url: http://localhost:9090 }} }}");
            return new SourceSettings(name, "prometheus", new Dictionary<string, string>());
        }

        private List<MetricPolicy> Metrics(Section section, SourceSettings? source, MapNode watch)
        {
            var map = section.Map("metrics");
            var count = 0;
            var warmup = Warmup(watch, map);
            var metrics = new List<MetricPolicy>();
            foreach (var entry in map.Entries)
            {
                if (count > Policies.Policy.MaxMetrics)
                    break;
                // Switched off: what the defaults or a preset watch and this service does not.
                if (entry.Value is TextNode { Value: "off" })
                    continue;
                if (entry.Key.Length is 0 or > MaxName || entry.Key.Any(c => !char.IsAsciiLetterOrDigit(c) && !"_-.".Contains(c, StringComparison.Ordinal)))
                    errors.Add(entry.Place, entry.Value.Path, $"{Quote.It(entry.Key)} is no name of a metric", "write letters, digits, _ and -, such as error_rate");
                else if (entry.Value is not MapNode metric)
                    errors.Add(entry.Value, $"is {Section.What(entry.Value)}, not a map", "write { kind: gauge, query: '...' }, or off");
                else if (Metric(entry.Key, metric, source) is { } read)
                    metrics.Add(warmup(read.Name, read.Family) is var warm && warm == read.Warmup ? read : read with { Warmup = warm });
                count++;
            }

            if (count > Policies.Policy.MaxMetrics)
                section.Wrong("metrics", $"has more than {Policies.Policy.MaxMetrics} metrics", "keep the ones that a rollback would be decided by");
            return metrics;
        }

        /// <summary>A metric's policy depends on its own keys and on whom is asked, and on nothing else of the service.</summary>
        private MetricPolicy? Metric(string name, MapNode map, SourceSettings? source)
        {
            if (!_metrics.TryGetValue((map, source?.Type), out var read))
                _metrics.Add((map, source?.Type), read = MetricReader.Read(name, map, source, _templates, errors));
            return read;
        }

        /// <summary>The shipped warm-ups, overridden by family and then by metric; a bare duration counts for all.</summary>
        private Func<string, Family, TimeSpan> Warmup(MapNode watch, MapNode metrics)
        {
            var longest = TimeSpan.FromHours(6);
            var value = watch.Find("warmup")?.Value;
            var written = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);
            if (value is MapNode map)
            {
                HashSet<string> known = new([.. FamilyWords, .. metrics.Entries.Select(entry => entry.Key)], StringComparer.Ordinal);
                string[] told = [.. FamilyWords, .. metrics.Entries.Take(2 * Policies.Policy.MaxMetrics).Select(entry => entry.Key)];
                foreach (var entry in map.Entries)
                {
                    if (errors.Over)
                        break;
                    if (!known.Contains(entry.Key))
                        Section.Unknown(entry, told, errors);
                    else if (Section.Duration(entry.Value, TimeSpan.Zero, longest, errors) is { } duration)
                        written[entry.Key] = duration;
                }
            }
            else if (value is not (null or TextNode { IsNull: true }) && Section.Duration(value, TimeSpan.Zero, longest, errors) is { } all)
            {
                return (_, _) => all;
            }

            return (name, family) =>
                written.TryGetValue(name, out var own) || written.TryGetValue(family.Word(), out own) ? own
                : family switch
                {
                    Family.Latency => TimeSpan.FromSeconds(120),
                    Family.Cpu or Family.Memory => TimeSpan.FromSeconds(180),
                    _ => TimeSpan.Zero,
                };
        }

        private WatchPolicy Watch(MapNode map)
        {
            var section = new Section(map, errors, "step", "lag", "min", "max", "reference", "after", "slow", "share", "warmup", "expect_traffic", "on_hold");
            var second = TimeSpan.FromSeconds(1);
            var week = TimeSpan.FromDays(7);
            var shipped = PolicySet.Empty.Defaults.Watch;
            var step = section.Duration("step", shipped.Step, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));
            var min = section.Duration("min", shipped.Min, TimeSpan.Zero, week);
            var max = section.Duration("max", shipped.Max, second, week);
            AtMost(section, "min", min, "max", max);
            AtMost(section, "step", step, "min", min);
            return new WatchPolicy(
                step ?? shipped.Step,
                section.Duration("lag", shipped.Lag, TimeSpan.Zero, TimeSpan.FromHours(1)) ?? shipped.Lag,
                min ?? shipped.Min,
                max ?? shipped.Max,
                section.Duration("reference", shipped.Reference, second, TimeSpan.FromDays(1)) ?? shipped.Reference,
                section.Duration("after", shipped.After, TimeSpan.Zero, week) ?? shipped.After,
                section.Duration("slow", shipped.Slow, TimeSpan.Zero, week) ?? shipped.Slow,
                section.Flag("expect_traffic", shipped.ExpectTraffic),
                section.Word("on_hold", shipped.OnHold, "page", "continue", "rollback"))
            {
                Share = section.Share("share", 0, 1, zero: false, "10%") is > 0 and var share ? share : null,
            };
        }

        private static void AtMost(Section section, string low, TimeSpan? lowest, string high, TimeSpan? highest)
        {
            if (lowest is not { } lower || highest is not { } upper || lower <= upper)
                return;
            string Written(string key, TimeSpan value) => $"{key} {Durations.Format(value)}{(section.Has(key) ? "" : " (the default)")}";
            var wrong = section.Has(low) ? low : high;
            section.Wrong(wrong, $"{Written(low, lower)} is longer than {Written(high, upper)}",
                $"write {low}: {Durations.Format(upper)} or less, or {high}: {Durations.Format(lower)} or more");
        }

        private DecidePolicy Decide(MapNode map)
        {
            var section = new Section(map, errors, "false_alarms", "cost", "reasoning");
            var cost = new Section(section.Map("cost"), errors, "false_rollback", "missed");
            var shipped = PolicySet.Empty.Defaults.Decide;
            return new DecidePolicy(
                section.Share("false_alarms", shipped.FalseAlarms, 1, zero: false, "1%"),
                cost.Number("false_rollback", shipped.FalseRollbackCost, 0, 1e6, "1"),
                cost.Number("missed", shipped.MissedCost, 0, 1e6, "9"),
                section.Word("reasoning", shipped.Reasoning));
        }

        private ActPolicy Act(MapNode map, SourceSettings? source)
        {
            var section = new Section(map, errors, "autonomy", "rollback", "late", "ask_for", "cooldown", "max_per_hour", "irreversible");
            var shipped = PolicySet.Empty.Defaults.Act;
            var day = TimeSpan.FromDays(1);
            return new ActPolicy(
                section.Word("autonomy", source is null ? Autonomy.Observe : Autonomy.Recommend),
                Rollback(section),
                section.Word("late", shipped.Late),
                section.Duration("ask_for", shipped.AskFor, TimeSpan.Zero, day) ?? shipped.AskFor,
                section.Duration("cooldown", shipped.Cooldown, TimeSpan.Zero, TimeSpan.FromDays(7)) ?? shipped.Cooldown,
                PerHour(section, shipped.MaxPerHour),
                section.Texts("irreversible", "[migration]"));
        }

        private static int? PerHour(Section section, int? shipped)
        {
            if (section.Node.Find("max_per_hour")?.Value is TextNode { Value: "off" or "none" })
                return null;
            var number = section.Number("max_per_hour", shipped ?? 0, -1, 1000, "3, or off");
            if (number == Math.Floor(number))
                return (int)number;
            section.Wrong("max_per_hour", "is no whole number", "write 3, or off");
            return shipped;
        }

        private RollbackPolicy? Rollback(Section act)
        {
            if (act.Value("rollback") is null)
                return null;
            var map = act.Map("rollback");
            IReadOnlyList<string> common = map.Find("type")?.Value is TextNode { Value: "command" } ? ["run", "state", "timeout"] : ["timeout"];
            if (act.Value("rollback") is not MapNode || Typed(map, Settings.Rollbacks, common) is not var (section, type, known))
                return null;
            IReadOnlyList<string> run = [];
            IReadOnlyList<string> state = [];
            if (type == "command")
            {
                state = section.Texts("state", "[PROGRAM, ARGUMENT]");
                if (section.Has("state") && section.Value("state") is ListNode { Items.Count: 0 } or null)
                    section.Wrong("state", "names no program", "write state: [PROGRAM, ARGUMENT], or remove the key");
                run = section.Texts("run", "[kubectl, rollout, undo, deployment/checkout]");
                if (section.Value("run") is ListNode { Items.Count: 0 } or null)
                    section.Wrong("run", "is missing, and type command needs it", "write run: [PROGRAM, ARGUMENT]");
            }

            var timeout = TimeSpan.FromSeconds(60);
            var settings = Settings.Read(section, type, known);
            if (type == "kubernetes")
                Settings.CheckKubernetes(section, settings);
            return new RollbackPolicy(type, settings, run,
                section.Duration("timeout", timeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(30)) ?? timeout)
            {
                State = state,
            };
        }

        private FixPolicy? Fix(Section parent)
        {
            if (parent.Value("fix") is null or TextNode { Value: "off" })
                return null;
            var section = new Section(parent.Map("fix"), errors, "repository", "agent", "test", "auto_merge");
            var repository = section.Text("repository", "acme/checkout");
            if (!section.Has("repository"))
                section.Wrong("repository", "is missing, and a fix needs it", "write repository: acme/checkout");
            else if (repository is not null && (repository.Split('/').Length < 2 || repository.Split('/').Any(part => part.Length == 0) || repository.Any(c => char.IsWhiteSpace(c) || char.IsControl(c))))
                section.Wrong("repository", $"{Quote.It(repository)} is no repository", "write owner/name");
            return new FixPolicy(repository ?? "", section.Word("agent", "cline", "cline", "none"), section.Text("test", "'dotnet test'"), section.Flag("auto_merge", otherwise: false));
        }

        private ContextPolicy? Context(Section parent, string key, IReadOnlyDictionary<string, IReadOnlyList<Settings.Setting>> types)
        {
            // Switched off: what the defaults or the service reads and this service or environment does not.
            if (parent.Value(key) is null or TextNode { Value: "off" })
                return null;
            if (parent.Value(key) is not MapNode map)
            {
                parent.Wrong(key, $"is {Section.What(parent.At(key))}, not a map", $"write {key}: {{ type: {types.Keys.First()}, ... }}, or off");
                return null;
            }

            if (Typed(map, types, []) is not var (section, type, known))
                return null;
            var settings = Settings.Read(section, type, known);
            if (type == "kubernetes")
                Settings.CheckCluster(section, settings);
            else
                Settings.CheckCredentials(section);
            return new ContextPolicy(type, settings);
        }

        private List<AlertPolicy> Alerts(Section parent)
        {
            if (parent.Value("alert") is not { } at)
                return [];
            if (!_alerts.TryGetValue(at, out var alerts))
                _alerts.Add(at, alerts = ReadAlerts(parent));
            return alerts;
        }

        private List<AlertPolicy> ReadAlerts(Section parent)
        {
            var alerts = new List<AlertPolicy>();
            const string example = "{ slack: '#deploys', on: [rollback, hold] }";
            foreach (var item in parent.Items("alert", $"[ {example} ]"))
            {
                if (alerts.Count == MaxAlerts)
                {
                    errors.Add(item, $"is one alert more than {MaxAlerts}", "tell fewer people, or one channel that forwards");
                    break;
                }

                if (item is not MapNode map)
                {
                    errors.Add(item, $"is {Section.What(item)}, not a map", $"write {example}");
                    continue;
                }

                // The entry's key that names the channel decides which others it may have.
                var named = Channels.Where(name => map.Find(name) is not null).ToList();
                IReadOnlyList<Settings.Setting> own = named.Count == 1 ? Settings.Alerts[named[0]] : [.. Settings.Alerts.Values.SelectMany(settings => settings)];
                var section = new Section(map, errors, [.. Channels, "on", "severity", "template", "quiet", .. own.Select(setting => setting.Key).Distinct(StringComparer.Ordinal)]);
                if (named.Count != 1)
                {
                    errors.Add(item, named.Count == 0 ? "names no channel" : $"names {named.Count} channels", $"write one of {Section.List(Channels)} an entry, such as {example}");
                    continue;
                }

                var channel = named[0];
                if (section.Text(channel, AlertExample(channel)) is not { } to)
                    continue;
                // Whoever knows the address of such a webhook may write there: a policy is stored and shown.
                var secret = channel is "pagerduty" or "teams" or "discord" || (channel == "slack" && to.Contains("://", StringComparison.Ordinal)) || Settings.IsSecret(to);
                var form = secret ? Settings.Form.Secret
                    : channel is "webhook" or "grafana" ? Settings.Form.Url
                    : channel == "email" ? Settings.Form.Mail
                    : channel == "github" && to != "announced" ? Settings.Form.Repository
                    : Settings.Form.Text;
                Settings.Check(section.At(channel), to, form, AlertExample(channel), errors);
                var settings = Settings.Read(section, channel, own);
                alerts.Add(new AlertPolicy(channel, to, On(section, channel))
                {
                    Settings = settings.Count > 0 ? settings : null,
                    Severity = section.Has("severity") ? section.Word("severity", "info", Severities) : null,
                    Template = Template(section),
                    Quiet = Quiet(section),
                });
            }

            return alerts;
        }

        private static string AlertExample(string channel) => channel switch
        {
            "slack" => "'#deploys'",
            "email" => "oncall@example.com",
            "webhook" => "https://example.com/hook",
            "github" => "acme/checkout",
            "grafana" => "https://grafana.example.com",
            _ => "${COMMANDER_SECRET_NAME}",
        };

        private static string? Template(Section section)
        {
            var template = section.Text("template", "'{{ deployment.service }} {{ verdict.decision }}'");
            if (template?.Length > MaxTemplate)
                section.Wrong("template", $"has more than {MaxTemplate} characters", "say it shorter; the link leads to the rest");
            return template;
        }

        private QuietHours? Quiet(Section parent)
        {
            if (!parent.Has("quiet"))
                return null;
            const string example = "{ from: '22:00', to: '07:00', zone: Europe/Berlin }";
            if (parent.Value("quiet") is not MapNode map)
            {
                parent.Wrong("quiet", $"is {Section.What(parent.At("quiet"))}, not a map", $"write quiet: {example}");
                return null;
            }

            var section = new Section(map, errors, "from", "to", "zone");
            var (from, to) = (Clock(section, "from", "'22:00'"), Clock(section, "to", "'07:00'"));
            var zone = section.Text("zone", "Europe/Berlin") ?? "UTC";
            if (!TimeZoneInfo.TryFindSystemTimeZoneById(zone, out _))
                section.Wrong("zone", $"{Quote.It(zone)} is no time zone that this machine knows", "write its name in the tz database, such as Europe/Berlin, or UTC");
            if (from is { } begins && begins == to)
                section.Wrong("to", "is when they begin: no hour or all of them", $"write quiet: {example}");
            return new QuietHours(from ?? default, to ?? default, zone);
        }

        private static TimeOnly? Clock(Section section, string key, string example)
        {
            if (section.Text(key, example) is { } text)
            {
                if (TimeOnly.TryParseExact(text, "HH:mm", System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.None, out var time))
                    return time;
                section.Wrong(key, $"{Quote.It(text)} is no time of day", $"write {key}: {example}");
            }
            else if (!section.Has(key))
            {
                section.Wrong(key, "is missing, and quiet hours need it", $"write {key}: {example}");
            }

            return null;
        }

        private List<string> On(Section section, string channel)
        {
            if (!section.Has("on"))
                return ["rollback", "hold"];
            var words = new List<string>();
            var items = section.Items("on", "[rollback, hold]");
            if (section.Value("on") is ListNode { Items.Count: 0 } or null)
                section.Wrong("on", "is empty: the entry would hear of nothing", "write on: [rollback, hold], or take the entry out");
            foreach (var item in items)
            {
                if (Section.Plain(item, Section.List(Occasions), errors) is not { } word)
                    continue;
                if (!Occasions.Contains(word))
                    Section.WrongWord(item, word, Occasions, errors);
                else if (word == "system" && channel == "github")
                    errors.Add(item, "is news of the server itself, for which GitHub has no place", "tell it another channel");
                // What is inherited keeps its own place. Elsewhere nobody would ever be told, and nobody would notice.
                else if (word == "system" && !item.Path.StartsWith("defaults.alert[", StringComparison.Ordinal))
                    errors.Add(item, "is news of the server itself, which is of no service and environment", "write it in an entry of defaults.alert");
                else if (!words.Contains(word))
                    words.Add(word);
            }

            return words;
        }

        private LearnPolicy Learn(MapNode map)
        {
            var section = new Section(map, errors, "explore", "train", "oumi");
            var shipped = PolicySet.Empty.Defaults.Learn;
            return new LearnPolicy(
                section.Share("explore", shipped.Explore, 0.05, zero: true, "1%"),
                section.Word("train", shipped.Train, "off", "daily"),
                section.Word("oumi", shipped.Oumi, "off", "on"));
        }
    }
}
