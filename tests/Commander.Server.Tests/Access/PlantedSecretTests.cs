using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Commander.Server.Hosting;
using Commander.Server.Tests.Api;
using Commander.Server.Tests.Sources;
using Commander.Server.Tests.Storage;
using Microsoft.AspNetCore.Http;

namespace Commander.Server.Tests.Access;

/// <summary>A secret wherever one can be configured, and everything that Commander writes, says or shows afterwards.</summary>
[Collection("shop processes")]
public sealed class PlantedSecretTests : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private readonly TestFolder _folder = new();

    // Each of its own, so that one that comes out is known by its name.
    private readonly Dictionary<string, string> _planted = new(StringComparer.Ordinal)
    {
        ["COMMANDER_SECRET_BEARER"] = "planted-bearer-5b1f0c77a1",
        ["COMMANDER_SECRET_PASSWORD"] = "planted-password-9d2e41ce",
        ["COMMANDER_SECRET_HEADER"] = "planted-header-77ac3320b4",
        ["COMMANDER_SECRET_ROLLBACK"] = "planted-rollback-3f98d1e0",
        ["COMMANDER_ADMIN_TOKEN"] = "planted-admin-token-aa41bb52cc63",
        ["COMMANDER_INTAKE_SECRET"] = "planted-intake-secret-18f3",
        ["COMMANDER_WEBHOOK_KEY"] = "planted-webhook-key-6e0d",
        ["COMMANDER_GITHUB_SECRET"] = "planted-github-secret-c41a",
        ["COMMANDER_PAGERDUTY_SECRET"] = "planted-pagerduty-secret-5d0e",
        ["COMMANDER_GITLAB_SECRET"] = "planted-gitlab-secret-0be7",
        ["COMMANDER_OIDC_CLIENT_SECRET"] = "planted-client-secret-93d5",
    };

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = 60_000)]
    public async Task Comes_out_nowhere()
    {
        var cancel = TestContext.Current.CancellationToken;
        // A source and a platform that say back whatever they were sent, as careless servers do.
        await using var echo = await Exporter.Start();
        echo.Answer = async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            var said = string.Join(' ', context.Request.Headers.Select(header => $"{header.Key}: {header.Value}")) + " " + await body.ReadToEndAsync(cancel);
            context.Response.StatusCode = 400;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(JsonSerializer.Serialize(new { status = "error", errorType = "bad_data", error = "you sent " + said, message = "you sent " + said }), cancel);
        };
        var url = echo.Url[..^"/metrics".Length];
        var basic = "planted-user:" + _planted["COMMANDER_SECRET_PASSWORD"];
        await File.WriteAllTextAsync(_folder["policy.yaml"], $$$"""
            sources:
              bearer: { type: prometheus, url: '{{{url}}}', token: '${COMMANDER_SECRET_BEARER}', headers: { X-Scope-OrgID: '${COMMANDER_SECRET_HEADER}' } }
              basic: { type: prometheus, url: '{{{url}}}', username: planted-user, password: '${COMMANDER_SECRET_PASSWORD}' }
            defaults:
              source: bearer
              metrics:
                errors: { kind: ratio, bad: 'bad_total{version="{{version}}"}', total: 'all_total{version="{{version}}"}', objective: 1%, critical: true }
              watch: { step: 1s, lag: 0s, min: 2s, max: 30s, reference: 5s, after: 5s }
              act: { autonomy: enforce, cooldown: 0s, rollback: { type: webhook, url: '{{{url}}}/rollback', secret: '${COMMANDER_SECRET_ROLLBACK}' } }
            services:
              second: { source: basic }
            """, cancel);
        var address = new Uri($"http://127.0.0.1:{RunningServer.FreePort()}");
        var start = new ProcessStartInfo("dotnet", [typeof(CommanderOptions).Assembly.Location, "--urls", address.ToString(), "--data", _folder["data"], "--policy", _folder["policy.yaml"]]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (var (name, value) in _planted)
            start.Environment[name] = value;
        (start.Environment["COMMANDER_OIDC_AUTHORITY"], start.Environment["COMMANDER_OIDC_CLIENT_ID"]) = (url, "commander");
        start.Environment["Logging__LogLevel__Default"] = "Debug";
        // What the environment says of endpoints is not listened on: nobody looked whether it is this machine alone.
        var stray = RunningServer.FreePort();
        start.Environment["Kestrel__Endpoints__Stray__Url"] = $"http://127.0.0.1:{stray}";
        using var server = Process.Start(start)!;
        var seen = new StringBuilder();
        void Hear(string? line)
        {
            lock (seen)
                seen.AppendLine(line);
        }

        server.OutputDataReceived += (_, line) => Hear(line.Data);
        server.ErrorDataReceived += (_, line) => Hear(line.Data);
        server.BeginOutputReadLine();
        server.BeginErrorReadLine();
        try
        {
            using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(20) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", _planted["COMMANDER_ADMIN_TOKEN"]);
            await Ready(http, server, () => seen.ToString(), cancel);
            using (var knock = new System.Net.Sockets.TcpClient())
                await Should.ThrowAsync<System.Net.Sockets.SocketException>(() => knock.ConnectAsync("127.0.0.1", stray, cancel).AsTask());
            var ids = new List<string>();
            foreach (var service in (string[])["first", "second"])
            {
                using var announced = await http.PostAsJsonAsync("/api/v1/deployments", new { service, version = "2", previous_version = "1" }, cancel);
                ids.Add((await announced.Content.ReadFromJsonAsync<JsonElement>(cancel)).GetProperty("id").GetString()!);
            }

            using (var hook = await http.PostAsync($"/api/v1/executions/webhook/ai.devops.commander/devops-loop/{_planted["COMMANDER_WEBHOOK_KEY"]}", null, cancel))
                Hear(await hook.Content.ReadAsStringAsync(cancel));
            // Asked with what is planted, and refused or not: the answers and the log are read below.
            foreach (var (path, header, value) in ((string, string, string)[])[("/hooks/gitlab", "X-Gitlab-Token", _planted["COMMANDER_GITLAB_SECRET"]), ("/hooks/github", "X-Hub-Signature-256", "sha256=00")])
            {
                using var sent = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent("{}", Encoding.UTF8, "application/json"), Headers = { { header, value } } };
                using var hooked = await http.SendAsync(sent, cancel);
                Hear(await hooked.Content.ReadAsStringAsync(cancel));
            }

            using (var provider = await http.GetAsync("/login/provider?to=/", cancel))
                Hear(await provider.Content.ReadAsStringAsync(cancel));
            // Until what the source said is in a fact, and what the platform said too.
            foreach (var id in ids)
                await Until(http, $"/api/v1/deployments/{id}/facts", "you sent", cancel);
            using (var acted = await http.PostAsJsonAsync($"/api/v1/deployments/{ids[0]}/actions/rollback", new { reason = "to see what the platform says" }, cancel))
                acted.IsSuccessStatusCode.ShouldBeTrue();
            await Until(http, $"/api/v1/deployments/{ids[0]}", "refused", cancel);
            var policy = await File.ReadAllTextAsync(_folder["policy.yaml"], cancel);
            using (var check = await http.PostAsJsonAsync("/api/v1/policies/check?live=true", new { policy }, cancel))
                Hear(await check.Content.ReadAsStringAsync(cancel));
            string[] paths = ["/", "/help", "/api/v1/deployments", "/api/v1/policies", "/api/v1/tokens", "/api/v1/samples?format=raw", "/api/v1/freeze", "/openapi/v1.json", "/health/ready", "/api/v1/executions?namespace=ai.devops.commander&flowId=devops-loop"];
            string[] each = ["/d/{0}", "/d/{0}.json", "/d/{0}.md", "/d/{0}.html", "/api/v1/deployments/{0}", "/api/v1/deployments/{0}/evidence", "/api/v1/deployments/{0}/facts"];
            foreach (var path in paths.Concat(each.SelectMany(path => ids.Select(id => path.Replace("{0}", id, StringComparison.Ordinal)))))
            {
                using var answer = await http.GetAsync(path, cancel);
                Hear(await answer.Content.ReadAsStringAsync(cancel));
            }

            using var wrong = new HttpRequestMessage(HttpMethod.Get, "/api/v1/tokens") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", "x") } };
            using var refused = await http.SendAsync(wrong, cancel);
            Hear(await refused.Content.ReadAsStringAsync(cancel));
        }
        finally
        {
            server.Kill();
            await server.WaitForExitAsync(CancellationToken.None);
        }

        echo.Requests.ShouldBeGreaterThan(4);
        string all;
        lock (seen)
            all = seen.ToString();
        all.ShouldContain("you sent");
        var stored = Directory.EnumerateFiles(_folder["data"], "*", SearchOption.AllDirectories).Select(file => (file, text: Encoding.Latin1.GetString(File.ReadAllBytes(file)))).ToArray();
        foreach (var (name, secret) in _planted.Append(new("basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(basic)))))
        {
            all.ShouldNotContain(secret, Case.Sensitive, $"{name} was said or shown");
            foreach (var (file, text) in stored)
                text.Contains(secret, StringComparison.Ordinal).ShouldBeFalse($"{name} is in {Path.GetFileName(file)}");
        }
    }

    private static async Task Ready(HttpClient http, Process server, Func<string> said, CancellationToken cancel)
    {
        while (true)
        {
            server.HasExited.ShouldBeFalse(said());
            try
            {
                using var answer = await http.GetAsync("/health/ready", cancel);
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }

            await Task.Delay(Poll, TimeProvider.System, cancel);
        }
    }

    private static async Task Until(HttpClient http, string path, string text, CancellationToken cancel)
    {
        while (!(await http.GetStringAsync(path, cancel)).Contains(text, StringComparison.Ordinal))
            await Task.Delay(Poll, TimeProvider.System, cancel);
    }
}
