"""Reads the stream of events and says what of it is worth telling. What an event says of alerts and sources is checked against what is known."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from dashboard_app.model.alert import Alert
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import Clock
from dashboard_app.model.event import Message
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.notification import Notice, Topic
from dashboard_app.policy.coalesce import parted
from dashboard_app.policy.notify import OPENED, RESOLVED, breaker_severity, source_severity

ORIGINS = frozenset({"ALERT_OPENED", "ALERT_RESOLVED", "BREAKER_CHANGED", "SOURCE_CHANGED"})
"""The types of event that are read; every other is passed over unread."""
_STATUSES = frozenset(HealthStatus)
_STATES = frozenset(BreakerState)
_NAME_KEPT = 200


class Intake:
    """Messages in, notices out."""

    def __init__(self, clock: Clock, alert: Callable[[int], Alert | None], source: Callable[[int], str | None]) -> None:
        """`alert`: an alert that is open or was lately, by id; `source`: the name of a source, by id."""
        self._clock, self._alert, self._source = clock, alert, source

    def notices_of(self, message: Message) -> list[Notice]:
        """What is worth telling of one message; a batch is taken apart. What was forged or has passed out of memory gives nothing."""
        if message.origin not in ORIGINS:
            return []
        data = orjson.loads(message.payload)
        events = [data] if message.count == 1 else parted(message.origin, data)
        return [notice for event in events for notice in self._of_event(message.origin, event)]

    def _of_event(self, origin: str, data: Mapping[str, Any]) -> Iterator[Notice]:
        """None or one."""
        if origin == "SOURCE_CHANGED":
            yield from self._of_source(data)
        elif origin == "BREAKER_CHANGED":
            yield from self._of_breaker(data)
        else:
            yield from self._of_alert(data, OPENED if origin == "ALERT_OPENED" else RESOLVED)

    def _of_alert(self, data: Mapping[str, Any], became: str) -> Iterator[Notice]:
        """An alert as it is known here: an event that names another's, or says it is over while it is not, is not believed."""
        alert = self._alert(_id(data.get("alert_id")))
        if alert is not None and (became == OPENED or alert.resolved_at is not None):
            key = f"alert {alert.id}"
            yield Notice(Topic.ALERTS, key, alert.source, "", became, alert.severity, self._clock.now(), alert.message, alert.id)

    def _of_source(self, data: Mapping[str, Any]) -> Iterator[Notice]:
        """A change of a source that exists."""
        source_id, was, became = _id(data.get("source_id")), data.get("previous"), data.get("status")
        name = self._source(source_id)
        if name is None or not isinstance(was, str) or not isinstance(became, str) or not {was, became} <= _STATUSES:
            return
        severity = source_severity(was, became)
        if severity is not None:
            yield Notice(Topic.SOURCES, f"source {source_id}", name, was, became, severity, self._clock.now(), ref=source_id)

    def _of_breaker(self, data: Mapping[str, Any]) -> Iterator[Notice]:
        """A move of a breaker, of this process or of a worker that announces its own."""
        name, was, became, cause = (data.get(field) for field in ("name", "from", "to", "cause"))
        if not isinstance(name, str) or not isinstance(was, str) or not isinstance(became, str) or not {was, became} <= _STATES:
            return
        severity = breaker_severity(was, became)
        if severity is not None:
            name = name[:_NAME_KEPT]
            says = cause if isinstance(cause, str) else ""
            yield Notice(Topic.BREAKERS, f"breaker {name}", name, was, became, severity, self._clock.now(), says)


def _id(value: object) -> int:
    """An id; 0, which nothing has, for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
