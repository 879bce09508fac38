"""What the PostgreSQL probe measured, judged: one row becomes checks, one row becomes metrics. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from dashboard_app.backend.sources.probes.rates import Counters, growth, rates
from dashboard_app.model.health import Check, CheckStatus
from dashboard_app.policy.health import verdict

SLOW_CONNECT_MS = 1_000.0
CONNECTIONS_WARN_PERCENT, CONNECTIONS_FAIL_PERCENT = 70.0, 90.0
TRANSACTION_WARN_S, TRANSACTION_FAIL_S = 300.0, 3_600.0
IDLE_WARN_S, IDLE_FAIL_S = 60.0, 900.0
BLOCKED_WARN_S, BLOCKED_FAIL_S = 1.0, 60.0
LAG_WARN_S, LAG_FAIL_S = 30.0, 300.0
WRAPAROUND_WARN_PERCENT, WRAPAROUND_FAIL_PERCENT = 40.0, 80.0
"""Of the 2^31 transactions after which a server stops to accept writes; autovacuum begins at about 9 % (200 million) by default."""

UNITS: Mapping[str, str] = {
    "connections_used": "connections",
    "connections_max": "connections",
    "connections_active": "connections",
    "connections_idle": "connections",
    "connections_idle_in_transaction": "connections",
    "transactions_per_s": "1/s",
    "cache_hit_percent": "%",
    "deadlocks_per_s": "1/s",
    "temp_bytes_per_s": "bytes/s",
    "size_bytes": "bytes",
    "locks_waiting": "locks",
    "longest_query_s": "s",
    "wal_bytes_per_s": "bytes/s",
    "replication_lag_s": "s",
}
"""The unit of every metric this probe may give."""
_GAUGES = ("connections_used", "connections_max", "size_bytes", "locks_waiting", "replication_lag_s")
_NEED_ALL = ("connections_active", "connections_idle", "connections_idle_in_transaction", "longest_query_s")
_COUNTERS = ("transactions", "deadlocks", "temp_bytes", "wal_bytes")
_CACHE = ("blocks_hit", "blocks_read")

Row = Mapping[str, Any]


def failed_connect(words: str) -> Check:
    """The one check of a source that gave no answer."""
    return Check("connect", CheckStatus.FAIL, None, "ms", _connect_limit(), words)


def checks_of(row: Row, answered_ms: float) -> tuple[Check, ...]:
    """The checks of one row of the health statement; what the role may not see is absent, and `visibility` says so."""
    found = [_connect(answered_ms), _writable(row), _connections(row)]
    if row["sees_all"]:
        found += [_longest_transaction(row), _idle_in_transaction(row)]
    else:
        found.append(_visibility())
    found.append(_blocked(row))
    if row["replication_lag_s"] is not None:
        found.append(_lag(row))
    found.append(_wraparound(row))
    return tuple(found)


def metrics_of(row: Row, before: Counters | None, after: Counters) -> dict[str, float]:
    """The metrics of one row of the metrics statement. Rates need a reading before; what could not be measured is absent."""
    names = (*_GAUGES, *_NEED_ALL) if row["sees_all"] else _GAUGES
    found = {name: row[name] for name in names}
    found |= {f"{name}_per_s": rate for name, rate in rates(before, after).items() if name in _COUNTERS}
    grown = growth(before, after)
    blocks = sum(grown.get(name, 0.0) for name in _CACHE)
    if all(name in grown for name in _CACHE) and blocks > 0:
        found["cache_hit_percent"] = 100 * grown["blocks_hit"] / blocks
    return {name: round(float(value), 3) for name, value in found.items() if value is not None and math.isfinite(value)}


def counters_of(row: Row, at_s: float) -> Counters:
    """The counters of one row of the metrics statement, read at `at_s` of the monotonic clock."""
    values = {name: row[name] for name in (*_COUNTERS, *_CACHE) if row[name] is not None}
    return Counters(at_s, (row["stats_reset"], row["is_standby"]), values)


def _connect_limit() -> str:
    return f"warns from {SLOW_CONNECT_MS:g} ms, fails without an answer"


def _connect(answered_ms: float) -> Check:
    status = verdict(answered_ms, SLOW_CONNECT_MS)
    words = "" if status is CheckStatus.PASS else f"The answer took {answered_ms:.0f} ms"
    return Check("connect", status, round(answered_ms, 3), "ms", _connect_limit(), words)


def _writable(row: Row) -> Check:
    limit = "warns when a primary accepts no writes"
    if row["is_standby"]:
        return Check("read_only", CheckStatus.PASS, "standby", "", limit, "A standby: it answers queries and accepts no writes")
    if row["is_read_only"]:
        words = "New transactions are read-only: default_transaction_read_only is on"
        return Check("read_only", CheckStatus.WARN, "read-only", "", limit, words)
    return Check("read_only", CheckStatus.PASS, "writable", "", limit)


def _connections(row: Row) -> Check:
    used, most = row["connections_used"], row["connections_max"]
    percent = 100 * used / most
    status = verdict(percent, CONNECTIONS_WARN_PERCENT, CONNECTIONS_FAIL_PERCENT)
    words = f"{used:.0f} of {most:.0f} connections in use"
    return Check("connections", status, round(percent, 1), "%", _limits(CONNECTIONS_WARN_PERCENT, CONNECTIONS_FAIL_PERCENT, "%"), words)


def _longest_transaction(row: Row) -> Check:
    longest = row["longest_transaction_s"] or 0.0
    status = verdict(longest, TRANSACTION_WARN_S, TRANSACTION_FAIL_S)
    words = "" if status is CheckStatus.PASS else f"A transaction has been open for {span(longest)}"
    return Check("longest_transaction", status, round(longest, 1), "s", _limits(TRANSACTION_WARN_S, TRANSACTION_FAIL_S, "s"), words)


def _idle_in_transaction(row: Row) -> Check:
    count, longest = row["idle_in_transaction"], row["longest_idle_in_transaction_s"] or 0.0
    status = verdict(longest, IDLE_WARN_S, IDLE_FAIL_S)
    words = f"{_counted(count, 'session sits', 'sessions sit')} idle in a transaction, the longest for {span(longest)}" if count else ""
    return Check("idle_in_transaction", status, round(longest, 1), "s", _limits(IDLE_WARN_S, IDLE_FAIL_S, "s"), words)


def _blocked(row: Row) -> Check:
    count, longest = row["blocked"], row["longest_wait_s"] or 0.0
    status = verdict(longest, BLOCKED_WARN_S, BLOCKED_FAIL_S) if count else CheckStatus.PASS
    words = f"{_counted(count, 'session waits', 'sessions wait')} for a lock, the longest for {span(longest)}" if count else ""
    limit = f"warns when one waits {BLOCKED_WARN_S:g} s, fails from {BLOCKED_FAIL_S:g} s"
    return Check("blocked_sessions", status, count, "sessions", limit, words)


def _lag(row: Row) -> Check:
    lag = max(row["replication_lag_s"], 0.0)
    status = verdict(lag, LAG_WARN_S, LAG_FAIL_S)
    words = "" if status is CheckStatus.PASS else f"Replication is {span(lag)} behind"
    return Check("replication_lag", status, round(lag, 1), "s", _limits(LAG_WARN_S, LAG_FAIL_S, "s"), words)


def _wraparound(row: Row) -> Check:
    percent = row["wraparound_percent"]
    status = verdict(percent, WRAPAROUND_WARN_PERCENT, WRAPAROUND_FAIL_PERCENT)
    words = "" if status is CheckStatus.PASS else f"{percent:.0f} % of the transaction ids are used up: vacuum is behind"
    return Check("wraparound", status, round(percent, 1), "%", _limits(WRAPAROUND_WARN_PERCENT, WRAPAROUND_FAIL_PERCENT, "%"), words)


def _visibility() -> Check:
    words = "This role sees its own sessions only: grant it pg_monitor to see transactions of others"
    return Check("visibility", CheckStatus.PASS, "own sessions", "", "", words)


def _limits(warn_from: float, fail_from: float, unit: str) -> str:
    return f"warns from {warn_from:g} {unit}, fails from {fail_from:g} {unit}"


def _counted(count: float, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:.0f} {many}"


def span(seconds: float) -> str:
    """A length of time for people: "4 s", "12 min", "3 h"."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
