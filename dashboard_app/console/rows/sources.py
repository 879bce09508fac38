"""A source with its last health and metrics as one display row of the list. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dashboard_app.console import theme, words
from dashboard_app.model.health import CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.pool import Level
from dashboard_app.model.source import Source

REFUSED = "Connection refused"
SILENT = "No answer"
NOT_CHECKED = "Not checked yet"
_RUN_WORTH_SAYING = 2
_STRIP = 30
_FIGURES_SHOWN = 3
_QUERY_WORTH_SAYING_S = 0.01
_FIGURES: tuple[tuple[str, str], ...] = (
    ("replication_lag_s", "lag {}"),
    ("transactions_per_s", "{}"),
    ("cache_hit_percent", "cache hit {}"),
    ("longest_query_s", "longest query {}"),
    ("size_bytes", "{}"),
)
"""Metrics that say most about a healthy source, in the order of their worth."""
_USED_WARN_PERCENT, _USED_BAD_PERCENT = 80, 90


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row. Ages and countdowns are never a change: the browser moves them; `stamp` changes with each new reading."""

    id: int
    name: str
    address: str
    kind: str
    status: str
    word: str
    tone: str
    why: str
    is_quiet: bool
    is_enabled: bool
    recent: str
    latency: str
    unit: str
    used: str
    limit: str
    fill: int
    fill_tone: str
    stamp: str
    late_s: float
    age_s: float | None = field(compare=False)
    next_s: float | None = field(compare=False)
    is_fresh: bool = field(default=False, compare=False)
    """Set by the browser when a patch changed the state: the row is tinted for a moment."""


def source_row(
    source: Source,
    health: Health | None,
    age_s: float | None,
    metrics: Metrics | None,
    recent: str,
    *,
    next_s: float | None,
    late_s: float,
) -> SourceRow:
    """The row of `source`. `health` None: never checked; `age_s` its age; `late_s` the age past which it is marked."""
    status = health.status if health else HealthStatus.UNKNOWN
    look = theme.STATUS[status] if source.enabled else theme.PAUSED
    latency, _, unit = words.duration(health.latency_ms / 1000 if health and health.latency_ms is not None else None).partition(words.NB)
    used, limit, fill = _connections(metrics.metrics if metrics else {})
    return SourceRow(
        id=source.id,
        name=source.name,
        address=address(source),
        kind=source.kind.value,
        status=status.value,
        word=look.word,
        tone=look.tone,
        why=why(source, health, metrics, recent),
        is_quiet=not source.enabled or status is HealthStatus.HEALTHY,
        is_enabled=source.enabled,
        recent=recent[-_STRIP:],
        latency=latency,
        unit=unit,
        used=used,
        limit=limit,
        fill=fill,
        fill_tone=_fill_tone(fill, status) if source.enabled else "n",
        stamp=_stamp(health.checked_at if health else None),
        late_s=late_s,
        age_s=None if age_s is None else round(age_s, 1),
        next_s=None if next_s is None else round(next_s),
    )


def address(source: Source) -> str:
    """Where it is: 10.20.4.11:5432 / billing."""
    host = f"[{source.host}]" if ":" in source.host else source.host
    return f"{host}:{source.port}" + (f" / {source.database}" if source.database else "")


def why(source: Source, health: Health | None, metrics: Metrics | None, recent: str) -> str:
    """Why it is in its state, with the limit and since when; key figures when it is healthy."""
    if not source.enabled:
        return "Paused: it is not asked until it is enabled"
    if health is None:
        return NOT_CHECKED
    if health.status is HealthStatus.HEALTHY:
        return key_figures(metrics)
    what = cause(health).replace(f": nothing listens at {source.host}:{source.port}", "")  # the address stands beside it
    return ", ".join(part for part in (what, _run(health.status, recent), _since(health)) if part)


def cause(health: Health) -> str:
    """The worst failing check in words with its limit, else the probe's message."""
    for verdict in (CheckStatus.FAIL, CheckStatus.WARN):
        for check in health.checks:
            if check.status is verdict:
                text = check.message or f"{check.name.replace('_', ' ')} {observed(check.observed, check.unit)}".strip()
                return f"{text} ({check.limit})" if check.limit and verdict is CheckStatus.WARN else text
    return health.message or ("Nobody could look" if health.status is HealthStatus.UNKNOWN else theme.STATUS[health.status].word)


def key_figures(metrics: Metrics | None) -> str:
    """Up to three figures: lag 0.2 s · 640 tx/s · cache hit 99.6 %, of a pooler who waits first; empty when nothing was measured."""
    if metrics is None:
        return ""
    if (pool := _pool(metrics.metrics)) is not None:
        used, capacity, level = pool
        return f"{words.count(used)} of {words.count(capacity)} in use, {level.value}".replace(" ", words.NB, 3)
    shown = [
        text.format(words.quantity(metrics.metrics[name], _unit(name, metrics.units))).replace(" ", words.NB)
        for name, text in _FIGURES
        if _says_something(name, metrics.metrics.get(name))
    ]
    shown = [*_waiting(metrics.metrics), *shown]
    return " · ".join(shown[:_FIGURES_SHOWN])


def _waiting(metrics: Mapping[str, float]) -> list[str]:
    """Who waits at a pooler: 3 waiting, oldest 4.2 s; nothing where that is not measured."""
    count = metrics.get("clients_waiting")
    if count is None:
        return []
    oldest = metrics.get("maxwait_s")
    told = f"{words.count(count)} waiting" + (f", oldest {words.duration(oldest)}" if oldest else "") if count else "nobody waits"
    return [told.replace(" ", words.NB)]


def predicate(health: Health) -> str:
    """What a source does when it is down, after its name: refuses connections, is silent, is down."""
    found = cause(health)
    if found.startswith(REFUSED):
        return "refuses connections"
    if found.startswith(SILENT):
        return "is silent"
    if found.startswith(("Password", "Sign-in")):
        return "refuses to sign in"
    return "is down"


def _unit(name: str, units: Mapping[str, str]) -> str:
    """The unit a metric was sent with, else the one its name ends in."""
    by_name = {"per_s": "tx/s", "percent": "%", "bytes": "bytes", "s": "s"}
    sent = units.get(name, "")
    if name == "transactions_per_s":
        return "tx/s"
    return sent or next((unit for ending, unit in by_name.items() if name.endswith(f"_{ending}")), "")


def _says_something(name: str, value: float | None) -> bool:
    """False for what was not measured, and for a longest query that is over at once."""
    return value is not None and (name != "longest_query_s" or value >= _QUERY_WORTH_SAYING_S)


def observed(value: float | str | bool | None, unit: str) -> str:
    """An observed value as words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return words.quantity(value, unit)
    return "" if value is None else str(value)


def _run(status: HealthStatus, recent: str) -> str:
    """How often in a row, for a source that is down."""
    run = len(recent) - len(recent.rstrip(status.letter))
    if status is not HealthStatus.UNHEALTHY or run < _RUN_WORTH_SAYING:
        return ""
    return f"{run}{' or more' if run >= _STRIP else ''} checks in a row"


def _since(health: Health) -> str:
    """Since when it is in this state."""
    return f"since {words.clock(health.since)}" if health.since and health.status is not HealthStatus.DEGRADED else ""


def _pool(metrics: Mapping[str, float]) -> tuple[float, float, Level] | None:
    """Connections in use, the most there may be, and the level of a service's pool; None for other sources."""
    used, capacity, level = (metrics.get(name) for name in ("checked_out", "capacity", "level"))
    if used is None or not capacity or level is None or not 0 <= level < len(Level):
        return None
    return used, capacity, list(Level)[int(level)]


def _connections(metrics: Mapping[str, float]) -> tuple[str, str, int]:
    """Used, the limit, and the bar's width in percent; a dash when they are not known."""
    pool = _pool(metrics)
    used, limit = pool[:2] if pool is not None else (metrics.get("connections_used"), metrics.get("connections_max"))
    if used is None or not limit:
        return words.UNKNOWN, "", 0
    return words.count(used), words.count(limit), min(round(100 * used / limit), 100)


def _fill_tone(fill: int, status: HealthStatus) -> str:
    """The bar's class; it never outranks the row's state."""
    rank = 2 if fill >= _USED_BAD_PERCENT else 1 if fill >= _USED_WARN_PERCENT else 0
    allowed = {HealthStatus.UNHEALTHY: 2, HealthStatus.DEGRADED: 1}.get(status, 0)
    return ("n", "warn", "bad")[min(rank, allowed)]


def _stamp(at: datetime | None) -> str:
    """A short word that changes with each reading."""
    return "" if at is None else f"{at.timestamp():.1f}"
