import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from dashboard_app.access import audit as audit_module
from dashboard_app.access.audit import Audit
from dashboard_app.access.audit_words import masked_details
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import MASK, Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.access.parts import settled, until
from tests.timing import within

ANA = Principal(PrincipalKind.USER, "ana@example.org", Role.ADMIN)
BO = Principal(PrincipalKind.TOKEN, "bo", Role.OPERATOR)


@pytest.fixture
async def audit(parts):
    await settled(parts.audit)
    async with parts.database.control.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))  # the audit takes no row back
        await connection.execute(text("TRUNCATE audit RESTART IDENTITY"))
    parts.audit._recent.clear()
    return parts.audit


async def targets(audit, **wanted):
    return [row.target for row in await audit.page(**wanted)]


async def test_a_row_is_in_the_table_when_record_returns(audit, parts):
    await audit.record(ANA, "pool.cleanup", "pool", request_id="r1", details={"closed_idle": 7})
    (row,) = await audit.page()
    assert (row.id, row.actor, row.actor_kind, row.action, row.target, row.result) == (
        1,
        "ana@example.org",
        "user",
        "pool.cleanup",
        "pool",
        "ok",
    )
    assert (row.at, row.request_id, dict(row.details)) == (parts.clock.now(), "r1", {"closed_idle": 7})
    assert audit.waiting_count == 0
    assert [path.stat().st_size for path in (parts.settings.data_dir / "audit-journal").glob("*.log")] == [0]


async def test_pages_are_filtered_and_follow_each_other_by_id(audit, parts):
    for number in range(6):
        await audit.record(ANA if number % 2 else BO, "a" if number < 4 else "b", str(number))
        parts.clock.tick(1)
    start = parts.clock.now() - timedelta(seconds=6)
    assert await targets(audit) == list("543210")
    assert await targets(audit, limit=2) == ["5", "4"]
    assert await targets(audit, limit=2, before=(await audit.page(limit=2))[-1].id) == ["3", "2"]
    assert await targets(audit, actor="bo") == ["4", "2", "0"]
    assert await targets(audit, action="b") == ["5", "4"]
    assert await targets(audit, since=start + timedelta(seconds=2), until=start + timedelta(seconds=4)) == ["3", "2"]


@pytest.mark.parametrize("way", ["frozen", "stopped"])
async def test_rows_of_an_outage_are_shown_at_once_and_written_once_when_it_ends(audit, parts, postgres, way):
    await audit.record(ANA, "before", "0")
    (postgres.freeze if way == "frozen" else postgres.stop)()
    for number in range(1, 4):
        with within(0.6):
            await audit.record(ANA, "during", str(number))
    await until(lambda: not audit.is_reachable)
    rows = await audit.page()
    assert [(row.target, row.id) for row in rows] == [("3", None), ("2", None), ("1", None), ("0", 1)]
    assert await targets(audit, action="before") == ["0"]
    with pytest.raises(DatabaseUnavailable):
        await audit.page(before=1)
    (postgres.thaw if way == "frozen" else postgres.start)()
    async with asyncio.timeout(20):
        while audit.waiting_count:
            await audit.keep_up()
    assert await targets(audit) == ["3", "2", "1", "0"]
    assert all(row.id for row in await audit.page())


async def test_a_process_that_dies_leaves_its_rows_to_the_next(audit, parts, postgres):
    audit.is_reachable = False
    await audit.record(ANA, "during", "lost?")
    # what SIGKILL does: the lock is gone and nothing was tidied up
    await asyncio.get_running_loop().run_in_executor(audit._journal._thread, lambda: __import__("os").close(audit._journal._lines._file))
    audit._journal._lines._file = None
    second = Audit(parts.database, parts.settings.data_dir, parts.clock)
    await second.start()
    assert await targets(second) == ["lost?"]
    assert second.waiting_count == 0
    await second.close()


async def test_a_row_that_was_written_before_the_journal_forgot_it_is_not_written_twice(audit):
    await audit.record(ANA, "a", "once")
    (row,) = await audit.page()
    audit._waiting[row.uuid] = replace(row, id=None)
    assert [(found.target, found.id) for found in await audit.page()] == [("once", 1)]
    await audit.keep_up()
    assert [(found.target, found.id) for found in await audit.page()] == [("once", 1)]
    assert audit.waiting_count == 0


async def test_a_full_journal_refuses_what_must_be_recorded(audit, monkeypatch):
    monkeypatch.setattr(audit_module, "MAX_WAITING", 1)
    audit.is_reachable = False
    await audit.record(ANA, "a", "1")
    with pytest.raises(DatabaseUnavailable):
        await audit.record(ANA, "a", "2")


async def test_a_disk_that_refuses_is_no_reason_to_lose_a_row_while_the_table_takes_it(audit, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit._journal._lines, "append", full)
    await audit.record(ANA, "a", "kept")
    assert await targets(audit) == ["kept"]
    audit.is_reachable = False
    with pytest.raises(DatabaseUnavailable):
        await audit.record(ANA, "a", "neither")
    assert audit.waiting_count == 0


async def test_a_row_that_the_table_refuses_holds_up_no_other(audit, caplog):
    audit.is_reachable = False
    for target in ("good 1", "bad", "good 2"):
        await audit.record(ANA, "a", target)
    bad = next(row for row in audit._waiting.values() if row.target == "bad")
    audit._waiting[bad.uuid] = replace(bad, target="b\x00d")
    audit.is_reachable = True
    await audit.keep_up()
    await until(lambda: not audit.waiting_count)
    assert await targets(audit) == ["good 2", "good 1"]
    assert "refuses row" in caplog.text


async def test_values_that_no_table_takes_are_made_harmless(audit):
    await audit.record(ANA, "a", "x\x00y\ud800" + "z" * 900, details={"n\x00": float("nan"), "s": "\x00\ud800"})
    (row,) = await audit.page()
    assert row.target.startswith("xy?zz")
    assert len(row.target) == 500
    assert dict(row.details) == {"n": "nan", "s": "?"}


def test_secrets_never_reach_the_details():
    clean = masked_details(
        {
            "password": "hunter22",
            "api_token": "spw_x",
            "host": Secret("hunter22"),
            "url": "postgresql://ana:hunter22@db/x",
            "nested": {"secret_key": "hunter22", "list": [Secret("hunter22"), 1, None, True, 2.5]},
        }
    )
    assert "hunter22" not in str(clean)
    assert clean["url"] == f"postgresql://ana:{MASK}@db/x"
    assert clean["nested"]["list"] == [MASK, 1, None, True, 2.5]
    assert len(str(masked_details({str(n): "x" * 400 for n in range(100)}))) < 8_100


async def test_running_writes_what_waits_by_itself(audit, parts):
    audit.is_reachable = False
    await audit.record(ANA, "a", "1")
    running = asyncio.create_task(audit.run())
    await asyncio.sleep(0)
    parts.clock.tick(1.0)
    await until(lambda: not audit.waiting_count)
    running.cancel()
    await asyncio.wait({running})


async def test_the_newest_rows_are_known_after_a_start_without_a_database(audit, parts, postgres):
    await audit.record(ANA, "a", "1")
    second = Audit(parts.database, parts.settings.data_dir, parts.clock)
    await second.start()
    postgres.stop()
    assert await targets(second) == ["1"]
    await second.close()
