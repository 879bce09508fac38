"""The console's own figures as the contract's JSON. Pure: values in, plain data out."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dashboard_app.console.loader import Progress
from dashboard_app.model.breaker import Outcome
from dashboard_app.runtime.live_settings import LiveSettings
from dashboard_app.runtime.named_breaker import BreakerReading, NamedBreaker, Transition
from dashboard_app.runtime.queue_ledger import QueueFigures
from dashboard_app.settings import PREFIX, Settings, is_built, is_live, masked


def stamp(at: datetime | None) -> str | None:
    """An ISO time with Z, or None."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def loader_json(progress: Progress) -> dict[str, Any]:
    """GET /api/v1/loader."""
    last = progress.last_round
    lanes = {
        name: {"done": lane.done, "total": lane.total, "in_flight": lane.in_flight, "slow": lane.slow, "reason": lane.reason}
        for name, lane in progress.lanes.items()
    }
    report = (
        None
        if last is None
        else {
            "started_at": stamp(last.started_at),
            "ended_at": stamp(last.ended_at),
            "duration_s": round(last.duration_s, 3),
            "failed": last.failed,
        }
    )
    return {"lanes": lanes, "pace": progress.pace, "last_round": report}


def breaker_json(reading: BreakerReading) -> dict[str, Any]:
    """One item of GET /api/v1/breakers."""
    held = reading.hold
    return {
        "name": reading.name,
        "about": reading.about,
        "state": reading.state.value,
        "failure_count": reading.failure_count,
        "failure_rate": round(reading.failure_rate, 4),
        "opened_at": stamp(reading.opened_at),
        "retry_at": stamp(reading.retry_at),
        "calls": {outcome.value: reading.totals[outcome] for outcome in Outcome},
        "recent_calls": {outcome.value: reading.recent[outcome] for outcome in Outcome},
        "would_open_count": reading.would_open_count,
        "by": held.by if held else None,
        "reason": held.reason if held else None,
        "until": stamp(held.until) if held else None,
    }


def breaker_detail_json(breaker: NamedBreaker) -> dict[str, Any]:
    """GET /api/v1/breakers/{name}: the item, its transitions and the last 60 outcomes."""
    return breaker_json(breaker.reading()) | {
        "transitions": [_transition_json(each) for each in breaker.transitions()],
        "outcomes": [outcome.value for outcome in breaker.outcomes()],
    }


def queue_json(figures: QueueFigures) -> dict[str, Any]:
    """GET /api/v1/queue."""
    return asdict(figures)


def settings_json(live: LiveSettings) -> dict[str, Any]:
    """GET /api/v1/settings: every knob with its value (secrets masked), where it came from, what is allowed, its default."""
    items = [_setting_json(name, field, live) for name, field in Settings.model_fields.items()]
    return {"version": live.version, "items": items}


def _transition_json(move: Transition) -> dict[str, Any]:
    """One move of a breaker."""
    return {
        "at": stamp(move.at),
        "from": move.source.value,
        "to": move.target.value,
        "cause": move.cause,
        "by": move.by,
        "reason": move.reason,
        "until": stamp(move.until),
    }


def _setting_json(name: str, field: FieldInfo, live: LiveSettings) -> dict[str, Any]:
    """One knob."""
    schema = _schema()[name]
    bounds = {key: schema[key] for key in ("minimum", "maximum", "enum", "pattern", "maxLength", "minLength") if key in schema}
    default = None if field.default is PydanticUndefined else field.default
    override = live.overrides.get(name)
    return {
        "name": f"{PREFIX}{name.upper()}",
        "value": _plain(name, getattr(live.values, name)),
        "origin": "changed" if override else live.start.origins.get(name, "default"),
        "default": _plain(name, default),
        "allowed": bounds,
        "description": field.description or "",
        "built": is_built(field),
        "live": is_live(field),
        "changed_by": override.by if override else None,
        "changed_at": stamp(override.at) if override else None,
    }


@cache
def _schema() -> dict[str, Any]:
    """The JSON schema of every setting by field name."""
    properties: dict[str, Any] = Settings.model_json_schema()["properties"]
    return properties


def _plain(name: str, value: object) -> object:
    """A value as JSON; anything that is no number, truth or None as masked text."""
    return value if value is None or isinstance(value, bool | int | float) else masked(name, value)
