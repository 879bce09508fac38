"""A server that is sick on the wire, over real sockets: broken off, half open, bodies without end, redirected for ever."""

import asyncio
import resource
from pathlib import Path

import pytest

from dashboard_app.console.client.wire import BODY_CAP_BYTES
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from tests.console.running import console_on, until
from tests.console.stub_backend import StubBackend, running

SOCKETS_BYTES = 8 * 1024 * 1024
"""What the kernel takes from a sender before its reader has asked for it."""
QUICK = {"breaker_recovery_s": 1.0, "health_retry_delay_s": 0.1, "metrics_retry_delay_s": 0.1}
TIMEOUT_S = {"half-open": 1.0}
"""What is waited for takes a second; what comes at once gets ten, so that a busy machine does not make a timeout of it."""
CAUSES = {"reset": {"refused"}, "half-open": {"timeout"}, "huge": {"http", "timeout"}, "endless": {"http", "timeout"}, "redirect": {"http"}}
"""What the banner may say. A body that is too long is too large, or takes too long when the machine is busy."""


def resident_kib() -> int:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def sick_and_well_again(stub: StubBackend, console: Console, fault: str) -> None:
    """The whole course of one illness."""
    await until(lambda: len(console.snapshot.health) == len(console.snapshot.metrics) == 10, within_s=60)
    before = {source_id: reading.received_mono for source_id, reading in console.snapshot.health.items()}
    stub.fault = fault
    console.loader.refresh()
    await until(lambda: console.fallback() is not None, within_s=60)
    fallback = console.fallback()
    assert fallback is not None
    assert fallback.cause in CAUSES[fault]
    assert {source_id: reading.received_mono for source_id, reading in console.snapshot.health.items()} == before
    await until(lambda: console.breakers["api"].state is BreakerState.OPEN, within_s=60)
    tried, opened_at = console.queue.figures().started_total, console.breakers["api"].transitions()[-1].at
    await until(lambda: console.queue.figures().started_total >= tried + 2, within_s=60)
    waited_s = (console.clock.now() - opened_at).total_seconds()
    assert waited_s >= 1.0, "a sick server is asked at most once per open interval"
    stub.fault = ""
    await until(lambda: console.fallback() is None, within_s=60)

    def all_are_read_again() -> bool:
        console.loader.refresh()  # again and again: one that comes into a round begins none
        return all(at < console.snapshot.health[source_id].received_mono for source_id, at in before.items())

    await until(all_are_read_again, within_s=60)


@pytest.mark.parametrize("pace", ["batched", "adaptive"])
async def test_whatever_the_wire_does_the_console_says_so_keeps_true_ages_and_recovers(tmp_path: Path, pace: str) -> None:
    plan = {"health_stagger_ms": 10, "health_batch_delay_ms": 20, "metrics_stagger_ms": 10, "metrics_batch_delay_ms": 20}

    async def course(fault: str) -> None:
        async with (
            running(StubBackend(count=10, delay_s=0.01)) as stub,
            console_on(
                stub.url, tmp_path / fault, pace=pace, queue_interval_ms=0, request_timeout_s=TIMEOUT_S.get(fault, 10.0), **plan, **QUICK
            ) as console,
        ):
            await sick_and_well_again(stub, console, fault)
            assert stub.largest_sent <= BODY_CAP_BYTES + SOCKETS_BYTES

    await asyncio.gather(*map(course, CAUSES))


async def test_bodies_without_end_cost_no_memory(tmp_path: Path) -> None:
    quick = QUICK | {"breaker_recovery_s": 0.2, "request_timeout_s": 5.0}
    async with running(StubBackend(count=10, delay_s=0.01)) as stub, console_on(stub.url, tmp_path, pace="adaptive", **quick) as console:
        await until(lambda: len(console.snapshot.health) == 10)
        before, stub.fault = resident_kib(), "endless"
        console.loader.refresh()
        await until(lambda: stub.faulted >= 15, within_s=60)
        # a few at once: the list, two bulk reads and their next tries, each up to its cap, twice while it is put together
        assert resident_kib() - before <= 12 * BODY_CAP_BYTES / 1024
