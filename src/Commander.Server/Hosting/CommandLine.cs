using System.CommandLine;
using System.Globalization;
using System.Net;
using Commander.Judging.Policies;

namespace Commander.Server.Hosting;

/// <summary>The server's own command line.</summary>
internal static class CommandLine
{
    private const int MostDays = 36_500;

    // After a signal to end the library ends the process by itself, two seconds later when nothing else is said: in the middle of
    // handing watches over. The server has a deadline of its own.
    private static readonly TimeSpan UntilCutOff = Drain.Deadline + TimeSpan.FromSeconds(5);

    /// <summary>Reads the arguments and runs <paramref name="serve"/> or, for the verb doctor, <paramref name="examine"/> (with whether it mends), or prints help or every error (exit code 2).</summary>
    public static Task<int> Run(string[] args, Func<CommanderOptions, CancellationToken, Task<int>> serve, Func<CommanderOptions, bool, CancellationToken, Task<int>> examine)
    {
        var urls = new Option<Uri>("--urls") { Description = "Where to listen; elsewhere than on this machine only once there is a token", DefaultValueFactory = _ => new Uri("http://127.0.0.1:5080"), CustomParser = ParseUrl };
        var data = new Option<string?>("--data") { Description = "The folder of the store (default: data, with --demo data/demo)" };
        var cluster = new Option<string?>("--cluster-file") { Description = "A file with a PostgreSQL connection string: facts are stored there; else COMMANDER_CLUSTER, else in the folder" };
        var address = new Option<IPAddress>("--node-address") { Description = "With a database: the address by which other nodes reach this one; nobody else may reach it", DefaultValueFactory = _ => IPAddress.Loopback, CustomParser = ParseAddress };
        var silo = new Option<int>("--silo-port") { Description = "With a database: the port for other nodes (0: a free one)", DefaultValueFactory = _ => 0 };
        silo.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 65535)
                result.AddError("--silo-port: 0 to 65535");
        });
        var policy = new Option<string?>("--policy") { Description = "A policy file, or a folder of *.yaml and *.yml files" };
        var demo = new Option<bool>("--demo") { Description = "Run a small real shop that can be deployed well and badly" };
        var key = new Option<string?>("--webhook-key") { Description = "The key of the Kestra-compatible webhook, ${COMMANDER_SECRET_NAME} or file:PATH; else COMMANDER_WEBHOOK_KEY (with --demo: webhook)" };
        var max = new Option<int>("--max-watches") { Description = "Watches beyond this stand queued", DefaultValueFactory = _ => 2000 };
        max.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError("--max-watches: at least 1");
        });
        var known = new Option<Uri?>("--public-url") { Description = "The address that people know it by, behind a proxy: for links, and for which pages are its own", CustomParser = ParsePublic };
        var proxies = new Option<IPNetwork[]>("--trusted-proxy") { Description = "A proxy whose word for who a caller is counts, as an address or ADDRESS/LENGTH; may be repeated", CustomParser = ParseProxies };
        var rate = new Option<int>("--rate-limit") { Description = "Requests a second of one caller: a number, or off", DefaultValueFactory = _ => new CommanderOptions().RateLimit ?? 0, CustomParser = ParseRate };
        var keep = new Option<TimeSpan>("--keep-evidence") { Description = "How long ticks are kept after a deployment was announced: 90d, which is the default, or ever", CustomParser = ParseKeep };
        var samples = new Option<TimeSpan>("--keep-samples") { Description = "How long training samples are kept after their deployment was announced, in days: 730, which is the default, or ever", CustomParser = ParseKeep };
        var root = new RootCommand("Commander watches deployments, decides ROLLBACK or CONTINUE, acts and learns.\n\nWho may come in, by the environment: COMMANDER_ADMIN_TOKEN, COMMANDER_OIDC_*, COMMANDER_INTAKE_SECRET, COMMANDER_GITHUB_SECRET, COMMANDER_GITLAB_SECRET, COMMANDER_PAGERDUTY_SECRET, COMMANDER_SLACK_SECRET (docs/operations.md, Access).") { urls, data, cluster, address, silo, policy, demo, key, max, keep, samples, known, proxies, rate };
        root.SetAction((parsed, cancel) =>
        {
            var runsDemo = parsed.GetValue(demo);
            return serve(
                new CommanderOptions
                {
                    Url = parsed.GetValue(urls)!,
                    Data = parsed.GetValue(data) ?? (runsDemo ? Path.Combine("data", "demo") : "data"),
                    ClusterFile = parsed.GetValue(cluster),
                    NodeAddress = parsed.GetValue(address)!,
                    SiloPort = parsed.GetValue(silo),
                    Policy = parsed.GetValue(policy),
                    Demo = runsDemo,
                    WebhookKey = parsed.GetValue(key),
                    MaxWatches = parsed.GetValue(max),
                    KeepEvidence = parsed.GetResult(keep) is null ? new CommanderOptions().KeepEvidence : Kept(parsed.GetValue(keep)),
                    KeepSamples = parsed.GetResult(samples) is null ? new CommanderOptions().KeepSamples : Kept(parsed.GetValue(samples)),
                    PublicUrl = parsed.GetValue(known),
                    TrustedProxies = parsed.GetValue(proxies) ?? [],
                    RateLimit = parsed.GetValue(rate) is > 0 and var limit ? limit : null,
                },
                cancel);
        });
        root.Add(Doctor(examine));
        var parsed = root.Parse(args);
        if (parsed.Errors.Count == 0)
            return parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = UntilCutOff });
        foreach (var error in parsed.Errors)
            Console.Error.WriteLine(error.Message);
        return Task.FromResult(2);
    }

    private static Command Doctor(Func<CommanderOptions, bool, CancellationToken, Task<int>> examine)
    {
        var data = new Option<string>("--data") { Description = "The folder of the store", DefaultValueFactory = _ => "data" };
        var cluster = new Option<string?>("--cluster-file") { Description = "A file with the connection string of the database; else COMMANDER_CLUSTER, else the folder" };
        var rebuild = new Option<bool>("--rebuild") { Description = "Write rows of the read tables that are wrong anew from the facts" };
        var doctor = new Command("doctor", "Reads everything that is stored and checks it; exit code 0 when all is whole, 1 when something is not") { data, cluster, rebuild };
        doctor.SetAction((parsed, cancel) =>
            examine(new CommanderOptions { Data = parsed.GetValue(data)!, ClusterFile = parsed.GetValue(cluster) }, parsed.GetValue(rebuild), cancel));
        return doctor;
    }

    // The library takes no null from a parser: no time stands for ever, no rate for off.
    private static TimeSpan? Kept(TimeSpan keep) => keep == TimeSpan.Zero ? null : keep;

    private static TimeSpan ParseKeep(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (text == "ever")
            return TimeSpan.Zero;
        // A bare number is days; years of them are more than a duration of a policy may be.
        if (int.TryParse(text.EndsWith('d') ? text[..^1] : text, NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days is > 0 and <= MostDays)
            return TimeSpan.FromDays(days);
        if (!Durations.TryParse(text, out var keep) || keep < TimeSpan.FromDays(1))
            result.AddError($"{((System.CommandLine.Parsing.OptionResult)result.Parent!).Option.Name}: '{text}' is no time of a day or more; write 90d, or ever");
        return keep;
    }

    private static Uri? ParsePublic(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (Uri.TryCreate(text.EndsWith('/') ? text : text + "/", UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url is { Query: "", Fragment: "", UserInfo: "" })
            return url;
        result.AddError($"--public-url: '{text}' is no address; write https://commander.example.org");
        return null;
    }

    private static IPNetwork[]? ParseProxies(System.CommandLine.Parsing.ArgumentResult result)
    {
        var networks = new List<IPNetwork>();
        foreach (var token in result.Tokens)
        {
            if (ProxyHosting.TryRead(token.Value, out var network))
                networks.Add(network);
            else
                result.AddError($"--trusted-proxy: '{token.Value}' is no address and no network; write 10.0.0.7, or 10.0.0.0/24");
        }

        return [.. networks];
    }

    private static int ParseRate(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (text == "off")
            return 0;
        if (!int.TryParse(text, out var rate) || rate is < 1 or > 1_000_000)
            result.AddError($"--rate-limit: '{text}' is no number from 1 to 1000000, nor off");
        return rate;
    }

    private static IPAddress? ParseAddress(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (!IPAddress.TryParse(text, out var address))
            result.AddError($"--node-address: '{text}' is no IP address; write that of this machine in the network that the nodes share");
        else if (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            result.AddError($"--node-address: nobody can be reached by '{text}'; write the address of this machine in the network that the nodes share");
        else
            return address;
        return null;
    }

    private static Uri? ParseUrl(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme != "http")
            result.AddError($"--urls: '{text}' is no address to listen on; write http://127.0.0.1:5080");
        else
            return url;
        return null;
    }
}
