"""The console's services read into one picture for a screen on the wall: the page's and the call's alike."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from dashboard_app.console.client.caller import CONSOLE
from dashboard_app.console.listing import overview
from dashboard_app.console.rows.alerts import open_count
from dashboard_app.console.rows.listing import Query
from dashboard_app.console.rows.wall import Tile, WallTitle, rest_words, tile, title, worth_a_tile
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.source import Source

_JOBS_LIMIT_S = 2.0
"""At EMERGENCY a read may wait for its turn as long as the queue lets it (QUEUE_TIMEOUT_S); a wall says what it knows without it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a wall says of the sources. `age_s` is the age of the older of list and pool; None before the first answer."""

    title: WallTitle
    tiles: list[Tile]
    rest: str
    age_s: float | None


def picture(console: Any) -> Picture:
    """The sources worst first as they are known now, and how old that knowledge is."""
    snapshot, fallback = console.snapshot, console.fallback()
    sources: list[Source] = [snapshot.sources[key] for key in overview(console, Query()).order]
    healths = {key: reading.value for key, reading in snapshot.health.items()}
    shown, left_out = worth_a_tile(sources, healths)
    return Picture(
        title(sources, healths, is_fallback=fallback is not None),
        [tile(source, healths.get(source.id)) for source in shown],
        rest_words(left_out, healths),
        age_s(console),
    )


def age_s(console: Any) -> float | None:
    """Seconds since the older of the last list and the last status of the pool came; None: nothing has come yet."""
    snapshot, now = console.snapshot, console.clock.monotonic()
    if snapshot.sources_at is None or snapshot.pool is None:
        return None
    return max(float(now - min(snapshot.sources_at, snapshot.pool.received_mono)), 0.0)


def alert_count(console: Any) -> int | None:
    """Problems that fire and that nobody has silenced; None while that is not known."""
    reading = console.snapshot.alerts
    return None if reading is None else open_count(reading.value, console.clock.now())


async def jobs_json(console: Any) -> dict[str, Any] | None:
    """What a wall says of the jobs, read once for all walls, and its age; what came last when the server does not say it within 2 s."""
    with contextlib.suppress(SpillwayError, TimeoutError):
        async with asyncio.timeout(_JOBS_LIMIT_S):
            await console.jobs.stats(CONSOLE)
    if console.jobs.last is None:
        return None
    at, stats = console.jobs.last
    told: dict[str, Any] = {name: stats[name] for name in ("queued", "dead_letter_total", "accepted_total", "written_total")}
    return told | {"age_s": round(console.clock.monotonic() - at, 1)}


async def dashboard_json(console: Any) -> dict[str, Any]:
    """GET /api/admin/dashboard: the same picture as plain data."""
    jobs = await jobs_json(console)
    snapshot, fallback = console.snapshot, console.fallback()
    sources = list(snapshot.sources.values())
    watched = [source for source in sources if source.enabled]
    found = [snapshot.health[source.id].value.status if source.id in snapshot.health else HealthStatus.UNKNOWN for source in watched]
    age, now = age_s(console), console.clock.now()
    return {
        "measured_at": _stamp(now),
        "age_s": None if age is None else round(age, 1),
        "fallback": None if fallback is None else {"since": _stamp(fallback.since), "cause": fallback.cause},
        "sources": {
            "total": len(sources),
            "paused": len(sources) - len(watched),
            "by_status": {status.value: found.count(status) for status in HealthStatus},
            "worst": [
                {"id": one.id, "name": one.name, "status": one.status, "why": one.why} for one in picture(console).tiles if one.is_wrong
            ],
        },
        "pool": _pool(snapshot.pool.value) if snapshot.pool else None,
        "breakers": [
            {"name": reading.name, "state": reading.state.value, "retry_at": _stamp(reading.retry_at)}
            for reading in (breaker.reading() for breaker in console.breakers)
        ],
        "jobs": jobs,
        "alerts": None if (count := alert_count(console)) is None else {"open": count},
    }


_POOL_FIELDS = ("status", "usage_percent", "pool", "throttling_level", "reasons", "measured_at")


def _pool(status: dict[str, Any]) -> dict[str, Any]:
    """What a wall says of the pool, as its status answer says it."""
    return {name: status[name] for name in _POOL_FIELDS if name in status}


def _stamp(at: Any) -> str | None:
    """An ISO time with Z, or None."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
