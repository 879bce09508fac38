"""Events in: judged, gathered for half a second or ten, combined, published. From tasks, threads and the API alike.

The rule for full: what does not fit is refused and the caller is told; a publisher that asks for no answer has it counted as lost.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dashboard_app.backend.events.combine import drafts_of, single
from dashboard_app.backend.events.encoding import dumped
from dashboard_app.backend.events.judging import judged
from dashboard_app.backend.events.recorder import Recorder
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.model.event import STATISTICS, Draft, Event, Message, Shape, message_of
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.policy.coalesce import SHAPES, batch_type, combined
from dashboard_app.runtime.batcher import Batcher, RetryRule
from dashboard_app.runtime.hub import Hub

_log = logging.getLogger(__name__)
STATISTICS_EVERY = timedelta(minutes=5)
_DRAIN_S = 2.0
_MOST_COMBINED = 500
_MOST_EARLY = 1_000
_NO_RETRY = RetryRule(tries=0)
_ALONE = Shape.ALONE
"""Looked up once: on the way of every event the look-up would be a twentieth of the cost."""


@dataclass(frozen=True, slots=True)
class EventFigures:
    """The publisher in numbers since its start.

    `batched_total` events went out together with others of their type, in `batches_total` messages; the difference was saved.
    `lost_total` events were refused because too many waited, or left memory before they could be kept in the history.
    """

    published_total: int
    batched_total: int
    batches_total: int
    lost_total: int
    messages_total: int
    waiting: int
    unsaved: int
    is_history_failing: bool
    is_batching: bool

    @property
    def saved_total(self) -> int:
        """Messages that batching made needless."""
        return self.batched_total - self.batches_total


class Events:
    """The one publisher of a process, with its history. `open`, then `run`."""

    def __init__(self, hub: Hub[Message], recorder: Recorder, clock: Clock, limits: BatchLimits, *, batching: bool = True) -> None:
        """No I/O. `batching` False: every event goes out by itself, at once."""
        self.hub, self.recorder = hub, recorder
        self._clock = clock
        self.is_batching = batching
        self.shapes: dict[str, Shape] = dict(SHAPES)
        """Type → how it is combined; a publisher may add its own."""
        self.unbatched: set[str] = set()
        """Sources whose events go out by themselves."""
        self._batcher: Batcher[Event] = Batcher(limits, self._send, clock, retry=_NO_RETRY)
        self._direct = self._batched = self._batches = self._messages = self._refused = 0
        self._counting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._early: deque[tuple[Event, bool]] = deque()
        """What threads have announced before `run`: the guard begins earlier."""
        self._has_ended = False
        self.opened = asyncio.Event()
        self.is_open = False
        """True once the history has been read, so that readers can resume."""

    # ---- in

    def accept(self, events: Sequence[Event]) -> None:
        """Publish events that were judged, all or none; call it on the loop.

        Raises:
            QueueFull: too many wait.

        """
        if len(events) + self._batcher.waiting_count > self._batcher.limits.waiting_most:
            raise QueueFull("Too many events wait.")
        if self.recorder.is_behind and not all(self._is_gathered(event.type, event.source) for event in events):
            raise QueueFull("Events come faster than they can be kept.")
        for event in events:
            self._add(event)

    def publish(self, event_type: str, data: Mapping[str, Any], *, source: str = "", batching: bool = True) -> bool:
        """Publish one event from the loop; False when too many wait: it is lost, and counted. Raises InvalidInput."""
        return self._publish(judged(event_type, data, source), batching=batching)

    def announce(self, event_type: str, data: Mapping[str, Any], *, source: str = "", batching: bool = True) -> bool:
        """Publish one event from wherever this is called; False when it was not taken, which is counted. Raises InvalidInput."""
        if threading.get_ident() == self._thread:
            return self._publish(judged(event_type, data, source), batching=batching)
        return self.publish_from_thread(event_type, data, source=source, batching=batching)

    def publish_many(self, event_type: str, data: Sequence[Mapping[str, Any]], *, source: str = "") -> None:
        """Publish what was gathered already: few are gathered further, many become messages of up to 500 at once. On the loop only."""
        if len(data) < self._batcher.limits.size or not self._is_gathered(event_type, source) or not self.is_open:
            for one in data:
                self.publish(event_type, one, source=source)
            return
        shape = self.shapes.get(event_type, Shape.GENERAL)
        for start in range(0, len(data), _MOST_COMBINED):
            some = data[start : start + _MOST_COMBINED]
            payload = dumped(combined(event_type, some, shape) if len(some) > 1 else some[0])
            self._direct += len(some)
            self._deliver([Draft(batch_type(event_type) if len(some) > 1 else event_type, event_type, payload, len(some))])

    def publish_from_thread(self, event_type: str, data: Mapping[str, Any], *, source: str = "", batching: bool = True) -> bool:
        """The same from any other thread; False before `run` and when too many wait. Raises InvalidInput."""
        event, loop = judged(event_type, data, source), self._loop
        if loop is None and not self._has_ended and len(self._early) < _MOST_EARLY:
            self._early.append((event, batching))
        elif loop is None or not self._handed_over(event, loop, batching=batching):
            with self._counting:
                self._refused += 1
            return False
        return True

    def _handed_over(self, event: Event, loop: asyncio.AbstractEventLoop, *, batching: bool) -> bool:
        """True when the loop has it, or will have it with its next turn."""
        try:
            if batching and self._is_gathered(event.type, event.source):
                self._batcher.add_from_thread(event)
            else:
                loop.call_soon_threadsafe(self._publish, event)
        except (QueueFull, RuntimeError):  # the second: the loop has just ended
            return False
        return True

    def _publish(self, event: Event, *, batching: bool = True) -> bool:
        """Take one judged event; False when it was refused."""
        try:
            self._add(event, batching=batching)
        except QueueFull:
            with self._counting:
                self._refused += 1
            return False
        return True

    def _add(self, event: Event, *, batching: bool = True) -> None:
        """Gather an event, or send it at once."""
        if not self.is_open or (batching and self._is_gathered(event.type, event.source)):
            self._batcher.add(event)  # before the history is read nothing has a number, and everything waits
        else:
            self._direct += 1
            self._deliver([single(event)])

    def _is_gathered(self, event_type: str, source: str) -> bool:
        """True when such an event waits for others."""
        return self.is_batching and self.shapes.get(event_type) is not _ALONE and source not in self.unbatched

    # ---- out

    async def _send(self, batch: list[Event]) -> None:
        """Combine and publish one batch; waits while the history cannot keep up."""
        await self.recorder.caught_up()
        self._deliver(drafts_of(batch, self.shapes))

    def _deliver(self, drafts: Sequence[Draft]) -> None:
        """Number messages and publish them. A number is the microsecond of its making, or one more than the last."""
        follows, made = self.hub.newest_id, []
        for draft in drafts:
            number = max(follows + 1, time.time_ns() // 1000)
            made.append(message_of(number, follows, draft))
            follows = number
            if draft.count > 1:
                self._batched += draft.count
                self._batches += 1
        self._messages += len(made)
        self.hub.publish(made)

    async def run(self) -> None:
        """Read the history, then publish and keep until it is cancelled. Raises DatabaseUnavailable when the history cannot be read."""
        if not self.is_open:
            await self.recorder.open()
            self.is_open = True
            self.opened.set()
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        while self._early:
            event, batching = self._early.popleft()
            self._publish(event, batching=batching)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._batcher.run(), name="event-batches")
                group.create_task(self.recorder.run(), name="event-history")
                group.create_task(self._tell_figures(), name="event-figures")
        finally:
            self._loop, self._thread = None, 0

    async def _tell_figures(self) -> None:
        """Publish the figures every five minutes."""
        while True:
            await self._clock.sleep(STATISTICS_EVERY.total_seconds())
            self.publish(STATISTICS, self.figures_json(), source="events")

    async def close(self) -> None:
        """Publish what waits, before `run` is cancelled."""
        if self._loop is None:
            return
        try:
            await self._batcher.flush(_DRAIN_S)
        except DeadlinePassed:
            _log.warning("%d events could not be published", self._batcher.waiting_count)

    async def release(self) -> None:
        """Keep what was published, after `run` has ended for good."""
        self._has_ended = True
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self.recorder.drained()
        except TimeoutError:
            _log.warning("%d messages could not be kept in the history of events", self.recorder.unsaved_count)

    def retune(self, limits: BatchLimits, *, batching: bool) -> None:
        """Go by other settings from now on."""
        self._batcher.retune(limits)
        self.is_batching = batching

    def figures_json(self) -> dict[str, Any]:
        """The figures by the names of the contract."""
        return figures_json(self.figures())

    def figures(self) -> EventFigures:
        """The publisher in numbers."""
        gathered = self._batcher.figures()
        return EventFigures(
            published_total=gathered.added_total + self._direct,
            batched_total=self._batched,
            batches_total=self._batches,
            lost_total=self._refused + gathered.given_up_total + self.recorder.lost_total,
            messages_total=self._messages,
            waiting=gathered.waiting + gathered.under_way,
            unsaved=self.recorder.unsaved_count,
            is_history_failing=self.recorder.is_failing,
            is_batching=self.is_batching,
        )


def figures_json(now: EventFigures) -> dict[str, Any]:
    """The figures by the names of the contract."""
    return {
        "batcher_events_batched": now.batched_total,
        "batcher_events_saved": now.saved_total,
        "batcher_batches_created": now.batches_total,
        "batcher_events_lost": now.lost_total,
        "published_total": now.published_total,
        "messages_total": now.messages_total,
        "waiting": now.waiting,
        "unsaved": now.unsaved,
        "history": "failing" if now.is_history_failing else "ok",
        "batching": now.is_batching,
    }
