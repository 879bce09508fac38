"""The probe against a real server, and against listeners that misbehave."""

import asyncio
import contextlib
import socket

import asyncpg
import pytest

from dashboard_app.backend.sources.probes import postgresql
from dashboard_app.backend.sources.probes.postgresql_sql import metrics_statement
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.health import CheckStatus
from dashboard_app.model.secret import Secret
from tests.backend.sources.conftest import until
from tests.timing import within


def named(finding):
    return {check.name: check for check in finding.checks}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def ask_for_ever(reader, writer):
    """Accept and never answer."""
    await reader.read(1 << 20)
    await asyncio.Event().wait()


async def test_a_healthy_server_passes_every_check_with_observed_limit_and_unit(fresh_database, probe_on):
    finding = await probe_on(fresh_database).health(5)
    assert {name: check.status for name, check in named(finding).items()} == dict.fromkeys(
        ["connect", "read_only", "connections", "longest_transaction", "idle_in_transaction", "blocked_sessions", "wraparound"],
        CheckStatus.PASS,
    )
    assert finding.latency_ms > 0
    assert named(finding)["connections"].unit == "%"
    assert named(finding)["connections"].limit == "warns from 70 %, fails from 90 %"


async def test_the_probe_keeps_one_connection_named_spillway_with_time_limits(fresh_database, probe_on, session):
    probe, watcher = probe_on(fresh_database), await session()
    for _ in range(3):
        await probe.health(5)
        await probe.metrics(5)
    rows = await watcher.fetch(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert [row["application_name"] for row in rows] == ["spillway"]
    limits = await probe._connection.fetchrow("SELECT current_setting('statement_timeout') s, current_setting('lock_timeout') l")
    assert tuple(limits) == ("4500ms", "2500ms")


async def test_an_idle_connection_is_closed_and_a_used_one_kept(fresh_database, probe_on):
    probe = probe_on(fresh_database)
    await probe.health(5)
    await probe.release(300)
    assert probe._connection is not None
    await probe.release(0)
    assert probe._connection is None
    assert (await probe.health(5)).latency_ms is not None


async def test_health_and_metrics_are_one_statement_each(fresh_database, probe_on):
    probe = probe_on(fresh_database)
    await probe.health(5)
    asked = []
    probe._connection.add_query_logger(lambda record: asked.append(record.query))
    await probe.health(5)
    await probe.metrics(5)

    async def both_are_logged() -> bool:
        return len(asked) >= 2

    await until(both_are_logged)
    assert len(asked) == 2


async def test_a_session_idle_in_a_transaction_is_seen_with_its_age(fresh_database, probe_on, session):
    sleeper = await session()
    await sleeper.execute("BEGIN")
    await sleeper.execute("SELECT 1")
    probe = probe_on(fresh_database)

    async def seen() -> bool:
        found = named(await probe.health(5))
        return found["idle_in_transaction"].observed > 0 and found["longest_transaction"].observed > 0

    await until(seen)
    check = named(await probe.health(5))["idle_in_transaction"]
    assert check.message.startswith("1 session sits idle in a transaction")
    assert (await probe.metrics(5))["connections_idle_in_transaction"] == 1


async def test_a_long_query_is_seen(fresh_database, probe_on, session):
    sleeper, probe = await session(), probe_on(fresh_database)
    query = asyncio.create_task(sleeper.execute("SELECT pg_sleep(60)"))

    async def seen() -> bool:
        return (await probe.metrics(5))["longest_query_s"] > 0

    await until(seen)
    assert (await probe.metrics(5))["connections_active"] == 2
    sleeper.terminate()
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await query


async def test_a_blocked_session_warns_once_it_has_waited_a_second(fresh_database, probe_on, session):
    holder, waiter, probe = await session(), await session(), probe_on(fresh_database)
    await holder.execute("CREATE TABLE held (i int)")
    await holder.execute("BEGIN; LOCK TABLE held")
    blocked = asyncio.create_task(waiter.execute("SELECT * FROM held"))

    async def warns() -> bool:
        return named(await probe.health(5))["blocked_sessions"].status is CheckStatus.WARN

    await until(warns)
    check = named(await probe.health(5))["blocked_sessions"]
    assert (check.observed, check.unit) == (1, "sessions")
    assert check.message.startswith("1 session waits for a lock, the longest for")
    assert (await probe.metrics(5))["locks_waiting"] == 1
    await holder.execute("ROLLBACK")
    await blocked
    assert named(await probe.health(5))["blocked_sessions"].status is CheckStatus.PASS


async def test_rates_are_absent_at_first_then_measured_and_absent_after_a_reset(fresh_database, probe_on, session):
    probe, worker = probe_on(fresh_database), await session()
    assert not [name for name in await probe.metrics(5) if name.endswith("_per_s") or name == "cache_hit_percent"]

    async def some_are_seen() -> bool:
        await worker.execute("SELECT count(*) FROM pg_class")
        await worker.execute("SELECT pg_stat_force_next_flush()")
        found = await probe.metrics(5)
        return found.get("transactions_per_s", 0) > 0 and 0 < found.get("cache_hit_percent", 0) <= 100

    await until(some_are_seen)
    await worker.execute("SELECT pg_stat_reset()")
    found = await probe.metrics(5)
    assert "transactions_per_s" not in found
    found = await probe.metrics(5)
    assert found["transactions_per_s"] >= 0
    assert {"deadlocks_per_s", "temp_bytes_per_s", "wal_bytes_per_s"} <= set(found)


async def test_the_size_is_measured_at_most_once_a_minute(fresh_database, probe_on, session):
    probe, worker = probe_on(fresh_database), await session()
    first = (await probe.metrics(5))["size_bytes"]
    await worker.execute("CREATE TABLE filling AS SELECT repeat('x', 100) FROM generate_series(1, 20000)")
    assert (await probe.metrics(5))["size_bytes"] == first
    probe._size_due_at = 0
    assert (await probe.metrics(5))["size_bytes"] > first


async def test_every_metric_has_a_unit(fresh_database, probe_on):
    probe = probe_on(fresh_database)
    await probe.metrics(5)
    assert set(await probe.metrics(5)) <= set(probe.units)


async def test_a_plain_role_gets_what_it_may_see_and_a_note(postgres, fresh_database, probe_on):
    postgres.execute("DROP ROLE IF EXISTS plain")
    postgres.execute("CREATE ROLE plain LOGIN PASSWORD 'plain-secret'")
    probe = probe_on(fresh_database, username="plain", password=Secret("plain-secret"))
    found = named(await probe.health(5))
    assert "longest_transaction" not in found
    assert "pg_monitor" in found["visibility"].message
    assert {check.status for check in found.values()} == {CheckStatus.PASS}
    metrics = await probe.metrics(5)
    assert metrics["connections_used"] >= 1
    assert "connections_active" not in metrics
    assert "size_bytes" in metrics
    await probe.close()
    postgres.execute("GRANT pg_monitor TO plain")
    assert "longest_transaction" in named(await probe.health(5))
    await probe.close()
    postgres.execute("DROP ROLE plain")


async def test_a_database_that_takes_no_writes_warns(postgres, fresh_database, probe_on):
    postgres.execute(f'ALTER DATABASE "{fresh_database.database}" SET default_transaction_read_only = on')
    try:
        check = named(await probe_on(fresh_database).health(5))["read_only"]
    finally:
        postgres.execute(f'ALTER DATABASE "{fresh_database.database}" RESET ALL')
    assert (check.status, check.observed) == (CheckStatus.WARN, "read-only")


async def test_a_connection_that_the_server_cut_is_replaced_within_the_same_reading(postgres, fresh_database, probe_on):
    probe = probe_on(fresh_database)
    await probe.health(5)
    postgres.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", fresh_database.database)
    assert (await probe.health(5)).latency_ms is not None


async def test_a_frozen_server_gives_a_plain_reason_within_the_limit_and_heals(postgres, fresh_database, probe_on):
    kept, new = probe_on(fresh_database), probe_on(fresh_database, sslmode="disable")
    await kept.health(5)
    with postgres.frozen():
        with within(1.5):
            found = await asyncio.gather(kept.health(1), new.health(1))
        with pytest.raises(ProbeFailed):
            await kept.metrics(0.3)
    assert [finding.timed_out for finding in found] == [True, True]
    assert [finding.checks[0].message for finding in found] == [
        "No answer within 1 s at step TLS",
        "No answer within 1 s at step sign in",
    ]
    assert [(await probe.health(5)).latency_ms is not None for probe in (kept, new)] == [True, True]


async def test_a_query_that_hangs_is_named_as_such(fresh_database, probe_on, monkeypatch):
    monkeypatch.setattr(postgresql, "health_statement", lambda _: "SELECT pg_sleep(30)")
    finding = await probe_on(fresh_database).health(2)  # the way to that step is long on a busy machine
    assert finding.checks[0].message in {"No answer within 2 s at step query", "The query was stopped by its time limit"}


async def test_a_size_that_takes_too_long_is_left_out_next_time(fresh_database, probe_on, monkeypatch):
    probe = probe_on(fresh_database)
    slow = metrics_statement(18).replace("pg_database_size(current_database())", "length(pg_sleep(30)::text)")
    monkeypatch.setattr(postgresql, "metrics_statement", lambda _: slow)
    with pytest.raises(ProbeFailed):
        await probe.metrics(2)  # it must be the query that takes too long, not the way to it
    assert "size_bytes" not in await probe.metrics(5)


async def test_a_refusing_port_is_named(fresh_database, probe_on):
    port = free_port()
    finding = await probe_on(fresh_database, port=port).health(5)
    assert finding.checks[0].message == f"Connection refused: nothing listens at 127.0.0.1:{port}"
    assert (finding.latency_ms, finding.timed_out, finding.checks[0].status) == (None, False, CheckStatus.FAIL)


@pytest.mark.parametrize(("sslmode", "step"), [("prefer", "TLS"), ("disable", "sign in")])
async def test_a_listener_that_never_answers_costs_the_limit_and_no_more(fresh_database, probe_on, listener, sslmode, step):
    port = await listener(ask_for_ever)
    with within(1):
        finding = await probe_on(fresh_database, port=port, sslmode=sslmode).health(0.5)
    assert finding.checks[0].message == f"No answer within 0.5 s at step {step}"


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"password": Secret("wrong")}, "Password rejected for user {user}"),
        ({"password": Secret("")}, "Password rejected for user {user}"),
        ({"database": "no_such_database"}, "Database no_such_database does not exist"),
        ({"host": "no-such-host.invalid"}, "Host name no-such-host.invalid is not known"),
        ({"sslmode": "verify-full"}, "TLS is required by verify-full but the server offers none"),
        ({"sslmode": "require"}, "TLS is required by require but the server offers none"),
    ],
)
async def test_a_failure_says_in_plain_words_what_to_change(fresh_database, probe_on, over, message):
    finding = await probe_on(fresh_database, **over).health(5)
    assert finding.checks[0].message == message.format(user=fresh_database.user)


async def test_a_role_without_a_free_slot_is_told_apart_from_a_dead_server(postgres, fresh_database, probe_on):
    postgres.execute("DROP ROLE IF EXISTS crowded")
    postgres.execute("CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0")
    finding = await probe_on(fresh_database, username="crowded", password=Secret("crowded")).health(5)
    postgres.execute("DROP ROLE crowded")
    assert finding.checks[0].message == "The server has no free connection slot"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"R" + b"\x00" * 40, b"R\xff\xff\xff\xff\xff", b""])
@pytest.mark.parametrize("sslmode", ["prefer", "disable"])
async def test_a_stranger_behind_the_port_is_a_finding_not_an_error(fresh_database, probe_on, listener, sslmode, answer):
    async def behave(reader, writer):
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        await reader.read(1 << 16)

    port = await listener(behave)
    finding = await probe_on(fresh_database, port=port, sslmode=sslmode).health(2)
    assert finding.checks[0].status is CheckStatus.FAIL
    assert finding.latency_ms is None


async def test_nothing_of_this_process_reaches_a_rogue_server(fresh_database, probe_on, listener, monkeypatch, tmp_path):
    heard = bytearray()

    async def rogue(reader, writer):
        while head := await reader.read(1 << 16):
            heard.extend(head)
            refuses_tls = head[4:8] == b"\x04\xd2\x16\x2f"
            writer.write(b"N" if refuses_tls else b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # AuthenticationCleartextPassword

    port = await listener(rogue)
    passfile, service = tmp_path / "pgpass", tmp_path / "service"
    passfile.write_text("*:*:*:*:FILESECRET\n")
    passfile.chmod(0o600)
    service.write_text("[rogue]\npassword=SERVICESECRET\nuser=serviceuser\n")
    for name, value in {
        "PGUSER": "envuser", "PGPASSWORD": "ENVSECRET", "PGDATABASE": "envdatabase", "PGHOST": "envhost", "PGPORT": "1",
        "PGPASSFILE": str(passfile), "PGSERVICE": "rogue", "PGSERVICEFILE": str(service), "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "primary",
        "PGAPPNAME": "envapp", "PGOPTIONS": "-c search_path=env", "PGKRBSRVNAME": "env",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    finding = await probe_on(fresh_database, port=port, username="given", password=Secret(""), database="given").health(0.5)
    assert finding.checks[0].status is CheckStatus.FAIL
    assert b"given" in heard
    for secret in (b"env", b"ENVSECRET", b"FILESECRET", b"SERVICESECRET", b"serviceuser"):
        assert secret not in heard


async def test_a_trial_goes_step_by_step(fresh_database, probe_on):
    report = await probe_on(fresh_database).test(5)
    assert report.ok
    assert [(step.name, step.ok) for step in report.steps] == [(name, True) for name in ("name", "TCP", "TLS", "sign in", "query")]
    assert report.steps[-1].message.startswith("PostgreSQL ")


@pytest.mark.parametrize(
    ("over", "steps"),
    [
        ({"host": "no-such-host.invalid"}, ["name"]),
        ({"port": 1}, ["name", "TCP"]),
        ({"sslmode": "verify-ca"}, ["name", "TCP", "TLS"]),
        ({"password": Secret("wrong")}, ["name", "TCP", "TLS", "sign in"]),
    ],
)
async def test_a_trial_stops_at_the_first_step_that_fails(fresh_database, probe_on, over, steps):
    report = await probe_on(fresh_database, **over).test(5)
    assert not report.ok
    assert [step.name for step in report.steps] == steps
    assert [step.ok for step in report.steps] == [True] * (len(steps) - 1) + [False]
    assert report.steps[-1].message
