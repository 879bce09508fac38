"""A sync engine used by many threads at once, with cleanups in between: the ledger stays exact and nothing is lost."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.model.errors import Reclaimed
from dashboard_app.model.pool import HolderState
from tests.conftest import wait_until

NAME = "threads-test"
SIZE, OVERFLOW = 6, 4
THREADS, ROUNDS = 24, 60


@pytest.fixture
def engines(postgres) -> Iterator[tuple[Engine, Engine]]:
    to = postgres.address()
    login = f"{to.user}:{to.password.reveal()}" if to.password else to.user

    def build(name: str, size: int, overflow: int) -> Engine:
        url = f"postgresql+psycopg://{login}@{to.host}:{to.port}/{to.database}"
        options = {"application_name": name, "connect_timeout": 2}
        return create_engine(url, pool_size=size, max_overflow=overflow, pool_timeout=10, connect_args=options)

    built = build(NAME, SIZE, OVERFLOW), build(f"{NAME}-control", 1, 1)
    yield built
    for engine in built:
        engine.dispose()


def sessions(postgres) -> int:
    return int(postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", NAME)[0][0])


def cleaned(guard: PoolGuard, over: threading.Event) -> int:
    """Clean up again and again, on a loop of its own; how many checkouts were won back."""

    async def until_over() -> int:
        won = 0
        while not over.is_set():
            report = await guard.cleanup(dry_run=False)
            won += report.reclaimed + report.terminated_backends
            await asyncio.sleep(0.005)
        return won

    return asyncio.run(until_over())


def test_many_threads_and_cleanups_at_once_leave_an_exact_ledger(engines, postgres) -> None:
    engine, control = engines
    guard = PoolGuard(engine, GuardLimits(leak_threshold_s=0.02, auto_cleanup=False), server=ControlView(control, NAME))
    over = threading.Event()
    most, wrong, right = 0, [], []

    def work(number: int) -> None:
        for turn in range(ROUNDS):
            wanted = number * 1000 + turn
            try:
                with guard.holding(task=f"worker {number}"), engine.connect() as connection:
                    found = connection.execute(text("SELECT :n + 0 * length(pg_sleep(:s)::text)"), {"n": wanted, "s": 0.001}).scalar_one()
                    if wanted % 10 == number % 10:
                        over.wait(0.03)  # sits idle in a transaction past the threshold: a cleanup may take it
                        found = connection.execute(text("SELECT CAST(:n AS int)"), {"n": wanted}).scalar_one()
                    connection.commit()
            except Reclaimed:
                continue
            (right if found == wanted else wrong).append(wanted)

    def look() -> None:
        nonlocal most
        while not over.is_set():
            counts, held = guard.counts(), guard.holders()
            most = max(most, counts.checked_out, len({holder.id for holder in held}))

    with ThreadPoolExecutor(THREADS + 3) as threads:
        cleaners, looker = [threads.submit(cleaned, guard, over) for _ in range(2)], threads.submit(look)
        workers = [threads.submit(work, number) for number in range(THREADS)]
        try:
            for worker in workers:
                worker.result()
        finally:
            over.set()
        won = sum(cleaner.result() for cleaner in cleaners)
        looker.result()
    assert wrong == []
    assert won > 0
    assert len(right) + won >= THREADS * ROUNDS
    assert most <= SIZE + OVERFLOW
    assert (guard.counts().checked_out, guard.holders(), guard.counts().waiting) == (0, [], 0)
    wait_until(lambda: sessions(postgres) == guard.counts().idle)
    assert sum(site["checkouts"] for site in guard.call_sites()) == THREADS * ROUNDS


def test_a_thread_that_waits_is_counted_and_gets_what_a_cleanup_takes_back(engines) -> None:
    engine, control = engines
    guard = PoolGuard(engine, GuardLimits(leak_threshold_s=0.05, auto_cleanup=False), server=ControlView(control, NAME))
    lost = [engine.connect() for _ in range(SIZE + OVERFLOW)]
    for connection in lost[1:]:
        connection.execute(text("SELECT 1"))
    lost[0].execute(text("SELECT 1"))
    lost[0].commit()

    def ask() -> int:
        with engine.connect() as connection:
            return connection.execute(text("SELECT 7")).scalar_one()

    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(ask)
        wait_until(lambda: guard.counts().waiting == 1)
        wait_until(lambda: sum(holder.suspected_leak for holder in guard.holders()) == SIZE + OVERFLOW)
        assert sorted({holder.state for holder in guard.holders()}) == [HolderState.IDLE, HolderState.IDLE_IN_TRANSACTION]
        report = asyncio.run(guard.cleanup(dry_run=False))
        assert (report.terminated_backends, report.reclaimed) == (SIZE + OVERFLOW - 1, 1)
        assert waiting.result(10) == 7
    with pytest.raises(Reclaimed):
        lost[3].execute(text("SELECT 1"))
    for connection in lost:
        connection.close()
    assert guard.counts().checked_out == 0


def test_a_full_pool_refuses_a_thread_after_the_pools_own_timeout(engines) -> None:
    engine, _ = engines
    engine = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    guard = PoolGuard(engine)
    with engine.connect():
        with pytest.raises(PoolTimeout), engine.connect():
            pass
        assert (guard.counts().checked_out, guard.counts().waiting) == (1, 0)
    engine.dispose()
