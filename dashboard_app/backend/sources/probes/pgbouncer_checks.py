"""What the PgBouncer probe measured, judged: the console's rows become a picture, checks, metrics. Columns are read by name. Pure."""

from collections.abc import Mapping, Sequence

from dashboard_app.backend.sources.probes.rates import Counters, growth, rates
from dashboard_app.backend.sources.probes.target import CONSOLE
from dashboard_app.model.health import Check, CheckStatus
from dashboard_app.model.pooler import Pooler, PoolerClient, PoolerDatabase, PoolerPool
from dashboard_app.policy.health import verdict

POOLS, DATABASES, LISTS, CONFIG, STATS, CLIENTS = (f"SHOW {what}" for what in ("POOLS", "DATABASES", "LISTS", "CONFIG", "STATS", "CLIENTS"))
STATE = "SHOW STATE"
PICTURE = (POOLS, DATABASES, LISTS, CONFIG)
"""What a picture needs."""

SLOW_CONNECT_MS = 1_000.0
WAITING_WARN_S = 15.0
MAXWAIT_FAIL_S = 15.0
SATURATION_WARN_PERCENT, SATURATION_FAIL_PERCENT = 80.0, 90.0
_NAMED = 3

UNITS: Mapping[str, str] = {
    "connections_used": "connections",
    "connections_max": "connections",
    "clients_active": "connections",
    "clients_waiting": "connections",
    "maxwait_s": "s",
    "servers_active": "connections",
    "servers_idle": "connections",
    "servers_used": "connections",
    "saturation_percent": "%",
    "transactions_per_s": "1/s",
    "queries_per_s": "1/s",
    "received_bytes_per_s": "bytes/s",
    "sent_bytes_per_s": "bytes/s",
    "avg_wait_ms": "ms",
}
"""The unit of every metric this probe may give. `connections_*` are client connections; `servers_used`: idle, to be tested before use."""
_COUNTED = {
    "total_xact_count": "transactions",
    "total_query_count": "queries",
    "total_received": "received_bytes",
    "total_sent": "sent_bytes",
    "total_wait_time": "waited_us",
}

Row = Mapping[str, str | None]
Tables = Mapping[str, Sequence[Row]]


def failed_connect(words: str) -> Check:
    """The one check of a source that gave no answer."""
    return Check("connect", CheckStatus.FAIL, None, "ms", _CONNECT_LIMIT, words)


def picture_of(tables: Tables, version: str) -> Pooler:
    """The console's answers as a picture; the console's own pool is left out."""
    databases = tuple(_database(row) for row in tables[DATABASES] if row.get("name") != CONSOLE)
    sizes = {database.name: database.pool_size for database in databases}
    pools = tuple(_pool(row, sizes) for row in tables[POOLS] if row.get("database") != CONSOLE)
    lists = {row.get("list"): _number(row, "items") for row in tables[LISTS]}
    config = {row.get("key"): row for row in tables[CONFIG]}
    clients = lists.get("used_clients")
    if clients is None:
        clients = sum(pool.clients_active + pool.clients_waiting for pool in pools)
    most = _number(config.get("max_client_conn", {}), "value")
    return Pooler(version, pools, databases, clients, most or None, _is_paused(tables.get(STATE)))


def clients_of(rows: Sequence[Row]) -> tuple[PoolerClient, ...]:
    """The clients, those of the console left out, who waits longest first."""
    found = [_client(row) for row in rows if row.get("database") != CONSOLE]
    return tuple(sorted(found, key=lambda client: (-client.wait_s, client.database, client.user, client.address)))


def checks_of(picture: Pooler, answered_ms: float, waited_s: float) -> tuple[Check, ...]:
    """The checks. `waited_s`: for so long some client has waited at every look."""
    return (_connect(answered_ms), _waiting(picture, waited_s), _maxwait(picture), _saturation(picture), _paused(picture))


def waiting(picture: Pooler) -> float:
    """How many clients wait for a server connection."""
    return sum(pool.clients_waiting for pool in picture.pools)


def maxwait_s(picture: Pooler) -> float:
    """How long the oldest of them has waited."""
    return max((pool.maxwait_s for pool in picture.pools), default=0.0)


def counters_of(rows: Sequence[Row], at_s: float, connection_number: int) -> Counters:
    """The counters of each database, read at `at_s` of the monotonic clock; another connection may be another process."""
    values = {
        f"{name} {row.get('database')}": value
        for row in rows
        if row.get("database") != CONSOLE
        for column, name in _COUNTED.items()
        if (value := _number(row, column)) is not None
    }
    return Counters(at_s, connection_number, values)


def metrics_of(picture: Pooler, before: Counters | None, after: Counters) -> dict[str, float]:
    """The metrics by name; rates from the second reading on, and not for a counter that fell."""
    found = {
        "connections_used": picture.clients,
        "clients_active": sum(pool.clients_active for pool in picture.pools),
        "clients_waiting": waiting(picture),
        "maxwait_s": maxwait_s(picture),
        "servers_active": sum(pool.servers_active for pool in picture.pools),
        "servers_idle": sum(pool.servers_idle for pool in picture.pools),
        "servers_used": sum(pool.servers_used for pool in picture.pools),
        "saturation_percent": round(_fullest(picture)[0], 1),
    }
    if picture.clients_max is not None:
        found["connections_max"] = picture.clients_max
    per_s = _summed(rates(before, after))
    found |= {f"{name}_per_s": per_s[name] for name in ("transactions", "queries", "received_bytes", "sent_bytes") if name in per_s}
    grown = _summed(growth(before, after))
    if grown.get("transactions") and "waited_us" in grown:
        found["avg_wait_ms"] = grown["waited_us"] / grown["transactions"] / 1000
    return found


_CONNECT_LIMIT = f"warns from {SLOW_CONNECT_MS:g} ms, fails without an answer"


def _connect(answered_ms: float) -> Check:
    status = verdict(answered_ms, SLOW_CONNECT_MS)
    words = "" if status is CheckStatus.PASS else f"The answer took {answered_ms:.0f} ms"
    return Check("connect", status, round(answered_ms, 3), "ms", _CONNECT_LIMIT, words)


def _waiting(picture: Pooler, waited_s: float) -> Check:
    count = waiting(picture)
    is_long = count > 0 and max(waited_s, maxwait_s(picture)) >= WAITING_WARN_S
    limit = f"warns when clients wait for {WAITING_WARN_S:g} s"
    words = f"{_waiting_words(count)}, the oldest for {maxwait_s(picture):.1f} s{_where(picture)}" if count else ""
    return Check("waiting_clients", CheckStatus.WARN if is_long else CheckStatus.PASS, count, "clients", limit, words)


def _maxwait(picture: Pooler) -> Check:
    oldest = maxwait_s(picture)
    status = CheckStatus.FAIL if oldest > MAXWAIT_FAIL_S else CheckStatus.PASS
    words = f"A client has waited {oldest:.1f} s for a server connection{_where(picture)}" if status is CheckStatus.FAIL else ""
    return Check("maxwait_s", status, round(oldest, 3), "s", f"fails above {MAXWAIT_FAIL_S:g} s", words)


def _saturation(picture: Pooler) -> Check:
    percent, words = _fullest(picture)
    status = verdict(percent, SATURATION_WARN_PERCENT, SATURATION_FAIL_PERCENT)
    limit = f"warns from {SATURATION_WARN_PERCENT:g} %, fails from {SATURATION_FAIL_PERCENT:g} %"
    return Check("saturation_percent", status, round(percent, 1), "%", limit, words)


def _paused(picture: Pooler) -> Check:
    names = [database.name for database in picture.databases if database.is_paused]
    closed = [database.name for database in picture.databases if database.is_disabled]
    limit = "warns when anything is paused or disabled"
    if picture.is_paused:
        return Check("paused", CheckStatus.WARN, "all", "", limit, "All of PgBouncer is paused: clients wait until it is resumed")
    if names:
        return Check(
            "paused", CheckStatus.WARN, _listed(names), "", limit, f"Paused: {_listed(names)}. Its clients wait until it is resumed"
        )
    if closed:
        return Check("paused", CheckStatus.WARN, _listed(closed), "", limit, f"Disabled: {_listed(closed)}. It takes no new clients")
    return Check("paused", CheckStatus.PASS, "nothing", "", limit)


def _fullest(picture: Pooler) -> tuple[float, str]:
    """The highest use of any limit in percent, and which one it is in words."""
    uses = [(picture.clients, picture.clients_max, "client connections (max_client_conn)")]
    uses += [(pool.servers_busy, pool.size, f"server connections busy in pool {pool.database} / {pool.user}") for pool in picture.pools]
    uses += [
        (_busy(picture, database), database.max_connections, f"server connections busy for database {database.name} (max_db_connections)")
        for database in picture.databases
    ]
    known = [(used, most, what) for used, most, what in uses if most]
    if not known:
        return 0.0, ""
    used, most, what = max(known, key=lambda use: use[0] / use[1])
    return 100 * used / most, f"{used:.0f} of {most:.0f} {what}"


def _busy(picture: Pooler, database: PoolerDatabase) -> float:
    """Server connections of a database that are busy, in all its pools."""
    return sum(pool.servers_busy for pool in picture.pools if pool.database == database.name)


def _where(picture: Pooler) -> str:
    """In which pool the oldest waits."""
    oldest = max(picture.pools, key=lambda pool: (pool.maxwait_s, pool.clients_waiting), default=None)
    return f", in pool {oldest.database} / {oldest.user}" if oldest is not None else ""


def _waiting_words(count: float) -> str:
    return "1 client waits for a server connection" if count == 1 else f"{count:.0f} clients wait for a server connection"


def _listed(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _pool(row: Row, sizes: Mapping[str, float | None]) -> PoolerPool:
    """One row of SHOW POOLS; the pool's own size where the version tells it, else its database's."""
    database = row.get("database") or ""
    active, login, tested = (_number(row, f"sv_{name}") or 0.0 for name in ("active", "login", "tested"))
    return PoolerPool(
        database=database,
        user=row.get("user") or "",
        mode=row.get("pool_mode") or "",
        clients_active=_number(row, "cl_active") or 0.0,
        clients_waiting=_number(row, "cl_waiting") or 0.0,
        servers_busy=active + login + tested,
        servers_active=active,
        servers_idle=_number(row, "sv_idle") or 0.0,
        servers_used=_number(row, "sv_used") or 0.0,
        maxwait_s=(_number(row, "maxwait") or 0.0) + (_number(row, "maxwait_us") or 0.0) / 1e6,
        size=sizes.get(database),
    )


def _database(row: Row) -> PoolerDatabase:
    """One row of SHOW DATABASES."""
    return PoolerDatabase(
        name=row.get("name") or "",
        is_paused=bool(_number(row, "paused")),
        is_disabled=bool(_number(row, "disabled")),
        pool_size=_number(row, "pool_size"),
        max_connections=_number(row, "max_connections") or None,
    )


def _client(row: Row) -> PoolerClient:
    """One row of SHOW CLIENTS."""
    port, is_waiting = row.get("port") or "", row.get("state") == "waiting"
    return PoolerClient(
        id=row.get("id") or "",
        database=row.get("database") or "",
        user=row.get("user") or "",
        state=row.get("state") or "",
        address=f"{row.get('addr') or ''}:{port}" if port else row.get("addr") or "",
        application=row.get("application_name") or "",
        connected_at=row.get("connect_time") or "",
        wait_s=(_number(row, "wait") or 0.0) + (_number(row, "wait_us") or 0.0) / 1e6 if is_waiting else 0.0,
    )


def _is_paused(rows: Sequence[Row] | None) -> bool | None:
    """Whether all of it is paused; None when it does not tell."""
    told = {row.get("key"): row.get("value") for row in rows or ()}
    return told["paused"] in {"yes", "1"} if "paused" in told else None


def _number(row: Row, name: str) -> float | None:
    """A column as a number; None when the column is missing, NULL or no number."""
    text = row.get(name)
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _summed(by_database: Mapping[str, float]) -> dict[str, float]:
    """Figures of each database added up by their name."""
    sums: dict[str, float] = {}
    for key, value in by_database.items():
        name = key.partition(" ")[0]
        sums[name] = sums.get(name, 0.0) + value
    return sums
