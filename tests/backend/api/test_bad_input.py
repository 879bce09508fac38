"""Whatever is sent, the answer is a problem document, never a server error, and nothing changes."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backend.api.fakes import ADMIN, World, client_of

GOOD = {"name": "orders", "kind": "postgresql", "host": "127.0.0.1", "port": 5432}
BAD_SOURCES: dict[str, Any] = {
    "a list": [],
    "a number": 5,
    "a string": "x",
    "nothing in it": {},
    "unknown field": {**GOOD, "colour": "red"},
    "null name": {**GOOD, "name": None},
    "empty name": {**GOOD, "name": ""},
    "blank name": {**GOOD, "name": "   "},
    "1 MB name": {**GOOD, "name": "n" * 1_000_000},
    "NUL in name": {**GOOD, "name": "a\0b"},
    "NUL in host": {**GOOD, "host": "a\0b"},
    "NUL in password": {**GOOD, "password": "a\0b"},
    "NUL in option": {**GOOD, "options": {"sslmode": "a\0b"}},
    "NUL in option name": {**GOOD, "options": {"a\0": "b"}},
    "NUL in tag": {**GOOD, "tags": ["a\0b"]},
    "new line in name": {**GOOD, "name": "a\nb"},
    "number for name": {**GOOD, "name": 5},
    "text for port": {**GOOD, "port": "5432"},
    "fraction for port": {**GOOD, "port": 1.5},
    "true for port": {**GOOD, "port": True},
    "port 0": {**GOOD, "port": 0},
    "port 65536": {**GOOD, "port": 65536},
    "huge port": {**GOOD, "port": 10**40},
    "null port": {**GOOD, "port": None},
    "unknown kind": {**GOOD, "kind": "oracle"},
    "null kind": {**GOOD, "kind": None},
    "text for enabled": {**GOOD, "enabled": "yes"},
    "number for enabled": {**GOOD, "enabled": 1},
    "null enabled": {**GOOD, "enabled": None},
    "text for tags": {**GOOD, "tags": "a"},
    "number in tags": {**GOOD, "tags": [1]},
    "too many tags": {**GOOD, "tags": [str(number) for number in range(51)]},
    "list for options": {**GOOD, "options": []},
    "number in options": {**GOOD, "options": {"a": 1}},
    "null options": {**GOOD, "options": None},
    "long unknown field": {**GOOD, "x" * 100_000: 1},
}
GOOD_RULE = {"name": "lag", "metric": "source.replication_lag_s", "limit": 30}
BAD_RULES: dict[str, Any] = {
    "a list": [],
    "unknown field": {**GOOD_RULE, "colour": "red"},
    "no limit": {"name": "lag", "metric": "pool.waiting"},
    "blank name": {**GOOD_RULE, "name": " "},
    "NUL in name": {**GOOD_RULE, "name": "a\0b"},
    "null name": {**GOOD_RULE, "name": None},
    "unknown metric": {**GOOD_RULE, "metric": "source.colour"},
    "metric with quotes": {**GOOD_RULE, "metric": "source.'; drop"},
    "null metric": {**GOOD_RULE, "metric": None},
    "unknown operator": {**GOOD_RULE, "operator": "=="},
    "text for limit": {**GOOD_RULE, "limit": "30"},
    "true for limit": {**GOOD_RULE, "limit": True},
    "null limit": {**GOOD_RULE, "limit": None},
    "huge limit": {**GOOD_RULE, "limit": 10**40},
    "huge whole limit": {**GOOD_RULE, "limit": 10**400},
    "recovers beyond the limit": {**GOOD_RULE, "recovers_at": 31},
    "percent over 100": {"name": "x", "metric": "pool.usage_percent", "limit": 101},
    "negative for": {**GOOD_RULE, "for_s": -1},
    "two days for": {**GOOD_RULE, "for_s": 172_800},
    "text for for": {**GOOD_RULE, "for_s": "60"},
    "unknown severity": {**GOOD_RULE, "severity": "panic"},
    "null severity": {**GOOD_RULE, "severity": None},
    "scope of the pool": {**GOOD_RULE, "scope": "pool"},
    "scope of nothing": {**GOOD_RULE, "scope": "host:x"},
    "number for scope": {**GOOD_RULE, "scope": 5},
    "text for enabled": {**GOOD_RULE, "enabled": "yes"},
}
BROKEN_JSON = {
    "cut off": b'{"name": "a"',
    "NaN": b'{"name": "a", "port": NaN}',
    "Infinity": b'{"port": Infinity}',
    "too large a number": b'{"port": 1e999}',
    "5,000 digits": b'{"port": ' + b"9" * 5000 + b"}",
    "lone surrogate": b'{"name": "\\ud800"}',
    "not UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "too deep": b"[" * 100_000,
    "deep and closed": b"[" * 5000 + b"]" * 5000,
    "only blanks": b"   ",
    "two values": b"{} {}",
    "comment": b"{/* */}",
    "control character": b'{"name": "a\nb"}',
}
BAD_QUERIES = [
    "/scan/data-sources?limit=0",
    "/scan/data-sources?limit=501",
    "/scan/data-sources?limit=x",
    "/scan/data-sources?limit=1.5",
    f"/scan/data-sources?limit={'9' * 5000}",
    "/scan/data-sources?offset=-1",
    "/scan/data-sources?offset=99999999999999999999",
    "/scan/data-sources?kind=oracle",
    "/scan/data-sources?status=fine",
    "/scan/data-sources?sort=colour",
    "/scan/data-sources?search=%00",
    "/scan/data-sources?tag=a%00",
    f"/scan/data-sources?search={'x' * 1000}",
    "/scan/data-sources?colour=red",
    "/scan/data-sources/health",
    "/scan/data-sources/health?ids=",
    "/scan/data-sources/health?ids=a",
    "/scan/data-sources/health?ids=1,,2",
    "/scan/data-sources/health?ids=-1",
    "/scan/data-sources/health?ids=0",
    "/scan/data-sources/health?ids=9999999999",
    "/scan/data-sources/health?ids=99999999999",
    "/scan/data-sources/stats?ids=" + ",".join(str(number) for number in range(1, 102)),
    "/scan/data-sources/1/history",
    "/scan/data-sources/1/history?metric=",
    "/scan/data-sources/1/history?metric=a;b",
    "/scan/data-sources/1/history?metric=a&points=0",
    "/scan/data-sources/1/history?metric=a&points=1001",
    "/scan/data-sources/1/history?metric=a&from=yesterday",
    "/scan/data-sources/1/history?metric=a&from=2026-01-01T00:00:00",
    "/scan/data-sources/1/history?metric=a&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    "/scan/data-sources/1/history?metric=a&from=2027-01-02T00:00:00Z",
    "/scan/data-sources/1/history?metric=a&from=9999-12-31T23:59:59-14:00",
    "/scan/data-sources/1/history?metric=a&from=0001-01-01T00:00:00%2B14:00",
    "/scan/data-sources/1/history?metric=a&from=99999999999999999999",
    "/api/v1/health/database/history?minutes=0",
    "/api/v1/health/database/history?minutes=61",
    "/api/v1/alerts?state=loud",
    "/api/v1/alerts?limit=0",
    "/api/v1/alerts?limit=501",
    "/api/v1/alerts?before=0",
    "/api/v1/alerts?before=99999999999999999999999",
    "/api/v1/alerts?colour=red",
    "/api/v1/audit?limit=0",
    "/api/v1/audit?limit=501",
    "/api/v1/audit?before=0",
    "/api/v1/audit?before=99999999999999999999999",
    "/api/v1/audit?actor=%00",
    "/api/v1/audit?from=x",
    "/api/v1/audit?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
]
JSON_TYPE = {"content-type": "application/json"}
BAD_IDS = ["0", "-1", "x", "1.5", "2147483648", "9" * 30, "9" * 5000, "%00", "1%00", "%F0%9F%92%A9", "1e3", "null", "99"]


def assert_problem(answer: httpx.Response, status: int, code: str = "") -> dict[str, Any]:
    """The answer is a complete problem document of `status`."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code"} <= set(said)
    assert said["status"] == status
    assert said["detail"]
    assert not code or said["code"] == code
    return said


@pytest.fixture(scope="module")
def built() -> World:
    """One API for the whole table: building it takes longer than asking it."""
    return World(demo=True)


@pytest.fixture
def world(built: World) -> World:
    """The same API as it was at its start."""
    built.reset()
    built.sources.add("own")
    return built


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [("POST", "/scan/data-sources", name) for name in BAD_SOURCES]
    + [("PATCH", "/scan/data-sources/1", name) for name in BAD_SOURCES if name != "nothing in it"],
)
async def test_a_bad_source_is_refused_with_a_reason_per_field(world, client, method, path, name):
    answer = await client.request(method, path, json=BAD_SOURCES[name])
    said = assert_problem(answer, 422, "invalid_input")
    assert all(set(one) == {"field", "message"} for one in said["errors"])
    assert len(answer.content) < 20_000
    assert [source.name for source in world.sources.all.values()] == ["own"]


@pytest.mark.parametrize("body", BROKEN_JSON.values(), ids=BROKEN_JSON)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/scan/data-sources"),
        ("POST", "/scan/data-sources/test"),
        ("PATCH", "/scan/data-sources/1"),
        ("POST", "/api/v1/health/database/force-cleanup"),
        ("POST", "/scan/data-sources/1/guard/force-cleanup"),
        ("POST", "/api/v1/alerts/3/silence"),
        ("POST", "/api/v1/alert-rules"),
        ("POST", "/api/v1/alert-rules/preview"),
        ("PATCH", "/api/v1/alert-rules/5"),
        ("POST", "/api/v1/drill/hold"),
        ("POST", "/api/v1/drill/burst"),
        ("POST", "/api/v1/drill/fail"),
        *(("POST", f"/scan/data-sources/1/pgbouncer/{act}") for act in ("pause", "resume", "reconnect", "kill-client")),
    ],
)
async def test_what_is_not_json_is_refused(world, client, method, path, body):
    answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
    said = assert_problem(answer, 422, "invalid_input")
    assert said["errors"][0]["field"] == "body"
    assert not world.guard.cleanups


@pytest.mark.parametrize("path", ["/api/v1/alert-rules", "/api/v1/alert-rules/preview"])
@pytest.mark.parametrize("name", BAD_RULES)
async def test_a_bad_rule_is_refused_with_a_reason_per_field(world, client, path, name):
    before = len(world.alerting.rules.known)
    said = assert_problem(await client.post(path, content=json.dumps(BAD_RULES[name]).encode(), headers=JSON_TYPE), 422, "invalid_input")
    assert all(set(one) == {"field", "message"} for one in said["errors"])
    assert len(world.alerting.rules.known) == before


@pytest.mark.parametrize("name", [name for name in BAD_RULES if name not in ("no limit", "percent over 100")])
async def test_a_bad_change_of_a_rule_is_refused(world, client, name):
    before = world.alerting.rules.known[5]
    answer = await client.patch("/api/v1/alert-rules/5", content=json.dumps(BAD_RULES[name]).encode(), headers=JSON_TYPE)
    assert_problem(answer, 422, "invalid_input")
    assert world.alerting.rules.known[5] is before


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: bad[:40])
async def test_an_id_that_is_none_is_no_alert_and_no_rule(client, bad):
    for method, path in (("POST", "alerts/{}/acknowledge"), ("DELETE", "alerts/{}/silence"), ("DELETE", "alert-rules/{}")):
        assert_problem(await client.request(method, f"/api/v1/{path.format(bad)}"), 404, "not_found")


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:90])
async def test_a_bad_query_is_refused(client, query):
    assert_problem(await client.get(query), 422, "invalid_input")


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: bad[:40])
@pytest.mark.parametrize("rest", ["", "/health", "/stats", "/history?metric=latency_ms", "/guard/status", "/guard/holders"])
async def test_an_id_that_is_none_is_unknown(client, bad, rest):
    assert_problem(await client.get(f"/scan/data-sources/{bad}{rest}"), 404, "not_found")


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: bad[:40])
async def test_an_id_that_is_none_can_neither_be_changed_nor_deleted(client, bad):
    assert_problem(await client.patch(f"/scan/data-sources/{bad}", json={"enabled": False}), 404, "not_found")
    assert_problem(await client.delete(f"/scan/data-sources/{bad}"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/health/database/force-cleanup", {"dry_run": None}),
        ("/api/v1/health/database/force-cleanup", {"dry_run": "yes"}),
        ("/api/v1/health/database/force-cleanup", {"dry": True}),
        ("/api/v1/health/database/force-cleanup", []),
        ("/scan/data-sources/1/guard/force-cleanup", {"dry_run": 1}),
        ("/scan/data-sources/1/guard/force-cleanup", {"dry": True}),
        ("/scan/data-sources/1/guard/force-cleanup", "x"),
        ("/api/v1/alerts/3/silence", {}),
        ("/api/v1/alerts/3/silence", {"until": None}),
        ("/api/v1/alerts/3/silence", {"until": 5}),
        ("/api/v1/alerts/3/silence", {"until": "soon"}),
        ("/api/v1/alerts/3/silence", {"until": "2027-01-01T00:00:00"}),
        ("/api/v1/alerts/3/silence", {"until": "2025-12-31T00:00:00Z"}),
        ("/api/v1/alerts/3/silence", {"until": "2027-01-01T00:00:00Z", "reason": None}),
        ("/api/v1/alerts/3/silence", {"until": "2027-01-01T00:00:00Z", "reason": "a\0b"}),
        ("/api/v1/alerts/3/silence", {"until": "2027-01-01T00:00:00Z", "reason": "x" * 201}),
        ("/api/v1/drill/hold", {"connections": -1}),
        ("/api/v1/drill/hold", {"connections": 1001}),
        ("/api/v1/drill/hold", {"connections": 1.5}),
        ("/api/v1/drill/hold", {"seconds": -1}),
        ("/api/v1/drill/hold", {"seconds": "5"}),
        ("/api/v1/drill/hold", {"kind": "nap"}),
        ("/api/v1/drill/burst", {"requests": 0}),
        ("/api/v1/drill/burst", {"requests": None}),
        ("/api/v1/drill/fail", {"seconds": 3601}),
        ("/api/v1/drill/fail", {"minutes": 1}),
    ],
)
async def test_a_bad_command_is_refused(client, path, body):
    assert_problem(await client.post(path, json=body), 422, "invalid_input")


async def test_what_was_sent_is_not_echoed(client):
    answer = await client.post("/scan/data-sources", json={**GOOD, "password": "hunter2\0", "port": "hunter3"})
    assert "hunter" not in answer.text


async def test_duplicate_keys_are_taken_as_the_last_one(client):
    body = b'{"name": "a", "name": "b", "kind": "postgresql", "host": "h", "port": 1}'
    answer = await client.post("/scan/data-sources", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert answer.json()["name"] == "b"


@pytest.mark.parametrize("length", [1_048_577, 5_000_000])
async def test_a_body_over_one_mebibyte_is_refused_announced_or_not(client, length):
    body = b" " * length
    headers = {"content-type": "application/json"}

    async def chunks():
        for start in range(0, length, 65_536):
            yield body[start : start + 65_536]

    assert_problem(await client.post("/scan/data-sources", content=body, headers=headers), 413, "too_large")
    assert_problem(await client.post("/scan/data-sources", content=chunks(), headers=headers), 413, "too_large")


async def test_a_body_that_lies_about_its_length_is_counted(world):
    lied = {"content-type": "application/json", "content-length": "9" * 400}
    async with client_of(world.app, ADMIN) as client:
        assert_problem(await client.post("/scan/data-sources", content=b"{}", headers=lied), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp"]
)
async def test_a_body_that_is_not_json_by_its_type_is_415(client, kind):
    for method, path in (("POST", "/scan/data-sources"), ("PATCH", "/scan/data-sources/1"), ("POST", "/api/v1/drill/hold")):
        answer = await client.request(method, path, content=json.dumps(GOOD).encode(), headers={"content-type": kind} if kind else {})
        assert_problem(answer, 415, "unsupported_media_type")


async def test_a_charset_beside_the_type_is_fine(client):
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await client.post("/scan/data-sources", content=json.dumps(GOOD).encode(), headers=headers)).status_code == 201


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/v1/jobs", "/api/v1/events", "/scan/", "/scan/data-sources/", "/scan/data-sources/1/x", "/docs/x", "/api//v1"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_path_is_a_404_document(client, method, path):
    assert_problem(await client.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("PUT", "/scan/data-sources/1", "DELETE, GET, PATCH"),
        ("DELETE", "/scan/data-sources", "GET, POST"),
        ("DELETE", "/scan/data-sources/health", "GET"),
        ("PUT", "/scan/data-sources/stats", "GET"),
        ("GET", "/scan/data-sources/test", "POST"),
        ("POST", "/api/v1/audit", "GET"),
        ("PUT", "/api/v1/alerts/1/silence", "DELETE, POST"),
        ("PUT", "/api/v1/alert-rules", "GET, POST"),
        ("GET", "/api/v1/health/database/force-cleanup", "POST"),
        ("BREW", "/api/v1/health/ping", "GET"),
        ("PATCH", "/metrics", "GET"),
    ],
)
async def test_an_unknown_method_is_a_405_document_that_names_the_others(client, method, path, known):
    answer = await client.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == known


@pytest.mark.parametrize(
    "query",
    [
        "/scan/data-sources?search=&kind=&status=&tag=&sort=&limit=50&offset=0",
        "/scan/data-sources?limit=&offset=",
        "/scan/data-sources/1/history?metric=latency_ms&from=&to=&points=300",
        "/api/v1/audit?actor=&action=&from=&to=&limit=&before=",
        "/api/v1/alerts?state=&limit=&before=",
    ],
)
async def test_an_empty_parameter_is_one_that_was_left_out(client, query):
    answer = await client.get(query)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("act", ["pause", "resume", "reconnect", "kill-client"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"database": ""},
        {"database": 5},
        {"database": "a\0b"},
        {"database": "x" * 201},
        {"confirm": None},
        {"confirm": ["own"]},
        {"client": ""},
        {"client": "7\n"},
        {"client": "7" * 41},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_bad_act_on_a_pgbouncer_is_a_422_and_nothing_is_done(world, client, act, wrong):
    good = {"resume": {}, "kill-client": {"client": "7", "confirm": "own"}}.get(act, {"confirm": "own"})
    assert_problem(await client.post(f"/scan/data-sources/1/pgbouncer/{act}", json={**good, **wrong}), 422, "invalid_input")
    assert world.poolers.acts == []
    assert (await client.post(f"/scan/data-sources/1/pgbouncer/{act}", json=good)).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name",
    "kind",
    "host",
    "port",
    "database",
    "username",
    "password",
    "options",
    "environment",
    "tags",
    "enabled",
    "id",
    "dry_run",
    "confirm",
    "client",
    "metric",
    "operator",
    "limit",
    "recovers_at",
    "for_s",
    "severity",
    "scope",
    "until",
    "reason",
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6) | JSON
CALLS = st.sampled_from(
    [
        ("POST", "/scan/data-sources"),
        ("POST", "/scan/data-sources/test"),
        ("PATCH", "/scan/data-sources/1"),
        ("POST", "/api/v1/health/database/force-cleanup"),
        ("POST", "/scan/data-sources/1/guard/force-cleanup"),
        ("POST", "/api/v1/alerts/3/silence"),
        ("POST", "/api/v1/alert-rules"),
        ("PATCH", "/api/v1/alert-rules/5"),
        ("POST", "/api/v1/drill/fail"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=CALLS, body=BODIES | st.tuples(BODIES).map(lambda one: {**GOOD, **one[0]} if isinstance(one[0], dict) else GOOD))
async def test_no_json_body_breaks_a_call(built, call, body):
    world = built
    world.reset()
    world.sources.add("own")
    async with world.client() as client:
        try:
            answer = await client.request(*call, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
        finally:
            await client.post("/api/v1/drill/fail", json={"seconds": 0})  # a drill that was asked for would outlive this test
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert_problem(answer, answer.status_code)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
async def test_no_bytes_break_a_call(built, body):
    async with built.client() as client:
        answer = await client.post("/scan/data-sources", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422)
