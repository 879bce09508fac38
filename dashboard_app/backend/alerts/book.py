"""Open alerts in memory, each with its id from the start, and what of them still waits to be written.

Ids are reserved from the table's own sequence while the database answers, so that an alert that opens while it is away can be shown,
acknowledged and silenced by its right id; it is written when the database is back. What waits is bounded by the ids in reserve.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from dashboard_app.backend.alerts.readings import Reading
from dashboard_app.model.alert import Alert, AlertRule, AlertState
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable
from dashboard_app.policy.alert import coverings, state_of
from dashboard_app.store.alerts import FORGET_STEP, AlertStore

log = logging.getLogger("spillway.alerts")
RESERVE = 1_000
"""Ids in reserve after a refill: as many alerts may open while the database is away."""
REFILL_BELOW = 500
KEEP_DAYS = 90
"""How long an alert that is over is kept."""
_FORGET_EVERY_S = 3_600.0
_BATCH = 500
_RECENT = 200
Key = tuple[int, int]
"""Rule and source: at most one alert of each is open."""


class Book:
    """What fires and what fired lately. Every method but `start`, `keep`, `tidy` and `page` works without the database."""

    def __init__(self, store: AlertStore, clock: Clock) -> None:
        """No I/O."""
        self._store, self._clock = store, clock
        self._ids: deque[int] = deque()
        self._open: dict[Key, Alert] = {}
        self._unwritten: dict[int, Alert] = {}
        self._recent: deque[Alert] = deque(maxlen=_RECENT)
        self._silences: dict[Key, Alert] = {}
        self._forget_at = clock.monotonic()
        self.on_news: Callable[[str, Alert], None] = lambda _type, _alert: None
        """Hears `ALERT_OPENED` and `ALERT_RESOLVED`, each with the alert."""

    async def start(self) -> None:
        """Take over what former runs left open. Raises DatabaseUnavailable."""
        still_open, silenced = await self._store.still_open(), await self._store.silenced(self._clock.now())
        recent = await self._store.page(_RECENT, only_resolved=True)
        await self._refill()
        self._open = {_key(alert): alert for alert in still_open}
        self._silences = {_key(alert): alert for alert in silenced}
        self._recent.clear()
        self._recent.extend(reversed(recent))

    @property
    def can_open(self) -> bool:
        """False when no id is left: then nothing opens until the database gives more."""
        return bool(self._ids)

    @property
    def waiting_count(self) -> int:
        """Alerts whose last change is not written yet."""
        return len(self._unwritten)

    def open_alerts(self) -> list[Alert]:
        """What is not over, the newest first."""
        return sorted(self._open.values(), key=lambda alert: -alert.id)

    def covered(self, rules: Mapping[int, AlertRule]) -> dict[int, int]:
        """Each open alert that a stricter one speaks for → the id of that one."""
        return coverings(list(self._open.values()), rules)

    def open(self, rule: AlertRule, reading: Reading, value: float, message: str) -> Alert:
        """A new alert. A silence of the last one of this rule and source that still lasts goes on."""
        key, now = (rule.id, reading.source_id), self._clock.now()
        silence = self._silence(key)
        alert = Alert(
            id=self._ids.popleft(),
            rule_id=rule.id,
            rule=rule.settings.name,
            severity=rule.settings.severity,
            source_id=reading.source_id,
            source=reading.source,
            message=message[:500],
            value=value,
            opened_at=now,
            silenced_until=silence.silenced_until if silence else None,
            silenced_by=silence.silenced_by if silence else None,
            silence_reason=silence.silence_reason if silence else None,
        )
        self._keep_in_mind(alert)
        log.warning("alert %d opened: %s", alert.id, alert.message, extra=_facts(alert, "resolved", "open"))
        self.on_news("ALERT_OPENED", alert)
        return alert

    def resolve(self, key: Key, why: str) -> None:
        """It is over; `why` is for the log."""
        alert = replace(self._open.pop(key), resolved_at=self._clock.now())
        self._unwritten[alert.id] = alert
        self._recent.append(alert)
        log.info("alert %d resolved, %s: %s", alert.id, why, alert.message, extra=_facts(alert, "open", "resolved"))
        self.on_news("ALERT_RESOLVED", alert)

    def change(self, alert: Alert) -> None:
        """Keep an open alert as it is now."""
        self._keep_in_mind(alert)
        if alert.silenced_until is None:
            self._silences.pop(_key(alert), None)
        else:
            self._silences[_key(alert)] = alert

    def find(self, alert_id: int) -> Alert | None:
        """An open alert by its id."""
        return next((alert for alert in self._open.values() if alert.id == alert_id), None)

    def known(self, alert_id: int) -> Alert | None:
        """An alert that is open or was lately, by its id."""
        return self.find(alert_id) or self._unwritten.get(alert_id) or next((one for one in self._recent if one.id == alert_id), None)

    async def is_over(self, alert_id: int) -> bool:
        """True when there was such an alert. Raises DatabaseUnavailable when memory does not know it and the database is away."""
        if any(alert.id == alert_id for alert in (*self._recent, *self._unwritten.values())):
            return True
        return await self._store.exists(alert_id)

    async def page(self, states: frozenset[AlertState], limit: int, before: int | None) -> list[Alert]:
        """Alerts in one of `states`, the newest first. What is open comes from memory; while the database is away so do the last 200 ended.

        Raises:
            DatabaseUnavailable: a page is asked for that is older than what memory holds.

        """
        now = self._clock.now()
        known = {alert.id: alert for alert in (*self._recent, *self._unwritten.values(), *self._open.values())}
        if AlertState.RESOLVED in states:
            try:
                written = await self._store.page(limit, before, only_resolved=states == {AlertState.RESOLVED})
            except DatabaseUnavailable:
                if before is not None and not any(alert.id < before for alert in self._recent):
                    raise
                written = []
            known = {alert.id: alert for alert in written} | known
        wanted = [alert for alert in known.values() if (before is None or alert.id < before) and state_of(alert, now) in states]
        return sorted(wanted, key=lambda alert: -alert.id)[:limit]

    async def keep(self) -> None:
        """Write what waits and refill the reserve of ids. Raises DatabaseUnavailable; what waits goes on waiting."""
        size = _BATCH
        while batch := list(islice(self._unwritten.values(), size)):
            try:
                await self._store.write(batch)
            except Conflict:
                if len(batch) == 1:
                    log.exception("alert %d is given up, so that it does not hold up the rest", batch[0].id)
                    del self._unwritten[batch[0].id]
                size = 1  # one by one, to find the one that the table refuses
                continue
            for alert in batch:
                if self._unwritten.get(alert.id) is alert:
                    del self._unwritten[alert.id]
        if len(self._ids) < REFILL_BELOW:
            await self._refill()

    async def tidy(self) -> None:
        """Once an hour: delete what was over 90 days ago, and forget silences that ended. Raises DatabaseUnavailable."""
        if self._clock.monotonic() < self._forget_at:
            return
        self._silences = {key: alert for key, alert in self._silences.items() if self._silence(key) is not None}
        before = self._clock.now() - timedelta(days=KEEP_DAYS)
        while await self._store.forget(before) == FORGET_STEP:
            log.debug("old alerts deleted, more to go")
        self._forget_at = self._clock.monotonic() + _FORGET_EVERY_S

    def _silence(self, key: Key) -> Alert | None:
        """The alert whose silence still lasts for this rule and source."""
        alert = self._silences.get(key)
        return alert if alert is not None and alert.silenced_until is not None and alert.silenced_until > self._clock.now() else None

    async def _refill(self) -> None:
        """Reserve ids."""
        self._ids.extend(await self._store.reserve(RESERVE - len(self._ids)))

    def _keep_in_mind(self, alert: Alert) -> None:
        """An open alert in memory, and to be written."""
        self._open[_key(alert)] = alert
        self._unwritten[alert.id] = alert


def _key(alert: Alert) -> Key:
    """Rule and source of an alert."""
    return alert.rule_id, alert.source_id


def _facts(alert: Alert, was: str, becomes: str) -> dict[str, object]:
    """What a machine reads in the log."""
    return {"from": was, "to": becomes, "rule": alert.rule, "source": alert.source, "severity": alert.severity.value}
