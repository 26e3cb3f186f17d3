using System.Text.Json.Nodes;

namespace Commander.Server.Tests.Cli;

public sealed class PolicyCheckTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("commander-policies-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_valid_policy_is_counted()
    {
        var ran = await new Shell().Run("policy", "check", Write("policy.yaml", "sources: { p: { type: prometheus, url: 'http://a' } }\nservices: { a: { source: p }, b: }"));
        ran.Code.ShouldBe(0);
        ran.Out.ShouldBe("valid: 2 services, 1 source\n");
    }

    [Fact]
    public async Task All_errors_are_listed_at_once()
    {
        var file = Write("policy.yaml", "services:\n  a: { watch: { step: soon } }\n  b: { compre: auto }\n  c: { source: none }\n");
        var ran = await new Shell().Run("policy", "check", file);
        ran.Code.ShouldBe(1);
        ran.Lines.ShouldBe(
        [
            $"{file}:2:23 services.a.watch.step: 'soon' is no duration; write 15s, 2m, 6h",
            $"{file}:3:8 services.b.compre: is no key here; did you mean compare?",
            $"{file}:4:16 services.c.source: there is no source 'none'; write sources: {{ none: {{ type: prometheus, url: http://localhost:9090 }} }}",
        ]);
    }

    [Fact]
    public async Task A_folder_is_one_policy()
    {
        Write("a.yaml", "services: { a: { source: p } }");
        Write("b.yml", "sources: { p: { type: prometheus, url: 'http://a' } }");
        Write("c.json", """{"services":{"c":{"source":"p"}}}""");
        Write("notes.txt", "not: [read");
        (await new Shell().Run("policy", "check", _folder)).Out.ShouldBe("valid: 2 services, 1 source\n");
    }

    [Fact]
    public async Task Errors_as_json_carry_place_and_remedy()
    {
        var ran = await new Shell().Run("policy", "check", Write("p.yaml", "servces: {}"), "--json");
        ran.Code.ShouldBe(1);
        var answer = JsonNode.Parse(ran.Out)!;
        answer["valid"]!.GetValue<bool>().ShouldBeFalse();
        answer["errors"]![0]!["line"]!.GetValue<int>().ShouldBe(1);
        answer["errors"]![0]!["key"]!.GetValue<string>().ShouldBe("servces");
        answer["errors"]![0]!["remedy"]!.GetValue<string>().ShouldBe("did you mean services?");
    }

    [Fact]
    public async Task What_is_not_there_or_too_long_is_said()
    {
        var missing = await new Shell().Run("policy", "check", Path.Combine(_folder, "none.yaml"));
        missing.Code.ShouldBe(1);
        missing.Error.ShouldContain("none.yaml cannot be read");
        (await new Shell().Run("policy", "check", _folder)).Error.ShouldContain("has no .yaml, .yml or .json file");
        (await new Shell().Run("policy", "check", Write("long.yaml", new string('#', 3 << 20)))).Out.ShouldContain("the file is longer than 1 MiB");
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
