"""Jobs over the API, on a real PostgreSQL and a real journal."""

import itertools
import json
from typing import Any

from dashboard_app.model.user import Role
from tests.backend.api.test_bad_input import assert_problem

JSON = {"content-type": "application/json"}
STATS = {
    "accepted_total",
    "written_total",
    "superseded_total",
    "queued",
    "dead_letter_total",
    "batches_total",
    "checkouts_total",
    "fallbacks_total",
    "last_batch",
    "journal_bytes",
}


async def made(client, count=3, kind="thumbnail", payload=None):
    answer = await client.post("/api/v1/jobs", json={"jobs": [{"kind": kind, "payload": payload or {"n": n}} for n in range(count)]})
    assert answer.status_code == 201, answer.text
    return answer.json()["ids"]


async def ledger(client):
    stats = (await client.get("/api/v1/jobs/status/stats")).json()
    assert stats["accepted_total"] == stats["written_total"] + stats["superseded_total"] + stats["queued"] + stats["dead_letter_total"]
    return stats


async def test_jobs_are_made_in_order_and_listed_newest_first_by_key(api):
    async with api.client(Role.OPERATOR) as client:
        ids = await made(client, 5)
        assert ids == sorted(ids)
        first = (await client.get("/api/v1/jobs", params={"limit": 2})).json()["items"]
        assert [job["id"] for job in first] == ids[:2:-1]
        assert first[0].keys() == {"id", "kind", "status", "error_message", "payload", "created_at", "updated_at"}
        assert (first[0]["kind"], first[0]["status"], first[0]["payload"], first[0]["error_message"]) == (
            "thumbnail",
            "pending",
            {"n": 4},
            None,
        )
        assert first[0]["created_at"].endswith("Z")
        rest = (await client.get("/api/v1/jobs", params={"limit": 500, "before": first[-1]["id"]})).json()["items"]
        assert [job["id"] for job in rest] == ids[2::-1]
        assert (await client.get("/api/v1/jobs", params={"kind": "other"})).json() == {"items": []}
        assert len((await client.get("/api/v1/jobs", params={"status": "pending", "kind": "thumbnail"})).json()["items"]) == 5
        assert (await client.get("/api/v1/jobs/counts")).json() == {"by_status": {"pending": 5}, "is_estimate": False}


async def test_a_number_of_hundreds_of_digits_comes_back_as_it_was_sent(api):
    payload = {"huge": -2.81765248283533e251, "long": 12345678901234567890123, "exact": 9007199254740993}
    async with api.client(Role.OPERATOR) as client:
        assert (await client.post("/api/v1/jobs", json={"jobs": [{"kind": "x", "payload": payload}]})).status_code == 201
        found = await client.get("/api/v1/jobs")
        assert (found.status_code, found.json()["items"][0]["payload"]) == (200, payload | {"long": 1.2345678901234568e22})


async def test_a_status_is_accepted_then_flushed_and_the_last_one_wins(api):
    async with api.client(Role.OPERATOR) as client:
        (job_id,) = await made(client, 1)
        for body in ({"status": "processing"}, {"status": "error", "error_message": "no such file"}):
            answer = await client.patch(f"/api/v1/jobs/{job_id}/status", json=body)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
        flushed = await client.post("/api/v1/jobs/status/flush")
        assert flushed.status_code == 200
        assert flushed.json()["flushed"] <= 2
        (job,) = (await client.get("/api/v1/jobs")).json()["items"]
        assert (job["status"], job["error_message"]) == ("error", "no such file")
        stats = await ledger(client)
        assert stats.keys() >= STATS
        assert (stats["accepted_total"], stats["queued"]) == (2, 0)
        await client.patch(f"/api/v1/jobs/{job_id}/status", json={"status": "pending"})
        await client.post("/api/v1/jobs/status/flush")
        (job,) = (await client.get("/api/v1/jobs")).json()["items"]
        assert (job["status"], job["error_message"]) == ("pending", None)


async def test_in_a_bulk_call_each_update_is_judged_by_itself(api):
    async with api.client(Role.OPERATOR) as client:
        ids = await made(client, 3)
        updates = [
            {"job_id": ids[0], "status": "completed"},
            {"job_id": "1", "status": "completed"},
            {"job_id": 2**63, "status": "completed"},
            {"job_id": -1, "status": "completed"},
            {"job_id": ids[1], "status": "done"},
            {"job_id": ids[1], "status": "error", "error_message": "a\x00b"},
            {"job_id": ids[1], "status": "error", "error_message": "x" * 65_537},
            {"job_id": ids[1], "status": "error", "error_message": "\ud800"},
            {"job_id": ids[1], "status": "error", "extra": 1},
            {"job_id": ids[1]},
            None,
            {"job_id": ids[2], "status": "error", "error_message": "ä" * 32_768},
        ]
        answer = await client.post(
            "/api/v1/jobs/status", content=json.dumps({"updates": updates}), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 202
        told = answer.json()
        assert told["accepted"] == 2
        assert [(one["index"], one["code"]) for one in told["rejected"]] == [
            (1, "invalid_job_id"),
            (2, "invalid_job_id"),
            (3, "invalid_job_id"),
            (4, "unknown_status"),
            (5, "invalid_error_message"),
            (6, "error_message_too_long"),
            (7, "invalid_error_message"),
            (8, "unknown_field"),
            (9, "unknown_status"),
            (10, "invalid_update"),
        ]
        await client.post("/api/v1/jobs/status/flush")
        jobs = {job["id"]: job for job in (await client.get("/api/v1/jobs")).json()["items"]}
        assert (jobs[ids[0]]["status"], jobs[ids[1]]["status"], len(jobs[ids[2]]["error_message"])) == ("completed", "pending", 32_768)
        await ledger(client)


async def test_a_bulk_body_that_is_no_list_of_updates_is_refused_whole(api):
    async with api.client(Role.OPERATOR) as client:
        for content in (b"", b"[]", b"null", b'{"updates": {}}', b'{"updates": [], "x": 1}', b"{", b'{"updates": [NaN]}'):
            answer = await client.post("/api/v1/jobs/status", content=content, headers={"content-type": "application/json"})
            assert_problem(answer, 422, "invalid_input")


async def test_unknown_jobs_become_dead_letters_that_can_be_retried_and_deleted(api):
    async with api.client(Role.OPERATOR) as client:
        (job_id,) = await made(client, 1)
        assert (await client.patch("/api/v1/jobs/999999/status", json={"status": "error", "error_message": "why"})).status_code == 202
        assert (await client.patch(f"/api/v1/jobs/{job_id}/status", json={"status": "completed"})).status_code == 202
        await client.post("/api/v1/jobs/status/flush")
        (letter,) = (await client.get("/api/v1/jobs/dead-letters")).json()["items"]
        assert (letter["job_id"], letter["status"], letter["error_message"]) == (999_999, "error", "why")
        assert (letter["code"], letter["reason"]) == ("unknown_job", "Job 999999 does not exist")
        assert (await ledger(client))["dead_letter_total"] == 1
        assert (await client.post(f"/api/v1/jobs/dead-letters/{letter['id']}/retry")).status_code == 202
        await client.post("/api/v1/jobs/status/flush")
        (again,) = (await client.get("/api/v1/jobs/dead-letters")).json()["items"]
        assert again["id"] != letter["id"]
        assert (await client.delete(f"/api/v1/jobs/dead-letters/{again['id']}")).status_code == 204
        assert_problem(await client.delete(f"/api/v1/jobs/dead-letters/{again['id']}"), 404, "not_found")
        assert_problem(await client.post(f"/api/v1/jobs/dead-letters/{again['id']}/retry"), 404, "not_found")
        await ledger(client)
    async with api.client() as admin:
        rows = (await admin.get("/api/v1/audit", params={"action": "jobs.dead_letters"})).json()["items"]
        assert [row["details"]["act"] for row in rows if row["result"] == "ok"] == ["discard", "retry"]


BAD: list[tuple[str, str, Any, int]] = [
    ("POST", "/api/v1/jobs", {"jobs": []}, 422),
    ("POST", "/api/v1/jobs", {"jobs": [{"kind": "", "payload": {}}]}, 422),
    ("POST", "/api/v1/jobs", {"jobs": [{"kind": "k", "payload": 7}]}, 422),
    ("POST", "/api/v1/jobs", {"jobs": [{"kind": "k", "payload": {"a": "b\x00"}}]}, 422),
    ("POST", "/api/v1/jobs", {"jobs": [{"kind": "k"}] * 10_001}, 422),
    ("POST", "/api/v1/jobs", {"jobs": [{"kind": "k", "extra": 1}]}, 422),
    ("PATCH", "/api/v1/jobs/1/status", {"status": "done"}, 422),
    ("PATCH", "/api/v1/jobs/1/status", {"status": None}, 422),
    ("PATCH", "/api/v1/jobs/1/status", {"status": "error", "error_message": "x" * 65_537}, 422),
    ("PATCH", "/api/v1/jobs/1/status", {"status": "error", "error_message": "\x00"}, 422),
    ("PATCH", "/api/v1/jobs/0/status", {"status": "error"}, 404),
    ("PATCH", f"/api/v1/jobs/{2**63}/status", {"status": "error"}, 404),
    ("PATCH", "/api/v1/jobs/abc/status", {"status": "error"}, 404),
    ("GET", "/api/v1/jobs?status=done", None, 422),
    ("GET", "/api/v1/jobs?limit=501", None, 422),
    ("GET", "/api/v1/jobs?before=0", None, 422),
    ("GET", "/api/v1/jobs/dead-letters?limit=0", None, 422),
]


async def test_bad_input_is_named(api):
    async with api.client(Role.OPERATOR) as client:
        for method, path, body, status in BAD:
            assert_problem(await client.request(method, path, json=body), status)


async def test_ten_thousand_jobs_are_made_at_once(api):
    async with api.client(Role.OPERATOR) as client:
        ids = await made(client, 10_000, payload={"x": 1})
        assert len(set(ids)) == 10_000


async def test_while_the_database_is_away_updates_are_accepted_and_written_when_it_is_back(api, postgres):
    async with api.client(Role.OPERATOR) as client:
        ids = await made(client, 2)
        with postgres.frozen():
            answer = await client.patch(f"/api/v1/jobs/{ids[0]}/status", json={"status": "completed"})
            assert answer.status_code == 202
            assert (await ledger(client))["queued"] == 1
        flushed = await client.post("/api/v1/jobs/status/flush")
        assert flushed.status_code in (200, 503)
        while (await ledger(client))["queued"]:
            await client.post("/api/v1/jobs/status/flush")
        jobs = {job["id"]: job["status"] for job in (await client.get("/api/v1/jobs")).json()["items"]}
        assert jobs == {ids[0]: "completed", ids[1]: "pending"}


async def test_the_past_is_told_in_steps_oldest_first(api):
    async with api.client(Role.VIEWER) as client:
        past = (await client.get("/api/v1/jobs/status/history")).json()
    times = [point[0] for point in past["points"]]
    assert times == sorted(times)
    assert {later - earlier for earlier, later in itertools.pairwise(times)} <= {past["step_s"] * 1000 + n for n in (-1, 0, 1)}


async def test_one_in_a_hundred_is_spoiled_and_all_others_are_written(api):
    async with api.client(Role.OPERATOR) as client:
        ids = await made(client, 200, kind="poisoned")
        kinds = [
            {"job_id": 10**15, "status": "error"},
            {"job_id": ids[0], "status": "finished"},
            {"job_id": ids[0], "status": "error", "error_message": "a\x00b"},
            {"job_id": ids[0], "status": "error", "error_message": "\ud800"},
            {"job_id": ids[0], "status": "error", "error_message": "x" * 1_000_000},
            {"job_id": -1, "status": "error"},
        ]
        updates = [{"job_id": ids[n % 200], "status": "completed", "error_message": str(n)} for n in range(600)]
        for number, bad in enumerate(kinds):
            updates[number * 100 + 50] = bad
        answer = await client.post("/api/v1/jobs/status", content=json.dumps({"updates": updates}), headers=JSON)
        assert answer.json() == {
            "accepted": 595,
            "rejected": [
                {"index": 150, "code": "unknown_status"},
                {"index": 250, "code": "invalid_error_message"},
                {"index": 350, "code": "invalid_error_message"},
                {"index": 450, "code": "error_message_too_long"},
                {"index": 550, "code": "invalid_job_id"},
            ],
        }
        await client.post("/api/v1/jobs/status/flush")
        jobs = (await client.get("/api/v1/jobs", params={"kind": "poisoned", "limit": 500})).json()["items"]
        last = {ids[n % 200]: str(n) for n in range(600) if n % 100 != 50}
        assert {job["id"]: job["error_message"] for job in jobs} == dict.fromkeys(ids) | last
        letters = (await client.get("/api/v1/jobs/dead-letters")).json()["items"]
        assert [(letter["job_id"], letter["code"]) for letter in letters if letter["job_id"] == 10**15] == [(10**15, "unknown_job")]
        await ledger(client)
