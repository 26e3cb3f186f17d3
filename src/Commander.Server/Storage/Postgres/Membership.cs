namespace Commander.Server.Storage.Postgres;

/// <summary>
/// Which nodes there are, as Orleans' provider for databases asks for it: by statements of ours that it finds in the table
/// orleansquery under its own names, with parameters and columns of its own names. The table's version decides between nodes
/// that change it at once: of those that read the same version one goes on, the others read again.
/// </summary>
internal static class Membership
{
    /// <summary>Part of the second stored form.</summary>
    public const string Tables =
        """
        CREATE TABLE membership_version(
            cluster text NOT NULL CONSTRAINT membership_version_key PRIMARY KEY,
            version integer NOT NULL,
            at timestamptz NOT NULL
        );

        CREATE TABLE membership(
            cluster text NOT NULL CONSTRAINT membership_cluster REFERENCES membership_version(cluster),
            address text NOT NULL,
            port integer NOT NULL,
            generation integer NOT NULL,
            name text NOT NULL,
            host text NOT NULL,
            status integer NOT NULL,
            proxy_port integer NOT NULL,
            suspected text,
            started_at timestamptz NOT NULL,
            alive_at timestamptz NOT NULL,
            CONSTRAINT membership_key PRIMARY KEY(cluster, address, port, generation)
        );

        CREATE TABLE orleansquery(
            querykey text NOT NULL CONSTRAINT orleansquery_key PRIMARY KEY,
            querytext text NOT NULL
        );

        INSERT INTO orleansquery(querykey, querytext) VALUES
        ('InsertMembershipVersionKey', $query$
            WITH begun AS (
                INSERT INTO membership_version(cluster, version, at) VALUES (@DeploymentId, 0, now()) ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT count(*) > 0 FROM begun
        $query$),
        ('InsertMembershipKey', $query$
            WITH taken AS (
                UPDATE membership_version v SET version = v.version + 1, at = now()
                WHERE v.cluster = @DeploymentId AND v.version = @Version AND NOT EXISTS (
                    SELECT 1 FROM membership m WHERE m.cluster = @DeploymentId AND m.address = @Address AND m.port = @Port AND m.generation = @Generation)
                RETURNING v.cluster
            ), entered AS (
                INSERT INTO membership(cluster, address, port, generation, name, host, status, proxy_port, started_at, alive_at)
                SELECT cluster, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM taken
                RETURNING 1
            )
            SELECT count(*) > 0 FROM entered
        $query$),
        ('UpdateMembershipKey', $query$
            WITH taken AS (
                UPDATE membership_version v SET version = v.version + 1, at = now()
                WHERE v.cluster = @DeploymentId AND v.version = @Version AND EXISTS (
                    SELECT 1 FROM membership m WHERE m.cluster = @DeploymentId AND m.address = @Address AND m.port = @Port AND m.generation = @Generation)
                RETURNING v.cluster
            ), changed AS (
                UPDATE membership m SET status = @Status, suspected = @SuspectTimes, alive_at = greatest(m.alive_at, @IAmAliveTime)
                FROM taken WHERE m.cluster = taken.cluster AND m.address = @Address AND m.port = @Port AND m.generation = @Generation
                RETURNING 1
            )
            SELECT count(*) > 0 FROM changed
        $query$),
        ('UpdateIAmAlivetimeKey', $query$
            UPDATE membership SET alive_at = greatest(alive_at, @IAmAliveTime)
            WHERE cluster = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
        $query$),
        ('MembershipReadRowKey', $query$
            SELECT m.address AS Address, m.port AS Port, m.generation AS Generation, m.name AS SiloName, m.host AS HostName, m.status AS Status,
                m.proxy_port AS ProxyPort, m.suspected AS SuspectTimes, m.started_at AS StartTime, m.alive_at AS IAmAliveTime, v.version AS Version
            FROM membership_version v LEFT JOIN membership m
                ON m.cluster = v.cluster AND m.address = @Address AND m.port = @Port AND m.generation = @Generation
            WHERE v.cluster = @DeploymentId
        $query$),
        ('MembershipReadAllKey', $query$
            SELECT m.address AS Address, m.port AS Port, m.generation AS Generation, m.name AS SiloName, m.host AS HostName, m.status AS Status,
                m.proxy_port AS ProxyPort, m.suspected AS SuspectTimes, m.started_at AS StartTime, m.alive_at AS IAmAliveTime, v.version AS Version
            FROM membership_version v LEFT JOIN membership m ON m.cluster = v.cluster
            WHERE v.cluster = @DeploymentId
        $query$),
        ('GatewaysQueryKey', $query$
            SELECT address AS Address, proxy_port AS ProxyPort, generation AS Generation
            FROM membership WHERE cluster = @DeploymentId AND status = @Status AND proxy_port > 0
        $query$),
        ('DeleteMembershipTableEntriesKey', $query$
            WITH gone AS (DELETE FROM membership WHERE cluster = @DeploymentId)
            UPDATE membership_version SET version = version + 1, at = now() WHERE cluster = @DeploymentId
        $query$),
        ('CleanupDefunctSiloEntriesKey', $query$
            DELETE FROM membership WHERE cluster = @DeploymentId AND status = 6 AND alive_at < @IAmAliveTime AND started_at < @IAmAliveTime
        $query$),
        ('CleanupDefunctSiloEntryKey', $query$
            DELETE FROM membership
            WHERE cluster = @DeploymentId AND status = 6 AND address = @Address AND port = @Port AND generation = @Generation
                AND alive_at = @IAmAliveTime AND started_at = @StartTime AND coalesce(suspected, '') = coalesce(@SuspectTimes, '')
        $query$);

        """;
}
