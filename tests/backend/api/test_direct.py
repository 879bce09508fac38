"""The short way past the router: the same answers, counted and failing as on the usual way."""

import asyncio

import httpx
import pytest

from dashboard_app.backend.api.direct import PATHS
from tests.backend.api.fakes import ADMIN, World, client_of
from tests.backend.api.test_bad_input import assert_problem

CONFIG = "/api/v1/health/database/throttling-config"


@pytest.fixture
def world() -> World:
    return World()


def short(world: World) -> httpx.AsyncClient:
    return client_of(world.app.state.served, ADMIN)


def counted(world: World) -> dict[str, int]:
    return {str(row["route"]): int(str(row["requests"])) for row in world.guard.insight.performance.rows()}


@pytest.mark.parametrize("path", sorted(PATHS))
async def test_the_answer_is_that_of_the_usual_way(world: World, path: str) -> None:
    async with short(world) as quick, world.client() as usual:
        one, other = await quick.get(path), await usual.get(path)
    assert (one.status_code, one.content) == (other.status_code, other.content) != (404, b"")
    given = {name: value for name, value in other.headers.items() if name != "x-throttle"}  # the gate in front of the short way adds it
    assert {name: one.headers[name] for name in given} == given


async def test_each_answer_is_counted_once_under_its_route(world: World) -> None:
    async with short(world) as client:
        await client.get(CONFIG)
        await client.get(CONFIG, headers={"X-Throttle-Client": "orders-api"})
        assert (await client.get(CONFIG, headers={"If-None-Match": "*"})).status_code == 304
    assert counted(world) == {f"GET {CONFIG}": 3}


async def test_other_methods_paths_and_bodies_go_the_usual_way(world: World) -> None:
    async with short(world) as client:
        assert_problem(await client.post(CONFIG), 405)
        assert_problem(await client.get(f"{CONFIG}/x"), 404)
        assert_problem(await client.request("GET", CONFIG, content=b"x", headers={"Content-Type": "text/plain"}), 415)


@pytest.mark.parametrize("headers", [{}, {"X-Throttle-Client": "orders-api"}])
async def test_what_nobody_foresaw_is_a_500_with_a_reference(world: World, headers: dict[str, str]) -> None:
    world.ping_failure = ZeroDivisionError()
    async with short(world) as client:
        said = assert_problem(await client.get("/api/health", headers=headers), 500, "internal_error")
    assert said["reference"] == "r-1"


async def test_many_who_ask_at_once_cost_the_database_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def ping(_world: World) -> float:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return 0.4

    monkeypatch.setattr(World, "ping", ping)
    async with short(World()) as client:
        answers = await asyncio.gather(*(client.get("/api/health") for _ in range(20)))
    assert ({answer.status_code for answer in answers}, asked < 20) == ({200}, True)
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
