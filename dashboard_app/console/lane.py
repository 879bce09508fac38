"""One lane of the loader: reads every enabled source in rounds, by the plan or by the window, and the failing ones in the slow lane."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping

from dashboard_app.console.client.reading import BULK_AT_MOST, ReadHow
from dashboard_app.console.lane_words import LaneProgress, Read, ReadMany, RoundReport
from dashboard_app.console.roster import Choice, Roster, Scope
from dashboard_app.console.tempo import Outing, Tempo, signal_of
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, NotFound, Refused, SpillwayError, TryLater
from dashboard_app.policy.freshness import Freshness, retry_delay_s
from dashboard_app.policy.pacing import Plan
from dashboard_app.policy.window_control import Signal
from dashboard_app.runtime.retry import RetryBudget, with_retries
from dashboard_app.runtime.wake import Wake

_BREATH_S = 1.0
"""The pause after a request that was not even sent (queue full, deadline passed, breaker open)."""


class Lane:
    """Owned by the loader: `set_sources` and `begin` say what to read, `run` reads. Never above the plan's batch, or the window, in flight."""

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
        read_many: ReadMany | None = None,
        places: Callable[[], int] = lambda: 1,
    ) -> None:
        """Nothing to read yet. `why_paused` gives "" when reading is allowed, else the reason in words; `places` bounds the window."""
        self._rules, self._read, self._read_many, self._clock = rules, read, read_many, clock
        self._why_paused, self._visible, self._chance = why_paused, visible, chance
        self._roster = Roster(rules, clock, chance)
        self._tempo = Tempo(plan, clock, places)
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._is_submitting = False
        self._request_count = 0
        self._not_before = 0.0
        self._bulk_from = 0.0
        self._bulks = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = Wake(clock)
        self.budget: RetryBudget | None = None
        """What the retries of the whole console share; None: they are not limited."""
        self.on_progress: Callable[[], None] = lambda: None

    @property
    def is_running(self) -> bool:
        """True while a round is under way."""
        return self._roster.is_running

    @property
    def last_round(self) -> RoundReport | None:
        """The last round that has ended."""
        return self._roster.last_round

    def on_round(self, listener: Callable[[RoundReport], None]) -> None:
        """Call `listener` with each round that has ended."""
        self._roster.on_round = listener

    def wake(self) -> None:
        """Look again: something outside has changed."""
        self._wake.ring()

    def retune(self, plan: Plan, rules: Freshness) -> None:
        """Go by another plan and other rules from the next start on; what is under way is not disturbed."""
        self._rules = rules
        self._roster.retune(rules)
        self._tempo.retune(plan)
        self._wake.ring()

    def set_adaptive(self, is_adaptive: bool) -> None:
        """Go on by the other pace from the next start on."""
        self._tempo.set_adaptive(is_adaptive)
        self._wake.ring()

    def set_sources(self, source_ids: set[int], known: Mapping[int, float]) -> None:
        """Read these from now on; `known` are the moments of readings restored from disk, used for sources new to the lane."""
        self._roster.set_sources(source_ids, known)
        self._wake.ring()

    def begin(self) -> bool:
        """Start a round over all sources now, whatever their age; False when one is under way already."""
        if self._roster.is_running:
            return False
        if self._roster.total:
            self._roster.begin_all(self._clock.monotonic())
            self._moved()
        return True

    def progress(self) -> LaneProgress:
        """Where the lane stands."""
        total, slow = self._roster.total, self._roster.slow_count
        reason = self._why_paused() if total else ""
        if not reason and slow:
            reason = f"{slow} in the slow lane"
        return LaneProgress(total - self._roster.pending_count, total, self._tempo.in_flight, reason, slow, self._tempo.at_once)

    def places(self) -> dict[int, str]:
        """Where each source is: d done, r asked now (or waiting for its turn to be), w waiting for the round, s slow lane, f failed."""
        return self._roster.places()

    @property
    def batch_size(self) -> int:
        """The most requests of this lane in flight by its plan."""
        return self._tempo.plan.batch_size

    def next_check_s(self, source_id: int) -> float | None:
        """Seconds until this source is asked next, 0 while it is due; None: it is not read, or reading is paused."""
        return None if self._why_paused() else self._roster.next_check_s(source_id)

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
        was_running = self._roster.is_running
        self._roster.begin_when_due(now)
        if self._roster.is_running and not was_running:
            self.on_progress()
        start = self._tempo.next_start(now)
        if start is None or max(start, self._not_before) > now:
            return None if start is None else max(start, self._not_before)
        choice = self._roster.choose(now, self._scope(now))
        if choice is None:
            return self._roster.next_moment(now)
        self._start(choice)
        return None

    def _scope(self, now: float) -> Scope:
        """What the pace allows the next choice."""
        has_bulk = self._tempo.is_adaptive and self._read_many is not None and now >= self._bulk_from
        has_place = self._bulks < self._tempo.bulks_at_most
        return Scope(self._visible(), self._tempo.suspects_at_most, (BULK_AT_MOST if has_place else 0) if has_bulk else 1)

    def _start(self, choice: Choice) -> None:
        """Let a waiting retry go on, or start a reading."""
        self._is_submitting = True
        first = choice.source_ids[0]
        if choice.is_slow:
            self._roster.slow_running.add(first)
        turn = self._turns.pop(first, None)
        if turn is not None:
            self._roster.waiting.discard(first)
            turn.set_result(None)
            return
        self._roster.busy.update(choice.source_ids)
        serving = self._serve(first) if len(choice.source_ids) == 1 else self._serve_many(choice.source_ids)
        task = asyncio.create_task(serving, name=f"read source {first}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, source_id: int) -> None:
        """Read one source with its retries. In the slow lane there are none: its next try comes by itself."""
        is_first = True
        is_slow = source_id in self._roster.slow_running

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
            self._roster.done(source_id, has_failed=True)
        else:
            self._roster.done(source_id, has_failed=False)
        finally:
            self._roster.busy.discard(source_id)
            self._roster.waiting.discard(source_id)
            self._turns.pop(source_id, None)
            self._moved()

    async def _turn(self, source_id: int) -> None:
        """Wait until the pace lets the retry of this source start."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[source_id] = turn
        self._roster.waiting.add(source_id)
        self._wake.ring()
        await turn

    async def _request(self, source_id: int, *, holds: bool) -> None:
        """One request: its real start and its answer move the pace, its outcome the source's track."""
        is_suspect, is_sick = self._roster.is_suspect(source_id), self._roster.is_slow(source_id)
        how = ReadHow(urgent=source_id in self._visible(), is_known_sick=is_sick, paced=self._tempo.is_adaptive)
        outing = self._outing(how, holds=holds)
        try:
            is_well = await self._read(source_id, outing.how)
        except NotFound:
            self._roster.drop(source_id)
            outing.ended(Signal.NOTHING if is_suspect else Signal.GOOD)
            raise
        except (BackendFailed, Refused) as failure:
            self._roster.note(source_id, is_well=False, was_read=False)
            outing.ended(Signal.NOTHING if is_suspect else signal_of(failure))
            raise
        else:
            self._roster.note(source_id, is_well=is_well, was_read=True)
            outing.ended(Signal.GOOD if is_well and not is_suspect else Signal.NOTHING)
        finally:
            self._roster.slow_running.discard(source_id)
            outing.ended(Signal.NOTHING)
            self._moved()

    async def _serve_many(self, source_ids: tuple[int, ...]) -> None:
        """Read several sources by one request. Whoever it brings no good news of stays in the round and is read alone."""
        if self._read_many is None:
            return
        outing = self._outing(ReadHow(paced=True), holds=True, is_bulk=True)
        failure: SpillwayError | None = None
        self._bulks += 1
        try:
            well = await self._read_many(source_ids, outing.how)
        except TryLater as caught:
            failure, self._not_before = caught, self._clock.monotonic() + _BREATH_S
        except Refused as caught:
            failure, self._bulk_from = caught, math.inf
        except BackendFailed as caught:
            failure, self._bulk_from = caught, self._clock.monotonic() + self._rules.refetch_s / 2.0
        else:
            self._took_many(source_ids, well)
        finally:
            has_hung = failure is None and len(well) < len(source_ids)  # then its time says nothing of the server
            outing.ended(Signal.NOTHING if has_hung or isinstance(failure, Refused) else signal_of(failure))
            self._bulks -= 1
            self._roster.busy.difference_update(source_ids)
            self._moved()

    def _took_many(self, source_ids: tuple[int, ...], well: frozenset[int]) -> None:
        """Keep what a bulk read brought."""
        for source_id in source_ids:
            if source_id in well:
                self._roster.note(source_id, is_well=True, was_read=True)
                self._roster.done(source_id, has_failed=False)
            else:
                self._roster.set_alone(source_id)

    def _outing(self, how: ReadHow, *, holds: bool, is_bulk: bool = False) -> Outing:
        """A request about to be made."""
        self._request_count += 1
        return Outing(self._tempo, self._request_count, how, holds=holds, is_bulk=is_bulk, on_left=self._left)

    def _left(self) -> None:
        """The request that was about to start has started, or never will: the next may be chosen."""
        self._is_submitting = False
        self._moved()

    def _moved(self) -> None:
        """Something here has changed."""
        self._wake.ring()
        self.on_progress()
