"""The load-test kit is whole: what it asks exists, its users load, and its report tells what was measured."""

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from load import ab, calls, scenario
from load.report import page, pool_peak, refusals
from tests.backend.api.fakes import World
from tests.tools import ROOT

SAID_BY_AB = """
Concurrency Level:      50
Complete requests:      1000
Failed requests:        3
Non-2xx responses:      2
Requests per second:    1446.75 [#/sec] (mean)

Percentage of the requests served within a certain time (ms)
  50%     31
  95%     40
  99%     45
 100%     61 (longest request)
"""
ROW = {"name": "GET /api/health", "requests": 12, "failed": 0, "per_s": 1.5, "p50_ms": 4, "p95_ms": 9, "p99_ms": 12, "max_ms": 14}
LOCUST = {
    "rows": [ROW, {**ROW, "name": "POST /api/v1/jobs/status", "failed": 1}],
    "errors": [{"name": "POST /api/v1/jobs/status", "error": "HTTP 500", "times": 1}],
    "statuses": {"200": 20, "503 database_unavailable": 3, "429 rate_limited": 2, "500": 1},
    "messages": {"page /_event": 7},
    "told": ["no such socket"],
}


SAID_BY_ARTILLERY = {
    "counters": {
        "vusers.created": 15,
        "vusers.completed": 14,
        "vusers.failed": 0,
        "http.requests": 70,
        "http.codes.200": 60,
        "http.codes.503": 8,
        "http.codes.504": 2,
    },
    "summaries": {"http.response_time": {"p50": 4, "p95": 37, "p99": 41}},
    "firstCounterAt": 1000,
    "lastCounterAt": 6000,
}


def test_every_call_of_the_kit_is_one_of_the_api() -> None:
    paths = World().app.openapi()["paths"]
    asked = {("get", call.path) for call in (*calls.OPERATOR, *calls.SERVICE)}
    asked |= {("get", calls.POOL), ("get", calls.HISTORY), ("post", calls.STATUS_POSTS), ("post", calls.MAKE_JOBS)}
    scenario = (ROOT / "load" / "artillery" / "scenario.yml").read_text(encoding="utf-8")
    asked |= {(method, re.sub(r"/\d+/", "/{source_id}/", url)) for method, url in re.findall(r"- (get|post):\s+url: \"([^\"?]+)", scenario)}
    unknown = {(method, path) for method, path in asked if method not in paths.get(path, {})}
    told = (ROOT / "docs" / "state.md").read_text(encoding="utf-8")  # what is not the guard's or the sources' is held to the contract there
    assert not {(method, path) for method, path in unknown if not re.search(rf"`{method.upper()} {re.escape(path)}[`?,]", told)}
    assert all("{" not in call.url for call in calls.OPERATOR)


def test_the_users_load_where_locust_stands() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / '.cache' / 'load'}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "default"}
    listed = [sys.executable, "-m", "locust", "-f", "load/locustfile.py", "--list"]
    done = subprocess.run(listed, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert {"Operator", "Service", "EventReader", "Page"} <= set((done.stdout + done.stderr).split())


def test_artillery_that_is_left_out_or_did_not_come_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_ARTILLERY", "false")
    told = page({}, LOCUST, {}, (0, 0, 30), scenario.measure({}))
    assert "It was left out (LOAD_ARTILLERY=false)." in told


def test_its_lockfile_names_no_host_and_pins_the_version_that_was_tried() -> None:
    wanted = json.loads((scenario.HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]["artillery"]
    lock = (scenario.HERE / "bun.lock").read_text(encoding="utf-8")
    assert f'"artillery@{wanted}"' in lock
    assert "http://" not in lock
    assert "https://" not in lock


def test_what_ab_prints_is_read() -> None:
    assert ab.read(SAID_BY_AB) == ab.Measured("ab", 1000, 3, 2, 1446.75, {50: 31, 95: 40, 99: 45, 100: 61})
    assert ab.command("http://x/y", 10, 2, "t")[-3:] == ["-H", "Authorization: Bearer t", "http://x/y"]


@pytest.mark.parametrize(("status", "refused"), [(b"200 OK", 0), (b"503 Service Unavailable", 10)])
async def test_without_ab_our_own_client_counts_the_same(status: bytes, refused: int) -> None:
    lengths = iter([2, 2, 3, *[2] * 7])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 %s\r\n\r\n%s" % (status, b"x" * next(lengths)))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await ab._by_hand(f"http://127.0.0.1:{port}/api/health", 10, 1, "")
    assert replace(found, per_s=0, percentiles_ms={}) == ab.Measured("built-in", 10, 1, refused, 0)
    assert found.per_s > 0


def test_the_report_tells_refusals_by_code_failures_and_the_pools_peak() -> None:
    history = {"points": [[500, 90.0, 9], [1500, 40.0, 0], [2500, 66.7, 2]]}
    assert pool_peak(history, 1000, 30) == (20, 2)
    assert pool_peak(history, 9000, 30) == (0, 0)
    assert refusals(LOCUST["statuses"]) == {"429 rate_limited": 2, "503 database_unavailable": 3}
    told = page({"target": "http://x"}, LOCUST, {"/api/health": ab.read(SAID_BY_AB)}, (20, 2, 30), scenario.read(SAID_BY_ARTILLERY))
    for line in (
        "* failures: 1",
        "* refusals: 2 × 429 rate_limited, 3 × 503 database_unavailable",
        "* pool peak: 20 of 30 connections in use, 2 waiting",
        "* messages over WebSockets: 7 page /_event",
        "* note: no such socket",
        "| GET /api/health | 12 | 0 | 1.50 | 4 | 9 | 12 | 14 |",
        "| POST /api/v1/jobs/status: HTTP 500 | 1 |",
        "| /api/health | 1000 | 3 | 2 | 1447 | 31 | 40 | 45 |",
        "| 15 | 3 | 70 | 60 × 200, 8 × 503, 2 × 504 | 14 | 4 | 37 | 41 |",
    ):
        assert line in told.splitlines()
