"""The banner: it comes when the backend cannot be read, tells the truth, and goes by itself."""

import asyncio
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import BANNER_S, PLAN, calm
from tests.browser.raw_session import open_session
from tests.console.stub_backend import StubBackend
from tests.instance import running

LIVE_AGAIN_S = 30


async def _sees_fallback(v):
    banner = v.page.get_by_test_id("fallback-banner")
    await expect(banner).to_be_visible(timeout=BANNER_S * 1000)
    await expect(banner).to_contain_text("Showing the last known values, since")
    await expect(v.page.get_by_role("heading", level=1)).to_contain_text(re.compile(r"\bwere\b|\bwas\b|\bneeded\b"))
    assert await v.page.get_by_test_id("source-card").count() > 0


async def _sees_live(v):
    await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0, timeout=LIVE_AGAIN_S * 1000)
    await expect(v.page.get_by_test_id("breaker-indicator")).to_have_attribute("data-state", "closed", timeout=LIVE_AGAIN_S * 1000)
    await expect(v.page.get_by_role("heading", level=1)).not_to_contain_text(re.compile(r"\bwere\b|\bwas\b|\bneeded\b"))


@asynccontextmanager
async def _failing(backend):
    """Every source call fails for the length of the block, however long a busy machine takes for it; a client is told to wait 4 s at most."""

    def fail(seconds):
        with backend.client() as api:
            assert api.post("/api/v1/drill/fail", json={"seconds": seconds}).status_code == 200

    async def keep_failing():
        while True:
            await asyncio.to_thread(fail, 4)
            await asyncio.sleep(1)

    failing = asyncio.create_task(keep_failing())
    yield
    failing.cancel()
    await asyncio.gather(failing, return_exceptions=True)
    fail(0)


async def test_a_failing_server_brings_the_banner_and_its_recovery_takes_it_away(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible()
        async with _failing(backend):
            await _sees_fallback(v)
            await expect(v.page.get_by_test_id("breaker-indicator")).to_have_attribute("data-state", re.compile("open|half_open"))
        await _sees_live(v)


async def test_a_frozen_postgresql_brings_the_banner_and_its_return_takes_it_away(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible()
        with backend.postgres_frozen():
            await _sees_fallback(v)
        await _sees_live(v)
    await calm(backend)


@pytest_asyncio.fixture(scope="module")
async def stub():
    backend = StubBackend(count=20, delay_s=0.05)
    await backend.start()
    yield backend
    await backend.stop()


@pytest.fixture(scope="module")
def before_stub(stub, tmp_path_factory):
    """An instance whose console reads from the stub, each source once within minutes."""
    settings = PLAN | {"breaker_recovery_s": 1, "health_refetch_s": 3600, "metrics_refetch_s": 3600}
    with running(tmp_path_factory.mktemp("before-stub") / "data", backend_url=stub.url, backend_token="stub", **settings) as instance:
        yield instance


async def test_progress_reaches_the_end_and_a_stopped_backend_is_seen_and_outlived(stub, before_stub, visit):
    async with visit(before_stub) as v:
        await v.sign_in()
        for lane in ("health-progress", "metrics-progress"):
            bar = v.page.get_by_test_id(lane)
            await expect(bar).to_have_attribute("aria-valuemax", "20")
            await expect(bar).to_have_attribute("aria-valuenow", "20", timeout=40_000)
        await expect(v.page.get_by_test_id("source-card")).to_have_count(20)
        await stub.stop()
        await _sees_fallback(v)
        await expect(v.page.get_by_test_id("source-card")).to_have_count(20)
        await stub.start()
        await _sees_live(v)


async def test_fifty_open_sessions_cost_the_backend_what_one_costs(stub, before_stub, visit):
    """The loader is one for all: with fifty sessions open, each fed with the list, no source is asked more often."""
    async with visit(before_stub) as v, AsyncExitStack() as stack:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card")).to_have_count(20)
        await _until_quiet(stub)
        before = {what: len(stub.of(what)) for what in ("health", "stats")}
        cookie = "; ".join(f"{c['name']}={c['value']}" for c in await v.page.context.cookies())
        sessions = [await stack.enter_async_context(open_session(before_stub.url, cookie)) for _ in range(50)]
        for session in sessions:
            await session.shows("s20")
        assert {what: len(stub.of(what)) for what in ("health", "stats")} == before


async def _until_quiet(stub):
    """Return when every source was read in both lanes and nothing is being read."""
    end = time.monotonic() + 60
    while any(
        len({seen.source_id for seen in stub.of(what) if seen.answered_at}) < 20 or stub.in_flight.get(what) for what in ("health", "stats")
    ):
        assert time.monotonic() < end, "the first round did not end"
        await asyncio.sleep(0.05)
