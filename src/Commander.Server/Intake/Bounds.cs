using System.Buffers;
using Commander.Judging;
using Commander.Judging.Verdicts;
using Commander.Server.Api;
using Commander.Server.Loop;

namespace Commander.Server.Intake;

/// <summary>What an announcement may hold, whichever door it comes through. Every error names its field and says what to write.</summary>
internal static class Bounds
{
    private const int MaxName = 128;
    private const int MaxLabels = 32;
    private const int MaxKey = 255;
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Back = TimeSpan.FromHours(24);
    private static readonly string[] Kinds = ["release", "config", "flag", "infra"];
    private static readonly SearchValues<char> NameChars = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@+~");

    public static List<string> Check(DeploymentRequest request, DateTimeOffset now)
    {
        var errors = new List<string>();
        Name(errors, "service", request.Service);
        Name(errors, "version", request.Version);
        if (request.Environment is not null)
            Name(errors, "environment", request.Environment);
        if (request.PreviousVersion is not null)
            Name(errors, "previous_version", request.PreviousVersion);
        if (request.PreviousVersion == request.Version)
            errors.Add("previous_version: the same as version; name the version that this one replaces, or leave it out");
        if (request.StartedAt > now + Ahead)
            errors.Add("started_at: more than 5 minutes ahead of this server's clock");
        if (request.StartedAt < now - Back)
            errors.Add("started_at: more than 24 hours back");
        if (request.Kind is not null && !Kinds.Contains(request.Kind))
            errors.Add($"kind: '{Problems.Shown(request.Kind)}' is none of release, config, flag, infra");
        Text(errors, "commit", request.Commit, 128);
        Text(errors, "repository", request.Repository, 256);
        if (request.ChangeUrl is { } url && (url.Length > 2048 || !Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("http" or "https")))
            errors.Add("change_url: no http or https address of at most 2048 characters");
        if (request.Labels is { } labels)
        {
            if (labels.Count > MaxLabels)
                errors.Add($"labels: {labels.Count}, at most {MaxLabels}");
            foreach (var (key, value) in labels.Take(MaxLabels))
            {
                Name(errors, "labels: the key", key);
                if (value is null)
                    errors.Add($"labels.{Problems.Shown(key)}: must not be null");
                Text(errors, $"labels.{Problems.Shown(key)}", value, 256);
            }
        }

        if (request.Metrics is { Count: > 0 } metrics)
        {
            try
            {
                Snapshot.Check(metrics);
            }
            catch (RefusedException refused)
            {
                errors.Add(refused.Message);
            }
        }

        return errors;
    }

    public static Announcing Announcing(DeploymentRequest request, string intake, string? key, byte[] hash) => new(
        request.Service,
        request.Environment ?? "prod",
        request.Version,
        request.PreviousVersion,
        request.StartedAt,
        request.Commit,
        request.Repository,
        request.ChangeUrl,
        request.Labels ?? new Dictionary<string, string>(StringComparer.Ordinal),
        request.Kind ?? "release",
        request.Metrics is { Count: > 0 } metrics ? metrics : null,
        intake,
        key,
        hash);

    /// <summary>The caller's idempotency key; null for none.</summary>
    public static string? IdempotencyKey(HttpContext context, List<string> errors)
    {
        var key = context.Request.Headers["Idempotency-Key"].ToString();
        if (key.Length > MaxKey)
            errors.Add($"Idempotency-Key: at most {MaxKey} characters");
        return key.Length == 0 ? null : key;
    }

    private static void Name(List<string> errors, string field, string value)
    {
        if (value.Length is 0 or > MaxName)
            errors.Add($"{field}: 1 to {MaxName} characters");
        else if (!char.IsAsciiLetterOrDigit(value[0]) || value.AsSpan().ContainsAnyExcept(NameChars))
            errors.Add($"{field}: '{Problems.Shown(value)}' has characters other than letters, digits and . _ - / : @ + ~, or does not begin with a letter or digit");
    }

    private static void Text(List<string> errors, string field, string? value, int longest)
    {
        if (value is not null && (value.Length > longest || value.Any(char.IsControl)))
            errors.Add($"{field}: at most {longest} characters, no control characters");
    }
}
