"""The guard of a watched service through the API: who may what, what a failing service is, and who the audit names."""

import asyncio
from typing import Any

import pytest

from dashboard_app.backend.sources.probes import service
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem
from tests.backend.sources.probes.served_guard import TOKEN, served_guard
from tests.instance import free_port

PATH = "/scan/data-sources"


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Service and watcher run in this one process: on a busy machine both are late, and the limit of a look would measure that."""
    monkeypatch.setattr(service, "READ_LIMIT_S", 20.0)


def body(port: int, **over: Any) -> dict[str, Any]:
    return {"name": "orders-api", "kind": "service", "host": "127.0.0.1", "port": port, "password": TOKEN, **over}


async def registered(api, port: int, **over: Any) -> str:
    async with api.client() as client:
        made = await client.post(PATH, json=body(port, **over))
    assert made.status_code == 201, made.text
    return f"{PATH}/{made.json()['id']}"


async def test_a_service_is_registered_tried_and_watched_and_its_token_never_comes_back(api):
    async with served_guard(public_status=False) as served, api.client() as client:
        served.hold(9)
        tried = (await client.post(f"{PATH}/test", json=body(served.port))).json()
        assert [step["name"] for step in tried["steps"]] == ["name", "TCP", "status", "holders"]
        assert tried["ok"]
        made = await client.post(PATH, json=body(served.port, options={"sslmode": "disable"}))
        place = made.headers["location"]
        assert (made.json()["kind"], made.json()["username"], made.json()["database"]) == ("service", "", "")
        health = (await client.get(f"{place}/health")).json()
        assert (health["status"], health["message"]) == ("unhealthy", "9 of 10 in use, EMERGENCY")
        stats = (await client.get(f"{place}/stats")).json()
        assert (stats["metrics"]["checked_out"], stats["metrics"]["level"], stats["units"]["usage_percent"]) == (9, 3, "%")
        assert (await client.patch(place, json={"options": {"base_path": "/nowhere"}})).status_code == 200
        assert "no pool guard at /nowhere/api/v1" in (await client.get(f"{place}/health")).json()["message"]
        answers = [made.text, *[(await client.get(path)).text for path in (place, PATH, f"{place}/health", "/api/v1/audit")]]
    assert not any(TOKEN in text for text in answers)


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"username": "u"}, "username"),
        ({"database": "d"}, "database"),
        ({"password": "two words"}, "password"),
        ({"options": {"base_path": "x"}}, "options"),
        ({"options": {"tls": "true"}}, "options"),
        ({"host": "http://x"}, "host"),
    ],
)
async def test_what_a_service_cannot_have_is_a_422_that_names_the_field(api, over, field):
    async with api.client() as client:
        said = assert_problem(await client.post(PATH, json=body(8000, **over)), 422, "invalid_input")
    assert [one["field"] for one in said["errors"]] == [field]


async def test_a_stored_token_is_not_tried_as_a_password_of_another_kind(api):
    async with served_guard() as served, api.client() as client:
        number = int((await registered(api, served.port)).rpartition("/")[2])
        again = body(served.port, id=number, username="u") | {"kind": "postgresql"}
        del again["password"]
        said = assert_problem(await client.post(f"{PATH}/test", json=again), 422)
    assert said["errors"][0]["field"] == "password"


async def test_status_is_for_viewers_holders_for_operators_cleanup_for_admins(api):
    async with served_guard() as served:
        served.hold(2)
        place = await registered(api, served.port)
        calls = [("GET", "status"), ("GET", "holders"), ("POST", "force-cleanup")]
        for role, most in ((None, 0), (Role.VIEWER, 1), (Role.OPERATOR, 2), (Role.ADMIN, 3)):
            async with api.client(role) as client:
                for number, (method, call) in enumerate(calls):
                    answer = await client.request(method, f"{place}/guard/{call}")
                    if number < most:
                        assert answer.status_code == 200, (role, call)
                    else:
                        assert_problem(answer, 401 if role is None else 403)


async def test_the_status_is_the_contracts_shape_and_the_services_own(api):
    async with served_guard() as served, api.client(Role.OPERATOR) as client:
        served.hold(7)
        place = await registered(api, served.port)
        status = (await client.get(f"{place}/guard/status")).json()
        own = (await client.get("/api/v1/health/database/status")).json()
        assert set(status) == set(own)
        assert set(status["pool"]) == set(own["pool"])
        assert (status["pool"]["checked_out"], status["throttling_level"]) == (7, "MODERATE")
        holders = (await client.get(f"{place}/guard/holders")).json()
        assert len(holders["items"]) == 7
        assert ".Served.hold:" in holders["items"][0]["call_site"]


async def test_a_cleanup_is_dry_first_then_real_and_the_audit_names_the_person(api):
    async with served_guard(leak_threshold_s=0.01) as served, api.client() as client:
        served.hold(4)
        place = await registered(api, served.port)
        async with asyncio.timeout(30):
            while not all(holder.suspected_leak for holder in served.guard.holders()):  # noqa: ASYNC110 - time alone makes a leak
                await asyncio.sleep(0.01)
        dry = (await client.post(f"{place}/guard/force-cleanup", json={"dry_run": True})).json()
        assert ({victim["action"] for victim in dry["victims"]}, dry["reclaimed"]) == ({"reclaim"}, 4)
        assert served.guard.counts().checked_out == 4
        done = (await client.post(f"{place}/guard/force-cleanup")).json()
        assert (done["reclaimed"], done["after"]["checked_out"]) == (4, 0)
        rows = [row for row in (await client.get("/api/v1/audit")).json()["items"] if row["action"] == "pool.cleanup"]
    (row,) = rows
    assert (row["actor"], row["target"], row["result"]) == ("test admin", f"orders-api (source {place.rpartition('/')[2]})", "ok")
    assert row["details"] == {"closed_idle": 0, "reclaimed": 4, "terminated_backends": 0}


async def test_a_service_that_fails_is_a_502_with_a_reason_and_the_attempt_is_audited(api):
    place = await registered(api, 1)
    async with api.client() as client:
        for call in ("status", "holders"):
            said = assert_problem(await client.get(f"{place}/guard/{call}"), 502, "probe_failed")
            assert said["detail"] == "Connection refused: nothing listens at 127.0.0.1:1"
        assert_problem(await client.post(f"{place}/guard/force-cleanup"), 502, "probe_failed")
        rows = (await client.get("/api/v1/audit")).json()["items"]
    assert [(row["action"], row["result"]) for row in rows[:1]] == [("pool.cleanup", "probe_failed")]


async def test_a_token_that_is_refused_is_a_502_of_the_service_not_a_401_of_ours(api):
    async with served_guard() as served, api.client() as client:
        place = await registered(api, served.port, password="wrong")
        assert (await client.get(f"{place}/guard/status")).status_code == 200
        said = assert_problem(await client.get(f"{place}/guard/holders"), 502, "probe_failed")
    assert said["detail"] == "The service refuses this token (HTTP 401)"


async def test_other_kinds_have_no_guard_and_a_paused_service_is_left_alone(api):
    async with served_guard() as served, api.client() as client:
        assert_problem(await client.get(f"{PATH}/1/guard/status"), 404, "not_found")
        assert_problem(await client.post(f"{PATH}/1/guard/force-cleanup"), 404, "not_found")
        assert_problem(await client.get(f"{PATH}/99/guard/status"), 404, "not_found")
        place = await registered(api, served.port, enabled=False)
        for method, call in (("GET", "status"), ("GET", "holders"), ("POST", "force-cleanup")):
            assert_problem(await client.request(method, f"{place}/guard/{call}"), 409, "conflict")
        assert served.asked == []


async def test_a_dead_service_is_refused_at_once_by_its_breaker_until_its_probe_finds_it_back(api):
    place = await registered(api, free_port(), name="dead-api", options={"sslmode": "disable"})
    name = f"service:{place.rpartition('/')[2]}"
    async with api.client() as client, served_guard() as back:
        for _ in range(5):
            assert_problem(await client.get(f"{place}/guard/status"), 502, "probe_failed")
        for call in (client.get(f"{place}/guard/holders"), client.post(f"{place}/guard/force-cleanup")):
            refused = await call
            assert_problem(refused, 503, "breaker_open")
            assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert (await client.get(f"{place}/health")).json()["status"] == "unhealthy"
        assert (api.breakers[name].state, api.breakers[name].about) == (BreakerState.OPEN, "dead-api")
        assert (await client.patch(place, json={"port": back.port})).status_code == 200
        assert (await client.get(f"{place}/health")).json()["status"] == "healthy"
        assert api.breakers[name].state is BreakerState.CLOSED
        assert (await client.get(f"{place}/guard/status")).status_code == 200
        api.breakers[name].hold(BreakerState.FORCED_OPEN, by="Ana Ruiz", reason="it is being moved")
        api.parts.probing.outdate(int(place.rpartition("/")[2]))
        held = (await client.get(f"{place}/health")).json()
        assert (held["status"], "Ana Ruiz holds its breaker" in held["message"]) == ("unknown", True)
        assert (await client.delete(place)).status_code == 204
        await api.parts.probing.turn(sweep=False)
        assert name not in {breaker.name for breaker in api.breakers}
