"""The PgBouncer probe against a real one, and against listeners that misbehave."""

import asyncio
import struct

import asyncpg
import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer import PgBouncerProbe
from dashboard_app.backend.sources.probes.pgbouncer_checks import UNITS
from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.health import CheckStatus
from dashboard_app.model.secret import Secret
from tests.backend.sources.conftest import target, until
from tests.bouncer import STATS

pytestmark = pytest.mark.needs("pgbouncer")


@pytest.fixture
async def probe_of():
    probes = []

    def build(address, clock=None, **over) -> PgBouncerProbe:
        probes.append(PgBouncerProbe(target(address, **over), Resolver(), clock or SystemClock()))
        return probes[-1]

    yield build
    for probe in probes:
        await probe.close()


@pytest.fixture
async def through(postgres):
    """Opens sessions through a bouncer."""
    opened = []

    async def connect(bouncer) -> asyncpg.Connection:
        to = bouncer.address("spillway_test", postgres.address().user)
        opened.append(
            await asyncpg.connect(
                host=to.host,
                port=to.port,
                user=to.user,
                password=to.password.reveal(),
                database=to.database,
                ssl=False,
                statement_cache_size=0,
            )
        )
        return opened[-1]

    yield connect
    for connection in opened:
        connection.terminate()
    # a session that sleeps hears nothing of its client's end
    postgres.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = $1", "spillway_test")


def named(finding):
    return {check.name: check for check in finding.checks}


async def queue(connections) -> list[asyncio.Task]:
    """Each of `connections` holds or wants a server connection until the test lets go."""
    return [asyncio.create_task(connection.execute("SELECT pg_sleep(60)")) for connection in connections]


async def let_go(connections, tasks) -> None:
    for connection in connections:
        connection.terminate()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_idle_pgbouncer_passes_every_check_with_limit_and_unit(bouncer_for, probe_of):
    finding = await probe_of(bouncer_for().address()).health(5)
    assert {name: check.status for name, check in named(finding).items()} == dict.fromkeys(
        ["connect", "waiting_clients", "maxwait_s", "saturation_percent", "paused"], CheckStatus.PASS
    )
    assert finding.latency_ms > 0
    assert named(finding)["saturation_percent"].limit == "warns from 80 %, fails from 90 %"
    assert named(finding)["maxwait_s"].limit == "fails above 15 s"


async def test_one_connection_is_kept_and_closed_when_idle(bouncer_for, probe_of):
    bouncer = bouncer_for()
    probe, watcher = probe_of(bouncer.address()), probe_of(bouncer.address(user=STATS))
    for _ in range(3):
        await probe.health(5)
        await probe.metrics(5)
    assert (await watcher.picture(5)).clients == 2
    await probe.release(300)
    assert (await watcher.picture(5)).clients == 2
    await probe.release(0)

    async def it_is_gone() -> bool:
        return (await watcher.picture(5)).clients == 1

    await until(it_is_gone)
    assert (await probe.health(5)).latency_ms is not None


async def test_clients_that_wait_are_counted_and_the_full_pool_is_named(bouncer_for, probe_of, through):
    bouncer = bouncer_for(default_pool_size=2)
    probe = probe_of(bouncer.address())
    sessions = [await through(bouncer) for _ in range(4)]
    tasks = await queue(sessions)

    async def two_wait() -> bool:
        return named(await probe.health(5))["waiting_clients"].observed == 2

    await until(two_wait)
    found = named(await probe.health(5))
    assert found["waiting_clients"].message.startswith("2 clients wait for a server connection, the oldest for ")
    assert found["saturation_percent"].status is CheckStatus.FAIL
    assert found["saturation_percent"].message == "2 of 2 server connections busy in pool spillway_test / spillway"
    metrics = await probe.metrics(5)
    assert (metrics["clients_waiting"], metrics["clients_active"], metrics["servers_active"]) == (2, 2, 2)
    assert 0 < metrics["maxwait_s"] < 5
    assert metrics["saturation_percent"] == 100
    waiting = [client for client in await probe.clients(5) if client.wait_s > 0]
    assert [client.state for client in waiting] == ["waiting", "waiting"]
    await let_go(sessions, tasks)


async def test_a_queue_that_is_there_at_every_look_for_15_s_warns_though_each_client_waits_less(bouncer_for, probe_of, through):
    clock, bouncer = ManualClock(), bouncer_for(default_pool_size=1)
    probe = probe_of(bouncer.address(), clock)
    sessions = [await through(bouncer) for _ in range(2)]
    tasks = await queue(sessions)

    async def one_waits() -> bool:
        return named(await probe.health(5))["waiting_clients"].observed == 1

    await until(one_waits)
    await clock.advance(10)
    assert named(await probe.health(5))["waiting_clients"].status is CheckStatus.PASS
    await clock.advance(5)
    assert named(await probe.health(5))["waiting_clients"].status is CheckStatus.WARN
    await let_go(sessions, tasks)

    async def nobody_waits() -> bool:
        return named(await probe.health(5))["waiting_clients"].observed == 0

    await until(nobody_waits)
    sessions = [await through(bouncer) for _ in range(2)]
    tasks = await queue(sessions)
    await until(one_waits)
    assert named(await probe.health(5))["waiting_clients"].status is CheckStatus.PASS
    await let_go(sessions, tasks)


async def test_rates_are_those_of_the_time_between_and_end_with_a_restart(bouncer_for, probe_of, through):
    clock, bouncer = ManualClock(), bouncer_for()
    probe, client = probe_of(bouncer.address(), clock), await through(bouncer)
    first = await probe.metrics(5)
    assert not [name for name in first if name.endswith("_per_s")]
    assert set(first) <= set(UNITS)
    await client.execute("SELECT 1")
    await probe.metrics(5)
    for _ in range(20):
        await client.execute("SELECT 1")
    await clock.advance(10)
    found = await probe.metrics(5)
    assert found["queries_per_s"] == found["transactions_per_s"] == 2
    assert found["received_bytes_per_s"] > 20
    assert found["avg_wait_ms"] >= 0
    bouncer.stop()
    bouncer.start()
    await clock.advance(10)
    assert not [name for name in await probe.metrics(5) if name.endswith("_per_s")]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"password": Secret("wrong")}, "Password rejected for user pgb_admin"),
        ({"username": "nobody"}, "Password rejected for user nobody"),
        ({"username": "stranger"}, "User stranger is neither in admin_users nor in stats_users of this PgBouncer"),
        ({"port": 1}, "Connection refused: nothing listens at 127.0.0.1:1"),
        ({"sslmode": "require"}, "TLS is required by require but the server offers none"),
    ],
)
async def test_a_refusal_is_told_in_plain_words(bouncer_for, probe_of, over, words):
    finding = await probe_of(bouncer_for().address(), **over).health(5)
    assert [(check.name, check.status, check.message) for check in finding.checks] == [("connect", CheckStatus.FAIL, words)]
    assert finding.latency_ms is None


async def test_a_database_behind_it_is_no_console(bouncer_for, probe_of, postgres):
    to = bouncer_for().address("spillway_test", postgres.address().user)
    assert named(await probe_of(to).health(5))["connect"].message == "This is not PgBouncer's admin console"


async def test_a_stats_user_is_enough_to_look(bouncer_for, probe_of):
    probe = probe_of(bouncer_for().address(user=STATS))
    assert named(await probe.health(5))["connect"].status is CheckStatus.PASS
    assert (await probe.picture(5)).version.startswith("1.")


async def test_a_frozen_one_is_no_answer_within_the_limit(bouncer_for, probe_of):
    bouncer = bouncer_for()
    probe = probe_of(bouncer.address())
    await probe.health(5)
    with bouncer.frozen():
        async with asyncio.timeout(10):
            finding = await probe.health(0.5)
    assert finding.timed_out
    assert named(finding)["connect"].message == "No answer within 0.5 s at step TLS"
    assert named(await probe.health(5))["connect"].status is CheckStatus.PASS


async def test_its_end_is_seen_and_its_return_too(bouncer_for, probe_of):
    bouncer = bouncer_for()
    probe = probe_of(bouncer.address())
    await probe.health(5)
    bouncer.stop()
    assert named(await probe.health(5))["connect"].message.startswith("Connection refused")
    bouncer.start()
    assert named(await probe.health(5))["connect"].status is CheckStatus.PASS


async def test_a_trial_goes_step_by_step_and_says_which_version_answered(bouncer_for, probe_of):
    bouncer = bouncer_for()
    report = await probe_of(bouncer.address()).test(5)
    assert report.ok
    assert [step.name for step in report.steps] == ["name", "TCP", "TLS", "sign in", "query"]
    assert report.steps[-1].message.startswith("PgBouncer 1.")
    refused = await probe_of(bouncer.address(), password=Secret("wrong")).test(5)
    assert (refused.ok, refused.steps[-1].name) == (False, "sign in")


async def speak(writer, *messages: tuple[bytes, bytes]) -> None:
    for kind, body in messages:
        writer.write(kind + struct.pack("!i", len(body) + 4) + body)
    await writer.drain()


def stranger(answer):
    """Signs anybody in and answers each question with `answer`."""

    async def behave(reader, writer):
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            if length == 8:
                await reader.readexactly(4)
                writer.write(b"N")
                await writer.drain()
                continue
            await reader.readexactly(length - 4)
            break
        version = (b"S", b"server_version\x001.99.0/stranger\x00")
        await speak(writer, (b"R", struct.pack("!i", 0)), version, (b"K", struct.pack("!ii", 1, 2)), (b"Z", b"I"))
        while await reader.readexactly(5):
            writer.write(answer)
            await writer.drain()

    return behave


ANSWERS = {
    "a row without its columns": b"D" + struct.pack("!ih", 6, 0) + b"D" + struct.pack("!ihi", 10, 1, 4) + b"Z\x00\x00\x00\x05I",
    "a length that cannot be": b"D\x00\x00\x00\x01",
    "an answer without an end": b"N\x00\x10\x00\x04" + b"x" * 0x100000,
    "text that is no text": b"T" + struct.pack("!ih", 8, 1) + b"\xff\x00" + b"Z\x00\x00\x00\x05I",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_bytes_that_are_no_answer_end_the_connection_and_the_reading(listener, probe_of, answer, postgres):
    probe = probe_of(postgres.address(), port=await listener(stranger(answer)))
    async with asyncio.timeout(20):
        with pytest.raises(ProbeFailed):
            await probe.metrics(2)
