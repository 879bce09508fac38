"""Both examples as real processes on a real PostgreSQL: what their guards say, and what a cleanup gives back."""

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.secret import Secret
from dashboard_app.policy.health import fold
from tests.conftest import wait_until
from tests.examples.running import EXAMPLES, TOKEN, Example, example
from tests.instance import ROOT

CAPACITY = 10


@pytest.fixture(params=EXAMPLES)
def service(request: pytest.FixtureRequest, fresh_database, tmp_path: Path) -> Iterator[Example]:
    with example(request.param, fresh_database, tmp_path / "log") as started:
        yield started


def test_an_example_does_its_work_and_its_guard_says_so(service: Example) -> None:
    with service.client() as client:
        placed = client.post("/orders", json={"item": "tea", "amount": 2})
        assert placed.status_code == 201
        shown = client.get(f"/orders/{placed.json()['id']}")
        assert shown.json() == {"id": placed.json()["id"], "item": "tea", "amount": 2}
        assert shown.headers["x-throttle"].startswith("level=NORMAL; max=10;")
        assert client.get("/orders/999999").status_code == 404
    status = service.guard("status", token="").json()
    assert status["status"] == "healthy"
    assert status["pool"]["capacity"] == CAPACITY
    assert status["pool"]["checked_out"] == 0
    config = service.guard("throttling-config", token="")
    assert config.json()["throttling_level"] == "NORMAL"
    assert service.guard("throttling-config", token="", headers={"If-None-Match": config.headers["etag"]}).status_code == 304
    tested = service.guard("connection-test").json()
    assert (tested["ok"], tested["server_version"].split(".")[0]) == (True, "18")


def test_only_the_token_sees_holders_and_cleans_up(service: Example) -> None:
    for token in ("", "wrong", "ä"):
        headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
        for method, call in (("GET", "holders"), ("GET", "history"), ("GET", "connection-test"), ("POST", "force-cleanup")):
            answer = service.guard(call, method, token="", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_leak_is_named_and_cleanup_takes_back_exactly_the_leak(service: Example) -> None:
    service.leak(9)
    config = service.guard("throttling-config").json()
    assert (config["throttling_level"], config["max_concurrent_requests"]) == ("EMERGENCY", 1)
    with ThreadPoolExecutor(1) as worker, service.client() as client:
        running = worker.submit(client.get, "/report", params={"seconds": 1.5})
        wait_until(lambda: any(item["state"] == "query" for item in service.guard("holders").json()["items"]))
        wait_until(lambda: sum(item["suspected_leak"] for item in service.guard("holders").json()["items"]) == 9)
        items = service.guard("holders").json()["items"]
        leaks = [item for item in items if item["suspected_leak"]]
        assert {item["state"] for item in leaks} == {"idle_in_transaction"}
        assert all(item["call_site"].startswith(f"examples.{service.name}.service.export:") for item in leaks)
        (busy,) = [item for item in items if not item["suspected_leak"]]
        assert "pg_sleep" in busy["query"]
        assert busy["route"] == "GET /report"
        dry = service.guard("force-cleanup", "POST", json={"dry_run": True}).json()
        assert (dry["terminated_backends"], dry["left_alone"]) == (9, 1)
        done = service.guard("force-cleanup", "POST").json()
        assert (done["terminated_backends"], done["reclaimed"], done["skipped"]) == (9, 0, [])
        assert running.result().status_code == 200
    wait_until(lambda: service.guard("status").json()["pool"]["checked_out"] == 0)
    with service.client() as client:
        assert client.post("/orders", json={"item": "tea", "amount": 1}).status_code == 201


def test_the_guard_answers_while_every_request_waits_for_a_connection(service: Example) -> None:
    service.leak(CAPACITY)

    def order(_number: int) -> httpx.Response:
        with service.client() as client:
            return client.get("/orders/1")

    with ThreadPoolExecutor(16) as workers:
        asked = [workers.submit(order, number) for number in range(16)]
        slowest = max(service.guard(call).elapsed.total_seconds() for _ in range(20) for call in ("status", "holders"))
        answers = [one.result() for one in asked]
    assert slowest < 1
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"].isdigit() and answer.headers["x-throttle"].startswith("level=EMERGENCY") for answer in answers)


def test_a_guard_says_that_its_database_is_away_and_that_it_is_back(service: Example, postgres) -> None:
    postgres.stop()
    wait_until(lambda: service.guard("status").json()["status"] == "unavailable")
    assert service.guard("throttling-config").json()["throttling_level"] == "EMERGENCY"
    postgres.start()
    wait_until(lambda: service.guard("status").json()["status"] == "healthy", 20)


async def test_a_frozen_service_is_given_up_in_time_and_found_again(fresh_database, tmp_path) -> None:
    with example("fastapi_service", fresh_database, tmp_path / "log") as service:
        probe = ServiceProbe(Target("127.0.0.1", service.port, "", "", Secret(TOKEN), "disable"), Resolver(), SystemClock())
        assert (await probe.health(5)).latency_ms is not None
        service.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            found = await probe.health(0.5)
            assert time.monotonic() - began < 1
        finally:
            service.process.send_signal(signal.SIGCONT)
        assert (found.timed_out, found.checks[0].message) == (True, "No answer within 0.5 s at step status")
        assert fold((await probe.health(5)).checks).value == "healthy"
        await probe.close()


def test_a_leak_is_taken_back_without_being_asked(fresh_database, tmp_path) -> None:
    for name in EXAMPLES:
        with example(name, fresh_database, tmp_path / name, auto_cleanup="true") as service:
            service.leak(9)
            # a cleanup that came while some of them were young leaves those to the next one, after its cool-down of 30 s and a tick of the monitor
            wait_until(lambda service=service: service.guard("status").json()["pool"]["checked_out"] == 0, 100)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_guards_document_shows_the_very_lines_of_the_example(name: str) -> None:
    document = (ROOT / "docs" / "guard.md").read_text()
    lines = re.findall(r"^ *(.+?)  # the guard, [123] of 3$", (ROOT / "examples" / name / "service.py").read_text(), re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        assert line in document, line
