"""How values become JSON: orjson, times in UTC with `Z`, secrets never."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from dashboard_app.model.health import Check, Health, Metrics
from dashboard_app.model.source import Source

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_PASSTHROUGH_DATETIME


def at(moment: datetime) -> str:
    """`moment` in UTC as `2026-01-31T12:00:00.123Z`; milliseconds are left out when they are zero."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond >= 1000 else "seconds").replace("+00:00", "Z")  # noqa: PLR2004 - µs in a ms


def _plain(value: object) -> object:
    """What orjson does not know by itself. Raises TypeError for anything else, a Secret above all."""
    if isinstance(value, datetime):
        return at(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(type(value).__name__)


def dumps(value: object) -> bytes:
    """`value` as JSON bytes."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


class _Json(Response):
    """JSON with its headers as they go over the wire; nothing is asked that is known."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Length and type, then what was given."""
        given = [] if headers is None else [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json"), *given]


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return _Json(dumps(value), status, headers)


def _check(check: Check) -> dict[str, Any]:
    """One check; what is empty is left out."""
    found: dict[str, Any] = {"name": check.name, "status": check.status, "observed": check.observed, "unit": check.unit}
    return found | {key: value for key, value in (("limit", check.limit), ("message", check.message), ("since", check.since)) if value}


def health_json(health: Health) -> dict[str, Any]:
    """A health as the contract spells it."""
    return {
        "data_source_id": health.data_source_id,
        "status": health.status,
        "since": health.since,
        "latency_ms": health.latency_ms,
        "checked_at": health.checked_at,
        "message": health.message,
        "checks": [_check(check) for check in health.checks],
    }


def metrics_json(metrics: Metrics) -> dict[str, Any]:
    """Metrics as the contract spells them."""
    return {
        "data_source_id": metrics.data_source_id,
        "collected_at": metrics.collected_at,
        "metrics": dict(metrics.metrics),
        "units": dict(metrics.units),
    }


def source_json(source: Source) -> dict[str, Any]:
    """A source without any credential."""
    return {
        "id": source.id,
        "name": source.name,
        "kind": source.kind,
        "host": source.host,
        "port": source.port,
        "database": source.database,
        "username": source.username,
        "options": dict(source.options),
        "environment": source.environment,
        "tags": list(source.tags),
        "enabled": source.enabled,
        "created_at": source.created_at,
        "updated_at": source.updated_at,
    }
