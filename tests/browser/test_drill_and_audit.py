"""`/drill` and `/audit` in a real browser: what is started by hand is told in the diary, ended by hand, and found in the log."""

import csv
import io

from playwright.async_api import expect

from tests.browser.conftest import calm
from tests.instance import ADMIN_EMAIL


async def test_a_hold_a_burst_and_a_failing_server_are_started_told_and_stopped(backend, visit):
    await calm(backend)
    async with visit(backend) as v:
        await v.sign_in(path="/drill")
        level, diary = v.page.get_by_test_id("throttling-level"), v.page.locator("ol.diary")
        await v.page.get_by_label("Connections").fill("28")
        await v.page.get_by_label("Held how").select_option("query")
        await v.page.get_by_role("button", name="Start hold").click()
        await expect(level).to_have_text("EMERGENCY")
        await expect(diary).to_contain_text("EMERGENCY")
        await v.page.get_by_role("button", name="Stop hold").click()
        await expect(level).to_have_text("NORMAL")
        await v.page.get_by_role("button", name="Start burst").click()
        await expect(diary).to_contain_text("40")
        await v.page.get_by_role("button", name="Start fail").click()
        await expect(v.page.get_by_test_id("fallback-banner")).to_be_visible(timeout=30_000)
        await v.page.get_by_role("button", name="Stop fail").click()
        await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0, timeout=30_000)
        assert v.errors == []


async def test_the_log_is_filtered_by_its_address_verified_opened_and_exported(backend, visit):
    async with visit(backend) as v:
        await v.sign_in(path="/audit")
        await v.page.get_by_label("Action").fill("session.begin")
        await v.page.get_by_label("Actor").fill(ADMIN_EMAIL)
        await v.page.get_by_role("button", name="Filter").click()
        await v.page.wait_for_url("**/audit?**action=session.begin**")
        await expect(v.page.get_by_role("link", name="Clear filters")).to_be_visible()
        await expect(v.page.locator(".alist li").first).to_contain_text(ADMIN_EMAIL)
        await v.page.locator(".alist li summary").first.click()
        await expect(v.page.locator(".alist li").first.locator("dl")).to_be_visible()
        await v.page.get_by_test_id("verify-audit").click()
        await expect(v.page.get_by_test_id("audit-chain")).to_have_attribute("data-tone", "ok")
        async with v.page.expect_download() as started:
            await v.page.get_by_role("link", name="Export CSV").click()
        rows = list(csv.DictReader(io.StringIO((await (await started.value).path()).read_text())))
        assert {row["actor"] for row in rows} == {ADMIN_EMAIL}
        await v.page.get_by_role("link", name="Clear filters").click()
        await v.page.wait_for_url("**/audit")
