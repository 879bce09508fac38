"""The guard's calls, on a real pool."""

import asyncio

import pytest

from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.conftest import fill, until

BASE = "/api/v1/health/database"


async def test_status_has_the_contracts_shape(api):
    async with api.client(None) as client:
        said = (await client.get(f"{BASE}/status")).json()
    assert set(said) == {
        *("status", "usage_percent", "peak_usage_percent", "pool", "admission", "throttling_level", "emergency_mode_active"),
        *("circuit_breaker", "reasons", "last_cleanup_at", "forecast", "measured_at"),
    }
    assert said["pool"]["capacity"] == 30
    assert said["measured_at"].endswith("Z")


async def test_status_follows_a_checkout_at_once(api):
    async with api.client() as client:
        async with api.database.engine.connect():
            assert (await client.get(f"{BASE}/status")).json()["pool"]["checked_out"] == 1
        assert (await client.get(f"{BASE}/status")).json()["pool"]["checked_out"] == 0


async def test_throttling_config_is_304_while_nothing_changes(demo_api):
    async with demo_api.client() as client:
        first = await client.get(f"{BASE}/throttling-config")
        assert first.json()["throttling_level"] == "NORMAL"
        assert first.json()["ttl_s"] == 30
        tag = {"If-None-Match": first.headers["etag"]}
        again = await client.get(f"{BASE}/throttling-config", headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert (
            await client.get(f"{BASE}/throttling-config", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
        ).status_code == 304
        await fill(demo_api, client)
        after = await client.get(f"{BASE}/throttling-config", headers=tag)
        assert after.status_code == 200
        assert after.json()["throttling_level"] == "EMERGENCY"
        assert after.json()["version"] > first.json()["version"]


async def test_every_answer_carries_the_hint(api):
    async with api.client() as client:
        for path in ("/livez", "/scan/data-sources", "/scan/data-sources/99", "/nothing", f"{BASE}/status", "/metrics", "/docs"):
            assert (await client.get(path)).headers["x-throttle"].startswith("level=NORMAL; max=10; rpm=100; delay=100; version=")


async def test_the_connection_test_says_how_it_went(api):
    async with api.client(Role.VIEWER) as client:
        answers = await asyncio.gather(*(client.get(f"{BASE}/connection-test") for _ in range(5)))
    for answer in answers:
        said = answer.json()
        assert said["ok"]
        assert said["via"] == "pool"
        assert said["server_version"]
        assert said["latency_ms"] > 0


async def test_the_connection_test_itself_works_when_the_pool_does_not(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client)
        async with asyncio.timeout(4):
            answer = await client.get(f"{BASE}/connection-test")
    assert answer.status_code == 200
    assert answer.json()["ok"] is False
    assert answer.json()["error"]


@pytest.mark.parametrize("body", [None, {}, {"dry_run": False}])
async def test_a_cleanup_needs_no_body_and_never_cools_down(api, body):
    async with api.client() as client:
        for _ in range(2):
            await client.get("/scan/data-sources")
            said = (await client.post(f"{BASE}/force-cleanup", **({} if body is None else {"json": body}))).json()
            assert said["closed_idle"] == 1
            assert "victims" not in said
        rows = (await client.get("/api/v1/audit")).json()["items"]
    assert [row["action"] for row in rows] == ["pool.cleanup"] * 2


async def test_the_audit_of_a_cleanup_names_every_victim_what_it_cost_and_what_was_freed(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client)
        await until(lambda: all(one.suspected_leak for one in demo_api.guard.holders()))
        leaks = (await client.get(f"{BASE}/holders")).json()["items"]
        assert leaks[0]["stack"][0] == leaks[0]["call_site"]
        done = (await client.post(f"{BASE}/force-cleanup")).json()
        row = next(row for row in (await client.get("/api/v1/audit")).json()["items"] if row["action"] == "pool.cleanup")
        leaks_after = (await client.get(f"{BASE}/holders")).json()["leaks"]
        text = (await client.get("/metrics")).text
    noted = row["details"]
    assert noted["duration_ms"] == done["duration_ms"]
    assert (noted["before"]["checked_out"], noted["after"]["checked_out"], noted["freed"]) == (6, 0, 6)
    assert sorted(number for victim in noted["victims"] for number in victim["ids"]) == sorted(leak["id"] for leak in leaks)
    for victim in noted["victims"]:
        assert victim["action"] == "reclaim"
        assert victim["holder"].startswith("drill leak POST /api/v1/drill/hold dashboard_app.backend.drill.holds.Holds._hold:")
        assert victim["reason"].startswith("held for ")
    assert noted["held_s"] >= 0.3
    assert (leaks_after["found_total"], leaks_after["reclaimed_total"], len(leaks_after["recent"])) == (6, 6, 6)
    assert "spillway_pool_leaks_found_total 6.0" in text
    assert 'spillway_pool_leaks_ended_total{how="reclaimed"} 6.0' in text


async def test_a_dry_run_changes_nothing_and_leaves_no_row(api):
    async with api.client() as client:
        await client.get("/scan/data-sources")
        said = (await client.post(f"{BASE}/force-cleanup", json={"dry_run": True})).json()
        assert [victim["action"] for victim in said["victims"]] == ["close_idle"]
        assert said["usage_after_percent"] == 0
        assert api.guard.counts().idle == 1
        assert (await client.get("/api/v1/audit")).json()["items"] == []


async def test_history_is_the_last_hour(api):
    async with api.client(Role.OPERATOR) as client:
        said = (await client.get(f"{BASE}/history")).json()
        assert set(said) == {"points", "marks"}
        assert_problem(await client.get(f"{BASE}/history?minutes=1441"), 422)


async def test_health_says_that_the_database_is_connected(api):
    async with api.client(None) as client:
        said = (await client.get("/api/health")).json()
    assert (said["status"], said["database"]) == ("healthy", "connected")
    assert said["timestamp"].endswith("Z")


async def test_metrics_are_prometheus_text_with_few_labels(api):
    async with api.client(Role.VIEWER) as client:
        for number in range(1, 30):
            await client.get(f"/scan/data-sources/{number}")
            await client.get(f"/nothing/{number}")
        await client.get("/scan/data-sources/1/health")
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    assert 'spillway_pool_connections{state="capacity"} 30.0' in text
    assert 'spillway_throttling_level{level="NORMAL"} 1.0' in text
    assert "spillway_probes_total" in text
    assert 'route="/scan/data-sources/{source_id}",status="404"' in text
    assert "/scan/data-sources/7" not in text
    assert "/nothing" not in text
