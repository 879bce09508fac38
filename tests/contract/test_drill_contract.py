"""The drill: real load on the demo's own pool."""

import pytest

from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.conftest import fill, until
from tests.timing import within

HOLD, BURST, FAIL = (f"/api/v1/drill/{name}" for name in ("hold", "burst", "fail"))
STATUS = "/api/v1/health/database/status"


@pytest.mark.parametrize("path", [HOLD, BURST, FAIL])
async def test_outside_the_demo_there_is_no_drill(api, path):
    async with api.client() as client:
        assert_problem(await client.post(path, json={}), 404, "not_found")
        assert not [known for known in (await client.get("/openapi.json")).json()["paths"] if "drill" in known]


@pytest.mark.parametrize(("kind", "state"), [("leak", "idle"), ("idle_in_transaction", "idle_in_transaction"), ("query", "query")])
async def test_a_hold_takes_connections_past_admission_and_gives_them_back(demo_api, kind, state):
    async with demo_api.client() as client:
        await fill(demo_api, client, kind, 5)
        holders = (await client.get("/api/v1/health/database/holders")).json()["items"]
        assert [one["state"] for one in holders] == [state] * 5
        assert {one["task"] for one in holders} == {f"drill {kind}"}
        assert (await client.post(HOLD, json={"connections": 0})).json() == {"held": 0}
        await until(lambda: demo_api.guard.counts().checked_out == 0)
        assert (await client.post(HOLD, json={"connections": 1, "seconds": 0.3, "kind": kind})).json() == {"held": 1}
        await until(lambda: demo_api.guard.counts().checked_out == 0)


async def test_a_hold_waits_a_second_at_most_and_says_how_many_it_got(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client, count=6)
        with within(3):
            assert (await client.post(HOLD, json={"connections": 4, "seconds": 30, "kind": "leak"})).json() == {"held": 0}
        assert (await client.post(HOLD, json={"connections": 0})).json() == {"held": 0}
        await fill(demo_api, client, count=4)
        said = (await client.post(HOLD, json={"connections": 4, "seconds": 30, "kind": "leak"})).json()
        assert said == {"held": demo_api.guard.counts().checked_out - 4}
        await fill(demo_api, client)
        assert (await client.get(STATUS)).json()["throttling_level"] == "EMERGENCY"
        refused = await client.get("/scan/data-sources")
        assert_problem(refused, 503, "database_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert "level=EMERGENCY" in refused.headers["x-throttle"]
        assert (await client.post(HOLD, json={"connections": 0})).json() == {"held": 0}
        await until(lambda: demo_api.guard.counts().checked_out == 0)
        assert (await client.get("/scan/data-sources")).status_code == 200


@pytest.mark.parametrize("kind", ["leak", "idle_in_transaction"])
async def test_a_cleanup_takes_a_hold_back_and_the_hold_ends_quietly(demo_api, kind, caplog):
    async with demo_api.client() as client:
        await fill(demo_api, client, kind)
        await until(lambda: all(one.suspected_leak for one in demo_api.guard.holders()))
        plan = (await client.post("/api/v1/health/database/force-cleanup", json={"dry_run": True})).json()
        assert len(plan["victims"]) == 6
        assert demo_api.guard.counts().checked_out == 6
        done = (await client.post("/api/v1/health/database/force-cleanup")).json()
        assert done["reclaimed"] + done["terminated_backends"] == 6
        assert demo_api.guard.counts().checked_out == 0
        assert (await client.get("/scan/data-sources")).status_code == 200
        await client.post(HOLD, json={"connections": 0})
        assert demo_api.app.state.holds.count == 0
        audit = (await client.get("/api/v1/audit?action=pool.cleanup")).json()["items"]
    assert [row["result"] for row in audit] == ["ok"]
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


async def test_a_running_query_is_left_alone_and_ended_at_shutdown(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client, "query", 2)
        await client.post("/api/v1/health/database/force-cleanup")
        assert demo_api.guard.counts().checked_out == 2
    assert await demo_api.app.state.holds.release() == 2
    await until(lambda: demo_api.guard.counts().checked_out == 0)


async def test_a_burst_is_sent_at_once_and_counted(demo_api):
    async with demo_api.client() as client:
        said = (await client.post(BURST, json={"requests": 40})).json()
        assert said["requests"] == 40
        assert sum(said["answers"].values()) == 40
        assert said["answers"]["200"] >= 3
        await fill(demo_api, client)
        assert (await client.post(BURST, json={"requests": 10})).json()["answers"] == {"503": 10}


async def test_fail_answers_503_to_every_source_call_and_to_nothing_else(demo_api):
    async with demo_api.client() as client:
        assert (await client.post(FAIL, json={"seconds": 60})).json() == {"seconds": 60}
        for path in ("/scan/data-sources", "/scan/data-sources/1/health", "/scan/data-sources/stats?ids=1"):
            answer = await client.get(path)
            assert_problem(answer, 503, "drill")
            assert int(answer.headers["retry-after"]) <= 60
        assert (await client.get(STATUS)).status_code == 200
        await client.post(FAIL, json={"seconds": 0})
        assert (await client.get("/scan/data-sources")).status_code == 200


async def test_a_drill_needs_an_admin_and_is_audited(demo_api):
    async with demo_api.client(Role.OPERATOR) as operator, demo_api.client() as admin:
        for path in (HOLD, BURST, FAIL):
            assert_problem(await operator.post(path, json={}), 403, "forbidden")
        await admin.post(FAIL, json={"seconds": 0})
        rows = (await admin.get("/api/v1/audit?action=drill.run")).json()["items"]
    assert [(row["target"], row["actor"]) for row in rows] == [("fail", "test admin")]
