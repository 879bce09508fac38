"""Keeps what was published in the database, behind the live stream: readers never wait for it, and it never loses its place.

What cannot be written is tried again from the history in memory until the database is back; only what leaves memory before that is lost,
and counted. A reader that has missed such a message is told so (`Message.follows`).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Failed, SpillwayError
from dashboard_app.model.event import Message
from dashboard_app.runtime.hub import FellBehind, Hub, Reader

_log = logging.getLogger(__name__)
TASK = "events.recorder"
_MOST = 500
MOST_UNSAVED = 8_000
_SLOW_S = 5.0
_PRUNE_S = 3600.0
_LOAD_BYTES = 64 * 1024 * 1024


class History(Protocol):
    """The database's side."""

    async def add(self, messages: Sequence[Message]) -> None:
        """Keep messages."""

    async def newest(self, count: int, most_bytes: int) -> list[Message]:
        """The last ones, ascending."""

    async def prune(self, before: datetime) -> int:
        """Let old ones go, a step of them; how many."""


class Pool(Protocol):
    """What the recorder asks of the pool guard."""

    def admission(self) -> AbstractAsyncContextManager[None]:
        """A place for database work."""

    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> AbstractContextManager[None]:
        """Name the checkouts inside."""


@dataclass(frozen=True, slots=True)
class RecorderRule:
    """`tries`: quick further tries, `pause_s` apart, before the slow ones. `days`: how long messages are kept."""

    tries: int
    pause_s: float
    days: float


class Recorder:
    """One per process: `open`, then `run`."""

    def __init__(self, history: History, hub: Hub[Message], pool: Pool, clock: Clock, rule: RecorderRule) -> None:
        """No I/O."""
        self._history, self._hub, self._pool, self._clock = history, hub, pool, clock
        self.rule = rule
        self._reader: Reader[Message] | None = None
        self._pending: Sequence[Message] = ()
        self._pruned_at = float("-inf")
        self._failures = 0
        self.lost_total = 0
        """Events that left memory before they could be kept."""
        self._safe_id = 0
        self._caught_up = asyncio.Event()
        hub.on_gone = self._gone

    @property
    def is_failing(self) -> bool:
        """True while messages cannot be kept."""
        return self._failures > self.rule.tries

    @property
    def unsaved_count(self) -> int:
        """Messages that are not kept yet."""
        return len(self._pending) + (self._hub.end - self._reader.position if self._reader is not None else 0)

    @property
    def is_behind(self) -> bool:
        """True when more would leave memory before it could be kept, though the database takes it: publishers wait, or are refused."""
        return self.unsaved_count > MOST_UNSAVED and not self._failures

    async def caught_up(self) -> None:
        """Return when publishers need not wait (any more)."""
        while self.is_behind:
            self._caught_up.clear()
            await self._caught_up.wait()

    async def open(self) -> None:
        """Give the hub what an earlier process kept. Raises DatabaseUnavailable."""
        async with self._pool.admission():
            with self._pool.holding(task=TASK):
                self._hub.load(await self._history.newest(10_000, _LOAD_BYTES))
        self._safe_id = self._hub.newest_id
        self._reader = self._hub.join()

    async def drained(self) -> None:
        """Return when all that was published is kept; does the work itself, after `run` has ended. Stops at the first failure."""
        while self._reader is not None and not self._failures and await self.turn(self._reader):
            pass

    async def run(self) -> None:
        """Keep messages until it is cancelled."""
        while self._reader is not None:
            if not await self.turn(self._reader):
                await self._reader.wait()

    async def turn(self, reader: Reader[Message]) -> bool:
        """Write what waits, once; False when there is nothing to do. After a failure it waits before it returns."""
        if not self._pending:
            self._pending = self._taken(reader)
        if not self._pending:
            return False
        self._safe_id = self._pending[-1].id
        try:
            async with self._pool.admission():
                with self._pool.holding(task=TASK):
                    await self._history.add(self._pending)
                    await self._prune()
        except SpillwayError as failure:
            self._failures += 1
            self._caught_up.set()  # readers do not wait for a database that is away
            await self._failed(failure)
        else:
            self._pending, self._failures = (), 0
            self._caught_up.set()
        return True

    def _taken(self, reader: Reader[Message]) -> Sequence[Message]:
        """The next messages; what memory has let go is gone over."""
        try:
            return reader.take(_MOST)
        except FellBehind:
            reader.position = self._hub.start
            return reader.take(_MOST)

    async def _failed(self, failure: SpillwayError) -> None:
        """Say so once, and wait; what the database refuses for good is set aside."""
        if self._failures > self.rule.tries and isinstance(failure, Failed):
            _log.error("%d messages are refused by the database and are not in the history", len(self._pending))
            self.lost_total += sum(message.count for message in self._pending)
            self._pending, self._failures = (), 0
            return
        if self._failures == self.rule.tries + 1:
            _log.warning("events cannot be kept (%s); they stay in memory and are tried again", failure.code)
        await self._clock.sleep(self.rule.pause_s if self._failures <= self.rule.tries else _SLOW_S)

    def _gone(self, message: Message) -> None:
        """Count what memory lets go before it was taken to be written."""
        if self._reader is not None and message.id > self._safe_id:
            self.lost_total += message.count

    async def _prune(self) -> None:
        """Let go of what is too old, now and then."""
        now = self._clock.monotonic()
        if now - self._pruned_at < _PRUNE_S:
            return
        if not await self._history.prune(self._clock.now() - timedelta(days=self.rule.days)):
            self._pruned_at = now
