"""The contract's JSON as values of the model. Tolerant of what a server leaves out or adds; strict where a value is needed.

Every `parse_…` raises `BackendFailed` (cause "garbage") for a body that is not what the contract says.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from dashboard_app.model.errors import BackendFailed
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.model.source import Source, SourceKind, SourceSettings

Value = TypeVar("Value")
_RECENT_KEPT = 30
_TEXT_KEPT = 2000
_LETTERS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class ListedSource:
    """One row of the list. `health` and `recent` are None when the server leaves them out or has none."""

    source: Source
    health: Health | None
    recent: str | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One page of the list and how many sources there are in all."""

    items: tuple[ListedSource, ...]
    total: int


def or_garbage(parse: Callable[[Any], Value]) -> Callable[[Any], Value]:
    """Turn whatever a wrong body does to `parse` into our error."""

    @wraps(parse)
    def parsed(body: Any) -> Value:
        try:
            return parse(body)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as failure:
            raise BackendFailed("The server's answer is not what the contract says.", cause="garbage", status=200) from failure

    return parsed


def optional_time(value: object) -> datetime | None:
    """An ISO time with its zone, or None."""
    if value is None:
        return None
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        raise ValueError("a time without zone")
    return at


def needed_time(value: object) -> datetime:
    """An ISO time that must be there."""
    if (at := optional_time(value)) is None:
        raise ValueError("a time is missing")
    return at


def _number(value: object) -> float | None:
    """A number, or None."""
    return None if value is None else float(str(value))


def _numbers(value: Mapping[str, Any]) -> dict[str, float]:
    """The entries that are numbers."""
    return {str(name): float(each) for name, each in value.items() if isinstance(each, int | float) and not isinstance(each, bool)}


@or_garbage
def parse_source(body: Any) -> Source:
    """One source."""
    return Source(
        id=int(body["id"]),
        name=str(body["name"]),
        kind=SourceKind(body["kind"]),
        host=str(body.get("host") or ""),
        port=int(body.get("port") or 0),
        database=str(body.get("database") or ""),
        username=str(body.get("username") or ""),
        options={str(name): str(value) for name, value in (body.get("options") or {}).items()},
        environment=str(body.get("environment") or ""),
        tags=tuple(str(tag) for tag in body.get("tags") or ()),
        enabled=bool(body.get("enabled", True)),
        created_at=needed_time(body.get("created_at") or "1970-01-01T00:00:00Z"),
        updated_at=needed_time(body.get("updated_at") or "1970-01-01T00:00:00Z"),
    )


def _check(body: Any) -> Check:
    """One check."""
    return Check(
        name=str(body["name"]),
        status=CheckStatus(body["status"]),
        observed=body.get("observed"),
        unit=str(body.get("unit") or ""),
        limit=str(body.get("limit") or ""),
        message=str(body.get("message") or "")[:_TEXT_KEPT],
        since=optional_time(body.get("since")),
    )


@or_garbage
def parse_health(body: Any) -> Health:
    """The health of one source."""
    message = body.get("message")
    return Health(
        data_source_id=int(body["data_source_id"]),
        status=HealthStatus(body["status"]),
        since=optional_time(body.get("since")),
        latency_ms=_number(body.get("latency_ms")),
        checked_at=optional_time(body.get("checked_at")),
        message=None if message is None else str(message)[:_TEXT_KEPT],
        checks=tuple(_check(each) for each in body.get("checks") or ()),
    )


@or_garbage
def parse_metrics(body: Any) -> Metrics:
    """The numbers of one source."""
    return Metrics(
        data_source_id=int(body["data_source_id"]),
        collected_at=needed_time(body["collected_at"]),
        metrics=_numbers(body.get("metrics") or {}),
        units={str(name): str(unit) for name, unit in (body.get("units") or {}).items()},
    )


@or_garbage
def parse_healths(body: Any) -> tuple[Health, ...]:
    """The healths of a bulk read; one that is not what the contract says is left out, its source is then read by itself."""
    return tuple(_readable(body["items"], parse_health))


@or_garbage
def parse_stats(body: Any) -> tuple[Metrics, ...]:
    """The numbers of a bulk read, as `parse_healths`."""
    return tuple(_readable(body["items"], parse_metrics))


def _readable(items: Any, parse: Callable[[Any], Value]) -> Iterator[Value]:
    """The items that can be read."""
    if not isinstance(items, list):
        raise TypeError("not a list")
    for item in items:
        with contextlib.suppress(BackendFailed):
            yield parse(item)


@or_garbage
def parse_page(body: Any) -> SourcePage:
    """One page of the list of sources; a kind this console does not know is skipped."""
    known = {kind.value for kind in SourceKind}
    items = tuple(_listed(each) for each in body["items"] if each["kind"] in known)
    return SourcePage(items, int(body.get("total", len(body["items"]))))


def _listed(body: Any) -> ListedSource:
    """One row of the list."""
    source, health, recent = parse_source(body), body.get("health"), body.get("recent")
    if isinstance(health, dict):
        health = parse_health({"data_source_id": source.id, **health})
    letters = None if recent is None else "".join(letter for letter in str(recent) if letter in "owbu")[-_RECENT_KEPT:]
    return ListedSource(source, health or None, letters)


@or_garbage
def parse_throttling(body: Any) -> ThrottlingConfig:
    """The throttling-config; limits of zero or less become one."""
    level = Level(body.get("throttling_level") or body["level"])
    return ThrottlingConfig(
        level=level,
        max_concurrent_requests=max(int(body["max_concurrent_requests"]), 1),
        max_requests_per_minute=max(int(body["max_requests_per_minute"]), 1),
        request_delay_ms=max(int(body["request_delay_ms"]), 0),
        circuit_breaker_open=bool(body.get("circuit_breaker_open", level is Level.EMERGENCY)),
        emergency_mode_active=bool(body.get("emergency_mode_active", level is Level.EMERGENCY)),
        alert=body.get("alert"),
        usage_percent=float(body.get("usage_percent") or 0.0),
        reasons=tuple(str(reason) for reason in body.get("reasons") or ()),
        version=int(body.get("version") or 0),
        ttl_s=float(body.get("ttl_s") or 30.0),
        measured_at=needed_time(body.get("measured_at") or "1970-01-01T00:00:00Z"),
    )


@or_garbage
def parse_letters(body: Any) -> str:
    """The states of a span, one letter each; a letter this console does not know says nothing."""
    return "".join(letter if letter in "owbu" else "-" for letter in str(body["letters"])[:_LETTERS_KEPT])


@or_garbage
def parse_object(body: Any) -> dict[str, Any]:
    """Any JSON object, as it is."""
    if not isinstance(body, dict):
        raise TypeError("not an object")
    return body


def source_body(settings: SourceSettings) -> dict[str, object]:
    """What POST /scan/data-sources takes. The password is in it only when one was given."""
    body: dict[str, object] = {
        "name": settings.name,
        "kind": settings.kind.value,
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "username": settings.username,
        "options": dict(settings.options),
        "environment": settings.environment,
        "tags": list(settings.tags),
        "enabled": settings.enabled,
    }
    if settings.password is not None:
        body["password"] = settings.password.reveal()
    return body
