"""Judges every rule once a second, and at once when the guard's level changes. Takes no connection of any pool."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from dashboard_app.backend.alerts.book import Book, Key, log
from dashboard_app.backend.alerts.readings import Found, KnownSources, Pool, Reading, Readings
from dashboard_app.backend.alerts.rules import Rules
from dashboard_app.model.alert import AlertRule
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.pool import ThrottlingConfig
from dashboard_app.policy.alert import Watch, follow
from dashboard_app.policy.alert_rule import message_of
from dashboard_app.runtime.wake import Wake

LOOK_EVERY_S = 1.0
_PAUSE_S = 1.0
_USAGE = "pool.usage_percent"


class Guard(Pool, Protocol):
    """The guard, which also tells when its level changes."""

    def on_change(self, callback: Callable[[ThrottlingConfig], None]) -> None:
        """Call `callback` with each new config."""

    def on_reachable(self, callback: Callable[[bool], None]) -> None:
        """Call `callback` when the database goes away or comes back."""


class Evaluator:
    """Two loops for the supervisor: `run` looks, `run_writes` writes; a silent database holds up the second only."""

    def __init__(self, guard: Guard, sources: KnownSources, found: Found, *, book: Book, rules: Rules, clock: Clock) -> None:
        """Nothing is looked at yet."""
        self._guard, self._sources, self._found = guard, sources, found
        self._book, self._rules, self._clock = book, rules, clock
        self._watches: dict[Key, Watch] = {}
        self._peak: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell, self._unwritten = Wake(clock), Wake(clock)
        self._is_started = asyncio.Event()
        guard.on_change(self._level_changed)
        guard.on_reachable(lambda _: self._ring())

    async def run(self) -> None:
        """Until cancelled: take over what is open, then look once a second and at each change of the level."""
        self._loop = asyncio.get_running_loop()
        await self._start()
        while True:
            self.look()
            await self._bell.wait(self._clock.monotonic() + LOOK_EVERY_S)

    async def run_writes(self) -> None:
        """Until cancelled: write what changed; while the database is away it waits."""
        await self._is_started.wait()
        while True:
            if self._guard.is_reachable:
                try:
                    await self._book.keep()
                    await self._book.tidy()
                except DatabaseUnavailable as error:
                    log.debug("%d alerts wait to be written: %s", self._book.waiting_count, error.detail)
            await self._clock.sleep(0.1)  # what changes together is written together
            await self._unwritten.wait(self._clock.monotonic() + _PAUSE_S)

    async def close(self) -> None:
        """Write what waits, once; what cannot be written now is found anew by the next start, if it still holds."""
        if self._book.waiting_count and self._guard.is_reachable:
            with contextlib.suppress(DatabaseUnavailable):
                await self._book.keep()

    def look(self) -> None:
        """Judge every rule by what is known now."""
        now, wall = self._clock.monotonic(), self._clock.now()
        readings = Readings(self._guard, self._sources.everything(), self._found, wall)
        peak, self._peak = self._peak, None
        seen: set[Key] = set()
        for rule in self._rules.enabled():
            for reading in readings.of(rule.settings):
                seen.add((rule.id, reading.source_id))
                if peak is not None and rule.settings.metric == _USAGE and peak > (reading.value or 0.0):
                    self._judge(rule, Reading(reading.source_id, reading.source, peak), now)
                self._judge(rule, reading, now)
        for key in [key for key in self._watches if key not in seen]:
            if self._watches.pop(key).is_open:
                self._book.resolve(key, "no longer watched")
        if self._book.waiting_count:
            self._unwritten.ring()

    def changed(self) -> None:
        """A rule or an alert was changed by a person: look, and write, at once."""
        self._ring()
        self._unwritten.ring()

    def restart(self, rule_id: int) -> None:
        """The rule watches something else now: what it had open is over."""
        for key in [key for key in self._watches if key[0] == rule_id]:
            if self._watches.pop(key).is_open:
                self._book.resolve(key, "the rule was changed")

    async def _start(self) -> None:
        """Read rules and open alerts, again until the database gives them."""
        while not self._is_started.is_set():
            try:
                await self._rules.start()
                await self._book.start()
            except DatabaseUnavailable as error:
                log.warning("alerts wait for the database: %s", error.detail)
                await self._clock.sleep(_PAUSE_S)
            else:
                self._watches = {(alert.rule_id, alert.source_id): Watch(is_open=True) for alert in self._book.open_alerts()}
                self._is_started.set()

    def _judge(self, rule: AlertRule, reading: Reading, now: float) -> None:
        """Follow one rule for one source, and open or end its alert."""
        key = rule.id, reading.source_id
        watch = self._watches.get(key, _CLOSED)
        after = follow(rule.settings, watch, reading.value, now)
        if after is watch:
            return
        if after.is_open and not watch.is_open:
            if reading.value is None or not self._book.can_open:
                return  # it is asked again at the next look
            info = self._rules.metrics[rule.settings.metric]
            self._book.open(rule, reading, reading.value, message_of(rule.settings, info, reading.value, reading.source, reading.found))
        elif watch.is_open and not after.is_open:
            self._book.resolve(key, "recovered")
        self._watches[key] = after

    def _level_changed(self, config: ThrottlingConfig) -> None:
        """Remember the highest usage since the last look: a peak between two looks opens its alert, too."""
        self._peak = max(self._peak or 0.0, config.usage_percent)
        self._ring()

    def _ring(self) -> None:
        """Look soon; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.ring)


_CLOSED = Watch()
