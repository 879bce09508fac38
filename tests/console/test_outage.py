"""A backend that goes away, comes back, hangs or is half there, over real sockets."""

import contextlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard_app.console.console import Console
from dashboard_app.console.snapshot_file import SnapshotFile
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import BreakerOpen, Forbidden
from dashboard_app.model.pool import Level
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.settings import Settings
from tests.console.running import KeptStates, console_on, lateness, until
from tests.console.stub_backend import StubBackend, running

FAST = {
    "health_stagger_ms": 10,
    "health_batch_delay_ms": 20,
    "metrics_stagger_ms": 10,
    "metrics_batch_delay_ms": 20,
    "queue_interval_ms": 0,
    "health_retry_delay_s": 0.1,
    "metrics_retry_delay_s": 0.1,
}
VIEWER = Principal(PrincipalKind.USER, "vic", Role.VIEWER)
ADMIN = Principal(PrincipalKind.USER, "ana", Role.ADMIN)


def watched(console: Console) -> None:
    console.viewers.bind(SimpleNamespace(event_namespace=SimpleNamespace(token_to_sid={"t": "s"}), state_manager=KeptStates()), {})
    console.viewers.watch("t", "sources")


def state_of(console: Console) -> BreakerState:
    return console.breakers["api"].state


async def test_a_stopped_backend_brings_the_fallback_within_fifteen_seconds_and_it_goes_by_itself(tmp_path: Path) -> None:
    """Breaker, polls and pings at their defaults; only the wait before the trial is shortened."""
    async with running(StubBackend(count=5)) as stub, console_on(stub.url, tmp_path, breaker_recovery_s=2) as console:
        watched(console)
        await until(lambda: len(console.snapshot.health) == 5)
        assert console.fallback() is None
        await stub.stop()
        took_s = await until(lambda: console.fallback() is not None, within_s=15)
        assert took_s < 15
        fallback = console.fallback()
        assert fallback is not None
        assert fallback.cause == "refused"
        assert len(console.snapshot.health) == 5
        with pytest.raises(BreakerOpen):
            console.loader.refresh()
        await stub.start()
        await until(lambda: console.fallback() is None, within_s=10)
        assert state_of(console) is BreakerState.CLOSED


async def test_a_frozen_backend_brings_the_fallback_within_fifteen_seconds(tmp_path: Path) -> None:
    async with running(StubBackend(count=2)) as stub, console_on(stub.url, tmp_path) as console:
        watched(console)
        await until(lambda: len(console.snapshot.health) == 2)
        stub.delay_s = 3600
        stub.hung = {1, 2}
        stub.freeze()
        assert await until(lambda: console.fallback() is not None, within_s=15) < 15
        fallback = console.fallback()
        assert fallback is not None
        assert fallback.cause == "timeout"


async def test_a_drill_that_fails_source_calls_opens_the_breaker_though_pings_succeed(tmp_path: Path) -> None:
    async with running(StubBackend(count=5)) as stub, console_on(stub.url, tmp_path, breaker_recovery_s=1) as console:
        watched(console)
        await until(lambda: console.snapshot.sources)
        stub.failing = True
        await until(lambda: console.fallback() is not None, within_s=15)
        fallback = console.fallback()
        assert fallback is not None
        assert (fallback.cause, fallback.status_code, fallback.problem_code) == ("http", 503, "database_unavailable")
        stub.failing = False
        await until(lambda: console.fallback() is None, within_s=10)


async def test_while_open_the_backend_sees_one_source_call_per_trial(tmp_path: Path) -> None:
    fast = FAST | {"breaker_recovery_s": 0.8, "breaker_failure_threshold": 2}
    async with running(StubBackend(count=3, failing=True)) as stub, console_on(stub.url, tmp_path, **fast) as console:
        watched(console)
        await until(lambda: state_of(console) is BreakerState.OPEN)
        before = len(stub.of("list"))
        await until(lambda: len(stub.of("list")) >= before + 3)
        trials = [each.at for each in stub.of("list")[before:]]
        # a trial is noted before it is answered, and the wait begins with the answer: a slow machine only lengthens what is seen
        assert all(after - earlier >= 0.8 for earlier, after in itertools.pairwise(trials))
        assert not stub.of("health")


async def test_a_restart_with_the_backend_away_shows_the_snapshot_with_true_ages(tmp_path: Path) -> None:
    async with running(StubBackend(count=4, delay_s=0.01)) as stub:
        async with console_on(stub.url, tmp_path, **FAST) as console:
            await until(lambda: len(console.snapshot.metrics) == 4 and console.snapshot.throttling)
        await stub.stop()
        assert (tmp_path / "snapshot.json").stat().st_mode & 0o777 == 0o600
        async with console_on(stub.url, tmp_path, **FAST, breaker_failure_threshold=1) as again:
            await until(lambda: again.fallback() is not None)
            assert set(again.snapshot.health) == set(again.snapshot.sources) == {1, 2, 3, 4}
            ages = again.snapshot.ages_s()
            assert ages is not None
            assert 0 < ages[0] <= ages[1] < 20


def test_a_snapshot_file_that_is_garbage_is_passed_over(tmp_path: Path) -> None:
    console = Console(Settings(backend_url="http://127.0.0.1:1", data_dir=tmp_path), SystemClock())
    path = tmp_path / "snapshot.json"
    for content in (b"", b"{}", b"[1]", b'{"sources": [{"id": "x"}]}', b"\xff"):
        path.write_bytes(content)
        assert SnapshotFile(path, console.snapshot, SystemClock()).load() is False
    assert console.snapshot.sources == {}


async def test_hung_sources_share_one_place_and_the_living_are_read_on(tmp_path: Path) -> None:
    """6 of 20 hang. How fresh the living stay is measured in virtual time (`test_lane.py`); here: who gets a place on real sockets."""
    pace = FAST | {
        "health_refetch_s": 1,
        "health_stale_s": 0.2,
        "health_stagger_ms": 20,
        "health_batch_delay_ms": 60,
        "request_timeout_s": 0.3,
        "metrics_refetch_s": 3600,
        "metrics_stale_s": 3600,
        "health_retries": 1,
    }
    hung = {3, 7, 8, 12, 17, 20}
    stub = StubBackend(delay_s=0.01, hung=hung)
    async with running(stub), console_on(stub.url, tmp_path, **pace) as console, lateness() as late:
        await until(lambda: console.loader.progress().lanes["health"].slow == len(hung), within_s=60)
        count = len(stub.of("health"))
        await until(lambda: len(stub.of("health")) > count + 60, within_s=60)
        later = stub.of("health")[count:]
        assert all(sum(seen.source_id == living for seen in later) >= 2 for living in set(range(1, 21)) - hung)
        asked_in_vain = [seen.at for seen in later if seen.source_id in hung]
        assert all(
            after - before > 0.2 - late.worst_s for before, after in itertools.pairwise(asked_in_vain)
        )  # each waits 0.3 s for nothing, one at a time; one that was seen late makes the next wait look shorter
        assert stub.peak["health"] <= 3


async def test_a_broken_source_is_retried_then_goes_to_the_slow_lane_and_comes_back_after_one_success(tmp_path: Path) -> None:
    fast = FAST | {"health_refetch_s": 1, "health_stale_s": 0.5, "metrics_refetch_s": 3600, "metrics_stale_s": 3600}
    async with running(StubBackend(count=4, delay_s=0.01, broken={2})) as stub, console_on(stub.url, tmp_path, **fast) as console:
        lane = console.loader.health
        await until(lambda: lane.progress().slow == 1)
        await until(lambda: len([each for each in stub.of("health") if each.source_id == 2]) >= 3)
        assert state_of(console) is BreakerState.CLOSED
        assert "slow lane" in lane.progress().reason
        stub.broken = set()
        await until(lambda: lane.progress().slow == 0)
        assert 2 in console.snapshot.health


async def test_a_backend_that_offers_only_the_sources_is_enough(tmp_path: Path) -> None:
    async with running(StubBackend(count=2, offers_guard=False)) as stub, console_on(stub.url, tmp_path, **FAST) as console:
        await until(lambda: len(console.snapshot.health) == 2 and len(console.snapshot.metrics) == 2)
        assert console.snapshot.pool is None
        assert console.throttle.level is Level.NORMAL
        assert console.fallback() is None


async def test_a_refused_token_brings_the_banner_but_opens_no_breaker(tmp_path: Path) -> None:
    async with running(StubBackend(forced_answers={"list": (401, b'{"code":"not_signed_in"}')})) as stub:
        async with console_on(stub.url, tmp_path, backend_token="t0ken") as console:
            await until(lambda: console.fallback() is not None)
            fallback = console.fallback()
            assert fallback is not None
            assert (fallback.cause, fallback.status_code) == ("unauthorized", 401)
            assert state_of(console) is BreakerState.CLOSED
        assert stub.authorizations == {"Bearer t0ken"}


@pytest.mark.parametrize(
    "answer", [(200, b"not json"), (200, b"[]"), (200, b'{"items": 3}'), (302, b""), (429, b"{}"), (200, b"x" * 9_000_000)]
)
async def test_garbage_is_a_failed_call(tmp_path: Path, answer: tuple[int, bytes]) -> None:
    stub = StubBackend(forced_answers={"list": answer})
    async with running(stub), console_on(stub.url, tmp_path, breaker_failure_threshold=1) as console:
        await until(lambda: state_of(console) is BreakerState.OPEN)


async def test_at_emergency_background_reading_stops_but_the_banner_does_not_come_and_cleanup_works(tmp_path: Path) -> None:
    fast = FAST | {"health_refetch_s": 1, "health_stale_s": 0.1, "throttle_poll_s": 0.3, "console_auto_cleanup": False}
    async with running(StubBackend(count=3, delay_s=0.01)) as stub, console_on(stub.url, tmp_path, **fast) as console:
        await until(lambda: len(console.snapshot.health) == 3)
        stub.level, stub.version = "EMERGENCY", 2
        await until(lambda: console.throttle.level is Level.EMERGENCY)
        await until(lambda: stub.in_flight.get("health", 0) == 0)
        before = len(stub.of("health"))
        polls = len(stub.of("config"))
        await until(lambda: len(stub.of("config")) >= polls + 5)
        assert len(stub.of("health")) == before
        assert "EMERGENCY" in console.loader.progress().lanes["health"].reason
        assert console.fallback() is None
        assert (await console.backend.guard.cleanup(ADMIN, dry_run=True))["reclaimed"] == 2
        with pytest.raises(Forbidden):
            await console.backend.guard.cleanup(VIEWER, dry_run=True)
        stub.level, stub.version = "NORMAL", 3
        await until(lambda: len(stub.of("health")) > before)


async def test_an_open_breaker_is_tried_at_emergency_too(tmp_path: Path) -> None:
    fast = FAST | {"breaker_recovery_s": 1.5, "breaker_failure_threshold": 2, "throttle_poll_s": 0.2, "console_auto_cleanup": False}
    async with running(StubBackend(count=2, failing=True)) as stub, console_on(stub.url, tmp_path, **fast) as console:
        watched(console)
        await until(lambda: state_of(console) is BreakerState.OPEN)
        stub.level, stub.version = "EMERGENCY", 2
        await until(lambda: console.throttle.level is Level.EMERGENCY)
        stub.failing = False
        await until(lambda: state_of(console) is BreakerState.CLOSED, within_s=10)
        assert console.throttle.level is Level.EMERGENCY
        assert console.fallback() is None


async def test_at_emergency_the_list_is_read_for_a_person_and_for_nobody_else(tmp_path: Path) -> None:
    fast = FAST | {"throttle_poll_s": 0.2, "console_auto_cleanup": False}
    async with running(StubBackend(count=2, level="EMERGENCY")) as stub, console_on(stub.url, tmp_path, **fast) as console:
        await until(lambda: console.throttle.level is Level.EMERGENCY)
        await until(lambda: stub.in_flight.get("list", 0) == 0)
        before, polls = len(stub.of("list")), len(stub.of("config"))
        await until(lambda: len(stub.of("config")) >= polls + 3)
        assert len(stub.of("list")) == before
        console.acted()
        await until(lambda: len(stub.of("list")) == before + 1)


async def test_two_polls_at_emergency_ask_for_a_cleanup(tmp_path: Path) -> None:
    async with running(StubBackend(count=1, level="EMERGENCY")) as stub, console_on(stub.url, tmp_path, throttle_poll_s=0.3):
        await until(lambda: stub.of("POST cleanup"))
        assert len(stub.of("config")) >= 2


async def test_a_database_that_is_away_brings_the_banner_without_the_breaker(tmp_path: Path) -> None:
    async with running(StubBackend(count=1, status="unavailable")) as stub, console_on(stub.url, tmp_path) as console:
        watched(console)
        await until(lambda: console.fallback() is not None)
        fallback = console.fallback()
        assert fallback is not None
        assert fallback.cause == "unavailable"
        stub.status = "healthy"
        await until(lambda: console.fallback() is None)


async def test_a_hint_slows_the_console_with_its_very_next_request(tmp_path: Path) -> None:
    async with running(StubBackend(count=2, hint=True)) as stub, console_on(stub.url, tmp_path, **FAST) as console:
        await until(lambda: len(console.snapshot.health) == 2)
        stub.level, stub.version = "MODERATE", 7
        with contextlib.suppress(Exception):
            await console.backend.health(1)
        assert console.throttle.level is Level.MODERATE
