"""Gathers items and sends them in batches: by size, by age, on demand, at the end. Bounded; nothing is lost while it runs.

One batch is under way at a time; one that fails is tried again as a whole before anything newer is sent.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DeadlinePassed, QueueFull, SpillwayError
from dashboard_app.policy.batching import BatchLimits, due_at, pause_s
from dashboard_app.runtime.batch_ledger import BatchFigures, BatchLedger
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What happens to a batch that fails: so many further tries (None: for ever), after `first_s`, doubled up to `longest_s`."""

    tries: int | None = None
    first_s: float = 0.5
    longest_s: float = 10.0


class Batcher(Generic[Item]):
    """`send` gets each batch, oldest first, and raises when it could not be sent: then the same batch is tried again.

    With a `key`, an item takes the place of a waiting one with the same key (the last one wins), at the age of the older.
    """

    def __init__(
        self,
        limits: BatchLimits,
        send: Callable[[list[Item]], Awaitable[None]],
        clock: Clock,
        *,
        key: Callable[[Item], Hashable] | None = None,
        retry: RetryRule | None = None,
        give_up: Callable[[list[Item], SpillwayError], None] | None = None,
    ) -> None:
        """Nothing waits. `give_up` gets a batch whose tries are used up; without it a batch is tried for ever."""
        self.limits = limits
        self._send, self._clock, self._key = send, clock, key
        self._retry = retry or RetryRule()
        self._give_up = give_up
        self._by_key: dict[Hashable, tuple[Item, float]] = {}
        self._in_line: deque[tuple[Item, float]] = deque()
        self._waiting: dict[Hashable, tuple[Item, float]] | deque[tuple[Item, float]] = self._in_line if key is None else self._by_key
        self._under_way: list[Item] = []
        self._from_threads: deque[Item] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_called = False
        self._bell = Wake(clock)
        self._is_wanted = False
        self._failures = 0
        self._flushed: list[tuple[int, asyncio.Future[None]]] = []
        self._ledger = BatchLedger()

    # ---- adding

    def add(self, item: Item) -> None:
        """Let `item` go with the next batch. Costs about a microsecond; call it on the loop.

        Raises:
            QueueFull: as many wait as may.

        """
        ledger, count = self._ledger, len(self._waiting)
        if self._key is not None:
            by_key, key = self._by_key, self._key(item)
            if (older := by_key.get(key)) is not None:
                by_key[key] = (item, older[1])
                ledger.added += 1
                ledger.superseded += 1
                return
        if count >= self.limits.waiting_most:
            ledger.refused += 1
            raise QueueFull
        if self._key is None:
            self._in_line.append((item, self._clock.monotonic()))
        else:
            by_key[key] = (item, self._clock.monotonic())
        ledger.added += 1
        if count == 0 or count + 1 == self.limits.size:
            self._bell.ring()

    def add_from_thread(self, item: Item) -> None:
        """`add` for other threads, once `run` runs. One wake-up of the loop serves all that come before it.

        Raises:
            QueueFull: as many wait as may, or nothing runs to take it.

        """
        loop = self._loop
        if loop is None or len(self._from_threads) + len(self._waiting) >= self.limits.waiting_most:
            self._ledger.refused += 1
            raise QueueFull
        self._from_threads.append(item)
        if not self._is_called:
            self._is_called = True
            loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        """Take over what threads have brought; the flag falls first, so that nothing waits unseen."""
        self._is_called = False
        while self._from_threads:
            item = self._from_threads.popleft()
            try:
                self.add(item)
            except QueueFull as full:
                self._lose([item], full)

    # ---- sending

    async def run(self) -> None:
        """Send batches until it is cancelled; then nothing is sent any more: call `close` first."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._turn()
        finally:
            self._loop = None

    async def _turn(self) -> None:
        """Wait until something is due, and send it."""
        now = self._clock.monotonic()
        if self._under_way:
            await self._try()
            return
        oldest_at = self._oldest_at(now)
        due = now if self._is_wanted and self._waiting else due_at(self.limits, len(self._waiting), oldest_at, now)
        if due is None or due > now:
            self._settle()
            await self._bell.wait(due)
            return
        self._under_way = self._taken()
        await self._try()

    def _oldest_at(self, now: float) -> float:
        """When the oldest waiting item came; `now` when none waits."""
        if not self._waiting:
            return now
        return self._in_line[0][1] if self._key is None else next(iter(self._by_key.values()))[1]

    def _taken(self) -> list[Item]:
        """The oldest items, as many as one batch carries."""
        count = min(len(self._waiting), self.limits.most)
        if self._key is None:
            line = self._in_line
            return [line.popleft()[0] for _ in range(count)]
        if count == len(self._by_key):
            taken = [item for item, _ in self._by_key.values()]
            self._by_key.clear()
            return taken
        keys = list(islice(self._by_key, count))
        return [self._by_key.pop(key)[0] for key in keys]

    async def _try(self) -> None:
        """Send the batch under way once; wait before the next try when it fails."""
        batch, began = self._under_way, self._clock.monotonic()
        try:
            await self._send(batch)
        except SpillwayError as failure:
            self._failed(failure)
            if self._under_way:
                pause = pause_s(self._failures, self._retry.first_s, self._retry.longest_s)
                await self._clock.sleep(pause)
            return
        ledger = self._ledger
        ledger.batches += 1
        ledger.sent += len(batch)
        ledger.last_size, ledger.last_duration_s = len(batch), self._clock.monotonic() - began
        self._under_way, self._failures = [], 0
        self._settle()

    def _failed(self, failure: SpillwayError) -> None:
        """Count a failure; give the batch up when its tries are used."""
        self._failures += 1
        self._ledger.failures += 1
        if self._retry.tries is None or self._failures <= self._retry.tries or self._give_up is None:
            return
        batch, self._under_way, self._failures = self._under_way, [], 0
        self._lose(batch, failure)
        self._settle()

    def _lose(self, items: list[Item], failure: SpillwayError) -> None:
        """Set items aside, counted and told."""
        self._ledger.given_up += len(items)
        if self._give_up is not None:
            self._give_up(items, failure)
        else:
            _log.error("%d items were set aside: %s", len(items), failure.code)

    # ---- flushing

    async def flush(self, limit_s: float) -> int:
        """How many items were sent or set aside, once all that waits now has been; at once when nothing waits.

        Raises:
            DeadlinePassed: it took longer than `limit_s`; what waits goes on waiting.

        """
        self._collect()
        count = len(self._waiting) + len(self._under_way)
        if not count:
            return 0
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushed.append((self._settled() + count, done))
        self._is_wanted = True
        self._bell.ring()
        try:
            async with asyncio.timeout(limit_s):
                await done
        except TimeoutError:
            raise DeadlinePassed(f"The batch could not be sent within {limit_s:g} s.") from None
        finally:
            self._flushed = [one for one in self._flushed if one[1] is not done]
            self._is_wanted = bool(self._flushed)
        return count

    async def close(self, limit_s: float) -> None:
        """Send what waits, for at most `limit_s`; what is left then is given back by `left`."""
        with contextlib.suppress(DeadlinePassed):
            await self.flush(limit_s)

    def left(self) -> list[Item]:
        """What was not sent, the batch under way first."""
        self._collect()
        waiting = self._in_line if self._key is None else self._by_key.values()
        return [*self._under_way, *(item for item, _ in waiting)]

    def _settled(self) -> int:
        """Items that have left: sent or set aside."""
        return self._ledger.sent + self._ledger.given_up

    def _settle(self) -> None:
        """Tell those who wait for a flush that theirs is done."""
        settled = self._settled()
        for target, done in self._flushed:
            if settled >= target and not done.done():
                done.set_result(None)

    def retune(self, limits: BatchLimits) -> None:
        """Go by other limits from now on."""
        self.limits = limits
        self._bell.ring()

    @property
    def waiting_count(self) -> int:
        """Items that were not sent: those that wait and those of the batch under way."""
        return len(self._waiting) + len(self._from_threads) + len(self._under_way)

    def figures(self) -> BatchFigures:
        """The batcher in numbers."""
        now = self._clock.monotonic()
        return self._ledger.figures(
            waiting=len(self._waiting) + len(self._from_threads),
            under_way=len(self._under_way),
            oldest_s=max(now - self._oldest_at(now), 0.0),
            is_failing=self._failures > 0,
        )
