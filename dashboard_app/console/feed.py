"""The console's live feed: one connection for all pages, with a breaker of its own, that goes on from the last id after every cut.

What has come last is kept for the page of events, bounded by number and bytes. Pages are told by `on_entry`, the rest of the console by
`on_message`; neither may wait.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard_app.console.client.feed import START, FeedMessage, FeedSource
from dashboard_app.model.breaker import BreakerState, Ticket
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, Refused
from dashboard_app.model.event import RESET
from dashboard_app.model.feed import FeedState
from dashboard_app.policy.reconnect import rest_s
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger(__name__)
KEPT = 500
KEPT_BYTES = 16 * 1024 * 1024
_LARGEST_KEPT = 256 * 1024
NOT_OFFERED_S = 60.0
"""A server without a feed is asked once a minute whether it has learned."""
_HANG_UP_S = 2.0
STEADY_S = 10.0
"""A connection that stood so long makes the next rest the first again."""
_TYPES_KEPT = 200
_DAY = timedelta(days=1)
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A message with its place in what came here, and its time. `payload` is empty when it was too large to keep."""

    seq: int
    id: int
    type: str
    at: datetime
    payload: bytes

    @property
    def is_gap(self) -> bool:
        """True for the mark of a gap: what came before `at` is not all here."""
        return self.type == RESET


class Feed:
    """One per console. `run` it; everything else is read."""

    def __init__(
        self, source: FeedSource | None, breaker: NamedBreaker, clock: Clock, *, rest: Callable[[int, float], float] = rest_s
    ) -> None:
        """`source` None: nothing is to be read. `rest`: seconds before the next try after so many failures in a row, by a chance."""
        self._source, self._breaker, self._clock, self._rest = source, breaker, clock, rest
        self._bell = Wake(clock)
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0
        self._is_up = self._is_open = False
        self._opened_mono = 0.0
        self._is_offered = source is not None
        self._kept_bytes = 0
        self.last_id = START
        """The id to go on from."""
        self.seq = 0
        """The number of entries so far."""
        self.entries: deque[Entry] = deque()
        """The last ones, oldest first."""
        self.types: Counter[str] = Counter()
        """How many messages of each type came."""
        self.newest_at: datetime | None = None
        """When the newest event of the server was published, as far as it is known."""
        self.is_live: Callable[[], bool] = lambda: True
        """False while the server is known to be away: it is not asked for its feed then, either."""
        self.on_message: Callable[[FeedMessage], None] = lambda _message: None
        self.on_entry: Callable[[], None] = lambda: None
        self.on_state: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        breaker.on_change(self._breaker_moved)

    @property
    def state(self) -> FeedState:
        """How events come here now."""
        if self._is_up:
            return FeedState.CONNECTED
        is_tried = self._is_offered and (self._breaker.lets_through or self._breaker.state is BreakerState.HALF_OPEN)
        return FeedState.RECONNECTING if is_tried else FeedState.POLLING

    def wake(self) -> None:
        """Look again whether to connect."""
        self._bell.ring()

    async def run(self) -> None:
        """Read for ever."""
        if self._source is None:
            return
        while True:
            ticket = await self._ticket()
            self._is_open = False
            self._reading = asyncio.create_task(self._read(self._source, ticket), name="live-feed")
            try:
                await asyncio.wait({self._reading})
            finally:
                self._reading.cancel()
                await asyncio.wait({self._reading}, timeout=_HANG_UP_S)
            await self._clock.sleep(self._rest_after(self._reading, ticket))

    async def _ticket(self) -> Ticket:
        """The breaker's leave for one connection, as soon as it gives it."""
        while not self._may_ask():
            due = self._breaker.retry_at if self.is_live() else None
            await self._bell.wait(due)
        return self._breaker.ask()

    def _may_ask(self) -> bool:
        """True when a connection may be tried now."""
        if not self.is_live():
            return False
        if self._breaker.state is BreakerState.OPEN:
            return self._breaker.retry_at is not None and self._clock.monotonic() >= self._breaker.retry_at
        return self._breaker.state is not BreakerState.FORCED_OPEN

    async def _read(self, source: FeedSource, ticket: Ticket) -> None:
        """Read one connection to its end."""
        began = self._clock.monotonic()
        async with source.opened(self.last_id) as messages:
            self._opened(ticket, began)
            async for message in messages:
                self._take(message)

    def _opened(self, ticket: Ticket, began: float) -> None:
        """A connection stands: it is the success of every trial that the breaker needs."""
        self._breaker.answered(ticket, began)
        while self._breaker.state is BreakerState.HALF_OPEN:
            self._breaker.answered(self._breaker.ask(), began)
        self._is_open, self._opened_mono = True, self._clock.monotonic()
        self._is_offered = True
        self._went(is_up=True)

    def _rest_after(self, reading: "asyncio.Task[None]", ticket: Ticket) -> float:
        """Draw the conclusions from how a connection has ended; the seconds until the next may be tried."""
        now, least_s = self._clock.monotonic(), 0.0
        is_steady = self._is_open and now - self._opened_mono >= STEADY_S
        self._failures = 1 if is_steady else self._failures + 1
        failure = None if reading.cancelled() else reading.exception()
        if isinstance(failure, BackendFailed):
            self._failed(failure, ticket)
            least_s = failure.retry_after_s or 0.0
        elif isinstance(failure, Refused):
            _log.info("no live feed: %s", failure.detail)
            self._breaker.answered(ticket, now)
            self._is_offered, least_s = False, NOT_OFFERED_S
            self._went(is_up=False)
        elif failure is not None or reading.cancelled():
            if not self._is_open:
                self._breaker.given_back(ticket)
            self._went(is_up=False)
            if failure is not None:
                raise failure
        chance = random.random()  # noqa: S311 - a rest needs no secret chance
        return max(self._rest(self._failures, chance), min(least_s, NOT_OFFERED_S))

    def _failed(self, failure: BackendFailed, ticket: Ticket) -> None:
        """Count a connection that could not be opened, or was cut."""
        was_up = self._is_up
        self._went(is_up=False)
        if not self._is_open:
            self._breaker.failed(ticket, failure)
        elif self._breaker.lets_through:
            self._breaker.failed(self._breaker.ask(), failure)  # opening had its own outcome: the cut is another
        if was_up:
            _log.warning("the live feed was lost: %s", failure.detail)
            self.on_lost()

    def _went(self, *, is_up: bool) -> None:
        """Tell of a change of state."""
        self._is_up = is_up
        self.on_state()

    def _breaker_moved(self) -> None:
        """Hang up when a person holds the breaker open; look again whenever it has moved."""
        if self._breaker.state is BreakerState.FORCED_OPEN and self._reading is not None:
            self._reading.cancel()
        self._bell.ring()

    def _take(self, message: FeedMessage) -> None:
        """Keep one message and tell of it. One that was read before is dropped; a RESET says where the stream stands."""
        is_reset, is_first = message.type == RESET, self.last_id == START
        if not is_reset and not is_first and message.id <= self.last_id:
            return
        self.last_id = message.id
        at = time_of(message.id, self._clock.now())
        if is_reset and is_first:
            self.newest_at = at if message.id else None
            self.on_state()
            return
        self.newest_at = at or self._clock.now()
        self._keep(message)
        self.on_message(message)
        self.on_entry()

    def _keep(self, message: FeedMessage) -> None:
        """Add an entry, and let the oldest go."""
        self.seq += 1
        payload = message.payload if len(message.payload) <= _LARGEST_KEPT else b""
        entry = Entry(self.seq, message.id, message.type, self.newest_at or self._clock.now(), payload)
        if not entry.is_gap and (message.type in self.types or len(self.types) < _TYPES_KEPT):
            self.types[message.type] += 1
        self.entries.append(entry)
        self._kept_bytes += len(payload)
        while len(self.entries) > KEPT or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self.entries.popleft().payload)


def time_of(message_id: int, now: datetime) -> datetime | None:
    """When a message was published, read from its id: the microsecond of its making; None when that is not within a day of now."""
    if message_id > 10 * int(now.timestamp()) * _MICROSECONDS:
        return None
    at = datetime.fromtimestamp(message_id / _MICROSECONDS, UTC)
    return at if abs(at - now) < _DAY else None
