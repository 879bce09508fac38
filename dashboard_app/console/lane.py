"""One lane of the loader: reads every enabled source in rounds, by the batched plan, and the failing ones in the slow lane."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dashboard_app.console.client.backend import ReadHow
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, NotFound, Refused, TryLater
from dashboard_app.policy.freshness import Freshness, Track, first_of, next_round_at, retry_delay_s
from dashboard_app.policy.pacing import Pace, Plan
from dashboard_app.runtime.retry import RetryBudget, with_retries
from dashboard_app.runtime.wake import Wake

_BREATH_S = 1.0
"""The pause after a request that was not even sent (queue full, deadline passed, breaker open)."""


class Read(Protocol):
    """Reads one source and keeps the value; False: the answer shows a source that hangs."""

    def __call__(self, source_id: int, how: ReadHow) -> Awaitable[bool]:
        """Read."""


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """The round in progress, or the last: `done` of `total` sources. `reason` says why it is slow or stands, "" when it does not."""

    done: int
    total: int
    in_flight: int
    reason: str
    slow: int = 0
    """Sources in the slow lane; they count as done."""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """A round that has ended."""

    started_at: datetime
    ended_at: datetime
    duration_s: float
    failed: int


@dataclass(slots=True)
class _Round:
    """A round under way."""

    began: float
    started_at: datetime
    pending: set[int]
    is_regular: bool
    failed: set[int] = field(default_factory=set)


class Lane:
    """Owned by the loader: `set_sources` and `begin` say what to read, `run` reads. Never above the plan's batch in flight."""

    def __init__(
        self,
        plan: Plan,
        rules: Freshness,
        read: Read,
        clock: Clock,
        *,
        why_paused: Callable[[], str],
        visible: Callable[[], frozenset[int]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Nothing to read yet. `why_paused` gives "" when reading is allowed, else the reason in words."""
        self._plan, self._rules, self._read, self._clock = plan, rules, read, clock
        self._why_paused, self._visible, self._chance = why_paused, visible, chance
        self._tracks: dict[int, Track] = {}
        self._pace = Pace()
        self._round: _Round | None = None
        self._regular_at: float | None = None
        self._busy: set[int] = set()
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._slow_running: set[int] = set()
        self._is_submitting = False
        self._request_count = 0
        self._not_before = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = Wake(clock)
        self.last_round: RoundReport | None = None
        self.budget: RetryBudget | None = None
        """What the retries of the whole console share; None: they are not limited."""
        self.on_progress: Callable[[], None] = lambda: None

    @property
    def is_running(self) -> bool:
        """True while a round is under way."""
        return self._round is not None

    def wake(self) -> None:
        """Look again: something outside has changed."""
        self._wake.ring()

    def set_sources(self, source_ids: set[int], known: Mapping[int, float]) -> None:
        """Read these from now on; `known` are the moments of readings restored from disk, used for sources new to the lane."""
        for gone in self._tracks.keys() - source_ids:
            del self._tracks[gone]
            if self._round is not None:
                self._round.pending.discard(gone)
        for new in source_ids - self._tracks.keys():
            self._tracks[new] = Track(read_at=known.get(new))
            if self._round is not None and self._tracks[new].is_due(self._clock.monotonic(), self._rules):
                self._round.pending.add(new)
        self._wake.ring()

    def begin(self) -> bool:
        """Start a round over all sources now, whatever their age; False when one is under way already."""
        if self._round is not None:
            return False
        if not self._tracks:
            return True
        now = self._clock.monotonic()
        self._begin(now, set(self._tracks), is_regular=True)
        self._tracks = {key: Track(t.read_at, t.failures, min(t.next_slow_at, now)) for key, t in self._tracks.items()}
        self._wake.ring()
        return True

    def progress(self) -> LaneProgress:
        """Where the lane stands."""
        total, slow = len(self._tracks), sum(track.is_slow for track in self._tracks.values())
        pending = (
            len(self._round.pending) if self._round else sum(track.read_at is None for track in self._tracks.values() if not track.is_slow)
        )
        reason = self._why_paused() if total else ""
        if not reason and slow:
            reason = f"{slow} in the slow lane"
        return LaneProgress(total - pending, total, self._pace.in_flight, reason, slow)

    def places(self) -> dict[int, str]:
        """Where each source is: d done, r asked now (or waiting for its turn to be), w waiting for the round, s slow lane, f failed."""
        pending = self._round.pending if self._round else frozenset()
        failed = self._round.failed if self._round else frozenset()
        return {
            key: "r" if key in self._busy else "s" if track.is_slow else "w" if key in pending else "f" if key in failed else "d"
            for key, track in self._tracks.items()
        }

    @property
    def batch_size(self) -> int:
        """The most requests of this lane in flight."""
        return self._plan.batch_size

    def next_check_s(self, source_id: int) -> float | None:
        """Seconds until this source is asked next, 0 while it is due; None: it is not read, or reading is paused."""
        track = self._tracks.get(source_id)
        if track is None or self._why_paused():
            return None
        now = self._clock.monotonic()
        if track.is_slow:
            return max(track.next_slow_at - now, 0.0)
        if source_id in self._busy or (self._round and source_id in self._round.pending) or self._regular_at is None:
            return 0.0
        overdue_at = track.overdue_at(self._rules)
        return max(min(self._regular_at, self._regular_at if overdue_at is None else overdue_at) - now, 0.0)

    async def run(self) -> None:
        """Read for ever; cancelled by the loader's supervisor."""
        try:
            while True:
                await self._wake.wait(self._step())
        finally:
            for task in self._tasks:
                task.cancel()

    def _step(self) -> float | None:
        """Do what is due now; the moment of the next look, None: at the next ring."""
        if self._why_paused() or self._is_submitting:
            return None
        now = self._clock.monotonic()
        self._begin_when_due(now)
        choice = self._choose(now)
        if choice is None:
            return self._next_moment(now)
        start = self._pace.next_start(self._plan, now)
        if start is None:
            return None
        start = max(start, self._not_before)
        if start > now:
            return start
        self._start(*choice)
        return None

    def _begin_when_due(self, now: float) -> None:
        """Begin the regular round, or a small one for sources that are new or whose reading from disk has grown too old."""
        if self._round is not None or not self._tracks:
            return
        if self._regular_at is None or now >= self._regular_at:
            self._begin(now, {key for key, track in self._tracks.items() if track.is_due(now, self._rules)}, is_regular=True)
        elif overdue := {key for key, track in self._tracks.items() if (at := track.overdue_at(self._rules)) is not None and at <= now}:
            self._begin(now, overdue, is_regular=False)

    def _begin(self, now: float, members: set[int], *, is_regular: bool) -> None:
        """Begin a round over `members` that are not in the slow lane."""
        pending = {key for key in members if not self._tracks[key].is_slow}
        self._round = _Round(now, self._clock.now(), pending, is_regular)
        self._end_when_done()
        self.on_progress()

    def _end_when_done(self) -> None:
        """End the round when nobody is pending."""
        if self._round is None or self._round.pending:
            return
        ended, self._round = self._round, None
        now = self._clock.monotonic()
        self.last_round = RoundReport(ended.started_at, self._clock.now(), now - ended.began, len(ended.failed))
        if ended.is_regular:
            self._regular_at = next_round_at(ended.began, now, self._rules)

    def _choose(self, now: float) -> tuple[int, bool] | None:
        """The next source and whether it goes by the slow lane. A due slow one goes first: there is only ever one of them."""
        if not self._slow_running:
            slow = {key: track for key, track in self._tracks.items() if track.is_slow and self._may_start_slow(key, track, now)}
            if slow:
                return min(slow, key=lambda key: slow[key].next_slow_at), True
        pending = self._round.pending & self._tracks.keys() if self._round else set()
        normal = {key: self._tracks[key] for key in pending if not self._tracks[key].is_slow and self._may_start(key)}
        chosen = first_of(normal, self._visible())
        return None if chosen is None else (chosen, False)

    def _may_start(self, source_id: int) -> bool:
        """True when nothing is under way for it, or its retry waits for a turn."""
        return source_id not in self._busy or source_id in self._turns

    def _may_start_slow(self, source_id: int, track: Track, now: float) -> bool:
        """True when its interval is over, or its last retry waits for a turn."""
        return source_id in self._turns or (track.next_slow_at <= now and source_id not in self._busy)

    def _next_moment(self, now: float) -> float | None:
        """When something is due with nothing else happening."""
        moments: list[float] = []
        if self._round is None and self._regular_at is not None and self._tracks:
            overdue = [at for track in self._tracks.values() if (at := track.overdue_at(self._rules)) is not None]
            moments = [self._regular_at, *overdue]
        if not self._slow_running:
            moments += [track.next_slow_at for key, track in self._tracks.items() if track.is_slow and key not in self._busy]
        return max(min(moments), now) if moments else None

    def _start(self, source_id: int, is_slow: bool) -> None:
        """Let a waiting retry go on, or start the reading of a source."""
        self._is_submitting = True
        if is_slow:
            self._slow_running.add(source_id)
        turn = self._turns.pop(source_id, None)
        if turn is not None:
            turn.set_result(None)
            return
        self._busy.add(source_id)
        task = asyncio.create_task(self._serve(source_id), name=f"read source {source_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, source_id: int) -> None:
        """Read one source with its retries. In the slow lane there are none: its next try comes by itself."""
        is_first = True
        is_slow = source_id in self._slow_running

        async def attempt() -> None:
            nonlocal is_first
            if not is_first:
                await self._turn(source_id)
            holds = is_first and not is_slow
            is_first = False
            await self._request(source_id, holds=holds)

        try:
            await with_retries(
                attempt,
                retries=0 if is_slow else self._rules.retries,
                delay_s=lambda: retry_delay_s(self._rules, self._chance()),
                is_retryable=lambda failure: isinstance(failure, BackendFailed),
                sleep=self._clock.sleep,
                budget=self.budget,
            )
        except TryLater:
            self._not_before = self._clock.monotonic() + _BREATH_S
        except (BackendFailed, Refused):
            self._done(source_id, has_failed=True)
        else:
            self._done(source_id, has_failed=False)
        finally:
            self._busy.discard(source_id)
            self._turns.pop(source_id, None)
            self._wake.ring()

    async def _turn(self, source_id: int) -> None:
        """Wait until the plan lets the retry of this source start."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[source_id] = turn
        self._wake.ring()
        await turn

    async def _request(self, source_id: int, *, holds: bool) -> None:
        """One request: its real start and its answer move the pace, its outcome the source's track."""
        self._request_count += 1
        key, has_started = self._request_count, False

        def on_start() -> None:
            nonlocal has_started
            if has_started:
                return
            has_started, self._is_submitting = True, False
            self._pace = self._pace.started(key, self._clock.monotonic(), self._plan, holds=holds)
            self._wake.ring()
            self.on_progress()

        try:
            how = ReadHow(on_start, urgent=source_id in self._visible(), is_known_sick=self._is_known_sick(source_id))
            is_well = await self._read(source_id, how)
        except NotFound:
            self._tracks.pop(source_id, None)
            raise
        except BackendFailed:
            self._note(source_id, is_well=False, was_read=False)
            raise
        else:
            self._note(source_id, is_well=is_well, was_read=True)
        finally:
            self._slow_running.discard(source_id)
            if has_started:
                self._pace = self._pace.answered(key, self._clock.monotonic())
            else:
                self._is_submitting = False
            self._wake.ring()
            self.on_progress()

    def _is_known_sick(self, source_id: int) -> bool:
        """True when the source belongs to the slow lane."""
        return (track := self._tracks.get(source_id)) is not None and track.is_slow

    def _note(self, source_id: int, *, is_well: bool, was_read: bool) -> None:
        """Keep what an outcome says about the source; one that moves to the slow lane leaves the round."""
        track = self._tracks.get(source_id)
        if track is None:
            return
        now = self._clock.monotonic()
        if is_well:
            self._tracks[source_id] = track.succeeded(now)
            return
        after = track.failed(now, self._rules, self._chance(), was_read=was_read)
        self._tracks[source_id] = after
        if after.is_slow and self._round is not None and source_id in self._round.pending:
            self._round.failed.add(source_id)
            self._round.pending.discard(source_id)
            self._end_when_done()

    def _done(self, source_id: int, *, has_failed: bool) -> None:
        """The round is done with this source."""
        if self._round is not None and source_id in self._round.pending:
            self._round.pending.discard(source_id)
            if has_failed:
                self._round.failed.add(source_id)
            self._end_when_done()
        self.on_progress()
