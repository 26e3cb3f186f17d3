using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using ArchUnitNET.Domain.Dependencies;
using ArchUnitNET.Loader;
using Commander.Judging.Verdicts;
using Commander.Server.Storage;
using Assembly = System.Reflection.Assembly;

namespace Commander.Server.Tests;

/// <summary>The rules that keep the structure as the design has it (section 3), read off the built assemblies.</summary>
public sealed partial class ArchitectureTests
{
    private const string Server = "Commander.Server";

    private static readonly Assembly ServerAssembly = typeof(IFactStore).Assembly;
    private static readonly Assembly[] PureAssemblies = [typeof(Verdict).Assembly, Assembly.Load("Commander.Charts")];

    private static readonly Lazy<Architecture> Built = new(() =>
        new ArchLoader().LoadAssemblies([ServerAssembly, .. PureAssemblies, typeof(ArchitectureTests).Assembly]).Build());

    // From the outside in. A folder may use those of later rows, and of its own row none but itself.
    private static readonly string[][] Layers =
    [
        ["Intake", "Dashboard", "Demo"],
        // Has what every HTTP answer of ours shares: bounded bodies, problem details, waiting.
        ["Api"],
        ["Loop"],
        ["Sources", "Reasoning", "Acting", "Fixing", "Alerting", "Learning"],
        ["Connections", "Storage"],
    ];

    // Where the parts are put together: it knows all of them, and all may read its options.
    private const string Composition = "Hosting";

    // Interfaces with one implementation in the server, each with the network or the second implementation behind it.
    private static readonly Dictionary<string, string> Seams = new(StringComparer.Ordinal)
    {
        ["IFactStore"] = "SQLite, and Postgres on its network",
        ["ISource"] = "the network to the systems that measure",
        ["IRollbackTarget"] = "the network to the platforms that are rolled back",
        ["IDeployments"] = "the owners, which may live on another node",
        ["IOwner"] = "a grain on another node, or the loop in a test",
        ["IOwners"] = "the cluster that finds grains, or the loops of a test",
        ["IAlertChannel"] = "the network to whoever is told",
        ["IPinned"] = "the store: the fold of a watch reads pinned bodies and stays free of it",
    };

    [Fact]
    public void Intake_api_pages_and_demo_call_the_loop_the_loop_calls_the_rest_and_nobody_calls_back() =>
        Against(Layers, Server).ShouldBeEmpty();

    [Fact]
    public void A_call_back_is_noticed_wherever_it_hides()
    {
        var found = Against(Layers, "Commander.Server.Tests.Planted");

        found.ShouldBe(
        [
            "Acting.Orders uses Sources.Prometheus",
            "Loop.Watch uses Api.Page",
            "Sources.Prometheus uses Loop.Watch",
            "Storage.Table uses Loop.Watch",
        ]);
    }

    [Fact]
    public void Orleans_types_stand_only_in_grains_and_in_hosting()
    {
        var sources = SourceFiles("src/Commander.Server");

        Orleans(Server).Where(type => !sources.Any(file =>
            (file.Key.EndsWith("Grain.cs", StringComparison.Ordinal) || file.Key.Contains("/Hosting/", StringComparison.Ordinal))
            && Regex.IsMatch(file.Value, $@"\b(class|record|struct|interface|enum)\s+{Regex.Escape(type)}\b", RegexOptions.NonBacktracking)))
            .ShouldBeEmpty();
    }

    [Fact]
    public void An_orleans_type_elsewhere_is_noticed() => Orleans("Commander.Server.Tests.Planted").ShouldBe(["Watch"]);

    [Fact]
    public void Nothing_in_the_server_is_public_but_what_a_framework_asks_for() =>
        ServerAssembly.GetExportedTypes()
            .Where(type => type != ServerAssembly.EntryPoint?.DeclaringType)
            .Where(type => !typeof(Microsoft.AspNetCore.Components.IComponent).IsAssignableFrom(type))
            .Where(type => type.Namespace?.StartsWith("OrleansCodeGen", StringComparison.Ordinal) != true)
            // What the Razor compiler makes of _Imports.razor.
            .Where(type => type.Name != "_Imports")
            .Select(type => type.FullName)
            .ShouldBeEmpty();

    [Fact]
    public void The_pure_libraries_know_the_base_library_a_numerics_package_and_the_yaml_reader()
    {
        string[] allowed = ["MathNet.Numerics", "YamlDotNet", "Commander.Judging"];

        PureAssemblies.SelectMany(assembly => assembly.GetReferencedAssemblies().Select(name => name.Name!))
            .Where(name => !name.StartsWith("System.", StringComparison.Ordinal) && !allowed.Contains(name))
            .ShouldBeEmpty();
    }

    [Fact]
    public void The_pure_libraries_touch_no_network_file_process_clock_or_randomness() =>
        Impurities(type => PureAssemblies.Any(pure => type.Assembly.FullName == pure.FullName)).ShouldBeEmpty();

    [Fact]
    public void Every_impurity_is_noticed() =>
        Impurities(type => type.Name == nameof(Planted.Impure)).ShouldBe(
        [
            "Impure uses System.DateTimeOffset.get_UtcNow",
            "Impure uses System.IO.File",
            "Impure uses System.Net.Http.HttpClient",
            "Impure uses System.Random",
            "Impure uses System.TimeProvider",
        ]);

    [Fact]
    public void An_interface_stands_only_where_two_implementations_or_a_network_stand_behind_it() =>
        ServerAssembly.GetTypes()
            .Where(type => type.IsInterface && !type.Name.EndsWith("Grain", StringComparison.Ordinal) && !Seams.ContainsKey(type.Name))
            .Where(type => ServerAssembly.GetTypes().Count(other => other is { IsInterface: false, IsAbstract: false } && type.IsAssignableFrom(other)) < 2)
            .Where(type => type.Namespace?.StartsWith(Server, StringComparison.Ordinal) == true)
            .Select(type => type.Name)
            .ShouldBeEmpty();

    [Fact]
    public void Folders_are_named_after_the_field_not_after_patterns()
    {
        string[] patterns = ["Services", "Helpers", "Managers", "Utils", "Utilities", "Common", "Models", "Interfaces", "Extensions", "Misc"];

        // Models is a word of the field in the judging core.
        Directory.GetDirectories(Repository.At("src"), "*", SearchOption.AllDirectories)
            .Select(folder => Path.GetRelativePath(Repository.At("src"), folder).Replace('\\', '/'))
            .Where(folder => !folder.Split('/').Any(part => part is "bin" or "obj"))
            .Where(folder => patterns.Contains(Path.GetFileName(folder)) && folder != "Commander.Judging/Models")
            .ShouldBeEmpty();
    }

    private static string[] Against(string[][] layers, string root)
    {
        var layer = layers.SelectMany((folders, depth) => folders.Select(folder => (folder, depth))).ToDictionary(x => x.folder, x => x.depth, StringComparer.Ordinal);
        return Uses(root)
            .Where(use => layer.ContainsKey(use.From) && layer.ContainsKey(use.To))
            .Where(use => use.From != use.To && layer[use.To] <= layer[use.From])
            .Select(use => $"{use.From}.{Outermost(use.Origin)} uses {use.To}.{Outermost(use.Target)}")
            .Distinct().Order(StringComparer.Ordinal).ToArray();

        // Folder names are the first part of the namespace below the root.
        IEnumerable<(IType Origin, IType Target, string From, string To)> Uses(string below) =>
            from type in Below(below)
            from dependency in type.Dependencies
            let to = Folder(dependency.Target, below)
            where to is not null
            select (type, dependency.Target, Folder(type, below)!, to);
    }

    private static string[] Orleans(string root) =>
        Below(root)
            .Where(type => Folder(type, root) != Composition)
            .Where(type => type.Dependencies.Any(dependency => dependency.Target.Namespace?.FullName is { } name && (name == "Orleans" || name.StartsWith("Orleans.", StringComparison.Ordinal))))
            .Select(Outermost)
            .Distinct().Order(StringComparer.Ordinal).ToArray();

    private static string[] Impurities(Func<IType, bool> where)
    {
        string[] types =
        [
            "System.Net.", "System.IO.File", "System.IO.Directory", "System.IO.Path", "System.Diagnostics.Process", "System.Diagnostics.Stopwatch",
            "System.TimeProvider", "System.Random", "System.Security.Cryptography.RandomNumberGenerator", "System.Threading.Timer", "System.Environment",
            "System.Console", "Microsoft.Data.", "Orleans.",
        ];
        string[] members = ["get_Now", "get_UtcNow", "get_Today", "NewGuid", "CreateVersion7"];
        var looked = Built.Value.Types.Where(where).ToArray();
        looked.ShouldNotBeEmpty("a rule over nothing holds always");
        return looked
            .SelectMany(type => type.Dependencies.Select(dependency => (type, dependency)))
            .SelectMany(use => Named(use.dependency).Select(name => $"{Outermost(use.type)} uses {name}"))
            .Distinct().Order(StringComparer.Ordinal).ToArray();

        IEnumerable<string> Named(ITypeDependency dependency)
        {
            var target = dependency.Target.FullName;
            if (types.Any(start => target.StartsWith(start, StringComparison.Ordinal)))
            {
                yield return target;
            }

            if (dependency is MethodCallDependency call && target.StartsWith("System.", StringComparison.Ordinal)
                && members.FirstOrDefault(member => call.TargetMember.Name.StartsWith(member, StringComparison.Ordinal)) is { } clock)
            {
                yield return $"{target}.{clock}";
            }
        }
    }

    // The tests' own namespaces lie below the server's: each root is looked for in its own assembly.
    private static IType[] Below(string root)
    {
        var assembly = (root == Server ? ServerAssembly : typeof(ArchitectureTests).Assembly).FullName;
        var types = Built.Value.Types.Where(type => type.Assembly.FullName == assembly && Folder(type, root) is not null).ToArray();
        types.ShouldNotBeEmpty("a rule over nothing holds always");
        return types;
    }

    private static string? Folder(IType type, string root)
    {
        var name = type.FullName;
        if (!name.StartsWith(root + ".", StringComparison.Ordinal))
        {
            return null;
        }

        var parts = name[(root.Length + 1)..].Split('.');
        return parts.Length > 1 ? parts[0] : "";
    }

    private static string Outermost(IType type) => NestedOrGeneric().Replace(type.FullName[(type.FullName.LastIndexOf('.') + 1)..], "");

    private static Dictionary<string, string> SourceFiles(string folder) =>
        Directory.GetFiles(Repository.At(folder), "*.cs", SearchOption.AllDirectories)
            .Select(file => file.Replace('\\', '/'))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
            .ToDictionary(file => file, File.ReadAllText, StringComparer.Ordinal);

    [GeneratedRegex(@"[+/`<].*$")]
    private static partial Regex NestedOrGeneric();
}
