"""The calls about channels of notifications. A channel's address goes to the server and never comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from dashboard_app.console.client.acts import Audited
from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import optional_time, or_garbage
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import NotFound
from dashboard_app.model.notification import CourierState
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.runtime.request_queue import Priority

_PATH = "/api/v1/notifications"
_LIMIT_S = 60.0
"""An address is judged and a test is sent by a process of its own, which takes its time on a busy machine."""
_MOST, _TEXT_KEPT = 100, 500
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ListedChannel:
    """A channel as the server lists it. `quiet`: from, to and zone; None: no quiet hours."""

    id: int
    name: str
    service: str
    topics: tuple[str, ...]
    least: Severity
    enabled: bool
    quiet: tuple[str, str, str] | None
    state: CourierState
    waiting: int
    held: int
    quiet_until: datetime | None
    sent_total: int
    failed_total: int
    dropped_total: int
    last_sent_at: datetime | None
    last_error: str
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test went; `error` empty: it was sent."""

    took_s: float
    error: str


class NotificationCalls:
    """Every call raises errors of `model.errors` only; rights are checked here first."""

    def __init__(self, caller: Caller, audited: Audited) -> None:
        """Call through `caller`."""
        self._caller, self._audited = caller, audited

    async def channels(self, principal: Principal) -> tuple[ListedChannel, ...] | None:
        """Every channel by id; None when the server does not offer them."""
        require(principal, "notifications.read")
        try:
            return await self._caller.ordinary(Call("GET", _PATH, Priority.CLICK, principal=principal), parse_channels)
        except NotFound:
            return None

    async def save(self, principal: Principal, channel_id: int, fields: Mapping[str, object]) -> ListedChannel:
        """The channel after `fields` (names of the API); `channel_id` 0 makes a new one. Raises InvalidInput, Conflict."""
        method, path = ("PATCH", f"{_PATH}/{channel_id}") if channel_id else ("POST", _PATH)
        return await self._write(principal, method, path, dict(fields), parse_channel)

    async def delete(self, principal: Principal, channel_id: int) -> None:
        """Remove a channel. Raises ProofNeeded."""
        require_proof(principal, self._caller.clock.now())
        await self._write(principal, "DELETE", f"{_PATH}/{channel_id}", None, lambda _: None)

    async def test(self, principal: Principal, channel_id: int) -> Tried:
        """Send a test message now. Raises RateLimited: another test is under way."""
        return await self._write(principal, "POST", f"{_PATH}/{channel_id}/test", None, parse_tried)

    async def _write(self, principal: Principal, method: str, path: str, body: object, parse: Callable[[Any], Value]) -> Value:
        """A change, or a test. The audit of this console, when it keeps one, gets method and path, never the body."""
        require(principal, "notifications.write")

        async def act() -> Value:
            return await self._caller.guard(method, path, parse, principal=principal, body=body, limit_s=_LIMIT_S)

        return await self._audited(principal, "notifications.write", f"{method} {path}", act)


@or_garbage
def parse_channel(body: Any) -> ListedChannel:
    """One channel."""
    begin, end = body.get("quiet_from"), body.get("quiet_to")
    return ListedChannel(
        id=int(body["id"]),
        name=_text(body["name"]),
        service=_text(body.get("service")),
        topics=tuple(topic for topic in ("alerts", "breakers", "sources") if body.get(topic) is True),
        least=Severity(body["least_severity"]),
        enabled=bool(body.get("enabled", True)),
        quiet=(_text(begin), _text(end), _text(body.get("quiet_zone") or "UTC")) if begin and end else None,
        state=CourierState(body.get("state") or "idle"),
        waiting=int(body.get("waiting") or 0),
        held=int(body.get("held") or 0),
        quiet_until=optional_time(body.get("quiet_until")),
        sent_total=int(body.get("sent_total") or 0),
        failed_total=int(body.get("failed_total") or 0),
        dropped_total=int(body.get("dropped_total") or 0),
        last_sent_at=optional_time(body.get("last_sent_at")),
        last_error=_text(body.get("last_error")),
        last_error_at=optional_time(body.get("last_error_at")),
    )


@or_garbage
def parse_channels(body: Any) -> tuple[ListedChannel, ...]:
    """Every channel."""
    return tuple(parse_channel(each) for each in body["items"][:_MOST])


@or_garbage
def parse_tried(body: Any) -> Tried:
    """How a test went."""
    return Tried(float(body["took_s"]), "" if body["ok"] is True else _text(body.get("error")) or "It was not sent.")


def _text(value: object) -> str:
    """A text, "" for none."""
    return "" if value is None else str(value)[:_TEXT_KEPT]
