import httpx
import pytest

from dashboard_app.access.permit import Permit
from dashboard_app.model.user import Principal, PrincipalKind, Role

CALLS = {
    ("GET", "/livez"): "open",
    ("GET", "/status"): "pool.status",
    ("GET", "/holders"): "pool.holders",
    ("POST", "/cleanup"): "pool.cleanup",
    ("GET", "/typo"): "pool.drain",
}


async def call(method, path, role=None, *, public_health=True, unknown=False):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})

    permit = Permit(app, lambda *asked: CALLS.get(asked), public_health=public_health)

    async def with_principal(scope, receive, send):
        scope["spillway.principal"] = Principal(PrincipalKind.USER, "ana", role) if role else None
        scope["spillway.identity_unknown"] = unknown
        await permit(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_principal), base_url="http://x") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "/livez", None, 200),
        ("GET", "/status", None, 200),
        ("GET", "/holders", None, 401),
        ("GET", "/holders", Role.VIEWER, 403),
        ("GET", "/holders", Role.OPERATOR, 200),
        ("HEAD", "/holders", Role.VIEWER, 403),
        ("HEAD", "/holders", Role.OPERATOR, 200),
        ("POST", "/cleanup", None, 401),
        ("POST", "/cleanup", Role.OPERATOR, 403),
        ("POST", "/cleanup", Role.ADMIN, 200),
        ("GET", "/nothing", None, 401),
        ("DELETE", "/livez", None, 200),
        ("DELETE", "/status", None, 200),
        ("DELETE", "/holders", None, 401),
        ("DELETE", "/typo", None, 401),
        ("GET", "/nothing", Role.VIEWER, 200),
        ("GET", "/typo", Role.ADMIN, 403),
        ("GET", "/typo", None, 403),
    ],
)
async def test_each_call_is_for_its_least_role_and_401_comes_before_403(method, path, role, status):
    assert (await call(method, path, role)).status_code == status


async def test_status_needs_a_viewer_when_public_health_is_off():
    assert (await call("GET", "/status", public_health=False)).status_code == 401
    assert (await call("DELETE", "/status", public_health=False)).status_code == 401
    assert (await call("GET", "/status", Role.VIEWER, public_health=False)).status_code == 200


async def test_a_refusal_is_a_problem_document():
    answer = await call("POST", "/cleanup")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "not_signed_in"
    forbidden = (await call("POST", "/cleanup", Role.VIEWER)).json()
    assert (forbidden["code"], forbidden["detail"]) == ("forbidden", "This needs the admin role; you are a viewer.")


async def test_a_refusal_of_somebody_known_is_in_the_log(caplog):
    await call("POST", "/cleanup", Role.VIEWER)
    assert [one.message for one in caplog.records] == ["pool.cleanup refused to ana: forbidden"]
    caplog.clear()
    await call("POST", "/cleanup")
    await call("GET", "/status", Role.VIEWER)
    assert caplog.records == []


async def test_credentials_that_cannot_be_judged_now_are_503_and_open_calls_still_answer():
    answer = await call("GET", "/holders", unknown=True)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "database_unavailable", "2")
    assert (await call("GET", "/status", unknown=True)).status_code == 200


async def test_a_socket_without_a_principal_is_401_before_the_app():
    async def app(scope, receive, send):
        raise AssertionError

    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await Permit(app, lambda *asked: None)({"type": "websocket", "path": "/api/v1/events/ws"}, receive, send)
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 401)
