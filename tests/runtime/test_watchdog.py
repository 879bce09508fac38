"""A loop that stands still is seen from another thread, with the place where it stands; `/livez` answers meanwhile."""

import asyncio
import json
import logging
import threading
import time
import urllib.error
import urllib.request

import pytest

from dashboard_app.runtime import watchdog as module
from dashboard_app.runtime.watchdog import DEAD_S, Watchdog, live_door


def _stand_until(is_seen: threading.Event) -> None:
    """Block the loop, as code that should have been awaited does."""
    assert is_seen.wait(10)


async def test_a_standing_loop_is_told_with_its_stack_and_when_it_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, module.__name__)
    watchdog = Watchdog()
    is_seen = threading.Event()
    looker = threading.Thread(target=lambda: _wait(lambda: watchdog.stalls_total == 1) and is_seen.set())
    watchdog.start()
    try:
        looker.start()
        _stand_until(is_seen)
        assert watchdog.stalled_s > watchdog._stall_s
        while not any("runs again" in record.message for record in caplog.records):  # noqa: ASYNC110 - another thread says it
            await asyncio.sleep(0.01)
        assert watchdog.stalled_s == 0
    finally:
        watchdog.stop()
        looker.join(5)
    told = next(record.message for record in caplog.records if "stood still" in record.message)
    assert "in _stand_until" in told
    assert watchdog.longest_s >= watchdog._stall_s


def _wait(claim) -> bool:
    end = time.monotonic() + 10
    while not claim() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(claim())


async def test_many_stalls_are_counted_and_ten_a_minute_are_told(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog()
    for _ in range(15):
        watchdog._tell(0.3, threading.get_ident())
    assert len([record for record in caplog.records if "stood still" in record.message]) == 10


def _asked(port: int, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


@pytest.mark.parametrize(("stalled_s", "status", "word"), [(0.0, 200, "ok"), (3.0, 200, "stalled"), (DEAD_S, 503, "dead")])
def test_livez_on_a_port_of_its_own_says_how_the_loop_fares(stalled_s: float, status: int, word: str) -> None:
    with live_door("127.0.0.1", 0, lambda: stalled_s) as port:
        assert _asked(port, "/livez") == (status, {"status": word, "stalled_s": stalled_s})
        assert _asked(port, "/anything")[0] == 404
