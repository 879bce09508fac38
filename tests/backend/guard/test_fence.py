"""Ending a session on the server: what happens to its checkout when the server says no, or nothing, or the holder acts meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from sqlalchemy import text

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.backend.guard.bounded import Bounded
from dashboard_app.backend.guard.server_view import Backend
from dashboard_app.model.errors import Reclaimed
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import NAME, Guarded, gathered, guarded, until

AT_ONCE = GuardLimits(leak_threshold_s=0.01, auto_cleanup=False)


class Meddling(ControlView):
    """A real view whose terminations go as the test says."""

    def __init__(self, system: Guarded, instead: Callable[[], Awaitable[set[int]]]) -> None:
        super().__init__(system.control, NAME)
        self.instead = instead

    async def terminate(self, backends: Sequence[Backend]) -> set[int]:
        return await self.instead()


def meddled(system: Guarded, instead: Callable[[], Awaitable[set[int]]]) -> Guarded:
    """The same system under a second guard, whose server view is meddled with."""
    return Guarded(PoolGuard(system.engine, AT_ONCE, server=Meddling(system, instead)), system.engine, system.control)


async def test_a_session_that_the_server_spares_goes_back_to_its_holder(address: DatabaseAddress) -> None:
    async def spare() -> set[int]:
        with pytest.raises(Reclaimed):  # behind the fence the holder cannot touch it
            await system.held[0].execute(text("SELECT 1"))
        return set()

    async with guarded(address) as plain:
        system = meddled(plain, spare)
        await system.hold(1, "idle_in_transaction")
        await asyncio.sleep(0.02)
        report = await system.guard.cleanup(dry_run=False)
        assert (report.terminated_backends, report.reclaimed) == (0, 0)
        assert [skipped.reason for skipped in report.skipped] == ["left alone because it had started a query"]
        assert (await system.held[0].execute(text("SELECT 5"))).scalar() == 5
        await system.release()
        assert (system.guard.counts().checked_out, system.guard.counts().idle) == (0, 1)


async def test_a_holder_that_closes_behind_the_fence_gives_its_place_back_once(address: DatabaseAddress) -> None:
    async def close() -> set[int]:
        await system.release()
        return set()

    async with guarded(address) as plain:
        system = meddled(plain, close)
        await system.hold(1, "idle_in_transaction")
        await asyncio.sleep(0.02)
        await system.guard.cleanup(dry_run=False)
        assert system.guard.counts().checked_out == 0
        await system.hold(30)
        assert system.guard.counts().checked_out == 30
        await system.release()


async def test_a_server_that_refuses_to_end_sessions_loses_only_the_checkout(address: DatabaseAddress) -> None:
    async def refuse() -> set[int]:
        raise PermissionError("must be a member of pg_signal_backend")

    async with guarded(address) as plain:
        system = meddled(plain, refuse)
        await system.hold(2, "idle_in_transaction")
        await asyncio.sleep(0.02)
        report = await system.guard.cleanup(dry_run=False)
        assert (report.terminated_backends, report.reclaimed, len(report.skipped)) == (0, 2, 2)
        assert system.guard.counts().checked_out == 0
        await system.release()


async def test_a_cancelled_cleanup_leaves_nobody_behind_a_fence(address: DatabaseAddress) -> None:
    waits = asyncio.Event()

    async def hang() -> set[int]:
        waits.set()
        await asyncio.Event().wait()
        return set()

    async with guarded(address) as plain:
        system = meddled(plain, hang)
        await system.hold(1, "idle_in_transaction")
        await asyncio.sleep(0.02)
        cleanup = asyncio.create_task(system.guard.cleanup(dry_run=False))
        await waits.wait()
        cleanup.cancel()
        await gathered(cleanup)
        assert (await system.held[0].execute(text("SELECT 5"))).scalar() == 5
        await system.release()


async def test_a_checkout_that_is_back_before_its_turn_is_told_as_returned(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(1)
        await asyncio.sleep(0.02)
        cleanup = asyncio.create_task(system.guard.cleanup(dry_run=False))
        await asyncio.sleep(0)
        await system.release()
        report = await cleanup
        assert report.reclaimed in {0, 1}
        assert system.guard.counts().checked_out == 0


async def test_two_cleanups_at_once_take_each_checkout_once(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(6)
        await system.hold(6, "idle_in_transaction")
        await asyncio.sleep(0.02)
        reports = await asyncio.gather(*(system.guard.cleanup(dry_run=False) for _ in range(3)))
        assert sum(report.reclaimed + report.terminated_backends for report in reports) == 12
        assert system.guard.counts().checked_out == 0
        await system.release()
        assert system.guard.counts().checked_out == 0


async def test_late_work_goes_on_and_a_cancelled_caller_cancels_its_own() -> None:
    bounded, go = Bounded(), asyncio.Event()
    ended: list[str] = []

    async def work() -> None:
        try:
            await go.wait()
            ended.append("done")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError, match=r"0\.01 s"):
        await bounded.within(0.01, work())
    go.set()
    await until(lambda: ended == ["done"])
    go.clear()
    caller = asyncio.create_task(bounded.within(10, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await gathered(caller)
    await until(lambda: ended == ["done", "cancelled"])
    with pytest.raises(TimeoutError):
        await bounded.within(0.01, work())
    bounded.close()
    await until(lambda: len(ended) == 3)
