using YamlDotNet.RepresentationModel;

namespace Commander.Server.Tests.Intake;

/// <summary>The flow for those who keep Kestra. No Kestra runs here: its syntax is held against what Kestra 2.0 documents.</summary>
public sealed class KestraFlowTests
{
    private static readonly string[] Types =
    [
        "io.kestra.plugin.core.http.Request",
        "io.kestra.plugin.core.debug.Return",
        "io.kestra.plugin.core.flow.Switch",
        "io.kestra.plugin.core.log.Log",
        "io.kestra.plugin.core.execution.Fail",
        "io.kestra.plugin.core.trigger.Webhook",
    ];

    // What 2.0 no longer reads.
    private static readonly string[] Removed = ["conditions", "preconditions", "runIf", "maxAttempt", "pluginDefaults", "taskDefaults"];

    [Fact]
    public void Every_task_and_trigger_has_an_id_of_its_own_and_a_type_that_kestra_knows()
    {
        var parts = All(Flow()).OfType<YamlMappingNode>().Where(map => Text(map, "type") is { } type && type.StartsWith("io.kestra", StringComparison.Ordinal)).ToList();
        parts.Count.ShouldBe(9);
        parts.Select(part => Text(part, "type")).ShouldBeSubsetOf(Types);
        parts.Select(part => Text(part, "id")).ShouldAllBe(id => id!.All(c => char.IsAsciiLetterOrDigit(c) || c == '_' || c == '-'));
        parts.Select(part => Text(part, "id")).ShouldBeUnique();
    }

    [Fact]
    public void It_uses_no_key_that_kestra_2_has_removed() =>
        All(Flow()).OfType<YamlMappingNode>().SelectMany(map => map.Children.Keys).OfType<YamlScalarNode>().Select(key => key.Value).Intersect(Removed).ShouldBeEmpty();

    [Fact]
    public void It_asks_commander_with_a_key_that_a_retry_repeats_and_waits_longer_than_commander_does()
    {
        var verify = All(Flow()).OfType<YamlMappingNode>().Single(map => Text(map, "id") == "verify");
        Text(verify, "uri").ShouldBe("{{ inputs.commander_url }}/api/v1/deployments?wait=5m");
        Text(verify, "method").ShouldBe("POST");
        Text((YamlMappingNode)verify["headers"], "Idempotency-Key").ShouldBe("{{ execution.id }}");
        Text((YamlMappingNode)verify["options"], "readTimeout").ShouldBe("PT6M");
        Text((YamlMappingNode)verify["retry"], "maxAttempts").ShouldBe("5");
    }

    [Fact]
    public void It_branches_on_every_decision()
    {
        var branch = All(Flow()).OfType<YamlMappingNode>().Single(map => Text(map, "id") == "branch");
        ((YamlMappingNode)branch["cases"]).Children.Keys.Select(key => ((YamlScalarNode)key).Value).ShouldBe(["ROLLBACK", "CONTINUE"]);
        ((YamlSequenceNode)branch["defaults"]).Children.Count.ShouldBe(1);
    }

    private static YamlNode Flow()
    {
        var yaml = new YamlStream();
        using var reader = new StreamReader(Repository.At("deploy/kestra/devops-loop.yml"));
        yaml.Load(reader);
        return yaml.Documents.ShouldHaveSingleItem().RootNode;
    }

    private static IEnumerable<YamlNode> All(YamlNode node) => node switch
    {
        YamlMappingNode map => map.Children.Values.SelectMany(All).Prepend(map),
        YamlSequenceNode list => list.Children.SelectMany(All).Prepend(list),
        _ => [node],
    };

    private static string? Text(YamlMappingNode map, string key) =>
        map.Children.TryGetValue(new YamlScalarNode(key), out var value) && value is YamlScalarNode scalar ? scalar.Value : null;
}
