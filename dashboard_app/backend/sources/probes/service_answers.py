"""What a watched service's guard answered, read strictly: known members only, of the right kind, bounded. Pure.

Every function raises ValueError, TypeError or KeyError for an answer that is not the guard's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dashboard_app.backend.sources.probes.words import plain
from dashboard_app.model.pool import CleanupAction, HolderState, Level, PoolHealth

Json = dict[str, Any]
MOST_ITEMS = 2_000
"""Holders, call sites, victims: a pool of more is cut."""
_MOST_REASONS = 20
_MOST_COUNT = 10**12
_POOL = ("size", "max_overflow", "capacity", "checked_out", "idle", "overflow", "waiting")
_FREED = ("closed_idle", "reclaimed", "terminated_backends")


def status(body: Any) -> Json:
    """The answer of `status`."""
    level = Level(body["throttling_level"])
    admission, forecast = _object(body.get("admission", {})), _object(body.get("forecast", {}))
    return {
        "status": PoolHealth(body["status"]).value,
        "usage_percent": _percent(body["usage_percent"]),
        "peak_usage_percent": _percent(body.get("peak_usage_percent", body["usage_percent"])),
        "pool": _pool(body["pool"]),
        "admission": {name: _count(admission.get(name, 0)) for name in ("limit", "in_flight", "rejected_total")},
        "throttling_level": level.value,
        "emergency_mode_active": level is Level.EMERGENCY,
        "circuit_breaker": "open" if level is Level.EMERGENCY else "closed",
        "reasons": [_text(reason) for reason in _list(body.get("reasons", []))[:_MOST_REASONS]],
        "last_cleanup_at": _optional(_time, body.get("last_cleanup_at")),
        "forecast": {
            "slope_percent_per_min": _optional(_number, forecast.get("slope_percent_per_min")),
            "exhaustion_in_s": _optional(_amount, forecast.get("exhaustion_in_s")),
        },
        "measured_at": _time(body["measured_at"]),
    }


def holders(body: Any) -> Json:
    """The answer of `holders`."""
    return {
        "items": [_holder(item) for item in _list(body["items"])[:MOST_ITEMS]],
        "call_sites": [_call_site(item) for item in _list(body.get("call_sites", []))[:MOST_ITEMS]],
    }


def cleanup(body: Any) -> Json:
    """The answer of `force-cleanup`, of a dry run or of a real one."""
    found: Json = {name: _count(body[name]) for name in _FREED}
    found |= {"before": _pool(body["before"]), "after": _pool(body["after"]), "duration_ms": _amount(body["duration_ms"])}
    if "victims" not in body:
        skipped = _list(body.get("skipped", []))[:MOST_ITEMS]
        return found | {"skipped": [{"id": _count(item["id"]), "reason": _text(item["reason"])} for item in skipped]}
    return found | {
        "victims": [_victim(item) for item in _list(body["victims"])[:MOST_ITEMS]],
        "left_alone": _count(body.get("left_alone", 0)),
        "usage_after_percent": _optional(_percent, body.get("usage_after_percent")),
        "level_after": _optional(lambda value: Level(value).value, body.get("level_after")),
    }


def _pool(body: Any) -> Json:
    """The pool's counts; a pool without any place is none."""
    found: Json = {name: _count(body[name]) for name in _POOL}
    if found["capacity"] < 1:
        raise ValueError("a pool without places")
    return found | {"oldest_wait_s": _amount(body["oldest_wait_s"])}


def _holder(body: Any) -> Json:
    """Who holds one connection."""
    if not isinstance(body["suspected_leak"], bool):
        raise TypeError("not a flag")
    return {
        "id": _count(body["id"]),
        **{name: _text(body[name]) for name in ("task", "route", "call_site", "query")},
        "held_s": _amount(body["held_s"]),
        "state": HolderState(body["state"]).value,
        "suspected_leak": body["suspected_leak"],
        "backend_pid": _optional(_count, body.get("backend_pid")),
    }


def _call_site(body: Any) -> Json:
    """Code that checks connections out."""
    return {
        "call_site": _text(body["call_site"]),
        "checkouts": _count(body["checkouts"]),
        "held_s_total": _amount(body["held_s_total"]),
        "held_s_p95": _optional(_amount, body.get("held_s_p95")),
    }


def _victim(body: Any) -> Json:
    """One connection that would be touched."""
    return {
        "id": _count(body["id"]),
        "holder": _text(body["holder"]),
        "age_s": _amount(body["age_s"]),
        "action": CleanupAction(body["action"]).value,
        "reason": _text(body["reason"]),
    }


def _object(value: Any) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _list(value: Any) -> Sequence[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise TypeError("not an array")
    return value


def _text(value: Any) -> str:
    """One line of text, cleaned and cut."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return plain(value)


def _number(value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("not a number")
    return float(value)


def _amount(value: Any) -> float:
    """A number that is not negative."""
    return max(_number(value), 0.0)


def _percent(value: Any) -> float:
    """0 to 100."""
    return min(_amount(value), 100.0)


def _count(value: Any) -> int:
    """A whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_COUNT:
        raise TypeError("not a count")
    return value


def _time(value: Any) -> str:
    """A time with its zone, as it was written."""
    if datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError("a time without zone")
    return str(value)


def _optional(read: Callable[[Any], Any], value: Any) -> Any:
    """What `read` makes of a value that is there, else None."""
    return None if value is None else read(value)
