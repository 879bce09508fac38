import asyncio
import os

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dashboard_app.access.audit import Audit
from dashboard_app.access.audit_chain import HEAD_FILE, head_of, told
from dashboard_app.access.audit_journal import BEGUN
from dashboard_app.model.errors import Conflict, DatabaseUnavailable
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.store.database import connect
from tests.access.parts import settled

ANA = Principal(PrincipalKind.USER, "ana@example.org", Role.ADMIN)
TAMPER = "SET LOCAL session_replication_role = replica"  # what only the owner of the whole server can do


@pytest.fixture
async def audit(parts):
    """A log of six rows, the newest known to this machine."""
    for number in range(3):
        await parts.audit.record(ANA, "a", f"grüße {number}", details={"n": 1.50, "b": {"z": None, "a": [True, "ü"]}})
    await settled(parts.audit)
    return parts.audit


async def run(parts, *statements):
    async with parts.database.control.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_an_untouched_chain_is_whole_from_its_first_row_on(audit, parts):
    report = await audit.chain.verify()
    assert (report.is_whole, report.rows, report.head.id, report.broken_at) == (True, 6, 6, None)
    assert (await audit.chain.verify(newest=2)).rows == 2
    assert (await audit.chain.verify(newest=99)).rows == 6
    assert (await audit.chain.verify(report.head)).is_whole
    assert (parts.settings.data_dir / HEAD_FILE).read_text().strip() == told(report.head)
    assert head_of(told(report.head)) == report.head
    with pytest.raises(ValueError, match="looks like"):
        head_of("6:abc")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET result = 'ok' WHERE id = 1",
        "UPDATE audit SET result = 'ok'",
        "DELETE FROM audit WHERE id = 999",
        "TRUNCATE audit",
    ],
)
async def test_the_database_itself_takes_no_row_back(audit, parts, statement):
    with pytest.raises(DBAPIError, match="the audit only grows"):
        await run(parts, statement)
    assert (await audit.chain.verify()).is_whole


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE audit SET actor = 'bo' WHERE id = 3", 3),
        ("UPDATE audit SET actor_kind = 'token' WHERE id = 3", 3),
        ("UPDATE audit SET action = 'b', target = action WHERE id = 3", 3),
        ("UPDATE audit SET target = target || ' ' WHERE id = 3", 3),
        ("UPDATE audit SET result = 'failed' WHERE id = 1", 1),
        ("UPDATE audit SET request_id = 'r' WHERE id = 1", 1),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE id = 6", 6),
        ("UPDATE audit SET uuid = gen_random_uuid() WHERE id = 2", 2),
        ("UPDATE audit SET details = details || '{\"n\": 1.51}' WHERE id = 4", 4),
        ("UPDATE audit SET id = 7 WHERE id = 5", 6),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 4", 5),
        ("DELETE FROM audit WHERE id > 4", 6),
        ("DELETE FROM audit", 6),
    ],
)
async def test_whatever_is_changed_behind_its_back_is_found(audit, parts, change, broken_at):
    await run(parts, TAMPER, change)
    report = await audit.chain.verify()
    assert (report.is_whole, report.broken_at) == (False, broken_at)


async def test_a_chain_that_was_counted_anew_is_not_the_one_that_was_seen(audit, parts, caplog):
    seen = (await audit.chain.verify()).head
    again = "UPDATE audit SET hash = audit_hash(coalesce((SELECT b.hash FROM audit b WHERE b.id = audit.id - 1), ''), audit) WHERE id = "
    await run(parts, TAMPER, "UPDATE audit SET actor = 'nobody' WHERE id = 5", f"{again} 5", f"{again} 6")
    report = await audit.chain.verify()
    assert (report.broken_at, report.problem) == (6, "Row 6 is not the one that was there before.")
    await audit.record(ANA, "a", "later")
    await settled(audit)
    await settled(audit)
    assert caplog.text.count("the audit was tampered with: row 6") == 1
    assert (parts.settings.data_dir / HEAD_FILE).read_text().strip() == told(seen)  # the witness stays
    assert not (await audit.chain.verify()).is_whole


async def test_writers_of_many_connections_make_one_chain(parts, fresh_database):
    statement = (
        "INSERT INTO audit (uuid, at, actor, actor_kind, action, result) SELECT gen_random_uuid(), now(), $1, 'user', 'a', 'ok' "
        "FROM generate_series(1, 3)"
    )

    async def write(number):
        connection = await connect(fresh_database, command_timeout_s=60)
        try:
            for turn in range(20):
                if turn % 5:
                    await connection.execute(statement, str(number))
                else:
                    async with connection.transaction():  # a longer transaction, and one that comes to nothing
                        await connection.execute(statement, str(number))
                    undone = connection.transaction()
                    await undone.start()
                    await connection.execute(statement, str(number))
                    await undone.rollback()
        finally:
            await connection.close()

    await settled(parts.audit)
    before = (await parts.audit.chain.verify()).rows
    async with asyncio.timeout(60):
        await asyncio.gather(*(write(number) for number in range(6)))
    report = await parts.audit.chain.verify()
    assert (report.problem, report.rows, report.head.id) == ("", before + 6 * 20 * 3, before + 6 * 20 * 3)


async def test_a_writer_that_stands_still_does_not_hold_up_the_others_for_long(parts, fresh_database):
    stuck = await connect(fresh_database)
    await stuck.execute("BEGIN")
    await stuck.execute(
        "INSERT INTO audit (uuid, at, actor, actor_kind, action, result) VALUES (gen_random_uuid(), now(), 'x', 'user', 'a', 'ok')"
    )
    await parts.audit.record(ANA, "a", "waits in the journal meanwhile")
    await settled(parts.audit)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await stuck.execute("COMMIT")
    stuck.terminate()
    assert (await parts.audit.chain.verify()).is_whole


async def test_an_act_is_on_disk_before_it_begins_and_one_row_when_it_ends(parts):
    audit = parts.audit
    async with audit.act(ANA, "pool.cleanup", "pool", request_id="r1", details={"n": 1}) as noted:
        (shown,) = await audit.page(action="pool.cleanup")
        assert (shown.id, shown.result, dict(shown.details)) == (None, "begun", {"n": 1})
        assert any(b"pool.cleanup" in path.read_bytes() for path in (parts.settings.data_dir / "audit-journal").glob("*.log"))
        noted.update(target="the pool", closed=2)
    await settled(audit)
    (row,) = await audit.page(action="pool.cleanup")
    assert (row.target, row.result, dict(row.details), row.request_id) == ("the pool", "ok", {"n": 1, "closed": 2}, "r1")
    assert row.id


@pytest.mark.parametrize(("error", "result"), [(Conflict("x"), "conflict"), (ZeroDivisionError(), "failed")])
async def test_an_act_that_fails_says_how(parts, error, result):
    with pytest.raises(type(error)):
        async with parts.audit.act(ANA, "b", "x"):
            raise error
    assert [row.result for row in await parts.audit.page(action="b")] == [result]


async def test_an_act_cut_short_by_a_crash_is_known_to_have_begun(parts):
    audit, journal = parts.audit, parts.audit._journal._lines
    await audit._append(audit._row(ANA, "pooler.act", "source 3", BEGUN, request_id="", details={"command": "KILL"}))
    # what SIGKILL does: the lock is gone and nothing was tidied up
    await asyncio.get_running_loop().run_in_executor(audit._journal._thread, lambda: os.close(journal._file))
    journal._file = None
    second = Audit(parts.database, parts.settings.data_dir, parts.clock)
    await second.start()
    await settled(second)
    (row,) = await second.page(action="pooler.act")
    assert (row.result, row.target, dict(row.details)) == ("unknown", "source 3", {"command": "KILL"})
    assert row.id
    await second.close()


async def test_an_act_that_nobody_can_record_does_not_begin(parts, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts.audit._journal._lines, "append", full)
    async with parts.audit.act(ANA, "c", "kept by the table"):
        assert [row.result for row in await parts.audit.page(action="c")] == ["begun"]
    assert [row.result for row in await parts.audit.page(action="c")] == ["ok", "begun"]
    parts.audit.is_reachable = False
    with pytest.raises(DatabaseUnavailable):
        async with parts.audit.act(ANA, "c", "x"):
            pytest.fail("it began")
