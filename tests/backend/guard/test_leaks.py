"""The leak detector, on a pool without a server: found once, with the borrower's stack, and followed to its end."""

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from dashboard_app.backend.guard.leaks import Leak, Leaks
from tests.backend.guard.test_guard_by_clock import Pool, monitored


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.hold(0)
    pool.engine.dispose()


def borrow(engine: Engine) -> Connection:
    return engine.connect()


def nightly_export(engine: Engine) -> Connection:
    return borrow(engine)


def test_a_suspected_leak_shows_the_stack_of_its_borrower_and_a_young_checkout_none(pool: Pool) -> None:
    pool.held.append(nightly_export(pool.engine))
    assert (pool.guard.holders()[0].stack, pool.guard.leaks_json()["found_total"]) == ((), 0)
    pool.clock.tick(60)
    (holder,) = pool.guard.holders_json()["items"]  # type: ignore[misc]
    inner, outer, test = holder["stack"][:3]
    assert inner == holder["call_site"]
    assert inner.startswith(f"{__name__}.borrow:")
    assert outer.startswith(f"{__name__}.nightly_export:")
    assert test.startswith(f"{__name__}.test_a_suspected_leak_shows_the_stack_of_its_borrower_and_a_young_checkout_none:")


def test_a_leak_is_counted_and_logged_once_and_its_return_is_noted(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spillway.guard")
    with pool.guard.holding(task="nightly", route="/export"):
        pool.held.append(nightly_export(pool.engine))
    pool.clock.tick(61)
    for _ in range(3):
        leaks = pool.guard.leaks_json()
    assert (leaks["found_total"], leaks["returned_total"]) == (1, 0)
    (leak,) = leaks["recent"]  # type: ignore[misc]
    assert (leak["task"], leak["route"], leak["held_s"], leak["ended"]) == ("nightly", "/export", 61.0, None)
    pool.clock.tick(9)
    pool.hold(0)
    leaks = pool.guard.leaks_json()
    assert (leaks["found_total"], leaks["returned_total"], leaks["reclaimed_total"]) == (1, 1, 0)
    (leak,) = leaks["recent"]  # type: ignore[misc]
    assert (leak["held_s"], leak["ended"]) == (70.0, "returned")
    found, returned = [record for record in caplog.records if record.name == "spillway.guard"]
    assert found.levelname == "WARNING"
    assert "is held for 61 s and runs nothing; taken at tests.backend.guard.test_leaks.borrow:" in found.getMessage()
    assert returned.getMessage() == f"checkout {leak['id']} (nightly) was returned after all, after 70 s"


async def test_a_leak_that_a_cleanup_takes_back_is_told_apart(pool: Pool) -> None:
    pool.hold(3)
    pool.clock.tick(61)
    report = await pool.guard.cleanup(dry_run=False)
    assert report.reclaimed == 3
    leaks = pool.guard.leaks_json()
    assert (leaks["found_total"], leaks["returned_total"], leaks["reclaimed_total"]) == (3, 0, 3)
    assert {leak["ended"] for leak in leaks["recent"]} == {"reclaimed"}  # type: ignore[attr-defined]
    pool.hold(0)  # the holders close what they no longer have
    assert pool.guard.leaks_json()["returned_total"] == 0


async def test_the_monitor_finds_leaks_that_nobody_reads() -> None:
    pool = Pool()
    async with monitored(pool):
        pool.hold(2)
        await pool.clock.advance(62)
        pool.hold(0)
        leaks = pool.guard.leaks_json()
        assert (leaks["found_total"], leaks["returned_total"]) == (2, 2)


def test_what_is_exempt_or_runs_is_no_leak(pool: Pool) -> None:
    with pool.guard.holding(exempt="listens as long as the app runs"):
        pool.hold(1)
    pool.hold(2)
    pool.clock.tick(61)
    with pool.guard.running(pool.held[1], "COPY"):
        assert pool.guard.leaks_json()["found_total"] == 0
    assert pool.guard.leaks_json()["found_total"] == 1


def test_the_last_20_leaks_are_kept_the_newest_first_and_each_ends_once() -> None:
    leaks = Leaks()
    found = [Leak(number, "t", "", (), 0.0) for number in range(25)]
    for leak in found:
        leaks.find(leak, 61.0)
    leaks.end(found[24], 70.0, is_reclaimed=True)
    leaks.end(found[24], 71.0, is_reclaimed=False)
    leaks.end(found[0], 72.0, is_reclaimed=False)  # no longer in the list, counted all the same
    said = leaks.to_json(lambda: 80.0)
    assert (said["found_total"], said["returned_total"], said["reclaimed_total"]) == (25, 1, 1)
    recent = said["recent"]
    assert isinstance(recent, list)
    assert [leak["id"] for leak in recent] == list(range(24, 4, -1))
    assert (recent[0]["held_s"], recent[0]["ended"], recent[1]["held_s"]) == (70.0, "reclaimed", 80.0)
