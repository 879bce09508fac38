"""The pool page and its cleanup when they are needed: full, frozen, stopped. In process and over the network."""

import time
from contextlib import nullcontext

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PASSWORD, calm, eventually, hold, make_known


def _suspected(backend):
    with backend.client() as api:
        return sum(item["suspected_leak"] for item in api.get("/api/v1/health/database/holders").json()["items"])


async def test_a_full_pool_is_on_the_screen_within_two_seconds(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in(path="/pool")
        await expect(v.page.get_by_test_id("throttling-level")).to_have_text("NORMAL")
        took_s = []
        while min(took_s, default=9) > 2 and len(took_s) < 6:  # this machine may be busy with something else for a moment
            assert hold(backend, 28, "query") == 28
            began = time.monotonic()
            await expect(v.page.get_by_test_id("throttling-level")).to_have_text("EMERGENCY")
            took_s.append(time.monotonic() - began)
            await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0)
            await calm(backend)
            await expect(v.page.get_by_test_id("throttling-level")).to_have_text("NORMAL")
    assert min(took_s) <= 2, took_s


@pytest.mark.parametrize("trouble", ["full", "frozen", "stopped"])
async def test_sign_in_dry_run_cleanup_and_audit_work_in_trouble(trouble, console, backend, visit):
    await calm(backend)
    make_known(console)
    held = hold(backend, 30)
    assert held >= 29
    surroundings = {"full": nullcontext, "frozen": backend.postgres_frozen, "stopped": backend.postgres_stopped}[trouble]
    with surroundings():
        async with visit(console) as v:
            await v.sign_in(path="/pool")
            await expect(v.page.get_by_test_id("throttling-level")).to_have_text("EMERGENCY")
            await expect(v.page.get_by_role("heading", level=1)).to_contain_text("pool", ignore_case=True)
            await eventually(lambda: _suspected(backend) >= held)
            await v.page.get_by_test_id("force-cleanup").click()
            confirm = v.page.get_by_test_id("confirm-cleanup")
            await expect(confirm).to_contain_text("Win back")
            await confirm.click()
            await expect(v.page.get_by_test_id("cleanup-result")).to_contain_text("Won back")
            await v.open("/audit")
            await expect(v.page.get_by_text("pool.cleanup").first).to_be_visible()
    await calm(backend)
    with backend.client() as api:
        rows = api.get("/api/v1/audit", params={"action": "pool.cleanup"}).json()["items"]
    assert rows


async def test_a_viewer_cannot_clean_up_in_the_page_nor_in_the_api(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in("vera@example.org", PASSWORD, path="/pool")
        await expect(v.page.get_by_test_id("force-cleanup")).to_be_disabled()
        await expect(v.page.get_by_text("Holders need the operator role.")).to_be_visible()
        answer = await v.page.request.post(f"{console.url}/api/v1/health/database/force-cleanup", headers={"Origin": console.url})
        assert answer.status == 403
    with console.client("viewer") as api:
        assert api.post("/api/v1/health/database/force-cleanup").status_code == 403
