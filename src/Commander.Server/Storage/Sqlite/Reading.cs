using Microsoft.Data.Sqlite;

namespace Commander.Server.Storage.Sqlite;

/// <summary>The questions to the store on a reading connection.</summary>
internal static class Reading
{
    public static IReadOnlyList<Fact> Facts(Session session, string stream, long afterSeq, int limit) =>
        All(session.Query(Questions.Facts, stream, afterSeq, limit), reader => Questions.Fact(reader, stream));

    public static DeploymentRow? Find(Session session, string id) => Rows(session.Query(Questions.Deployment, id)).FirstOrDefault();

    public static IReadOnlyList<DeploymentRow> List(Session session, DeploymentFilter filter)
    {
        string? oldest = null;
        if (filter.Since is { } since)
        {
            oldest = Ids(session.Query(Questions.FirstSince, since.ToUnixTimeMilliseconds())).FirstOrDefault();
            if (oldest is null)
            {
                return [];
            }
        }

        var (sql, values) = Questions.List(filter, oldest);
        return Rows(session.Query(sql, values));
    }

    public static IReadOnlyList<string> Due(Session session, DateTimeOffset now, int limit) =>
        Ids(session.Query(Questions.Overdue, now.ToUnixTimeMilliseconds(), limit));

    public static IReadOnlyList<string> Waiting(Session session, DateTimeOffset now, int limit) =>
        Ids(session.Query(Questions.Queued, now.ToUnixTimeMilliseconds(), limit));

    public static int Count(Session session) => (int)session.Number(Questions.All);

    public static int CountOpen(Session session) => (int)session.Number(Questions.Opened);

    public static IReadOnlyList<DeploymentRow> History(Session session, string service, string environment, int limit) =>
        Rows(session.Query(Questions.Past, service, environment, limit));

    public static IReadOnlyList<DeploymentRow> RolledBack(Session session, string service, string environment, IReadOnlyCollection<string> versions, string except) =>
    [
        .. versions.Distinct(StringComparer.Ordinal)
            .SelectMany(version => Rows(session.Query(Questions.NewestOfVersion, service, environment, version, except)))
            .Where(row => row.RolledBackAt is not null),
    ];

    public static IReadOnlyList<string> StreamNames(Session session, string after, int limit) => Ids(session.Query(Questions.StreamNames, after, limit));

    public static IReadOnlyList<(string Id, bool Open)> Announced(Session session, string after, DateTimeOffset before, int limit) =>
        All(session.Query(Questions.Announced, after, before.ToUnixTimeMilliseconds(), limit), row => (row.GetString(0), row.GetString(1) != "closed"));

    private static List<DeploymentRow> Rows(SqliteDataReader reader) => All(reader, Questions.Row);

    private static List<string> Ids(SqliteDataReader reader) => All(reader, row => row.GetString(0));

    private static List<T> All<T>(SqliteDataReader reader, Func<SqliteDataReader, T> read)
    {
        using (reader)
        {
            List<T> all = [];
            while (reader.Read())
            {
                all.Add(read(reader));
            }

            return all;
        }
    }
}
