"""What a narrowed token may call: over real sockets, each scope against each route, as the table says."""

import re

import httpx
import pytest
import websockets
from websockets.exceptions import InvalidStatus

from dashboard_app.access import visit
from dashboard_app.access.gate import Gate
from dashboard_app.model.user import Role
from dashboard_app.policy.permission import least_role
from dashboard_app.policy.scopes import EVERY_TOKEN, SCOPES
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.on_a_port import served_on_a_port
from tests.instance import PLAIN, free_port

BROKEN = {"content": b"\xff", "headers": {"content-type": "text/plain"}}
"""A body that no call takes: what is let in answers 415 or 422 and does nothing."""


class NoPages:
    """No sign-in page is part of these tests."""

    def serves(self, path):
        return False


def filled(path):
    return re.sub(r"\{\w+_id\}", "1", path)


@pytest.fixture
async def gated(demo_api, settings_for):
    """The API behind the real gate on a port: its address, and `client(role, *scopes)` with a fresh token."""
    settings = settings_for(port=free_port())
    gate = Gate(demo_api.door, identity=demo_api.identity, pages=NoPages(), settings=settings)
    async with served_on_a_port(gate, settings.port) as where:

        async def client(role, *scopes):
            token = await demo_api.identity.create_token("t", role, scopes=scopes or None)
            return httpx.AsyncClient(base_url=f"http://{where}", headers={"Authorization": f"Bearer {token}"}, timeout=20, verify=PLAIN)

        yield client


async def test_each_scope_opens_its_own_calls_and_no_other(demo_api, gated):
    calls = [call for call in demo_api.app.state.actions.calls if least_role(call.action) is not None and call.action not in EVERY_TOKEN]
    seen = set()
    for name, scope in SCOPES.items():
        async with await gated(Role.ADMIN, name) as client:
            for call in calls:
                if call.action not in scope.actions:
                    answer = await client.request(call.method, filled(call.path), **BROKEN)
                    assert_problem(answer, 403, "insufficient_scope")
                elif call.method != "GET" or "{" in call.path:
                    answer = await client.request(call.method, filled(call.path) + "?of=scopes", **BROKEN)
                    assert (answer.status_code, answer.json().get("code")) != (403, "insufficient_scope"), call
                    seen.add(call.action)
                elif call.path != visit.STREAM:
                    assert (await client.get(call.path)).status_code != 403, call
                    seen.add(call.action)
    assert {call.action for call in calls} - seen <= {"events.read"}


async def test_a_stream_is_for_tokens_that_may_follow_events(gated):
    async with await gated(Role.VIEWER, "events.read") as follower, await gated(Role.ADMIN, "events.publish") as publisher:
        for client, opens in ((follower, True), (publisher, False)):
            async with client.stream("GET", visit.STREAM) as stream:
                assert stream.status_code == (200 if opens else 403)
            where = f"ws://{client.base_url.netloc.decode()}{visit.EVENTS_SOCKET}"
            opened = websockets.connect(where, additional_headers={"Authorization": client.headers["Authorization"]})
            if opens:
                async with opened as socket:
                    await socket.close()
            else:
                with pytest.raises(InvalidStatus) as refused:
                    await opened
                assert refused.value.response.status_code == 403
                assert b"insufficient_scope" in refused.value.response.body


async def test_a_token_is_made_with_scopes_and_says_which(demo_api, gated):
    async with await gated(Role.ADMIN) as client:
        made = await client.post("/api/v1/tokens", json={"name": "prometheus", "role": "viewer", "scopes": ["metrics", "metrics"]})
        assert (made.status_code, made.json()["scopes"]) == (201, ["metrics"])
        assert (await client.post("/api/v1/tokens", json={"name": "all", "role": "viewer"})).json()["scopes"] is None
        for wrong in ([], ["everything"], "metrics", [1]):
            assert_problem(await client.post("/api/v1/tokens", json={"name": "x", "role": "viewer", "scopes": wrong}), 422, "invalid_input")
        listed = (await client.get("/api/v1/tokens")).json()["items"]
        assert {one["name"]: one["scopes"] for one in listed} == {"all": None, "prometheus": ["metrics"], "t": None}
        client.headers["Authorization"] = f"Bearer {made.json()['token']}"
        assert (await client.get("/metrics")).status_code == 200
        refused = await client.get("/api/v1/jobs")
        assert_problem(refused, 403, "insufficient_scope")
        assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read"'
        assert (await client.get("/api/v1/account")).json()["name"] == "prometheus"
    rows = await demo_api.audit.page()
    assert [row.details["scopes"] for row in rows if row.target.endswith("prometheus")] == [["metrics"]]


async def test_a_narrowed_token_makes_none_that_may_do_more(gated):
    async with await gated(Role.ADMIN, "tokens", "read") as client:
        for scopes, status in ((["read"], 201), (["tokens", "read"], 201), (["read", "accounts"], 403), (None, 403)):
            made = await client.post("/api/v1/tokens", json={"name": "child", "role": "admin", "scopes": scopes})
            assert (made.status_code, made.json().get("code", "")) == (status, "insufficient_scope" if status == 403 else "")
