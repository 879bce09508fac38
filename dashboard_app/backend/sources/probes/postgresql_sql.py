"""The two statements of the PostgreSQL probe, for servers 13 to 18, primary or standby, with or without pg_monitor.

A plain role sees other sessions in pg_stat_activity by pid only: their state and times are NULL, so what depends on them is NULL, too.
"""

_WAIT_START_SINCE = 14

_SESSIONS = """
WITH sessions AS MATERIALIZED (
    SELECT pid, state, xact_start, query_start, state_change, pid = pg_backend_pid() AS is_own
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL)
), waits AS MATERIALIZED (
    SELECT l.pid, {wait_start} AS began FROM pg_locks l {wait_join} WHERE NOT l.granted
)
"""
_LAG = """
    CASE WHEN pg_is_in_recovery() THEN
        CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0.0
             ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END
    WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
        (SELECT CASE WHEN count(*) > 0 THEN coalesce(extract(epoch FROM max(replay_lag)), 0.0) END
         FROM pg_stat_replication WHERE state = 'streaming')
    END::float8 AS replication_lag_s
"""

_HEALTH = """
{sessions}
SELECT pg_is_in_recovery() AS is_standby,
    current_setting('default_transaction_read_only')::bool AS is_read_only,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    current_setting('max_connections')::float8 AS connections_max,
    s.*, w.*,
    (SELECT max(greatest(age(datfrozenxid), mxid_age(datminmxid))) FROM pg_database)::float8 * 100 / 2147483648 AS wraparound_percent,
{lag}
FROM (
    SELECT count(*)::float8 AS connections_used,
        extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE NOT is_own))::float8 AS longest_transaction_s,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%')::float8 AS idle_in_transaction,
        extract(epoch FROM max(clock_timestamp() - state_change) FILTER (WHERE state LIKE 'idle in transaction%'))::float8
            AS longest_idle_in_transaction_s
    FROM sessions
) s, (
    SELECT count(DISTINCT pid)::float8 AS blocked, extract(epoch FROM max(clock_timestamp() - began))::float8 AS longest_wait_s FROM waits
) w
"""

_METRICS = """
{sessions}
SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    current_setting('max_connections')::float8 AS connections_max,
    s.*, w.*,
    d.stats_reset, d.transactions, d.blocks_hit, d.blocks_read, d.deadlocks, d.temp_bytes,
    CASE WHEN $1::bool THEN pg_database_size(current_database())::float8 END AS size_bytes,
    pg_is_in_recovery() AS is_standby,
    (CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')
          ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END)::float8 AS wal_bytes,
{lag}
FROM (
    SELECT count(*)::float8 AS connections_used,
        count(*) FILTER (WHERE state = 'active')::float8 AS connections_active,
        count(*) FILTER (WHERE state = 'idle')::float8 AS connections_idle,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%')::float8 AS connections_idle_in_transaction,
        coalesce(extract(epoch FROM max(clock_timestamp() - query_start) FILTER (WHERE state = 'active' AND NOT is_own)), 0)::float8
            AS longest_query_s
    FROM sessions
) s, (
    SELECT count(*)::float8 AS locks_waiting FROM waits
) w, (
    SELECT stats_reset, (xact_commit + xact_rollback)::float8 AS transactions, blks_hit::float8 AS blocks_hit,
        blks_read::float8 AS blocks_read, deadlocks::float8 AS deadlocks, temp_bytes::float8 AS temp_bytes
    FROM pg_stat_database WHERE datname = current_database()
) d
"""


def health_statement(major: int) -> str:
    """The health statement for a server of version `major`; it takes no values and returns one row."""
    return _HEALTH.format(sessions=_sessions(major), lag=_LAG)


def metrics_statement(major: int) -> str:
    """The metrics statement for a server of version `major`; $1: measure the database's size, too, which is dear. One row."""
    return _METRICS.format(sessions=_sessions(major), lag=_LAG)


def _sessions(major: int) -> str:
    """The common head. Since when a session waits, servers before 14 do not say: the start of its statement stands in."""
    if major >= _WAIT_START_SINCE:
        return _SESSIONS.format(wait_start="l.waitstart", wait_join="")
    return _SESSIONS.format(wait_start="a.query_start", wait_join="JOIN pg_stat_activity a ON a.pid = l.pid")
