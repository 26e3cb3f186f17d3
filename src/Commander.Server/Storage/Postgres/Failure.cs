using System.Text;
using Npgsql;

namespace Commander.Server.Storage.Postgres;

/// <summary>What an error says about the work that met it.</summary>
internal enum Failure
{
    /// <summary>This request cannot be stored or asked, whoever else is with it; the database is well.</summary>
    OfTheRequest,

    /// <summary>Two transactions stood in each other's way; the same again goes through.</summary>
    Again,

    /// <summary>The connection is gone. Whether a commit that was under way took effect is not known.</summary>
    Lost,

    /// <summary>The database answers and cannot: full, read-only, shutting down, not ours.</summary>
    OfTheDatabase,

    /// <summary>It takes too long.</summary>
    TooLate,
}

/// <summary>Reads errors of the database and of the way to it. Pure.</summary>
internal static class Failures
{
    public static Failure Of(Exception e) => e switch
    {
        // A deadlock, a serialisation failure, a lock that was not to be had.
        PostgresException { SqlState: "40001" or "40P01" or "55P03" } => Failure.Again,
        // Ended by an administrator, crashed, shutting down, not yet up: the connection ends with it.
        PostgresException { SqlState: "57P01" or "57P02" or "57P03" or "57P05" or "25P03" } => Failure.Lost,
        PostgresException { SqlState: "57014" } => Failure.TooLate,
        // Data that no column takes, a key that is taken, a statement beyond the limits.
        PostgresException { SqlState: ['2', '2' or '3', ..] or ['5', '4', ..] } => Failure.OfTheRequest,
        PostgresException => Failure.OfTheDatabase,
        // Text that is no Unicode.
        EncoderFallbackException => Failure.OfTheRequest,
        TimeoutException or OperationCanceledException => Failure.TooLate,
        NpgsqlException { InnerException: { } inner } and not PostgresException when Of(inner) is Failure.TooLate => Failure.TooLate,
        NpgsqlException { InnerException: PostgresException inner } => Of(inner),
        _ => Failure.Lost,
    };

    /// <summary>Whether it comes from outside: what else is thrown is a mistake of ours and stays what it is.</summary>
    public static bool FromOutside(Exception e) =>
        e is NpgsqlException or TimeoutException or OperationCanceledException or IOException or System.Net.Sockets.SocketException or EncoderFallbackException or ObjectDisposedException;

    /// <summary>The reason and the remedy, for people. The connection string has no part in it.</summary>
    public static string Reason(Exception e, string place) => (Of(e), e as PostgresException ?? e.InnerException as PostgresException) switch
    {
        (_, { SqlState: "53100" }) => $"the disk of the database {place} is full. Free some space",
        (_, { SqlState: "53300" }) => $"the database {place} has no connection left. Raise max_connections, or end others",
        (_, { SqlState: "25006" }) => $"the database {place} is read-only: a standby? Name the primary",
        (_, { SqlState: "57P03" }) => $"the database {place} is starting or stopping",
        (_, { SqlState: "28P01" or "28000" }) => $"the database {place} does not let Commander in: look at user, password and pg_hba.conf",
        (_, { SqlState: "3D000" }) => $"there is no database {place}: create it",
        (Failure.TooLate, _) => $"the database {place} does not answer in time",
        (_, { } refused) => $"the database {place} refuses: {refused.MessageText}",
        _ => $"the database {place} cannot be reached",
    };
}
