"""A whole instance whose DATABASE_URL goes through a real PgBouncer in transaction mode."""

import asyncio
import json

import httpx
import pytest
from sqlalchemy import text

from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from tests.bouncer import ADMIN, PASSWORD
from tests.conftest import wait_until
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, running, url_of

pytestmark = pytest.mark.needs("pgbouncer")
DATABASE = "/api/v1/health/database"


@pytest.fixture
def pooled(bouncer_for, fresh_database):
    """A bouncer before a database of the test's own, and the two addresses of that."""
    bouncer = bouncer_for(default_pool_size=40, max_client_conn=200, server_lifetime=1)
    return bouncer, bouncer.address(fresh_database.database, fresh_database.user), fresh_database


def test_the_whole_app_runs_through_a_transaction_pooler(pooled, postgres, tmp_path):
    bouncer, through, direct = pooled
    settings = {
        "database_url": url_of(through),
        "database_direct_url": url_of(direct),
        "demo": "true",
        "log_format": "json",
        "leak_threshold_s": 0.3,
        "health_refetch_s": 3,
        "health_stale_s": 1,
    }
    with running(tmp_path / "data", **settings) as instance, instance.client() as client:
        signed_in = httpx.post(f"{instance.url}/login", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, verify=PLAIN)
        assert signed_in.status_code in {302, 303}, signed_in.text
        with httpx.Client(base_url=instance.url, cookies=signed_in.cookies, verify=PLAIN) as page:
            assert page.get("/").status_code == 200
        wait_until(lambda: client.get("/scan/data-sources").json()["total"] >= 20, 60)
        assert {client.get("/scan/data-sources?search=demo&limit=500").status_code for _ in range(30)} == {200}
        assert client.get("/scan/data-sources/1/health").json()["status"] in {"healthy", "degraded"}
        status = client.get(f"{DATABASE}/status").json()
        assert (status["status"], status["throttling_level"]) == ("healthy", "NORMAL")
        assert client.get(f"{DATABASE}/connection-test").json()["ok"]
        assert client.get("/api/health").json()["database"] == "connected"
        named = {
            row[0] for row in postgres.execute("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = $1", direct.database)
        }
        assert {"spillway", "spillway-control"} & named

        pools = _own_pooler(client, bouncer.port)
        assert [pool["mode"] for pool in pools["pools"] if pool["database"] == direct.database] == ["transaction"]

        held = client.post("/api/v1/drill/hold", json={"connections": 6, "seconds": 60, "kind": "idle_in_transaction"}).json()
        assert held == {"held": 6}
        wait_until(lambda: len([one for one in _holders(client) if one["suspected_leak"]]) == 6)
        plan = client.post(f"{DATABASE}/force-cleanup", json={"dry_run": True}).json()
        assert {victim["action"] for victim in plan["victims"] if victim["action"] != "close_idle"} == {"reclaim"}
        assert "none is terminated" in plan["note"]
        done = client.post(f"{DATABASE}/force-cleanup").json()
        assert (done["terminated_backends"], done["reclaimed"]) == (0, 6)
        assert "none is terminated" in done["note"]
        stuck = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state LIKE 'idle in transaction%'"
        wait_until(lambda: postgres.execute(stuck, direct.database)[0][0] == 0)
        assert {client.get("/scan/data-sources").status_code for _ in range(20)} == {200}
        audited = client.get("/api/v1/audit?action=pool.cleanup").json()["items"]
        assert audited
        assert "pooler" in instance.cli("doctor")
    lines = instance.log.read_text().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    asked_for = ("reclaim of checkout ", "suspected leak")  # the alert about them opens when the drill is held for a second
    by_others = ("the event loop ",)  # what else this machine does may hold it up
    known = (*asked_for, *by_others)
    troubles = [one["event"] for one in told if one["level"] != "info" and not any(words in one["event"] for words in known)]
    assert troubles == []
    assert "prepared statement" not in instance.log.read_text()
    assert "prepared statement" not in bouncer.log()


def _holders(client):
    return client.get(f"{DATABASE}/holders").json()["items"]


def _own_pooler(client, port):
    """The pools of the bouncer that the app itself goes through, registered as a source."""
    body = {"name": "own-pooler", "kind": "pgbouncer", "host": "127.0.0.1", "port": port, "username": ADMIN, "password": PASSWORD}
    source = client.post("/scan/data-sources", json=body).json()
    return client.get(f"/scan/data-sources/{source['id']}/pgbouncer/pools").json()


async def test_without_a_direct_address_a_pooler_is_found_out_and_nothing_is_migrated(pooled, settings_for, postgres):
    _, through, direct = pooled
    database = Database(lambda: through, settings_for())
    with pytest.raises(
        DatabaseUnavailable, match="SPILLWAY_DATABASE_URL goes through a connection pooler: set SPILLWAY_DATABASE_DIRECT_URL"
    ):
        await migrate(database)
    await database.close()
    wrong = Database(lambda: through, settings_for(database_url=url_of(through), database_direct_url=url_of(through)))
    with pytest.raises(DatabaseUnavailable, match="SPILLWAY_DATABASE_DIRECT_URL goes through"):
        await migrate(wrong)
    await wrong.close()
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=direct.database)[0][0] == 0


async def test_statements_with_values_find_their_session_though_every_transaction_may_have_another(
    pooled, settings_for, bouncer_for, postgres
):
    """Two server connections for eight clients: a statement prepared in one session would be looked for in the other."""
    _, _, direct = pooled
    narrow = bouncer_for(default_pool_size=2, server_round_robin=1)
    through = narrow.address(direct.database, direct.user)
    database = Database(lambda: through, settings_for(database_url=url_of(through), database_direct_url=url_of(direct)))

    async def ask(number: int) -> int:
        async with database.engine.connect() as connection:
            return int(
                await connection.scalar(
                    text("SELECT CAST(:number AS integer) + length(CAST(:word AS text))"), {"number": number, "word": "x"}
                )
            )

    for _ in range(20):
        assert await asyncio.gather(*(ask(number) for number in range(8))) == list(range(1, 9))
    await database.close()
