"""A source that is a PgBouncer, over the API on the real services: pools, clients, and the four acts."""

import asyncio
import struct

import asyncpg
import pytest

from dashboard_app.backend.sources.poolers import Poolers
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import DeadlinePassed
from dashboard_app.model.pooler import PoolerAct
from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem
from tests.backend.sources.conftest import listener  # noqa: F401 - a fixture
from tests.bouncer import ADMIN, PASSWORD, STATS

pytestmark = pytest.mark.needs("pgbouncer")
NAME = "orders-pooler"


@pytest.fixture
async def client(api):
    async with api.client() as opened:
        yield opened


async def register(client, port: int, **over) -> str:
    """The path of a new PgBouncer source."""
    body = {"name": NAME, "kind": "pgbouncer", "host": "127.0.0.1", "port": port, "username": ADMIN, "password": PASSWORD, **over}
    made = await client.post("/scan/data-sources", json=body)
    assert made.status_code == 201, made.text
    return f"/scan/data-sources/{made.json()['id']}/pgbouncer"


@pytest.fixture
async def through(api):
    """Opens sessions on the app's own database through a bouncer."""
    opened = []

    async def connect(bouncer) -> asyncpg.Connection:
        own = api.database.address()
        to = bouncer.address(own.database, own.user)
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


def of_database(pools, name):
    return next(one for one in pools["databases"] if one["name"] == name)


async def last_audit(client) -> dict:
    return (await client.get("/api/v1/audit", params={"action": "pooler.act", "limit": 1})).json()["items"][0]


async def test_pools_databases_and_health_of_a_real_one(api, client, bouncer_for, through):
    bouncer = bouncer_for(default_pool_size=5)
    session = await through(bouncer)
    await session.execute("SELECT 1")
    path = await register(client, bouncer.port)
    async with api.client(Role.VIEWER) as viewer:
        pools = (await viewer.get(f"{path}/pools")).json()
    own = api.database.address()
    (pool,) = pools["pools"]
    assert (pool["database"], pool["user"], pool["mode"], pool["size"]) == (own.database, own.user, "transaction", 5)
    assert (pool["clients_active"], pool["clients_waiting"], pool["maxwait_s"]) == (1, 0, 0)
    assert of_database(pools, own.database) == {
        "name": own.database,
        "paused": False,
        "disabled": False,
        "pool_size": 5,
        "max_connections": None,
    }
    assert (pools["clients_max"], pools["version"][:2]) == (100, "1.")
    source = path.removesuffix("/pgbouncer")
    health = (await client.get(f"{source}/health")).json()
    assert (health["status"], [check["name"] for check in health["checks"]]) == (
        "healthy",
        ["connect", "waiting_clients", "maxwait_s", "saturation_percent", "paused"],
    )
    stats = (await client.get(f"{source}/stats")).json()
    assert stats["metrics"]["clients_active"] == 1
    assert set(stats["units"]) == set(stats["metrics"])


async def test_clients_are_listed_for_operators_without_those_of_the_console(api, client, bouncer_for, through):
    bouncer = bouncer_for()
    await through(bouncer)
    path = await register(client, bouncer.port)
    async with api.client(Role.OPERATOR) as operator:
        listed = (await operator.get(f"{path}/clients")).json()
    assert (listed["total"], [item["user"] for item in listed["items"]]) == (1, [api.database.address().user])
    async with api.client(Role.VIEWER) as viewer:
        assert_problem(await viewer.get(f"{path}/clients"), 403, "forbidden")


async def test_pause_holds_clients_back_resume_lets_them_go_and_both_are_audited(api, client, bouncer_for, through):
    bouncer, database = bouncer_for(), api.database.address().database
    session = await through(bouncer)
    await session.execute("SELECT 1")
    path = await register(client, bouncer.port)
    assert not of_database((await client.get(f"{path}/pools")).json(), database)["paused"]
    done = (await client.post(f"{path}/pause", json={"database": database, "confirm": NAME})).json()
    assert done["command"] == f'PAUSE "{database}"'
    assert of_database(done["after"], database)["paused"]
    assert of_database((await client.get(f"{path}/pools")).json(), database)["paused"], "a reading from before is not shared any more"
    assert (await client.get(f"{path.removesuffix('/pgbouncer')}/health")).json()["status"] == "degraded"
    waiting = asyncio.create_task(session.execute("SELECT 2"))
    _, pending = await asyncio.wait({waiting}, timeout=0.3)
    assert pending
    row = await last_audit(client)
    assert (row["result"], row["target"].split(" (")[0], row["details"]["event"]) == ("ok", NAME, "pause")
    assert row["details"]["command"] == f'PAUSE "{database}"'
    resumed = await client.post(f"{path}/resume", json={"database": database})
    assert not of_database(resumed.json()["after"], database)["paused"]
    assert await asyncio.wait_for(waiting, 5) == "SELECT 1"
    assert_problem(await client.post(f"{path}/resume", json={"database": database}), 409, "conflict")
    assert (await last_audit(client))["result"] == "conflict"


async def test_all_of_it_is_paused_and_resumed_without_a_body(client, bouncer_for):
    path = await register(client, bouncer_for().port)
    assert (await client.post(f"{path}/pause", json={"confirm": NAME})).json()["command"] == "PAUSE"
    assert (await client.post(f"{path}/resume")).json()["command"] == "RESUME"
    assert_problem(await client.post(f"{path}/resume"), 409, "conflict")


async def test_a_pause_that_a_transaction_holds_up_is_taken_back(api, client, bouncer_for, through):
    bouncer, database = bouncer_for(), api.database.address().database
    session = await through(bouncer)
    path = await register(client, bouncer.port)
    await session.execute("BEGIN")
    await session.execute("SELECT 1")
    number = int(path.split("/")[3])
    hurried = Poolers(api.parts.sources, api.parts.probing, SystemClock(), Resolver(), act_limit_s=0.5)
    for named in (database, None):
        with pytest.raises(DeadlinePassed, match="It was taken back, clients go on"):
            await hurried.act(number, PoolerAct.PAUSE, database=named)
        assert not of_database((await client.get(f"{path}/pools")).json(), database)["paused"]
        await session.execute("SELECT 1")
    await session.execute("COMMIT")
    assert await asyncio.wait_for((await through(bouncer)).execute("SELECT 1"), 5) == "SELECT 1"


async def test_reconnect_gives_new_server_connections(api, client, bouncer_for, through):
    bouncer = bouncer_for()
    session = await through(bouncer)
    before = await session.fetchval("SELECT pg_backend_pid()")
    path = await register(client, bouncer.port)
    done = await client.post(f"{path}/reconnect", json={"database": api.database.address().database, "confirm": NAME})
    assert done.status_code == 200
    assert await session.fetchval("SELECT pg_backend_pid()") != before
    assert (await client.post(f"{path}/reconnect", json={"confirm": NAME})).json()["command"] == "RECONNECT"


@pytest.mark.parametrize("act", ["pause", "reconnect"])
async def test_without_the_name_typed_nothing_is_done_and_that_is_audited(api, client, bouncer_for, act):
    path = await register(client, bouncer_for().port)
    for confirm in ("", "orders", NAME.upper()):
        assert_problem(await client.post(f"{path}/{act}", json={"confirm": confirm}), 422, "invalid_input")
        assert (await last_audit(client))["result"] == "invalid_input"
    assert_problem(await client.post(f"{path}/{act}", json={}), 422, "invalid_input")
    assert_problem(await client.post(f"{path}/kill-client", json={"client": "1", "confirm": "x"}), 422, "invalid_input")


@pytest.mark.parametrize("name", ["nowhere", "pgbouncer", 'a"; SHUTDOWN; --', "a b"])
async def test_a_database_that_is_not_in_its_catalogue_is_not_found_and_not_made(client, bouncer_for, name):
    bouncer = bouncer_for()
    path = await register(client, bouncer.port)
    for act in ("pause", "resume", "reconnect"):
        body = {"database": name} | ({} if act == "resume" else {"confirm": NAME})
        assert_problem(await client.post(f"{path}/{act}", json=body), 404, "not_found")
    assert (await client.get(f"{path}/pools")).json()["databases"] == []


async def test_a_client_cannot_be_ended_alone_by_a_version_that_has_no_such_command(client, bouncer_for, through):
    bouncer = bouncer_for()
    await through(bouncer)
    path = await register(client, bouncer.port)
    listed = (await client.get(f"{path}/clients")).json()
    killed = await client.post(f"{path}/kill-client", json={"client": listed["items"][0]["id"] or "1", "confirm": NAME})
    if listed["can_kill"]:
        assert killed.status_code == 200
        return
    assert_problem(killed, 409, "not_supported_by_server")


async def test_a_stats_user_may_look_and_is_told_why_it_may_not_act(client, bouncer_for):
    path = await register(client, bouncer_for().port, username=STATS)
    assert (await client.get(f"{path}/pools")).status_code == 200
    refused = await client.post(f"{path}/pause", json={"confirm": NAME})
    assert_problem(refused, 409, "conflict")
    assert "admin_users" in refused.json()["detail"]


async def test_acts_need_an_admin_and_pools_a_viewer(api, client, bouncer_for):
    path = await register(client, bouncer_for().port)
    for act in ("pause", "resume", "reconnect", "kill-client"):
        async with api.client(Role.OPERATOR) as operator:
            assert_problem(await operator.post(f"{path}/{act}", json={}), 403, "forbidden")
        async with api.client(None) as nobody:
            assert_problem(await nobody.post(f"{path}/{act}", json={}), 401, "not_signed_in")
            assert_problem(await nobody.get(f"{path}/pools"), 401, "not_signed_in")


async def test_another_kind_is_a_conflict_with_its_own_code_and_an_unknown_source_is_not_found(client):
    for method, call, body in (
        ("GET", "pools", None),
        ("GET", "clients", None),
        ("POST", "resume", None),
        ("POST", "pause", {"confirm": "spillway"}),
        ("POST", "reconnect", {"confirm": "spillway"}),
        ("POST", "kill-client", {"client": "1", "confirm": "spillway"}),
    ):
        assert_problem(await client.request(method, f"/scan/data-sources/1/pgbouncer/{call}", json=body), 409, "wrong_kind")
        assert_problem(await client.request(method, f"/scan/data-sources/999/pgbouncer/{call}", json=body), 404, "not_found")


async def test_one_that_is_down_is_a_502_with_the_reason_and_a_paused_source_is_left_alone(client, bouncer_for):
    bouncer = bouncer_for()
    path = await register(client, bouncer.port)
    bouncer.stop()
    down = await client.get(f"{path}/pools")
    assert_problem(down, 502, "probe_failed")
    assert "Connection refused" in down.json()["detail"]
    assert_problem(await client.post(f"{path}/reconnect", json={"confirm": NAME}), 502, "probe_failed")
    await client.patch(path.removesuffix("/pgbouncer"), json={"enabled": False})
    assert_problem(await client.get(f"{path}/pools"), 409, "conflict")


async def test_the_database_of_a_pgbouncer_is_its_console(client):
    body = {"name": NAME, "kind": "pgbouncer", "host": "127.0.0.1", "port": 6432, "username": ADMIN, "database": "orders"}
    assert_problem(await client.post("/scan/data-sources", json=body), 422, "invalid_input")
    assert (await client.post("/scan/data-sources", json=body | {"database": "pgbouncer"})).status_code == 201


def newer(asked: list[str]):
    """Speaks as a PgBouncer that gives clients an id and ends one by it. Debian's cannot, so its words are pretended here."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def rows(names: list[str], *values: list[str]) -> bytes:
        head = struct.pack("!h", len(names)) + b"".join(name.encode() + b"\0" + b"\0" * 18 for name in names)
        data = b"".join(
            message(b"D", struct.pack("!h", len(row)) + b"".join(struct.pack("!i", len(cell)) + cell.encode() for cell in row))
            for row in values
        )
        return message(b"T", head) + data

    tables = {
        "SHOW CLIENTS": rows(["id", "database", "user"], ["7f", "orders", "app"], ["8a", "pgbouncer", "admin"]),
        "SHOW STATE": rows(["key", "value"], ["active", "yes"], ["paused", "yes"], ["suspended", "no"]),
        "SHOW POOLS": rows(["database", "user"]),
        "SHOW DATABASES": rows(["name"]),
        "SHOW LISTS": rows(["list", "items"]),
        "SHOW CONFIG": rows(["key", "value"]),
    }

    async def behave(reader, writer):
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            await reader.readexactly(length - 4)
            if length != 8:
                break
            writer.write(b"N")
        writer.write(message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\x001.25.0/bouncer\x00"))
        writer.write(message(b"K", struct.pack("!ii", 1, 2)) + message(b"Z", b"I"))
        while True:
            kind, length = struct.unpack("!ci", await reader.readexactly(5))
            query = (await reader.readexactly(length - 4)).rstrip(b"\0").decode()
            if kind != b"Q":
                return
            asked.append(query)
            writer.write(tables.get(query, b"") + message(b"C", query.split()[0].encode() + b"\0") + message(b"Z", b"I"))
            await writer.drain()

    return behave


async def test_a_newer_one_ends_the_client_with_the_id_from_its_own_list(client, listener):  # noqa: F811 - the fixture
    asked: list[str] = []
    path = await register(client, await listener(newer(asked)))
    listed = (await client.get(f"{path}/clients")).json()
    assert (listed["can_kill"], [item["id"] for item in listed["items"]]) == (True, ["7f"])
    done = await client.post(f"{path}/kill-client", json={"client": "7f", "confirm": NAME})
    assert (done.json()["command"], done.json()["after"]["paused"]) == ("KILL_CLIENT 7f", True)
    row = await last_audit(client)
    assert (row["details"]["client"], row["result"]) == ("7f", "ok")
    for gone in ("8a", "7", "7f; SHUTDOWN"):
        assert_problem(await client.post(f"{path}/kill-client", json={"client": gone, "confirm": NAME}), 404, "not_found")
    assert [query for query in asked if not query.startswith("SHOW")] == ["KILL_CLIENT 7f"]
