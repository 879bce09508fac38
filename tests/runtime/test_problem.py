import json

import httpx
import pytest

from dashboard_app.runtime.problem import problem, status_of


def body(answer):
    return json.loads(bytes(answer.body))


def test_a_problem_says_what_how_bad_and_why():
    answer = problem(503, "database_unavailable", "Not now.", instance="/scan/x", headers=[("Retry-After", "2")], errors=[1])
    assert (answer.status_code, answer.headers["content-type"], answer.headers["retry-after"]) == (503, "application/problem+json", "2")
    assert body(answer) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Not now.",
        "instance": "/scan/x",
        "code": "database_unavailable",
        "errors": [1],
    }


async def test_a_problem_is_an_asgi_app():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(problem(404, "not_found", "No.")), base_url="http://x") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("code", "status"),
    [("invalid_input", 422), ("not_signed_in", 401), ("forbidden", 403), ("rate_limited", 429), ("database_unavailable", 503), ("?", 500)],
)
def test_each_code_has_its_status(code, status):
    assert status_of(code) == status
