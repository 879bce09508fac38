"""The queue in virtual time: places, spacing, priorities, deadlines, the bound, and the server's limits."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.policy.server_limits import Throttling
from dashboard_app.runtime.request_queue import Priority, QueueLimits, RequestQueue


class Askers:
    """Requests that run until they are told to end."""

    def __init__(self, queue: RequestQueue, clock: ManualClock) -> None:
        self.queue, self.clock = queue, clock
        self.started: list[tuple[str, float]] = []
        self.errors: dict[str, BaseException] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.ends: dict[str, asyncio.Event] = {}

    def ask(self, name: str, priority: Priority = Priority.BACKGROUND) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, priority))

    async def _run(self, name: str, priority: Priority) -> None:
        try:
            async with self.queue.place(priority):
                self.started.append((name, self.clock.monotonic() - 1000))
                await self.ends[name].wait()
        except (QueueFull, DeadlinePassed) as error:
            self.errors[name] = error

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.started]

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.queue.close()


@contextlib.asynccontextmanager
async def closing(askers: Askers) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await askers.close()


def made(**limits: float) -> tuple[Askers, ManualClock]:
    clock = ManualClock()
    return Askers(RequestQueue(QueueLimits(**limits), clock), clock), clock  # type: ignore[arg-type]


async def test_five_run_a_tenth_apart_and_clicks_have_two_places_beside_them() -> None:
    askers, clock = made()
    async with closing(askers):
        for number in range(7):
            askers.ask(f"b{number}")
        await clock.advance(2)
        assert [round(at, 3) for _, at in askers.started] == [0, 0.1, 0.2, 0.3, 0.4]
        for number in range(3):
            askers.ask(f"c{number}", Priority.CLICK)
        await clock.advance(2)
        assert askers.names[5:] == ["c0", "c1"]
        figures = askers.queue.figures()
        assert (figures.running, figures.waiting, figures.waiting_by_priority) == (7, 3, {"click": 1, "view": 0, "background": 2})
        askers.ends["b0"].set()
        await clock.advance(1)
        assert askers.names[-1] == "c2"


async def test_the_more_urgent_go_first_whatever_came_first() -> None:
    askers, clock = made(concurrency=1, interval_s=0.0)
    async with closing(askers):
        askers.ask("running")
        await clock.advance(0.1)
        askers.ask("background")
        askers.ask("view", Priority.VIEW)
        await clock.advance(0.1)
        for name in ("running", "view"):
            askers.ends[name].set()
            await clock.advance(0.1)
        assert askers.names == ["running", "view", "background"]


async def test_waiting_ends_at_the_deadline() -> None:
    askers, clock = made(concurrency=1, timeout_s=30.0)
    async with closing(askers):
        askers.ask("running")
        askers.ask("late")
        await clock.advance(29.9)
        assert "late" not in askers.errors
        await clock.advance(0.2)
        assert isinstance(askers.errors["late"], DeadlinePassed)
        assert askers.queue.figures().timed_out_total == 1


async def test_a_full_queue_refuses_or_sheds_the_newest_of_the_lowest_priority() -> None:
    askers, clock = made(concurrency=1, max_waiting=2)
    async with closing(askers):
        for name in ("running", "old", "new", "refused"):
            askers.ask(name)
            await clock.advance(0.01)
        assert list(askers.errors) == ["refused"]
        askers.ask("click", Priority.VIEW)
        await clock.advance(0.01)
        assert list(askers.errors) == ["refused", "new"]
        assert askers.queue.figures().rejected_total == 2


async def test_who_leaves_frees_the_place_waiting_or_running() -> None:
    askers, clock = made(concurrency=1)
    async with closing(askers):
        for name in ("running", "gone", "next"):
            askers.ask(name)
        await clock.advance(0.5)
        askers.tasks["gone"].cancel()
        askers.tasks["running"].cancel()
        await clock.advance(0.5)
        assert askers.names == ["running", "next"]
        assert askers.queue.figures().waiting == 0


async def test_who_is_granted_a_place_in_the_moment_of_leaving_gives_it_back() -> None:
    askers, clock = made(concurrency=1, interval_s=0.0)
    async with closing(askers):
        for name in ("running", "gone", "next"):
            askers.ask(name)
        await clock.advance(0.1)
        askers.ends["running"].set()
        while askers.queue.figures().started_total < 2:  # noqa: ASYNC110 - the very turn of the grant is wanted
            await asyncio.sleep(0)
        askers.tasks["gone"].cancel()
        await clock.advance(0.5)
        assert askers.names == ["running", "next"]
        assert askers.queue.figures().running == 1


async def test_from_moderate_on_the_servers_limits_bind() -> None:
    askers, clock = made()
    async with closing(askers):
        askers.queue.follow(Throttling(max_concurrent=3, per_minute=30, delay_s=1.0))
        for number in range(6):
            askers.ask(f"b{number}")
        await clock.advance(10)
        assert [round(at, 3) for _, at in askers.started] == [0, 1, 2]
        askers.queue.follow(None)
        await clock.advance(10)
        assert len(askers.started) == 5


async def test_at_emergency_only_clicks_one_at_a_time_five_a_minute() -> None:
    askers, clock = made(timeout_s=300.0)
    async with closing(askers):
        askers.queue.follow(Throttling(max_concurrent=1, per_minute=5, delay_s=2.0, clicks_only=True))
        askers.ask("background")
        for number in range(10):
            askers.ask(f"c{number}", Priority.CLICK)
            askers.ends[f"c{number}"].set()
        await clock.advance(59.9)
        assert "background" not in askers.names
        assert len(askers.started) == 5 + 4
        assert all(after - before >= 2 - 1e-6 for (_, before), (_, after) in itertools.pairwise(askers.started))


async def test_background_does_not_starve_behind_a_stream_of_clicks_which_wait_one_start_more_at_most() -> None:
    askers, clock = made(concurrency=1, interval_s=1.0, click_places=1)
    async with closing(askers):
        for name in ("c", "c again"):
            askers.ask(name, Priority.CLICK)
            askers.ends[name].set()
        askers.ask("background")
        for number in range(28):
            askers.ask(f"c{number}", Priority.CLICK)
            askers.ends[f"c{number}"].set()
            await clock.advance(1.0)
        askers.ends["background"].set()
        await clock.advance(5.0)
        started = dict(askers.started)
        assert 20 <= started["background"] <= 22  # 2 steps of 10 s
        assert all(started[f"c{number}"] - number <= 4 for number in range(25))


async def test_a_requests_own_time_is_counted_while_it_waits() -> None:
    clock = ManualClock()
    queue = RequestQueue(QueueLimits(interval_s=2.0), clock)
    async with queue.place(Priority.CLICK, 5.0) as at_once:
        assert at_once == 5.0
    waiting = asyncio.ensure_future(_left(queue, 5.0))
    await clock.advance(2.0)
    assert await waiting == 3.0
    await queue.close()


async def _left(queue: RequestQueue, timeout_s: float) -> float:
    async with queue.place(Priority.CLICK, timeout_s) as left_s:
        return left_s


async def test_after_a_429_nothing_starts_until_its_retry_after_has_passed() -> None:
    askers, clock = made()
    async with closing(askers):
        askers.queue.rest(20.0)
        askers.queue.rest(5.0)
        askers.ask("click", Priority.CLICK)
        await clock.advance(19.9)
        assert askers.names == []
        await clock.advance(0.2)
        assert askers.names == ["click"]


async def test_a_full_queue_says_so_in_the_log_every_ten_seconds_at_most(caplog) -> None:
    askers, clock = made(concurrency=1, max_waiting=1, timeout_s=300.0)
    async with closing(askers):
        for number in range(12):
            askers.ask(f"b{number}")
        await clock.advance(10.1)
        askers.ask("click", Priority.CLICK)
        askers.ask("click 2", Priority.CLICK)
        await clock.advance(1)
        assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
            "1 refused since the last word, the last one of priority background",
            "10 refused since the last word, the last one of priority background",
        ]
        figures = askers.queue.figures()
        assert (figures.rejected_total, figures.shed_total) == (11, 1)  # b2 to b11, and b1 for the click


async def test_the_95th_percentile_of_the_wait_is_the_nearest_rank() -> None:
    askers, clock = made(concurrency=20, interval_s=1.0)
    async with closing(askers):
        for number in range(20):
            askers.ask(f"b{number}")
        await clock.advance(30)
        assert askers.queue.figures().wait_ms_p95 == 18_000.0  # waits of 0 to 19 s: the 19th of 20
