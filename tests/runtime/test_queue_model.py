"""The queue against a model, in virtual time: whatever is asked, cancelled, ended or throttled, its promises hold after every step."""

import asyncio
import itertools
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.policy.server_limits import Throttling
from dashboard_app.runtime.request_queue import Priority, QueueLimits, RequestQueue

LIMITS = QueueLimits(concurrency=3, interval_s=0.1, timeout_s=30.0, max_waiting=6, click_places=2)
THROTTLES = (None, Throttling(2, 60, 0.5), Throttling(1, 5, 2.0, clicks_only=True))
TURNS = 8


@dataclass(eq=False)
class Asked:
    """One request as the model sees it."""

    priority: Priority
    since: float
    timeout_s: float
    fate: str = "waiting"
    ended_at: float = 0.0
    left_s: float = 0.0
    end: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class QueueAgainstModel(RuleBasedStateMachine):
    """The model keeps every request and its fate; the promises are judged from these alone."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.queue = RequestQueue(LIMITS, self.clock)
        self.asked: list[Asked] = []
        self.throttling: Throttling | None = None
        self.running_limit = LIMITS.concurrency + LIMITS.click_places

    def teardown(self) -> None:
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        tasks = [one.task for one in self.asked if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.queue.close()

    async def _serve(self, one: Asked) -> None:
        try:
            async with self.queue.place(one.priority, one.timeout_s) as one.left_s:
                self._judge_start(one)
                one.fate, one.ended_at = "running", self.clock.monotonic()
                await one.end.wait()
                one.fate = "done"
        except QueueFull:
            one.fate = "rejected"
        except DeadlinePassed:
            one.fate, one.ended_at = "late", self.clock.monotonic()
        except asyncio.CancelledError:
            one.fate = "left" if one.fate == "waiting" else "done"

    def _judge_start(self, one: Asked) -> None:
        """Within one priority the first come goes first; a start keeps the throttle's word."""
        ahead = [o for o in self.of("waiting") if o.priority is one.priority and o.since < one.since and not o.task.cancelling()]
        assert ahead == []
        assert one.left_s <= one.timeout_s - (self.clock.monotonic() - one.since) + 0.011
        if self.throttling is not None and self.throttling.clicks_only:
            assert one.priority is Priority.CLICK

    def of(self, fate: str) -> list[Asked]:
        return [one for one in self.asked if one.fate == fate]

    def turn(self) -> None:
        async def turns() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    @rule(priority=st.sampled_from(list(Priority)), timeout_s=st.sampled_from([30.0, 30.0, 3.0]))
    def ask(self, priority: Priority, timeout_s: float) -> None:
        before = self.of("waiting")
        one = Asked(priority, self.clock.monotonic(), timeout_s)
        self.asked.append(one)
        one.task = self.loop.create_task(self._serve(one))
        self.turn()
        if len(before) == LIMITS.max_waiting:
            lost = [o for o in (*before, one) if o.fate == "rejected"]
            lowest = max(o.priority for o in before)
            assert len(lost) == 1
            assert lost[0] is one if lowest <= priority else lost[0].priority is lowest

    @rule(seconds=st.sampled_from([0.05, 0.1, 1.0, 3.0, 12.0]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds, turns=TURNS))

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if running := self.of("running"):
            data.draw(st.sampled_from(running)).end.set()
            self.turn()

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        here = [one for one in self.asked if one.fate in ("waiting", "running")]
        if here:
            task = data.draw(st.sampled_from(here)).task
            assert task is not None
            task.cancel()
            self.turn()

    @rule(throttling=st.sampled_from(THROTTLES))
    def follow(self, throttling: Throttling | None) -> None:
        self.throttling = throttling
        self.loop.call_soon(self.queue.follow, throttling)
        self.turn()

    @invariant()
    def figures_are_exact(self) -> None:
        figures, waiting = self.queue.figures(), self.of("waiting")
        assert figures.running == len(self.of("running"))
        assert figures.waiting_by_priority == {each.name.lower(): sum(o.priority is each for o in waiting) for each in Priority}
        assert figures.waiting == len(waiting) <= LIMITS.max_waiting
        assert figures.started_total == len(self.of("running")) + len(self.of("done"))
        assert (figures.timed_out_total, figures.rejected_total) == (len(self.of("late")), len(self.of("rejected")))
        assert figures.cancelled_total == len(self.of("left"))
        assert figures.shed_total <= figures.rejected_total

    @invariant()
    def places_are_kept(self) -> None:
        running = self.of("running")
        assert len(running) <= self.running_limit
        assert sum(one.priority is not Priority.CLICK for one in running) <= LIMITS.concurrency

    @invariant()
    def starts_are_spaced(self) -> None:
        starts = sorted(one.ended_at for one in self.asked if one.fate in ("running", "done"))
        assert all(later - earlier >= LIMITS.interval_s - 1e-6 for earlier, later in itertools.pairwise(starts))

    @invariant()
    def nobody_waits_past_the_deadline(self) -> None:
        now = self.clock.monotonic()
        assert all(now - one.since < one.timeout_s + 1e-3 for one in self.of("waiting"))
        assert all(one.ended_at - one.since <= one.timeout_s + 1e-2 for one in self.of("late"))

    @invariant()
    def no_place_stays_empty(self) -> None:
        """When a start is due and a place is free, who may go has gone."""
        if self.throttling is None and self.of("waiting") and len(self.of("running")) < LIMITS.concurrency:
            last = max((one.ended_at for one in self.asked if one.fate in ("running", "done")), default=0.0)
            assert self.clock.monotonic() < last + LIMITS.interval_s + 1e-3


QueueAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestQueueAgainstModel = QueueAgainstModel.TestCase
