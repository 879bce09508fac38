"""Who follows the throttling-config: judged by what clients say they act on and what they were told."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard_app.backend.guard.clients import GRACE_S, MOST_CLIENTS, Clients, parse
from dashboard_app.backend.guard.performance import Performance
from dashboard_app.backend.guard.watched import Watched
from dashboard_app.model.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def clients(clock: ManualClock) -> Clients:
    return Clients(clock.monotonic)


def ask(clients: Clients, header: str, version: str = "", *, told: int = 1, is_signed_in: bool = True, counts: bool = True) -> str | None:
    name = clients.heard(header, version, is_signed_in=is_signed_in, counts=counts)
    if name is not None:
        clients.told(name, told)
    return name


@pytest.mark.parametrize(
    ("client", "version", "told"),
    [
        ("orders; version=42", "", ("orders", 42)),
        ("orders;version=42", "7", ("orders", 42)),
        ("orders", "42", ("orders", 42)),
        ("orders", "", ("orders", None)),
        ("orders; version=x", "", ("orders", None)),
        ("orders; version=-1", "", ("orders", None)),
        ("orders; version=²", "", ("orders", None)),
        ("orders", "9" * 16, ("orders", None)),
        ("team/orders@eu-1:80; x; version= 7 ; y=1", "", ("team/orders@eu-1:80", 7)),
        ("", "1", (None, 1)),
        ("two words", "1", (None, 1)),
        ("<b>", "1", (None, 1)),
        ("o" * 65, "1", (None, 1)),
        ("-x", "1", (None, 1)),
    ],
)
def test_the_headers_are_read_strictly(client: str, version: str, told: tuple[str | None, int | None]) -> None:
    assert parse(client, version) == told


def test_a_client_is_current_then_behind_then_stale_and_current_again(clients: Clients, clock: ManualClock) -> None:
    ask(clients, "orders; version=1")
    assert clients.rows(1, 100)[0]["follows"] == "current"
    clients.changed(2)
    clock.tick(10)
    ask(clients, "orders; version=1", told=2)
    (row,) = clients.rows(2, 70)
    assert (row["follows"], row["version"], row["config_age_s"]) == ("behind", 1, 10.0)  # told version 1 for the last time 10 s ago
    clients.changed(3)  # the clock of its patience runs from the first version that replaced its own
    clock.tick(GRACE_S - 10)
    ask(clients, "orders; version=1", told=3)
    assert clients.rows(3, 30)[0]["follows"] == "behind"
    clock.tick(0.1)
    ask(clients, "orders; version=1", told=3)
    assert clients.rows(3, 30)[0]["follows"] == "stale"
    ask(clients, "orders; version=3", told=3)
    (row,) = clients.rows(3, 30)
    assert (row["follows"], row["config_age_s"]) == ("current", 0.0)


def test_a_client_that_has_not_asked_for_too_long_is_stale(clients: Clients, clock: ManualClock) -> None:
    ask(clients, "orders; version=1")
    clock.tick(GRACE_S + 0.1)
    assert clients.rows(1, 100)[0]["follows"] == "stale"


def test_a_version_of_another_life_of_the_server_is_behind_and_then_stale(clients: Clients, clock: ManualClock) -> None:
    ask(clients, "orders; version=4711")
    (row,) = clients.rows(1, 100)
    assert (row["follows"], row["config_age_s"]) == ("behind", None)
    clock.tick(GRACE_S + 1)
    ask(clients, "orders; version=4711")
    assert clients.rows(1, 100)[0]["follows"] == "stale"


def test_a_client_that_does_not_say_what_it_acts_on_is_unknown(clients: Clients) -> None:
    ask(clients, "orders")
    assert clients.rows(1, 100)[0]["follows"] == "unknown"


def test_requests_of_the_last_minute_stand_against_what_is_allowed(clients: Clients, clock: ManualClock) -> None:
    for _ in range(60):
        ask(clients, "orders; version=1")
        ask(clients, "orders; version=1", counts=False)  # a guard call
        clock.tick(0.5)
    (row,) = clients.rows(1, 30)
    assert (row["requests_last_minute"], row["allowed_per_minute"], row["is_over"]) == (60, 30, True)
    clock.tick(31)
    assert 0 < int(str(clients.rows(1, 30)[0]["requests_last_minute"])) < 60
    clock.tick(3600)
    (row,) = clients.rows(1, 30)
    assert (row["requests_last_minute"], row["is_over"], row["requests_total"]) == (0, False, 60)


def test_who_does_not_follow_comes_first(clients: Clients, clock: ManualClock) -> None:
    ask(clients, "good; version=1")
    ask(clients, "mute")
    clock.tick(GRACE_S + 1)
    ask(clients, "good; version=1")
    ask(clients, "late; version=99")
    assert [(row["name"], row["follows"]) for row in clients.rows(1, 100)] == [("late", "stale"), ("mute", "unknown"), ("good", "current")]


def test_names_are_bounded_and_strangers_push_nobody_out(clients: Clients, clock: ManualClock) -> None:
    for number in range(MOST_CLIENTS // 2):
        ask(clients, f"known-{number}")
        clock.tick(1)
    for number in range(3 * MOST_CLIENTS):
        ask(clients, f"stranger-{number}", is_signed_in=False)
        clock.tick(1)
    rows = clients.rows(1, 100)
    assert len(rows) == MOST_CLIENTS
    assert sum(str(row["name"]).startswith("known-") for row in rows) == MOST_CLIENTS // 2
    assert clients.dropped_total == MOST_CLIENTS * 5 // 2
    for number in range(2 * MOST_CLIENTS):
        ask(clients, f"new-{number}")
        clock.tick(1)
    names = {row["name"] for row in clients.rows(1, 100)}
    assert len(names) == MOST_CLIENTS
    assert f"new-{2 * MOST_CLIENTS - 1}" in names
    assert "known-0" not in names


def test_what_is_remembered_of_one_client_is_bounded(clients: Clients) -> None:
    for version in range(5000):
        clients.changed(version + 2)
        ask(clients, f"orders; version={version}", told=version + 2)
    (known,) = clients._clients.values()
    assert len(known.told) <= 100


async def test_requests_are_heard_through_the_middleware_and_bad_names_do_no_harm(clients: Clients, clock: ManualClock) -> None:
    async def fine(_request: Request) -> Response:
        return PlainTextResponse("fine")

    app = Starlette(routes=[Route("/work", fine), Route("/api/v1/health/database/status", fine)])
    watched = Watched(app, Performance(clock.monotonic), clients, lambda: 5)
    clients.changed(5)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(watched), base_url="http://app") as client:
        for headers in (
            {"X-Throttle-Client": "orders; version=5"},
            {"X-Throttle-Client": "orders", "X-Throttle-Version": "5"},
            {"X-Throttle-Client": "\u00e4 <script>", "X-Throttle-Version": "5"},
            {"X-Throttle-Client": "x" * 5000},
            {},
        ):
            assert (
                await client.get("/work", headers={name: value.encode("latin-1") for name, value in headers.items()})
            ).status_code == 200
        await client.get("/api/v1/health/database/status", headers={"X-Throttle-Client": "orders; version=5"})
    (row,) = clients.rows(5, 100)
    assert (row["name"], row["version"], row["follows"], row["config_age_s"], row["requests_last_minute"]) == ("orders", 5, "current", 0, 2)
    assert clients.ignored_total == 2
