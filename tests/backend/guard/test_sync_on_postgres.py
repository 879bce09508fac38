"""The guard on an ordinary sync engine: threads, psycopg, a real PostgreSQL."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.model.errors import Reclaimed
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import NAME, gathered, until
from tests.conftest import wait_until

AT_ONCE = GuardLimits(leak_threshold_s=0.01, auto_cleanup=False)


def sync_engine(address: DatabaseAddress, name: str, **over: Any) -> Engine:
    url = URL.create(
        "postgresql+psycopg",
        address.user,
        address.password.reveal(),
        address.host,
        address.port,
        address.database,
        {"application_name": name},
    )
    return create_engine(url, **({"pool_size": 4, "max_overflow": 2, "pool_timeout": 5, "pool_use_lifo": True} | over))


@dataclass
class Threads:
    """A guarded sync engine, and work on it in threads."""

    engine: Engine
    guard: PoolGuard
    workers: ThreadPoolExecutor
    held: list[Connection] = field(default_factory=list)

    def hold(self, count: int, *, in_transaction: bool = False) -> None:
        for _ in range(count):
            self.held.append(self.engine.connect())
            if in_transaction:
                self.held[-1].execute(text("SELECT 1"))

    def release(self) -> None:
        while self.held:
            self.held.pop().close()

    def ask(self, statement: str) -> Future[object]:
        """The first value that `statement` gives, in a thread."""

        def work() -> object:
            with self.engine.connect() as connection:
                return connection.execute(text(statement)).scalar()

        return self.workers.submit(work)


@contextmanager
def threads(address: DatabaseAddress, limits: GuardLimits = AT_ONCE, **over: Any) -> Iterator[Threads]:
    engine, control = sync_engine(address, NAME, **over), sync_engine(address, f"{NAME}-control", pool_size=2, max_overflow=0)
    guard = PoolGuard(engine, limits, server=ControlView(control, NAME))
    with ThreadPoolExecutor(20, thread_name_prefix="worker") as workers:
        system = Threads(engine, guard, workers)
        try:
            yield system
        finally:
            system.release()
    assert guard.counts().checked_out == 0
    engine.dispose()
    control.dispose()


def test_threads_are_in_the_ledger_with_what_they_do(address: DatabaseAddress) -> None:
    with threads(address) as system:
        system.hold(1)
        system.hold(1, in_transaction=True)
        answer = system.ask("SELECT 7 FROM pg_sleep(0.5)")
        wait_until(lambda: [holder.state for holder in system.guard.holders()][2:] == ["query"])
        idle, open_, running = system.guard.holders()
        assert (idle.state, open_.state, open_.query) == ("idle", "idle_in_transaction", "SELECT 1")
        assert running.query == "SELECT 7 FROM pg_sleep(0.5)"
        assert running.task.startswith("worker_")
        assert idle.task == threading.current_thread().name
        assert idle.call_site.startswith(f"{__name__}.Threads.hold:")
        assert len({idle.backend_pid, open_.backend_pid, running.backend_pid}) == 3
        assert answer.result(5) == 7
        assert system.guard.counts().idle == 1


def test_threads_that_wait_are_counted_and_served_or_time_out(address: DatabaseAddress) -> None:
    with threads(address, pool_timeout=0.3) as system:
        system.hold(6)
        late = [system.ask("SELECT 1") for _ in range(3)]
        wait_until(lambda: system.guard.counts().waiting == 3)
        assert system.guard.status()["throttling_level"] == "EMERGENCY"
        for waiter in late:
            with pytest.raises(PoolTimeout):
                waiter.result(5)
        assert (system.guard.counts().waiting, system.guard.counts().oldest_wait_s) == (0, 0.0)
    with threads(address) as system:
        system.hold(6)
        waiters = [system.ask("SELECT 1") for _ in range(8)]
        wait_until(lambda: system.guard.counts().waiting == 8)
        system.release()
        assert [waiter.result(5) for waiter in waiters] == [1] * 8


async def test_cleanup_takes_back_what_threads_lost_and_lets_queries_finish(address: DatabaseAddress, sessions: Callable[[], int]) -> None:
    with threads(address) as system:
        system.hold(2)
        system.hold(2, in_transaction=True)
        answer = system.ask("SELECT 42 FROM pg_sleep(0.5)")
        await until(lambda: "query" in {holder.state for holder in system.guard.holders()})
        await asyncio.sleep(0.02)  # the leak threshold of AT_ONCE, by the machine's clock
        report = await system.guard.cleanup(dry_run=False)
        assert (report.reclaimed, report.terminated_backends, report.after.checked_out) == (2, 2, 1)
        for connection in system.held:
            with pytest.raises(Reclaimed):
                connection.execute(text("SELECT 1"))
        assert await asyncio.wrap_future(answer) == 42
        system.release()
        await until(lambda: sessions() == system.guard.counts().idle == 1)
        assert system.guard.leaks_json()["reclaimed_total"] == 4


async def test_threads_that_come_and_go_while_cleanups_run_lose_no_place(address: DatabaseAddress) -> None:
    with threads(address, pool_timeout=10) as system:
        query = text("SELECT CAST(:number AS integer) FROM pg_sleep(0.002)")

        def work(number: int) -> int:
            done = 0
            for _ in range(25):
                try:
                    with system.engine.connect() as connection:
                        done += int(connection.execute(query, {"number": number}).scalar() == number)
                except Reclaimed:
                    done += 1  # it was idle for longer than this test's threshold of 10 ms when a cleanup came by
            return done

        loops = [asyncio.wrap_future(system.workers.submit(work, number)) for number in range(12)]
        together = asyncio.gather(*loops)
        while not together.done():
            await system.guard.cleanup(dry_run=False)
            await asyncio.wait({together}, timeout=0.002)
        assert await together == [25] * 12
        assert (system.guard.counts().checked_out, system.guard.holders()) == (0, [])


async def test_a_sync_control_engine_watches_the_server_beside_the_loop(address: DatabaseAddress) -> None:
    with threads(address) as system:
        monitor = asyncio.create_task(system.guard.run())
        await until(lambda: system.guard.overview() is not None)
        overview = system.guard.overview()
        monitor.cancel()
        await gathered(monitor)
        assert overview is not None
        assert [(instance.pool, instance.control) for instance in overview.instances] == [(6, 2)]
        assert system.guard.is_reachable
