"""The calls about data sources, on a real PostgreSQL."""

import pytest

from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem

PATH = "/scan/data-sources"


@pytest.fixture
def body(fresh_database):
    return {
        "name": "orders",
        "kind": "postgresql",
        "host": fresh_database.host,
        "port": fresh_database.port,
        "database": fresh_database.database,
        "username": fresh_database.user,
        "password": fresh_database.password.reveal(),
        "tags": ["a", "b"],
        "environment": "test",
    }


async def test_the_list_is_real_from_the_first_minute(api):
    async with api.client(Role.VIEWER) as client:
        said = (await client.get(PATH)).json()
    assert said["total"] == 1
    own = said["items"][0]
    assert own["id"] == 1
    assert own["health"] is None
    assert own["recent"] == ""


async def test_a_source_lives_its_life(api, body):
    async with api.client() as client:
        made = await client.post(PATH, json=body)
        assert made.status_code == 201
        source = made.json()
        place = made.headers["location"]
        assert set(source) == {
            *("id", "name", "kind", "host", "port", "database", "username", "options"),
            *("environment", "tags", "enabled", "created_at", "updated_at"),
        }
        assert source["created_at"].endswith("Z")
        assert (await client.get(place)).json() == source
        assert_problem(await client.post(PATH, json=body), 409, "conflict")
        changed = await client.patch(place, json={"name": "orders-2", "tags": []})
        assert changed.json() | {"updated_at": ""} == source | {"name": "orders-2", "tags": [], "updated_at": ""}
        health = (await client.get(f"{place}/health")).json()
        assert health["status"] in {"healthy", "degraded"}
        assert health["checks"][0]["name"] == "connect"
        assert (await client.get(f"{place}/stats")).json()["metrics"]["connections_max"] > 0
        many = (await client.get(f"{PATH}/health?ids=1,{source['id']},77")).json()["items"]
        assert [one["data_source_id"] for one in many] == [1, source["id"]]
        assert len((await client.get(f"{PATH}/stats?ids={source['id']},1")).json()["items"]) == 2
        listed = (await client.get(f"{PATH}?search=orders")).json()
        assert listed["items"][0]["health"]["status"] == health["status"]
        assert listed["items"][0]["recent"] in {"o", "w"}
        assert (await client.delete(place)).status_code == 204
        for path in (place, f"{place}/health", f"{place}/stats", f"{place}/history?metric=latency_ms"):
            assert_problem(await client.get(path), 404, "not_found")
        audit = (await client.get("/api/v1/audit")).json()["items"]
    assert [row["details"]["event"] for row in audit] == ["delete", "change", "create", "create"]
    assert [row["result"] for row in audit] == ["ok", "ok", "conflict", "ok"]
    assert audit[1]["details"]["after"] == {"name": "orders-2", "tags": []}


async def test_history_is_pairs_of_time_and_value(api):
    async with api.client(Role.VIEWER) as client:
        await client.get(f"{PATH}/1/health")
        await api.parts.recorder.flush()
        points = (await client.get(f"{PATH}/1/history?metric=latency_ms")).json()["points"]
        assert (await client.get(f"{PATH}/1/history?metric=nothing_such")).json() == {"points": []}
    assert len(points) == 1
    assert points[0][0] > 1_700_000_000_000


async def test_the_password_is_in_no_answer_and_no_audit_row(api, body):
    secret = "s3cret-and-long"
    async with api.client() as client:
        made = await client.post(PATH, json=body | {"password": secret})
        place = made.headers["location"]
        answers = [made, await client.get(place), await client.get(PATH), await client.get(f"{place}/health")]
        answers.append(await client.patch(place, json={"password": f"{secret}-2"}))
        answers.append(await client.post(f"{PATH}/test", json=body | {"password": secret}))
        answers.append(await client.get("/api/v1/audit"))
    assert all(secret not in answer.text for answer in answers)


async def test_settings_are_tried_without_being_saved(api, body):
    async with api.client() as client:
        good = (await client.post(f"{PATH}/test", json=body)).json()
        bad = (await client.post(f"{PATH}/test", json=body | {"database": "nothing_such"})).json()
        unnamed = (await client.post(f"{PATH}/test", json={name: value for name, value in body.items() if name != "name"})).json()
        assert (await client.get(PATH)).json()["total"] == 1
    assert good["ok"]
    assert unnamed["ok"]
    assert all(step["ok"] for step in good["steps"])
    assert not bad["ok"]
    assert not bad["steps"][-1]["ok"]


async def test_a_stored_password_is_tried_only_where_it_was_given_for(api, body):
    async with api.client() as client:
        number = (await client.post(PATH, json=body)).json()["id"]
        again = {name: value for name, value in body.items() if name != "password"} | {"id": number}
        assert (await client.post(f"{PATH}/test", json=again)).json()["ok"]
        elsewhere = await client.post(f"{PATH}/test", json=again | {"host": "192.0.2.1"})
    assert assert_problem(elsewhere, 422)["errors"][0]["field"] == "password"


async def test_a_kind_that_is_not_built_is_named_so(api, body):
    async with api.client() as client:
        assert_problem(await client.post(PATH, json=body | {"kind": "mysql"}), 422, "kind_not_supported")


async def test_the_built_in_source_stays_and_may_be_disabled(api):
    async with api.client() as client:
        assert_problem(await client.delete(f"{PATH}/1"), 409, "conflict")
        assert_problem(await client.patch(f"{PATH}/1", json={"host": "h"}), 409, "conflict")
        assert (await client.patch(f"{PATH}/1", json={"enabled": False})).json()["enabled"] is False


async def test_a_source_that_is_down_is_a_200(api, body):
    async with api.client() as client:
        number = (await client.post(PATH, json=body | {"port": 1, "name": "down"})).json()["id"]
        health = await client.get(f"{PATH}/{number}/health")
        stats = await client.get(f"{PATH}/{number}/stats")
    assert (health.status_code, health.json()["status"]) == (200, "unhealthy")
    assert (stats.status_code, stats.json()["metrics"]) == (200, {})


@pytest.mark.parametrize("limit", [1, 500])
async def test_a_name_is_kept_letter_by_letter(api, body, limit):
    name = "ö'\"; DROP TABLE data_sources; -- 🐘 %s"
    async with api.client() as client:
        await client.post(PATH, json=body | {"name": name})
        found = (await client.get(PATH, params={"search": name, "limit": limit})).json()["items"]
    assert [one["name"] for one in found] == [name]


async def test_with_the_database_stopped_reads_from_memory_go_on_and_the_list_is_503(api, postgres):
    async with api.client() as client:
        postgres.stop()
        answer = await client.get(PATH)
        assert_problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await client.get(f"{PATH}/1")).status_code == 200
        assert_problem(await client.post(PATH, json={"name": "n", "kind": "postgresql", "host": "h", "port": 1, "username": "u"}), 503)
        assert_problem(await client.get("/api/health"), 503, "service_unhealthy")
        assert (await client.get("/api/v1/health/ping")).status_code == 200
        assert (await client.get("/api/v1/health/database/status")).status_code == 200


async def test_a_source_may_not_point_where_a_cloud_keeps_credentials_however_it_is_spelled(api, body):
    async with api.client() as client:
        made = await client.post(PATH, json=body)
        for host in ("169.254.169.254", "0xa9fea9fe", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "224.0.0.1"):
            for answer in (
                await client.post(PATH, json=body | {"name": "other", "host": host}),
                await client.patch(made.headers["location"], json={"host": host}),
            ):
                error = assert_problem(answer, 422, "invalid_input")["errors"][0]
                assert error["field"] == "host"
                assert error["message"].startswith(f"{host} is ")
            tried = (await client.post(f"{PATH}/test", json=body | {"host": host})).json()
            assert (tried["ok"], [step["name"] for step in tried["steps"]]) == (False, ["name"])
            assert tried["steps"][0]["message"].startswith(f"Not connected: {host} is ")
