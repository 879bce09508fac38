"""The jobs table on a real PostgreSQL."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from dashboard_app.model.job import JobStatus, JobUpdate, NewJob
from dashboard_app.store.database import Database
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.migrations import migrate

S = JobStatus


@pytest.fixture
async def database(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
def store(database):
    return JobStore(database, lambda *_: contextlib.nullcontext())


async def made(store, count, kind="k"):
    return await store.add([NewJob(kind, {"n": n}) for n in range(count)])


async def value(database, statement):
    async with database.engine.connect() as connection:
        return await connection.scalar(text(statement))


async def test_an_update_changes_a_job_only_when_its_number_is_greater(store):
    (job_id,) = await made(store, 1)
    for seq, status, wanted in (
        (10, S.COMPLETED, S.COMPLETED),
        (5, S.PENDING, S.COMPLETED),
        (10, S.ERROR, S.COMPLETED),
        (11, S.ERROR, S.ERROR),
    ):
        assert await store.write([JobUpdate(seq, job_id, status)]) == []
        (job,) = await store.page()
        assert job.status == wanted


async def test_a_value_the_database_refuses_stands_alone_and_all_others_are_written(store, database):
    ids = await made(store, 50)
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE jobs ADD CONSTRAINT odd CHECK (error_message IS DISTINCT FROM 'odd')"))
    updates = [JobUpdate(n + 1, job_id, S.ERROR, "odd" if n in (7, 8, 49) else "even") for n, job_id in enumerate(ids)]
    refused = await store.write([*updates, JobUpdate(99, 10**12, S.ERROR)])
    assert {(one.update.job_id, one.code) for one in refused} == {
        (ids[7], "illegal_value"),
        (ids[8], "illegal_value"),
        (ids[49], "illegal_value"),
        (10**12, "unknown_job"),
    }
    assert await value(database, "SELECT count(*) FROM jobs WHERE error_message = 'even'") == 47


async def test_dead_letters_are_kept_once_and_come_back_as_they_went(store):
    (refused,) = await store.write([JobUpdate(7, 123, S.CANCELLED, "why")])
    await store.set_aside([refused])
    await store.set_aside([refused])
    (letter,) = await store.dead_letters()
    assert (letter.update, letter.code) == (JobUpdate(7, 123, S.CANCELLED, "why"), "unknown_job")
    assert await store.take_dead_letter(letter.id) == letter
    assert await store.take_dead_letter(letter.id) is None


async def test_two_writers_in_opposite_order_never_deadlock(store, database):
    ids = await made(store, 200)

    async def write(order, first):
        for turn in range(10):
            await store.write([JobUpdate(first + turn * 1000 + n, job_id, S.PROCESSING) for n, job_id in enumerate(order)])

    await asyncio.gather(write(ids, 1), write(ids[::-1], 100_000), write(sorted(ids, key=lambda n: n % 7), 200_000))
    assert await value(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


async def test_status_updates_after_the_first_stay_in_their_page(store, database):
    ids = await made(store, 100)
    await store.write([JobUpdate(1, job_id, S.PROCESSING) for job_id in ids])
    await value(database, "SELECT pg_stat_force_next_flush()")
    before = await value(database, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")
    await store.write([JobUpdate(2, job_id, S.COMPLETED) for job_id in ids])
    async with asyncio.timeout(10):
        while await value(database, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'") < 200:
            await value(database, "SELECT pg_stat_force_next_flush()")
    hot = await value(database, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")
    assert hot - before >= 40, "with a fillfactor of 70 most updates find room in their own page"


async def test_each_pending_job_is_taken_by_one_worker_and_a_job_set_back_to_pending_can_be_taken_again(store):
    ids = await made(store, 40)
    taken = await asyncio.gather(*(store.take("k", 10) for _ in range(5)))
    assert sorted(job_id for part in taken for job_id, _ in part) == ids
    assert taken[0][0][1].keys() == {"n"}
    assert await store.take("k", 1) == []
    await store.write([JobUpdate(1, ids[3], S.PENDING)])
    assert [job_id for job_id, _ in await store.take("k", 5)] == [ids[3]]
    assert await store.take("other", 5) == []


async def test_above_a_hundred_thousand_jobs_the_counts_are_estimates_and_say_so(store, database):
    async with database.engine.begin() as connection:
        await connection.execute(text("INSERT INTO jobs (kind, status) SELECT 'k', 'completed' FROM generate_series(1, 120000)"))
        await connection.execute(text("ANALYZE jobs"))
    counts = await store.counts()
    assert counts.is_estimate
    assert 110_000 < counts.by_status["completed"] < 130_000


async def test_status_updates_stay_in_their_pages(store, database, postgres, fresh_database):
    async def hot():
        async with database.engine.connect() as connection:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return await value(database, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")

    ids = await made(store, 2000)
    await store.write([JobUpdate(1, job_id, S.PROCESSING) for job_id in ids])  # takes them out of the index of pending ones
    postgres.execute("VACUUM jobs", database=fresh_database.database)
    before = await hot()
    await store.write([JobUpdate(2, job_id, S.COMPLETED) for job_id in ids])
    assert await hot() - before >= 1000, "most of them stay in their page and write to no index"


async def test_a_batch_is_one_statement_by_key_however_often_it_was_planned(store, database):
    ids = await made(store, 3000)
    for seq in range(1, 9):  # from the sixth on the server may reuse a plan made for ten rows
        assert await store.write([JobUpdate(seq, job_id, S.PROCESSING) for job_id in ids]) == []
    unknown = await store.write([JobUpdate(9, job_id, S.COMPLETED) for job_id in [*ids, 10**12, 10**12 + 1]])
    assert [one.update.job_id for one in unknown] == [10**12, 10**12 + 1]
    assert await value(database, "SELECT count(*) FROM jobs WHERE status = 'completed' AND status_seq = 9") == 3000
