"""PostgreSQL stopped at once in the middle of a flush; poison; and a ledger that is looked at while everything fails."""

import asyncio
import errno
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from unittest import mock

from dashboard_app.backend.api.job_schemas import judged, updates_of
from dashboard_app.backend.guard import PoolGuard
from dashboard_app.backend.jobs.figures import UpdaterFigures
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.store.database import Database, connect
from dashboard_app.store.embedded import EmbeddedServer
from dashboard_app.store.jobs import JobStore, Refusal
from tests.faults.jobs.book import Book, Outcome, backwards, made_jobs, own_server, prepare
from tests.faults.jobs.worker import TEN, load, updating

_SMALL = BatchLimits(size=50, age_s=0.2, most=500, waiting_most=1500)
_UNKNOWN = 10**15


class _Tripped(JobStore):
    """The real store; `trip` is called a moment after a statement was sent."""

    def __init__(self, database: Database, guard: PoolGuard) -> None:
        super().__init__(database, guard.running)
        self.trip: Any = None

    async def write(self, updates: Sequence[JobUpdate]) -> list[Refusal]:
        if self.trip is not None:
            asyncio.get_running_loop().call_later(random.random() * 0.015, self.trip)  # noqa: S311 - which moment, not a secret
            self.trip = None
        return await super().write(updates)


def stop_at_once(server: EmbeddedServer) -> None:
    """What `pg_ctl stop -m immediate` does: no farewell, recovery at the next start."""
    if (postmaster := server.postmaster()) is not None:
        with suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGQUIT)


async def _until(claim: Any, limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not claim():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)


def stopped_databases(runs: int) -> Outcome:
    """`runs` immediate stops, each within some milliseconds of a flush's statement, under load all the time."""
    return asyncio.run(_stopped_databases(runs))


async def _stopped_databases(runs: int) -> Outcome:
    outcome = Outcome("PostgreSQL stopped at once, mid-flush", what="written again after")
    with own_server() as (server, folder):
        await prepare(server.address(), folder)
        connection = await connect(server.address(), application_name="faults")
        book = Book(await made_jobs(connection))
        await connection.close()
        stores: list[_Tripped] = []

        def store_of(database: Database, guard: PoolGuard) -> _Tripped:
            stores.append(_Tripped(database, guard))
            return stores[0]

        def tell(word: bytes, number: int) -> None:
            if word == b"A":
                book.acknowledge(range(number, number + TEN))
            else:
                outcome.refused += TEN

        async with updating(server.address(), folder / "work", store_of=store_of) as updater:
            sending = asyncio.create_task(load(updater, book.jobs, 1, 1e9, tell))
            for _ in range(runs):
                stores[0].trip = lambda: stop_at_once(server)
                await _until(lambda: not server.is_running())
                await asyncio.to_thread(started, server)
                back, written = time.monotonic(), updater.figures().batches_total
                await _until(lambda before=written: updater.figures().batches_total > before)
                outcome.worst_s = max(outcome.worst_s, time.monotonic() - back)
                outcome.runs += 1
            sending.cancel()
            await asyncio.wait({sending})
            await updater.flush(30)
            connection = await connect(server.address(), application_name="faults")
            outcome.lost, outcome.backwards = await book.lost(connection), await backwards(connection)
            outcome.acknowledged = book.total
            await connection.close()
    return outcome


def started(server: EmbeddedServer) -> None:
    """Wait until every process of a stopped server is gone, and start it."""
    while server.pids():
        time.sleep(0.01)
    server.start()


def poisoned(count: int) -> Outcome:
    """`count` updates in bulk calls, one in a hundred spoiled in one of six ways: all good ones are written, all bad ones are named."""
    return asyncio.run(_poisoned(count))


async def _poisoned(count: int) -> Outcome:
    outcome = Outcome("1 % poison in bulk calls", what="all of it in")
    kinds: list[dict[str, Any]] = [
        {"job_id": _UNKNOWN, "status": "error"},
        {"job_id": 1, "status": "finished"},
        {"job_id": 1, "status": "error", "error_message": "a\x00b"},
        {"job_id": 1, "status": "error", "error_message": "\ud800"},
        {"job_id": 1, "status": "error", "error_message": "x" * 1_000_000},
        {"job_id": -1, "status": "error"},
    ]
    with own_server() as (server, folder):
        await prepare(server.address(), folder)
        connection = await connect(server.address(), application_name="faults")
        jobs = await made_jobs(connection, 4000)
        book, named, wanted = Book(jobs), 0, 0
        async with updating(server.address(), folder / "work") as updater:
            began = time.perf_counter()
            for first in range(1, count + 1, 1000):
                updates: list[dict[str, Any]] = []
                spoiled: dict[int, dict[str, Any]] = {}
                for number in range(first, min(first + 1000, count + 1)):
                    if number % 100 == 0:
                        bad = dict(kinds[number // 100 % len(kinds)])
                        if bad["job_id"] == _UNKNOWN:
                            bad["job_id"] += number
                        spoiled[len(updates)] = bad
                        updates.append(bad)
                    else:
                        updates.append({"job_id": book.job_of(number), "status": "processing", "error_message": str(number)})
                good, bad_ones = judged(updates_of(json.dumps({"updates": updates}).encode()))
                await updater.accept(good)
                book.acknowledge(number for number in range(first, first + len(updates)) if number % 100)
                wanted += len(spoiled)
                named += len({one["index"] for one in bad_ones} & spoiled.keys())
            await updater.flush(30)
            outcome.worst_s = time.perf_counter() - began
            figures = updater.figures()
        letters = await connection.fetchval("SELECT count(*) FROM job_dead_letters WHERE code = 'unknown_job' AND reason <> ''")
        outcome.runs, outcome.acknowledged = count, book.total
        outcome.lost = await book.lost(connection) + abs(wanted - named - letters) + _gap(figures)
        outcome.backwards = await backwards(connection)
        outcome.notes.append(f"{named + letters} of {wanted} bad ones named, {letters} of them as dead letters")
        await connection.close()
    return outcome


def _gap(now: UpdaterFigures) -> int:
    """By how much the ledger does not add up."""
    return abs(now.accepted_total - now.written_total - now.superseded_total - now.queued - now.dead_letter_total)


def ledgers(seconds: int) -> Outcome:
    """The ledger at every turn of the loop while the database stops, syncs fail, the queue runs over and poison comes in."""
    return asyncio.run(_ledgers(seconds))


async def _ledgers(seconds: int) -> Outcome:
    outcome = Outcome("ledger under all of these")
    with own_server() as (server, folder):
        await prepare(server.address(), folder)
        connection = await connect(server.address(), application_name="faults")
        jobs = await made_jobs(connection, 2000)
        await connection.close()
        book, samples, is_over = Book(jobs), 0, False
        async with updating(server.address(), folder / "work", _SMALL) as updater:

            async def look() -> None:
                nonlocal samples
                while not is_over:
                    outcome.lost += _gap(updater.figures()) != 0
                    samples += 1
                    await asyncio.sleep(0)

            def tell(word: bytes, number: int) -> None:
                if word == b"A":
                    book.acknowledge(range(number, number + TEN))
                else:
                    outcome.refused += TEN

            others = [
                asyncio.create_task(look()),
                asyncio.create_task(_poison(updater)),
                asyncio.create_task(asyncio.to_thread(_from_a_thread, updater, lambda: is_over)),
            ]
            sending = asyncio.create_task(load(updater, jobs, 1, seconds, tell))
            while not sending.done():
                await _fault(server, outcome.runs)
                outcome.runs += 1
            await sending
            await updater.flush(60)
            is_over = True
            others[1].cancel()
            await asyncio.wait(others)
            figures = updater.figures()
            connection = await connect(server.address(), application_name="faults")
            outcome.lost += await book.lost(connection)
            await connection.close()
        outcome.acknowledged = book.total
        outcome.notes.append(
            f"{samples} samples; {figures.written_total} written, {figures.superseded_total} superseded, "
            f"{figures.dead_letter_total} dead, {figures.fallbacks_total} past the queue"
        )
    return outcome


async def _fault(server: EmbeddedServer, number: int) -> None:
    """The database stopped at once and started again, then syncs that fail for a moment, in turn."""
    await asyncio.sleep(0.5)
    if number % 2:
        real = os.fdatasync

        def failing(descriptor: int) -> None:
            if random.random() < 0.5:  # noqa: S311 - every other sync
                raise OSError(errno.EIO, "Input/output error")
            real(descriptor)

        with mock.patch.object(os, "fdatasync", failing):
            await asyncio.sleep(0.5)
    else:
        stop_at_once(server)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(started, server)


async def _poison(updater: Updater) -> None:
    """Updates of jobs that do not exist, some of them without waiting for the disk."""
    number = _UNKNOWN
    while True:
        number += 1
        with suppress(SpillwayError):
            await updater.accept([(number, JobStatus.ERROR, "1")])
            await updater.aupdate_job_status(number, "completed", "2")
        await asyncio.sleep(0.02)


def _from_a_thread(updater: Updater, is_over: Any) -> None:
    """A worker of the old kind, which reports from its thread."""
    number = _UNKNOWN * 2
    while not is_over():
        number += 1
        with suppress(SpillwayError):
            updater.update_job_status(number, "error", "1")
        time.sleep(0.01)
