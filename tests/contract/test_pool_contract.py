"""The guard's calls, on a real pool."""

import asyncio

import pytest

from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.backend.api.fakes import client_of
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.conftest import fill, until
from tests.timing import within

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
        async with asyncio.timeout(15):
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


async def test_a_cleanup_that_the_console_asks_for_by_itself_is_audited_as_its_own_act(api):
    console = Principal(PrincipalKind.CONSOLE, "console", Role.ADMIN)
    async with client_of(api.door, console) as client:
        await client.post(f"{BASE}/force-cleanup")
    async with api.client() as client:
        (row,) = (await client.get("/api/v1/audit")).json()["items"]
    assert (row["actor"], row["action"], row["result"]) == ("console", "pool.cleanup", "ok")


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


async def test_performance_tells_times_and_errors_per_route_and_how_checkouts_were_served(demo_api):
    async with demo_api.client() as client:
        for number in range(1, 21):
            await client.get(f"/scan/data-sources/{number}")
        await client.post("/api/v1/drill/fail", json={"seconds": 30})
        for _ in range(5):
            assert (await client.get("/scan/data-sources")).status_code == 503
        await client.post("/api/v1/drill/fail", json={"seconds": 0})
        for _ in range(3):
            await client.get("/scan/data-sources")
    async with demo_api.client(Role.OPERATOR) as client:
        said = (await client.get(f"{BASE}/performance")).json()
    assert said["window_s"] == 900
    worst, *_ = said["routes"]
    rows = {row["route"]: row for row in said["routes"]}
    assert worst["errors"] == 5
    assert rows["GET /scan/data-sources/{source_id}"]["requests"] == 20
    assert rows["GET /scan/data-sources/{source_id}"]["errors"] == 0
    listed = rows["GET /scan/data-sources"]
    assert 0 < listed["p50_ms"] <= listed["p95_ms"] <= listed["p99_ms"] < 5000
    served = said["pool"]["since_start"]
    assert served["checkouts"] == served["idle"] + served["opened"] + served["waited"] >= 3
    assert served["opened"] >= 1
    assert served["idle_percent"] + served["opened_percent"] + served["waited_percent"] == pytest.approx(100, abs=0.2)


async def test_clients_that_name_themselves_are_judged_by_the_version_they_act_on(demo_api):
    async with demo_api.client() as client:
        told = (await client.get(f"{BASE}/throttling-config", headers={"X-Throttle-Client": "orders"})).json()["version"]
        for _ in range(4):
            await client.get("/scan/data-sources", headers={"X-Throttle-Client": f"orders; version={told}"})
        await client.get("/scan/data-sources", headers={"X-Throttle-Client": "no name!"})
        await fill(demo_api, client)
        await client.get("/scan/data-sources", headers={"X-Throttle-Client": "billing", "X-Throttle-Version": str(told)})
    async with demo_api.client(None) as anonymous:
        await anonymous.get(f"{BASE}/status", headers={"X-Throttle-Client": "stranger; version=1"})
    async with demo_api.client(Role.OPERATOR) as client:
        said = (await client.get(f"{BASE}/clients")).json()
    rows = {row["name"]: row for row in said["items"]}
    assert set(rows) == {"orders", "billing", "stranger"}
    assert (said["throttling_level"], said["is_binding"], said["ignored_total"]) == ("EMERGENCY", True, 1)
    assert (rows["orders"]["version"], rows["orders"]["follows"], rows["orders"]["requests_last_minute"]) == (told, "behind", 4)
    assert (rows["billing"]["follows"], rows["billing"]["config_age_s"]) == ("behind", None)
    assert [rows[name]["is_signed_in"] for name in ("orders", "stranger")] == [True, False]
    assert {row["allowed_per_minute"] for row in rows.values()} == {5}


async def test_sizing_says_when_there_is_too_little_and_then_the_smallest_that_is_enough(demo_api):
    async with demo_api.client(Role.OPERATOR) as client:
        said = (await client.get(f"{BASE}/sizing")).json()
        assert (said["is_judged"], said["recommended"], said["curve"]) == (False, None, [])
        assert "200 are needed" in said["note"]
        for _ in range(210):
            async with demo_api.database.engine.connect():
                pass
        demo_api.guard.insight._sized_at -= 10  # an answer is shared for 5 s
        said = (await client.get(f"{BASE}/sizing")).json()
    assert said["is_judged"]
    assert (said["recommended"], said["curve"][0]["connections"], said["limit_ms"]) == (5, 5, 50)
    assert said["capacity"] == 6
    assert said["note"].startswith("5 of the pool's 6 connections")


@pytest.mark.parametrize("call", ["performance", "clients", "sizing"])
async def test_what_is_measured_is_for_operators_and_needs_no_connection(demo_api, call):
    async with demo_api.client(Role.VIEWER) as viewer, demo_api.client(None) as nobody, demo_api.client() as admin:
        assert_problem(await viewer.get(f"{BASE}/{call}"), 403, "forbidden")
        assert_problem(await nobody.get(f"{BASE}/{call}"), 401, "not_signed_in")
        await fill(demo_api, admin)
        with within(1):
            assert (await admin.get(f"{BASE}/{call}")).status_code == 200


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
    assert 'spillway_http_request_duration_seconds_bucket{le="0.005",method="GET",route="none"}' in text
    assert 'spillway_pool_checkouts_total{served="idle"}' in text
    assert "spillway_pool_waits_given_up_total 0.0" in text
    assert 'spillway_throttle_clients{follows="current"} 0.0' in text
    assert 'spillway_job_updates_total{outcome="accepted"} 0.0' in text
    assert "spillway_events_lost_total 0.0" in text
    assert 'spillway_alerts_open{severity="critical"} 0.0' in text
    assert "spillway_event_streams 0.0" in text
    assert "/scan/data-sources/7" not in text
    assert "/nothing" not in text
