"""Requests that a window paces: behind nobody's interval, within the server's limits and the places they are given, in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.policy.server_limits import Throttling
from dashboard_app.runtime.request_queue import Priority, QueueLimits, RequestQueue


class Line:
    def __init__(self, **limits: float) -> None:
        self.clock = ManualClock()
        self.queue = RequestQueue(QueueLimits(**limits), self.clock)  # type: ignore[arg-type]
        self.started: list[tuple[str, float]] = []
        self.errors: dict[str, BaseException] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.ends: dict[str, asyncio.Event] = {}

    def ask(self, name: str, priority: Priority | None = None) -> None:
        """A paced request; with a priority an ordinary one."""
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, priority))

    async def _run(self, name: str, priority: Priority | None) -> None:
        try:
            async with self.queue.paced.place() if priority is None else self.queue.place(priority):
                self.started.append((name, round(self.clock.monotonic() - 1000, 3)))
                await self.ends[name].wait()
        except (QueueFull, DeadlinePassed) as error:
            self.errors[name] = error

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.started]


@contextlib.asynccontextmanager
async def a_line(**limits: float) -> AsyncIterator[Line]:
    line = Line(**limits)
    try:
        yield line
    finally:
        for task in line.tasks.values():
            task.cancel()
        await asyncio.gather(*line.tasks.values(), return_exceptions=True)
        await line.queue.close()


async def test_neither_concurrency_nor_interval_binds_the_paced_but_all_sorts_count_for_their_places() -> None:
    async with a_line() as line:
        line.queue.allow_paced(8)
        line.ask("list", Priority.BACKGROUND)
        for number in range(9):
            line.ask(f"p{number}")
        await line.clock.advance(0.01)
        assert line.names == ["list", *(f"p{number}" for number in range(7))]
        assert {at for _, at in line.started} == {0.0}
        figures = line.queue.figures()
        assert (figures.running, figures.waiting, figures.waiting_by_priority["background"]) == (8, 2, 2)
        line.ends["p0"].set()
        await line.clock.advance(0.01)
        assert line.names[-1] == "p7"


async def test_the_paced_keep_no_ordinary_request_waiting() -> None:
    async with a_line() as line:
        line.queue.allow_paced(10)
        for number in range(10):
            line.ask(f"p{number}")
        await line.clock.advance(0.01)
        line.ask("list", Priority.BACKGROUND)
        line.ask("click", Priority.CLICK)
        await line.clock.advance(0.2)
        assert line.started[10:] == [("list", 0.01), ("click", 0.11)]


async def test_from_moderate_on_the_servers_limits_bind_all_together_and_clicks_go_first() -> None:
    async with a_line() as line:
        line.queue.allow_paced(10)
        line.queue.follow(Throttling(max_concurrent=3, per_minute=5, delay_s=0.3))
        for number in range(6):
            line.ask(f"p{number}")
        await line.clock.advance(0.7)
        assert line.started == [("p0", 0.0), ("p1", 0.3), ("p2", 0.6)]
        line.ask("click", Priority.CLICK)
        line.ends["p0"].set()
        line.ends["p1"].set()
        await line.clock.advance(1)
        assert line.names[3:] == ["click", "p3"]
        assert line.started[4][1] - line.started[3][1] == pytest.approx(0.3)
        for name in ("p2", "click", "p3"):
            line.ends[name].set()
        await line.clock.advance(9)
        assert len(line.names) == 5
        await line.clock.advance(3)
        assert line.names[-1] == "p4"


async def test_at_emergency_no_paced_request_starts() -> None:
    async with a_line() as line:
        line.queue.allow_paced(10)
        line.queue.follow(Throttling(1, 5, 2.0, clicks_only=True))
        line.ask("p")
        await line.clock.advance(10)
        assert not line.names
        line.queue.follow(None)
        await line.clock.advance(0.01)
        assert line.names == ["p"]


async def test_a_paced_request_waits_no_longer_than_its_deadline_and_the_line_is_bounded() -> None:
    async with a_line(timeout_s=30.0, max_waiting=2) as line:
        line.queue.allow_paced(1)
        for name in ("running", "a", "b", "c"):
            line.ask(name)
        await line.clock.advance(0.01)
        assert isinstance(line.errors["c"], QueueFull)
        await line.clock.advance(31)
        assert isinstance(line.errors["a"], DeadlinePassed)
        assert line.queue.figures().timed_out_total == 2


async def test_an_asker_that_leaves_gives_its_place_or_its_turn_back() -> None:
    async with a_line() as line:
        line.queue.allow_paced(1)
        for name in ("running", "waiting", "next"):
            line.ask(name)
        await line.clock.advance(0.01)
        line.tasks["waiting"].cancel()
        line.tasks["running"].cancel()
        await line.clock.advance(0.01)
        assert line.names == ["running", "next"]
        line.ask("granted and gone")
        await line.clock.advance(0.01)
        line.ends["next"].set()
        line.tasks["granted and gone"].cancel()
        await line.clock.advance(0.01)
        assert line.queue.running == 0


async def test_closing_refuses_who_waits() -> None:
    async with a_line() as line:
        line.queue.allow_paced(1)
        line.ask("running")
        line.ask("waiting")
        await line.clock.advance(0.01)
        await line.queue.close()
        await line.clock.advance(0.01)
        assert isinstance(line.errors["waiting"], QueueFull)
