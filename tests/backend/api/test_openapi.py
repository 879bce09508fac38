"""The description is complete and true: nothing unbuilt, and every answer has the shape it is said to have."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from dashboard_app.backend.api.app import is_api_path
from dashboard_app.backend.api.limits import MAX_BODY_BYTES, MAX_BULK_BODY_BYTES
from dashboard_app.backend.api.values import LARGEST_ID
from dashboard_app.policy.permission import ACTIONS
from tests.backend.api.fakes import World

BUILT = {
    ("get", "/api/v1/health/ping"),
    ("get", "/api/health"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/api/v1/health/database/status"),
    ("get", "/api/v1/health/database/throttling-config"),
    ("get", "/api/v1/health/database/connection-test"),
    ("get", "/api/v1/health/database/holders"),
    ("get", "/api/v1/health/database/history"),
    ("get", "/api/v1/health/database/performance"),
    ("get", "/api/v1/health/database/clients"),
    ("get", "/api/v1/health/database/sizing"),
    ("post", "/api/v1/health/database/force-cleanup"),
    ("get", "/scan/data-sources"),
    ("post", "/scan/data-sources"),
    ("post", "/scan/data-sources/test"),
    ("get", "/scan/data-sources/health"),
    ("get", "/scan/data-sources/stats"),
    ("get", "/scan/data-sources/{source_id}"),
    ("patch", "/scan/data-sources/{source_id}"),
    ("delete", "/scan/data-sources/{source_id}"),
    ("get", "/scan/data-sources/{source_id}/health"),
    ("get", "/scan/data-sources/{source_id}/stats"),
    ("get", "/scan/data-sources/{source_id}/history"),
    ("get", "/scan/data-sources/{source_id}/timeline"),
    ("get", "/scan/data-sources/{source_id}/guard/status"),
    ("get", "/scan/data-sources/{source_id}/guard/holders"),
    ("post", "/scan/data-sources/{source_id}/guard/force-cleanup"),
    ("get", "/scan/data-sources/{source_id}/pgbouncer/pools"),
    ("get", "/scan/data-sources/{source_id}/pgbouncer/clients"),
    *(("post", f"/scan/data-sources/{{source_id}}/pgbouncer/{act}") for act in ("pause", "resume", "reconnect", "kill-client")),
    ("get", "/api/v1/audit"),
    ("get", "/api/v1/audit.csv"),
    ("get", "/api/v1/audit/chain"),
    ("get", "/api/v1/alerts"),
    ("post", "/api/v1/alerts/{alert_id}/acknowledge"),
    ("delete", "/api/v1/alerts/{alert_id}/acknowledge"),
    ("post", "/api/v1/alerts/{alert_id}/silence"),
    ("delete", "/api/v1/alerts/{alert_id}/silence"),
    ("get", "/api/v1/alert-rules"),
    ("post", "/api/v1/alert-rules"),
    ("post", "/api/v1/alert-rules/preview"),
    ("patch", "/api/v1/alert-rules/{rule_id}"),
    ("delete", "/api/v1/alert-rules/{rule_id}"),
    ("get", "/metrics"),
}
DRILL = {("post", f"/api/v1/drill/{name}") for name in ("hold", "burst", "fail")}
RULE = {"name": "waiting", "metric": "pool.waiting", "limit": 5}
SOURCE = {"name": "orders", "kind": "postgresql", "host": "127.0.0.1", "port": 5432, "username": "u"}
REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/scan/data-sources"): {"json": SOURCE},
    ("post", "/scan/data-sources/test"): {"json": SOURCE},
    ("patch", "/scan/data-sources/{source_id}"): {"json": {"enabled": True}},
    ("post", "/scan/data-sources/{source_id}/pgbouncer/pause"): {"json": {"database": "orders", "confirm": "own"}},
    ("post", "/scan/data-sources/{source_id}/pgbouncer/reconnect"): {"json": {"confirm": "own"}},
    ("post", "/scan/data-sources/{source_id}/pgbouncer/kill-client"): {"json": {"client": "7", "confirm": "own"}},
    ("get", "/scan/data-sources/health"): {"params": {"ids": "1"}},
    ("get", "/scan/data-sources/stats"): {"params": {"ids": "1"}},
    ("get", "/scan/data-sources/{source_id}/history"): {"params": {"metric": "latency_ms"}},
    ("post", "/api/v1/alerts/{alert_id}/silence"): {"json": {"until": "2026-01-02T00:00:00Z"}},
    ("post", "/api/v1/alert-rules"): {"json": RULE},
    ("post", "/api/v1/alert-rules/preview"): {"json": RULE},
    ("patch", "/api/v1/alert-rules/{rule_id}"): {"json": {"enabled": False}},
    ("post", "/api/v1/drill/hold"): {"json": {"connections": 0}},
    ("post", "/api/v1/drill/burst"): {"json": {"requests": 2}},
    ("post", "/api/v1/drill/fail"): {"json": {"seconds": 0}},
}


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): operation for path, item in document["paths"].items() for method, operation in item.items()}


@pytest.mark.parametrize(("demo", "expected"), [(False, BUILT), (True, BUILT | DRILL)])
async def test_it_names_what_is_built_and_nothing_else(demo, expected):
    assert set(operations(World(demo=demo).app.openapi())) == expected


async def test_every_operation_says_its_action_rights_and_problems():
    for (method, path), operation in operations(World(demo=True).app.openapi()).items():
        needed = ACTIONS[operation["x-action"]]
        responses = operation["responses"]
        is_open = operation["security"] == []
        assert is_open == (needed is None or operation["x-action"] == "pool.status"), path
        assert is_open or {"401", "403"} <= set(responses)
        assert operation["summary"]
        assert operation["tags"]
        assert method == "get" or "requestBody" not in operation or {"413", "415", "422"} <= set(responses)
        for status, response in responses.items():
            assert status < "400" or "application/problem+json" in response["content"], (path, status)


async def test_headers_are_described_too(client):
    answer = await client.get("/openapi.json")
    document = answer.json()
    for (_, path), operation in operations(document).items():
        for status, response in operation["responses"].items():
            assert {"X-Request-ID", "X-Throttle"} <= set(response["headers"]), path
            assert ("Retry-After" in response["headers"]) is (status in {"429", "503"}), (path, status)
    assert set(document["components"]["headers"]) == set(re.findall(r'"#/components/headers/([^"]+)"', answer.text))
    config = document["paths"]["/api/v1/health/database/throttling-config"]["get"]
    assert [(one["name"], one["in"]) for one in config["parameters"]] == [("If-None-Match", "header")]
    assert all("ETag" in config["responses"][status]["headers"] for status in ("200", "304"))
    assert "422" not in config["responses"]


async def test_its_introduction_keeps_to_the_limits_that_hold(client):
    about = (await client.get("/openapi.json")).json()["info"]["description"]
    assert f"{MAX_BODY_BYTES // 2**20} MiB, those of jobs and events {MAX_BULK_BODY_BYTES // 2**20} MiB" in about
    assert str(LARGEST_ID) not in about


async def test_every_reference_leads_somewhere(client):
    answer = await client.get("/openapi.json")
    document = answer.json()
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert names <= set(document["components"]["schemas"])
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}


async def test_every_call_answers_as_declared():
    world = World(demo=True)
    world.sources.add("own", kind="service")
    document = world.app.openapi()
    order = sorted(operations(document), key=lambda one: one[0] == "delete")
    async with world.client() as client:
        for method, path in order:
            asked = REQUESTS.get((method, path), {})
            answer = await client.request(method.upper(), filled(path), **asked)
            declared = document["paths"][path][method]["responses"]
            assert str(answer.status_code) in declared, (method, path, answer.text)
            assert answer.status_code < 300, (method, path, answer.text)
            if "application/json" in declared[str(answer.status_code)].get("content", {}):
                model = next(route.response_model for route in routes(world) if route.path == path and method.upper() in route.methods)
                TypeAdapter(model).validate_json(answer.content)


def filled(path: str) -> str:
    """Rule 5 is the one that is not built in."""
    return re.sub(r"\{\w+_id\}", "1", path.replace("{rule_id}", "5"))


def routes(world: World) -> list[Any]:
    from fastapi.routing import iter_route_contexts

    return [context.original_route for context in iter_route_contexts(world.app.routes)]


async def test_a_problem_has_the_declared_shape(client):
    from dashboard_app.backend.api.problem_schema import Problem

    for answer in (await client.get("/scan/data-sources/7"), await client.get("/scan/data-sources?limit=0"), await client.get("/x")):
        Problem.model_validate_json(answer.content)


async def test_docs_load_nothing_from_outside_and_nothing_inline(client):
    page = (await client.get("/docs")).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 4
    assert "<script>" not in page
    assert "http" not in page
    for link in links:
        assert (await client.get(f"/{link}")).status_code == 200
        assert is_api_path(f"/{link}")
    assert "http" not in (await client.get("/docs/start.js")).text


@pytest.mark.parametrize(
    ("path", "is_ours"), [("/docs", True), ("/api", False), ("/api/x", True), ("/scan/x", True), ("/sources/1", False), ("/", False)]
)
def test_the_api_is_known_by_its_paths(path, is_ours):
    assert is_api_path(path) is is_ours
