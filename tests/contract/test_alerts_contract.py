"""Alerts on the real guard, the real pool and a real PostgreSQL."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.conftest import fill, until

ALERTS, RULES, HOLD = "/api/v1/alerts", "/api/v1/alert-rules", "/api/v1/drill/hold"
CONTRACT = {
    "id", "rule", "severity", "source", "message", "opened_at", "resolved_at", "acknowledged_by", "silenced_until",
}  # fmt: skip
USAGE = [f"Pool usage from {limit} %" for limit in (90, 80, 70)]


async def told(client, **params):
    answer = await client.get(ALERTS, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def waited_for(client, claim, **params):
    """The alerts, as soon as `claim` of them is true."""
    async with asyncio.timeout(15):
        while not claim(found := await told(client, **params)):  # noqa: ASYNC110 - the claim is about another task, which set no event
            await asyncio.sleep(0.02)
    return found


def usage(items):
    return [item for item in items if item["rule"] in USAGE]


async def test_a_full_pool_opens_each_step_once_and_its_emptying_ends_each_once(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client, "query")
        found = usage(await waited_for(client, lambda items: len(usage(items)) == 3, state="open"))
        assert set(found[0]) >= CONTRACT
        assert [(item["rule"], item["severity"]) for item in found] == list(zip(USAGE, ("critical", "warning", "info"), strict=True))
        assert (found[0]["source"], found[0]["source_id"], found[0]["message"]) == ("pool", None, "Pool usage 100 %, at or above 90 %")
        assert [item["covered_by"] for item in found] == [None, found[0]["id"], found[0]["id"]]
        await client.post(HOLD, json={"connections": 0})
        await waited_for(client, lambda items: not usage(items), state="open")
        over = usage(await told(client))
        assert [item["rule"] for item in over] == USAGE
        assert all(item["resolved_at"] > item["opened_at"] for item in over)
        await until(lambda: demo_api.alerts.evaluator._book.waiting_count == 0)
    rows = await demo_api.alerts.evaluator._book._store.page(50)
    assert sorted(row.rule for row in rows if row.source_id == 0) == sorted(USAGE)


async def test_suspected_leaks_are_an_alert(demo_api):
    async with demo_api.client() as client:
        await client.post(HOLD, json={"connections": 1, "seconds": 60, "kind": "leak"})
        found = await waited_for(client, lambda items: items, state="firing")
        assert [(item["rule"], item["message"].partition(":")[0]) for item in found] == [("Suspected leaks", "1 suspected leak")]
        await client.post(HOLD, json={"connections": 0})


async def test_while_the_database_is_stopped_alerts_open_are_acknowledged_and_later_written_under_the_same_id(demo_api, postgres):
    async with demo_api.client(Role.OPERATOR) as client:
        postgres.stop()
        found = await waited_for(client, lambda items: [one for one in items if one["rule"] == "Database unreachable"], state="open")
        away = next(one for one in found if one["rule"] == "Database unreachable")
        assert away["message"] == "The database does not answer"
        answer = await client.post(f"{ALERTS}/{away['id']}/acknowledge")
        assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "test operator")
        assert [one["id"] for one in await told(client, state="acknowledged")] == [away["id"]]
        postgres.start()
        await waited_for(client, lambda items: away["id"] in [one["id"] for one in items], state="resolved")
        await until(lambda: demo_api.alerts.evaluator._book.waiting_count == 0, 20)
    rows = {row.id: row for row in await demo_api.alerts.evaluator._book._store.page(50)}
    assert (rows[away["id"]].acknowledged_by, rows[away["id"]].resolved_at is not None) == ("test operator", True)


async def test_an_alert_is_acknowledged_silenced_and_both_taken_back_with_a_row_in_the_audit_for_each(demo_api):
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with demo_api.client(Role.OPERATOR) as client, demo_api.client() as admin:
        await fill(demo_api, admin, "query")
        top = (await waited_for(client, lambda items: len(usage(items)) == 3))[0]
        path = f"{ALERTS}/{top['id']}"
        mine = (await client.post(f"{path}/acknowledge")).json()
        assert (mine["acknowledged_by"], mine["state"]) == ("test operator", "acknowledged")
        assert not usage(await told(client, state="firing"))
        silent = (await client.post(f"{path}/silence", json={"until": later, "reason": "deploy"})).json()
        assert (silent["state"], silent["silenced_until"], silent["silence_reason"]) == ("silenced", later, "deploy")
        assert len(usage(await told(client, state="SILENCED"))) == 3
        assert (await client.delete(f"{path}/silence")).json()["state"] == "acknowledged"
        assert (await client.delete(f"{path}/acknowledge")).json()["state"] == "firing"
        assert_problem(await client.post(f"{path}/silence", json={"until": "2020-01-01T00:00:00Z"}), 422, "invalid_input")
        assert_problem(await client.post(f"{ALERTS}/999999/acknowledge"), 404, "not_found")
        await admin.post(HOLD, json={"connections": 0})
        await waited_for(client, lambda items: not usage(items), state="open")
        assert_problem(await client.post(f"{path}/acknowledge"), 409, "conflict")
        rows = (await admin.get("/api/v1/audit?action=alerts.act")).json()["items"]
    done = [(row["details"]["event"], row["result"]) for row in reversed(rows)]
    assert done == [
        ("acknowledge", "ok"), ("silence", "ok"), ("unsilence", "ok"), ("unacknowledge", "ok"),
        ("silence", "invalid_input"), ("acknowledge", "not_found"), ("acknowledge", "conflict"),
    ]  # fmt: skip
    assert rows[-1]["target"] == f"Pool usage from 90 %, pool (alert {top['id']})"
    assert (rows[-2]["details"]["until"], rows[-2]["details"]["reason"]) == (later, "deploy")


async def test_a_viewer_looks_and_an_operator_does_not_edit_rules(demo_api):
    async with demo_api.client(Role.VIEWER) as viewer, demo_api.client(Role.OPERATOR) as operator:
        assert (await viewer.get(ALERTS)).status_code == 200
        assert_problem(await viewer.post(f"{ALERTS}/1/acknowledge"), 403, "forbidden")
        assert_problem(await operator.get(RULES), 403, "forbidden")
        assert_problem(await operator.post(f"{RULES}/preview", json={}), 403, "forbidden")


async def test_the_built_in_rules_are_there_and_can_be_changed_and_switched_off_but_not_deleted(api):
    async with api.client() as client:
        answer = (await client.get(RULES)).json()
        rules = {rule["name"]: rule for rule in answer["items"]}
        assert [(rules[name]["limit"], rules[name]["recovers_at"], rules[name]["severity"]) for name in USAGE] == [
            (90, 85, "critical"), (80, 75, "warning"), (70, 65, "info"),
        ]  # fmt: skip
        assert {name: rule["enabled"] for name, rule in rules.items()} == dict.fromkeys(rules, True) | {"Source degraded": False}
        assert {"pool.usage_percent", "source.status", "source.replication_lag_s"} <= {metric["name"] for metric in answer["metrics"]}
        path = f"{RULES}/{rules['Source degraded']['id']}"
        assert (await client.patch(path, json={"enabled": True, "severity": "warning"})).json()["enabled"] is True
        assert_problem(await client.delete(path), 409, "conflict")
        assert_problem(await client.patch(path, json={"name": "Suspected leaks"}), 409, "conflict")
        said = assert_problem(await client.patch(path, json={"limit": 5}), 422, "invalid_input")
        assert said["errors"] == [{"field": "limit", "message": "must be 1 (degraded) or 2 (unhealthy)"}]
        rows = (await client.get("/api/v1/audit?action=alert_rules.write")).json()["items"]
    assert [(row["result"], row["details"].get("before"), row["details"].get("after")) for row in rows] == [
        ("invalid_input", None, None),
        ("conflict", None, None),
        ("conflict", None, None),
        ("ok", {"enabled": False, "severity": "info"}, {"enabled": True, "severity": "warning"}),
    ]


async def test_a_rule_lives_its_life_and_its_alert_ends_with_it(api):
    rule = {"name": "Slow check", "metric": "source.latency_ms", "limit": 0, "operator": ">=", "scope": "id:1", "severity": "INFO"}
    async with api.client() as client:
        await client.get("/scan/data-sources/1/health")
        made = await client.post(RULES, json=rule)
        assert (made.status_code, made.headers["location"]) == (201, f"{RULES}/{made.json()['id']}")
        assert made.json() | {"recovers_at": 0, "for_s": 0, "enabled": True, "is_builtin": False, "severity": "info"} == made.json()
        found = await waited_for(client, lambda items: items, state="open")
        assert re.fullmatch(r".+: latency of the check [\d.]+ ms, at or above 0 ms", found[0]["message"])
        assert found[0]["source_id"] == 1
        assert (await client.delete(made.headers["location"])).status_code == 204
        await waited_for(client, lambda items: not items, state="open")
        assert [one["rule"] for one in await told(client, state="resolved")] == ["Slow check"]
        assert_problem(await client.delete(made.headers["location"]), 404, "not_found")


@pytest.mark.parametrize(
    ("rule", "fired"),
    [
        ({"metric": "source.status", "limit": 2, "recovers_at": 1}, 3),
        ({"metric": "source.latency_ms", "limit": 100, "scope": "id:1"}, 2),
        ({"metric": "source.latency_ms", "limit": 100, "scope": "tag:none"}, 0),
        ({"metric": "source.replication_lag_s", "limit": 30, "for_s": 60}, 1),
    ],
)
async def test_a_preview_counts_over_the_stored_samples_of_a_day(api, postgres, rule, fired):
    database = api.database.address().database
    postgres.execute(
        "INSERT INTO health_samples (source_id, checked_at, status, latency_ms)"
        " SELECT 1, now() - n * interval '10 min', CASE WHEN n % 3 = 0 THEN 'b' WHEN n % 3 = 1 THEN 'u' ELSE 'o' END, CASE WHEN n % 4 = 0 THEN 200 ELSE 5 END"
        " FROM generate_series(1, 9) n",
        database=database,
    )
    postgres.execute(
        "INSERT INTO metric_samples (source_id, collected_at, metrics)"
        " SELECT 1, now() - n * interval '10 min', jsonb_build_object('replication_lag_s', CASE WHEN n = 3 THEN 48 ELSE 0 END)"
        " FROM generate_series(1, 9) n",
        database=database,
    )
    async with api.client() as client:
        said = (await client.post(f"{RULES}/preview", json={"name": "x", **rule})).json()
        assert said["fired"] == fired
        assert [one["fired"] for one in said["by_source"]] == ([fired] if fired else [])
        assert await told(client) == []


async def test_a_level_and_a_health_change_are_logged_once_with_from_and_to(demo_api, caplog):
    caplog.set_level("INFO")
    async with demo_api.client() as client:
        made = await client.post(
            "/scan/data-sources", json={"name": "gone", "kind": "postgresql", "host": "127.0.0.1", "port": 1, "username": "u"}
        )
        for _ in range(2):
            await client.get(f"/scan/data-sources/{made.json()['id']}/health")
        await fill(demo_api, client, "query")
        await client.post(HOLD, json={"connections": 0})
        await until(lambda: demo_api.guard.hint().startswith("level=NORMAL"))
    changes = [(r.__dict__["from"], r.to) for r in caplog.records if r.name == "spillway.guard" and "throttling level" in r.message]
    assert changes[0][0] == changes[-1][1] == "NORMAL"
    assert all(before[1] == after[0] for before, after in pairwise(changes))
    health = [(r.__dict__["from"], r.to, r.source) for r in caplog.records if r.message.startswith("source gone")]
    assert health == [("unknown", "unhealthy", "gone")]
