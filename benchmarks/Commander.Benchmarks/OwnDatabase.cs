using System.Globalization;
using Npgsql;

namespace Commander.Benchmarks;

/// <summary>A row's own database on the server that COMMANDER_CLUSTER names, dropped after it: a hundred thousand watches that an earlier row announced are not to be watched beside the next one's.</summary>
internal static class OwnDatabase
{
    private const string Variable = "COMMANDER_CLUSTER";

    /// <summary>Runs a row with COMMANDER_CLUSTER changed to a new database; where it is not set, as it is.</summary>
    public static async Task<int> For(Func<Task<int>> row)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } given)
            return await row();
        var name = string.Create(CultureInfo.InvariantCulture, $"bench_{TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()}");
        await Run(given, $"CREATE DATABASE {name}");
        Environment.SetEnvironmentVariable(Variable, new NpgsqlConnectionStringBuilder(given) { Database = name }.ConnectionString);
        try
        {
            return await row();
        }
        finally
        {
            await Run(given, $"DROP DATABASE {name} WITH (FORCE)");
        }
    }

    private static async Task Run(string connection, string statement)
    {
        await using var source = NpgsqlDataSource.Create(connection);
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync();
    }
}
