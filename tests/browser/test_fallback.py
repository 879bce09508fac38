"""The banner: it comes when the backend cannot be read, tells the truth, and goes by itself."""

import asyncio
import re
import time
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BANNER_S, calm
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


async def test_a_failing_server_brings_the_banner_and_its_recovery_takes_it_away(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible(timeout=20_000)
        with backend.client() as api:
            assert api.post("/api/v1/drill/fail", json={"seconds": 18}).status_code == 200
        await _sees_fallback(v)
        await expect(v.page.get_by_test_id("breaker-indicator")).to_have_attribute("data-state", re.compile("open|half_open"))
        await _sees_live(v)


async def test_a_frozen_postgresql_brings_the_banner_and_its_return_takes_it_away(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible(timeout=20_000)
        with backend.postgres_frozen():
            await _sees_fallback(v)
        await _sees_live(v)
    await calm(backend)


@pytest.fixture
async def stub():
    backend = StubBackend(count=20, delay_s=0.05)
    await backend.start()
    yield backend
    await backend.stop()


async def test_progress_reaches_the_end_and_a_stopped_backend_is_seen_and_outlived(stub, tmp_path, visit):
    with running(tmp_path / "data", backend_url=stub.url, backend_token="stub", breaker_recovery_s=3) as instance:
        async with visit(instance) as v:
            await v.sign_in()
            for lane in ("health-progress", "metrics-progress"):
                bar = v.page.get_by_test_id(lane)
                await expect(bar).to_have_attribute("aria-valuemax", "20", timeout=20_000)
                await expect(bar).to_have_attribute("aria-valuenow", "20", timeout=40_000)
            await expect(v.page.get_by_test_id("source-card")).to_have_count(20)
            await stub.stop()
            await _sees_fallback(v)
            await expect(v.page.get_by_test_id("source-card")).to_have_count(20)
            await stub.start()
            await _sees_live(v)


async def test_fifty_open_sessions_cost_the_backend_what_one_costs(stub, tmp_path, visit):
    """The loader is one for all: with fifty sessions open, each fed with the list, no source is asked more often."""
    with running(tmp_path / "data", backend_url=stub.url, backend_token="stub") as instance:
        async with visit(instance) as v, AsyncExitStack() as stack:
            await v.sign_in()
            await expect(v.page.get_by_test_id("source-card")).to_have_count(20, timeout=20_000)
            await _until_quiet(stub)
            before = {what: len(stub.of(what)) for what in ("health", "stats")}
            cookie = "; ".join(f"{c['name']}={c['value']}" for c in await v.page.context.cookies())
            sessions = [await stack.enter_async_context(open_session(instance.url, cookie)) for _ in range(50)]
            for session in sessions:
                await session.shows("s20")
            assert {what: len(stub.of(what)) for what in ("health", "stats")} == before


async def _until_quiet(stub):
    """Return when every source was read once in both lanes."""
    end = time.monotonic() + 60
    while len({seen.source_id for seen in stub.of("health")}) < 20 or len({seen.source_id for seen in stub.of("stats")}) < 20:
        assert time.monotonic() < end, "the first round did not end"
        await asyncio.sleep(0.05)
