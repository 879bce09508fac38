"""The guard's facts as JSON, in the contract's words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard_app.backend.guard.recorder import Recorder, downsampled
from dashboard_app.backend.guard.server_view import Overview
from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import Holder, Level, PoolCounts, ThrottlingConfig
from dashboard_app.policy.forecast import Forecast
from dashboard_app.policy.throttle import Throttle

_POINTS = 300


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """All that a status tells."""

    counts: PoolCounts
    throttle: Throttle
    peak_usage_percent: float
    admission_limit: int
    admission_in_flight: int
    admission_rejected_total: int
    reasons: Sequence[str]
    last_cleanup_at: datetime | None
    forecast: Forecast
    measured_at: datetime


def stamp(at: datetime) -> str:
    """An aware UTC time as ISO 8601 with milliseconds and `Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pool_json(counts: PoolCounts) -> dict[str, object]:
    """The `pool` object."""
    return {
        "size": counts.size,
        "max_overflow": counts.max_overflow,
        "capacity": counts.capacity,
        "checked_out": counts.checked_out,
        "idle": counts.idle,
        "overflow": counts.overflow,
        "waiting": counts.waiting,
        "oldest_wait_s": counts.oldest_wait_s,
    }


def status_json(facts: StatusFacts) -> dict[str, object]:
    """The answer of `/api/v1/health/database/status`."""
    is_emergency = facts.throttle.level is Level.EMERGENCY
    return {
        "status": facts.throttle.health.value,
        "usage_percent": facts.counts.usage_percent,
        "peak_usage_percent": facts.peak_usage_percent,
        "pool": pool_json(facts.counts),
        "admission": {
            "limit": facts.admission_limit,
            "in_flight": facts.admission_in_flight,
            "rejected_total": facts.admission_rejected_total,
        },
        "throttling_level": facts.throttle.level.value,
        "emergency_mode_active": is_emergency,
        "circuit_breaker": "open" if is_emergency else "closed",
        "reasons": list(facts.reasons),
        "last_cleanup_at": None if facts.last_cleanup_at is None else stamp(facts.last_cleanup_at),
        "forecast": {
            "slope_percent_per_min": facts.forecast.slope_percent_per_min,
            "exhaustion_in_s": facts.forecast.exhaustion_in_s,
        },
        "measured_at": stamp(facts.measured_at),
    }


def history_json(recorder: Recorder, clock: Clock, minutes: int, percent: Callable[[int], float]) -> dict[str, object]:
    """The answer of `/api/v1/health/database/history`: the last `minutes`, at most 300 points, and what happened. `percent` is of the capacity."""
    now, at = clock.monotonic(), clock.now()
    zero_ms = at.timestamp() * 1000 - now * 1000
    seconds = recorder.seconds(now, minutes * 60)
    points = downsampled([(second, percent(top), waiting) for second, top, waiting in seconds], _POINTS)
    since = at.timestamp() - minutes * 60
    happenings = [happening for happening in recorder.happenings() if happening.at.timestamp() >= since]
    return {
        "points": [[int(zero_ms + second * 1000), usage, waiting] for second, usage, waiting in points],
        "marks": [{"at": stamp(happening.at), "kind": happening.kind, "text": happening.text} for happening in happenings],
    }


def overview_json(overview: Overview) -> dict[str, object]:
    """The server's own view, in `holders`."""
    return {
        "max_connections": overview.max_connections,
        "reserved": overview.reserved,
        "sessions": overview.sessions,
        "own_sessions": overview.own_sessions,
        "own_states": dict(overview.own_states),
        "other_sessions": overview.other_sessions,
        "instances": len(overview.instances),
        "may_ask": overview.demand.most,
    }


def config_json(config: ThrottlingConfig) -> dict[str, object]:
    """The answer of `/api/v1/health/database/throttling-config`."""
    return {
        "throttling_level": config.level.value,
        "max_concurrent_requests": config.max_concurrent_requests,
        "max_requests_per_minute": config.max_requests_per_minute,
        "request_delay_ms": config.request_delay_ms,
        "circuit_breaker_open": config.circuit_breaker_open,
        "emergency_mode_active": config.emergency_mode_active,
        "alert": config.alert,
        "usage_percent": config.usage_percent,
        "reasons": list(config.reasons),
        "version": config.version,
        "ttl_s": config.ttl_s,
        "measured_at": stamp(config.measured_at),
    }


def holder_json(holder: Holder) -> dict[str, object]:
    """One item of `/api/v1/health/database/holders`."""
    return {
        "id": holder.id,
        "task": holder.task,
        "route": holder.route,
        "call_site": holder.call_site,
        "held_s": holder.held_s,
        "state": holder.state.value,
        "query": holder.query,
        "suspected_leak": holder.suspected_leak,
        "backend_pid": holder.backend_pid,
        "stack": list(holder.stack),
    }
