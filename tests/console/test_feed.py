"""The console's feed by the clock: when it connects, when it rests, what it keeps, and what it says about itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dashboard_app.console.client.feed import START, FeedMessage
from dashboard_app.console.feed import KEPT, NOT_OFFERED_S, STEADY_S, Feed, time_of
from dashboard_app.model.breaker import BreakerLimits, BreakerState, Outcome
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, Refused
from dashboard_app.model.event import RESET
from dashboard_app.model.feed import FeedState
from dashboard_app.policy.reconnect import rest_s
from dashboard_app.runtime.named_breaker import NamedBreaker

AWAY = BackendFailed("nothing listens", cause="refused")


class Source:
    """A server by hand: `opens` decides a connection, `say` sends a message, `end` ends it (with an error: a cut)."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.failure: Exception | None = None
        self._queue: asyncio.Queue[FeedMessage | Exception | None] = asyncio.Queue()
        self.open_count = 0

    @contextlib.asynccontextmanager
    async def opened(self, last_id: int) -> AsyncIterator[AsyncIterator[FeedMessage]]:
        self.asked.append(last_id)
        if self.failure is not None:
            raise self.failure
        self.open_count += 1
        try:
            yield self._messages()
        finally:
            self.open_count -= 1

    async def _messages(self) -> AsyncIterator[FeedMessage]:
        while (found := await self._queue.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found

    def say(self, number: int, event_type: str = "JOB_STARTED", payload: bytes = b"{}") -> None:
        self._queue.put_nowait(FeedMessage(number, event_type, payload))

    def end(self, failure: Exception | None = None) -> None:
        self._queue.put_nowait(failure)


class Setup:
    def __init__(self) -> None:
        self.clock, self.source = ManualClock(), Source()
        self.breaker = NamedBreaker("websocket", BreakerLimits(3, 30.0), self.clock, chance=lambda: 0.0)
        self.feed = Feed(self.source, self.breaker, self.clock, rest=lambda failures, _chance: rest_s(failures, 1.0))
        self.lost: list[int] = []
        self.heard: list[int] = []
        self.feed.on_lost = lambda: self.lost.append(1)
        self.feed.on_message = lambda message: self.heard.append(message.id)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    task = asyncio.create_task(made.feed.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert made.source.open_count == 0


async def test_it_begins_where_the_stream_stands_and_goes_on_from_its_last_id(setup: Setup) -> None:
    setup.source.say(40, RESET)
    setup.source.say(41)
    await setup.clock.advance(0)
    assert (setup.feed.state, setup.heard, len(setup.feed.entries)) == (FeedState.CONNECTED, [41], 1)
    setup.source.end()
    await setup.clock.advance(1)
    assert setup.source.asked == [START, 41]
    assert (setup.feed.state, setup.lost, setup.breaker.reading().totals[Outcome.FAILED]) == (FeedState.CONNECTED, [], 0)


async def test_a_cut_is_told_of_and_counted_and_a_message_that_comes_twice_is_heard_once(setup: Setup) -> None:
    setup.source.say(1)
    setup.source.end(AWAY)
    await setup.clock.advance(0)
    assert (setup.feed.state, setup.lost, setup.breaker.reading().failure_count) == (FeedState.RECONNECTING, [1], 1)
    await setup.clock.advance(1)
    assert (setup.feed.state, setup.source.asked) == (FeedState.CONNECTED, [START, 1])
    setup.source.say(1)
    setup.source.say(2)
    await setup.clock.advance(0)
    assert setup.heard == [1, 2]


async def test_a_gap_is_an_entry_and_the_stream_goes_on_from_where_the_server_says(setup: Setup) -> None:
    setup.source.say(900)
    setup.source.say(50, RESET)
    setup.source.say(51)
    await setup.clock.advance(0)
    assert [(entry.id, entry.is_gap) for entry in setup.feed.entries] == [(900, False), (50, True), (51, False)]
    assert (setup.feed.last_id, setup.heard) == (51, [900, 50, 51])


async def test_rests_grow_and_an_open_breaker_is_not_asked_until_its_trial(setup: Setup) -> None:
    setup.source.say(1)
    setup.source.end(AWAY)
    setup.source.failure = AWAY
    await setup.clock.advance(0.4)
    assert len(setup.source.asked) == 1
    await setup.clock.advance(2)
    assert (len(setup.source.asked), setup.breaker.state, setup.feed.state) == (3, BreakerState.OPEN, FeedState.POLLING)
    await setup.clock.advance(25)
    assert (len(setup.source.asked), setup.breaker.reading().totals[Outcome.REJECTED]) == (3, 0)
    setup.source.failure = None
    await setup.clock.advance(10)
    assert (len(setup.source.asked), setup.breaker.state, setup.feed.state) == (4, BreakerState.CLOSED, FeedState.CONNECTED)


async def test_a_failed_trial_is_one_connection_for_each_opening(setup: Setup) -> None:
    setup.source.failure = AWAY
    setup.source.end(AWAY)
    await setup.clock.advance(10)
    setup.breaker.hold(BreakerState.CLOSED)
    before = len(setup.source.asked)
    await setup.clock.advance(600)
    assert setup.breaker.state is BreakerState.OPEN
    assert len(setup.source.asked) - before <= 3 + 600 / 30


async def test_one_open_connection_is_the_success_of_all_the_trials_that_are_needed() -> None:
    clock, source = ManualClock(), Source()
    breaker = NamedBreaker("websocket", BreakerLimits(1, 1.0, 3), clock)
    breaker.failed(breaker.ask(), AWAY)
    feed = Feed(source, breaker, clock)
    task = asyncio.create_task(feed.run())
    await clock.advance(2)
    assert (breaker.state, feed.state) == (BreakerState.CLOSED, FeedState.CONNECTED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_held_open_it_hangs_up_and_closed_it_connects_again(setup: Setup) -> None:
    setup.source.say(1)
    await setup.clock.advance(0)
    setup.breaker.hold(BreakerState.FORCED_OPEN, by="Ana", reason="a try")
    await setup.clock.advance(1)
    assert (setup.source.open_count, setup.feed.state, setup.lost) == (0, FeedState.POLLING, [])
    await setup.clock.advance(120)
    assert len(setup.source.asked) == 1
    setup.breaker.hold(BreakerState.CLOSED)
    await setup.clock.advance(1)
    assert (setup.source.open_count, setup.source.asked) == (1, [START, 1])


async def test_a_server_without_a_feed_is_asked_once_a_minute(setup: Setup) -> None:
    setup.source.say(1)
    setup.source.end()
    setup.source.failure = Refused("no feed here")
    await setup.clock.advance(1)
    assert (setup.feed.state, setup.breaker.state, len(setup.source.asked)) == (FeedState.POLLING, BreakerState.CLOSED, 2)
    await setup.clock.advance(NOT_OFFERED_S - 2)
    assert len(setup.source.asked) == 2
    setup.source.failure = None
    await setup.clock.advance(3)
    assert setup.feed.state is FeedState.CONNECTED


async def test_a_server_that_is_known_to_be_away_is_not_asked(setup: Setup) -> None:
    is_live = False
    setup.feed.is_live = lambda: is_live
    setup.source.say(1)
    setup.source.end(AWAY)
    await setup.clock.advance(60)
    assert len(setup.source.asked) == 1
    is_live = True
    setup.feed.wake()
    await setup.clock.advance(0)
    assert setup.feed.state is FeedState.CONNECTED


async def test_a_server_that_asks_for_a_rest_gets_it_and_a_steady_connection_starts_anew(setup: Setup) -> None:
    setup.source.end(BackendFailed("busy", cause="http", status=503, retry_after_s=20))
    await setup.clock.advance(19)
    assert len(setup.source.asked) == 1
    await setup.clock.advance(2)
    assert len(setup.source.asked) == 2
    await setup.clock.advance(STEADY_S)
    setup.source.end(AWAY)
    await setup.clock.advance(0.6)
    assert len(setup.source.asked) == 3


async def test_what_is_kept_is_bounded_by_number_and_bytes_and_too_large_a_payload_is_left_out(setup: Setup) -> None:
    for number in range(1, KEPT + 21):
        setup.source.say(number, "JOB_STARTED")
    setup.source.say(10_000, "BIG", b"x" * 300_000)
    await setup.clock.advance(0)
    assert (len(setup.feed.entries), setup.feed.entries[0].seq, setup.feed.seq) == (KEPT, 22, KEPT + 21)
    assert setup.feed.entries[-1].payload == b""
    for number in range(100):
        setup.source.say(20_000 + number, "BIG", b"x" * 200_000)
    await setup.clock.advance(0)
    assert sum(len(entry.payload) for entry in setup.feed.entries) <= 16 * 1024 * 1024
    assert setup.feed.types["BIG"] == 101


async def test_a_console_without_a_source_polls() -> None:
    clock = ManualClock()
    feed = Feed(None, NamedBreaker("websocket", BreakerLimits(), clock), clock)
    await feed.run()
    assert feed.state is FeedState.POLLING


def test_the_time_of_a_message_is_its_id_when_that_is_near() -> None:
    now = ManualClock().now()
    at = now - timedelta(hours=3)
    assert time_of(int(at.timestamp() * 1_000_000), now) == at
    assert [time_of(number, now) for number in (0, 7, int((now + timedelta(days=2)).timestamp() * 1_000_000), 2**62)] == [None] * 4
