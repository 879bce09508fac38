"""A setting that is changed while the app runs is in force at once, wherever it counts."""

import pytest

from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.settings import Settings
from tests.console.fake_console import ANA, FakeBook


@pytest.fixture
def console(tmp_path):
    settings = Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9")
    book = FakeBook()
    return Console(settings, ManualClock(), audit=book, overrides=book)


async def test_breaker_queue_plan_pace_and_polls_follow(console):
    changes = {
        "BREAKER_FAILURE_THRESHOLD": 2,
        "BREAKER_RECOVERY_S": 7,
        "QUEUE_CONCURRENCY": 9,
        "QUEUE_INTERVAL_MS": 0,
        "QUEUE_MAX": 11,
        "REQUEST_TIMEOUT_S": 3,
        "HEALTH_BATCH_SIZE": 6,
        "METRICS_REFETCH_S": 300,
        "PACE": "adaptive",
        "THROTTLE_POLL_S": 5,
        "CONSOLE_AUTO_CLEANUP": False,
    }
    await console.tuning.change(ANA, changes)
    api = console.breakers["api"]
    for _ in range(2):
        api.failed(api.ask(), BackendFailed(status=503))
    assert api.state is BreakerState.OPEN
    assert api.reading().retry_in_s == pytest.approx(7)
    assert (console.queue._limits.concurrency, console.queue._limits.interval_s, console.queue._limits.max_waiting) == (9, 0.0, 11)
    assert console._caller.request_timeout_s == 3
    assert console.loader.health.batch_size == 6
    assert console.loader.metrics._rules.refetch_s == 300
    assert console.loader.progress().pace == "adaptive"
    assert (console.throttle.poll_s, console.polls.poll_s, console.polls.cleans_up) == (5, 5, False)
    assert (console.settings.health_batch_size, console.settings.pace) == (6, "adaptive")


async def test_a_reset_puts_all_of_it_back(console):
    await console.tuning.change(ANA, {"PACE": "adaptive", "HEALTH_BATCH_SIZE": 6})
    await console.tuning.change(ANA, {"PACE": None, "HEALTH_BATCH_SIZE": None})
    assert (console.loader.progress().pace, console.loader.health.batch_size) == ("batched", 3)


def test_a_window_switched_on_while_running_opens_by_rate_and_off_again_does_not(console):
    api = console.breakers["api"]
    ticket = api.ask()
    for _ in range(3):
        api.succeeded(ticket)
    console._retune(console.settings.model_copy(update={"breaker_window": "count", "breaker_window_min_calls": 4}))
    for failing in (True, False, True, False, True, False, True):
        ticket = api.ask()
        api.failed(ticket, BackendFailed(status=503)) if failing else api.succeeded(ticket)
        if api.state is BreakerState.OPEN:
            break
    assert api.state is BreakerState.OPEN


def test_a_longer_interval_moves_the_next_round_and_a_shorter_one_brings_it_forward(console):
    roster = console.loader.health._roster
    roster._regular_at = 1000.0
    console._retune(console.settings.model_copy(update={"health_refetch_s": 600.0}))
    assert roster._regular_at == 1480.0
    console._retune(console.settings.model_copy(update={"health_refetch_s": 60.0}))
    assert roster._regular_at == 940.0
