using Commander.Server.Storage.Postgres;
using Commander.Server.Tests.Storage.Postgres;
using Microsoft.Extensions.Logging.Abstractions;

namespace Commander.Server.Tests.Loop;

/// <summary>The same stories with their facts in PostgreSQL.</summary>
public sealed class PostgresStoryTests : StoryTests
{
    private protected override async Task<LoopWorld> Begin(string? policy = null)
    {
        var database = RealPostgres.Read(await (await SharedPostgres.Server()).Fresh());
        return await LoopWorld.Begin(policy, opens: async clock => await PostgresStore.Open(database, clock, NullLogger.Instance, CancellationToken.None));
    }
}
