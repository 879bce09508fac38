"""Who may call what: judged before anything about the request is looked at."""

import re

import pytest

from dashboard_app.model.user import Role
from dashboard_app.policy.permission import least_role
from tests.backend.api.test_bad_input import assert_problem

OPEN = {
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/health"),
    ("GET", "/api/v1/health/ping"),
    ("GET", "/api/v1/health/database/status"),
    ("GET", "/api/v1/health/database/throttling-config"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/start.js"),
    ("GET", "/docs/swagger-ui-bundle.js"),
    ("GET", "/docs/swagger-ui.css"),
    ("GET", "/docs/favicon.png"),
}
HEAVY = {"/api/v1/drill/hold", "/api/v1/drill/burst", "/api/v1/drill/fail"}


def filled(path: str) -> str:
    return re.sub(r"\{\w+_id\}", "1", path)


async def test_without_credentials_only_the_open_calls_answer(demo_api):
    async with demo_api.client(None) as client:
        for call in demo_api.app.state.actions.calls:
            answer = await client.request(call.method, filled(call.path))
            if (call.method, call.path) in OPEN:
                assert answer.status_code == 200, call
            else:
                assert_problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_a_role_that_does_not_reach_is_403_whatever_the_body_is(demo_api, role):
    async with demo_api.client(role) as client:
        for call in demo_api.app.state.actions.calls:
            needed = least_role(call.action)
            if needed is not None and not role.covers(needed):
                answer = await client.request(call.method, filled(call.path), content=b"\xff", headers={"content-type": "text/plain"})
                assert_problem(answer, 403, "forbidden")


async def test_401_comes_before_413_415_and_422(api):
    async with api.client(None) as client:
        for content, kind in ((b"x" * 2_000_000, "application/json"), (b"x", "text/plain"), (b"x", "application/json")):
            assert_problem(await client.post("/scan/data-sources", content=content, headers={"content-type": kind}), 401)


async def test_reasons_name_call_sites_only_to_people_who_are_signed_in(demo_api):
    async with demo_api.client() as admin, demo_api.client(None) as anonymous:
        held = {"connections": 4, "seconds": 30, "kind": "idle_in_transaction"}
        await admin.post("/api/v1/drill/hold", json=held)
        for path in ("status", "throttling-config"):
            shown = (await anonymous.get(f"/api/v1/health/database/{path}")).text
            assert "holds.py" not in shown
