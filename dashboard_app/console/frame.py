"""The console's services read into the display values of the frame that all pages share."""

from typing import Any

from dashboard_app.console import words
from dashboard_app.console.polls import STATUS_EVERY_S
from dashboard_app.console.rows import shell as rows
from dashboard_app.console.rows.alerts import open_count
from dashboard_app.model.breaker import BreakerState


def read(console: Any) -> dict[str, Any]:
    """Everything `ShellState` shows that can change, by var name."""
    snapshot, now = console.snapshot, console.clock.monotonic()
    fallback = console.fallback()
    status = snapshot.pool.value if snapshot.pool else None
    config = snapshot.throttling
    lanes = console.loader.progress().lanes
    in_flight = sum(lane.in_flight for lane in lanes.values())
    healths = (reading.value.status for key, reading in snapshot.health.items() if key in snapshot.sources)
    return {
        "level": rows.level_vital(
            config.value if config else None, config.age_s(now) if config else None, console.settings.throttle_poll_s
        ),
        "pool": rows.pool_vital(
            status,
            snapshot.pool.age_s(now) if snapshot.pool else None,
            is_fallback=fallback is not None,
            stamp=f"{snapshot.pool.received_mono:.1f}" if snapshot.pool else "",
        ),
        "breaker": rows.breaker_vital(_facts(breaker) for breaker in console.breakers),
        "feed": rows.feed_vital(console.feed.state, STATUS_EVERY_S),
        "round_text": "Paused" if fallback else _round(lanes["health"]),
        "own_load": f"own load: {words.count(in_flight)} in flight",
        "nav": rows.nav_counts(healths, status, open_count(snapshot.alerts.value if snapshot.alerts else (), console.clock.now())),
        "is_fallback": fallback is not None,
        "banner": rows.Banner() if fallback is None else _banner(console, fallback, now),
    }


def _round(lane: Any) -> str:
    """How far the round in progress is: 14 / 24."""
    return f"{words.count(lane.done)} / {words.count(lane.total)}"


def _facts(breaker: Any) -> rows.BreakerFacts:
    """What the frame needs of one breaker."""
    reading = breaker.reading()
    move = reading.last_transition
    person = move if move is not None and move.by else None
    return rows.BreakerFacts(
        name=reading.name,
        state=reading.state,
        retry_s=reading.retry_in_s,
        retry_stamp=move.at.isoformat() if move else "",
        by=person.by if person else "",
        at=person.at if person else None,
        reason=person.reason if person else "",
    )


def _banner(console: Any, fallback: Any, now: float) -> rows.Banner:
    """The banner's words; ages of the oldest and the youngest value that pages show."""
    snapshot = console.snapshot
    received = [reading.received_mono for readings in (snapshot.health, snapshot.metrics) for reading in readings.values()]
    api = _facts(console.breakers["api"])
    return rows.Banner(
        since=f"Showing the last known values, since {words.clock(fallback.since)}.",
        cause=rows.banner_cause(
            fallback.cause, fallback.status_code, fallback.problem_code, console.settings.request_timeout_s, forced=api
        ),
        next_step=_next_step(fallback, api.state),
        stamp=f"{api.retry_stamp}|{max(received, default=0):.1f}|{min(received, default=0):.1f}",
        has_values=bool(received),
        youngest_s=now - max(received, default=now),
        oldest_s=now - min(received, default=now),
        next_s=fallback.next_try_s or 0.0,
    )


def _next_step(fallback: Any, state: BreakerState) -> str:
    """Which of the banner's last sentences is true."""
    if fallback.cause == "forced" or state is BreakerState.FORCED_OPEN:
        return "never"
    if fallback.trying:
        return "trying"
    return "soon" if fallback.next_try_s is None else "next"
