"""`/breakers` in a browser: an admin stops the calls and lets them go again, a viewer only reads."""

import re

from playwright.async_api import expect

from tests.browser.conftest import PASSWORD, calm

REASON = "the server moves house"


async def _open(v, item):
    card = v.page.locator("[data-testid=breaker-card][data-breaker=api]")
    await card.get_by_test_id("breaker-menu").click()
    await v.page.get_by_role("menuitem", name=item).click()
    await expect(v.page.get_by_test_id("confirm-breaker")).to_be_visible()


async def test_an_admin_holds_api_open_everyone_sees_who_and_why_and_closing_ends_it(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in(path="/breakers")
        await expect(v.page.get_by_test_id("breaker-card")).to_have_count(2)
        await _open(v, "Hold open…")
        await v.page.get_by_label("Reason").fill(REASON)
        await v.page.get_by_test_id("confirm-breaker").click()
        await expect(v.page.get_by_text("Type api to go on.")).to_be_visible()
        await v.page.get_by_label("Type api to go on").fill("api")
        await v.page.get_by_test_id("confirm-breaker").click()
        await expect(v.page.locator("[data-breaker=api]").first).to_have_attribute("data-state", "forced_open")
        await v.open("/")
        banner = v.page.get_by_test_id("fallback-banner")
        await expect(banner).to_contain_text(re.compile(rf"opened the breaker at .*: {REASON}"))
        await expect(banner).to_contain_text("No further try until the breaker is closed.")
        await expect(banner.get_by_role("button")).to_have_count(0)
        await expect(v.page.get_by_test_id("breaker-indicator")).to_have_attribute("data-state", "forced_open")
        with console.client() as api:
            assert api.post("/api/v1/loader/refresh").status_code == 409
        await v.page.keyboard.press("g")
        await v.page.keyboard.press("b")
        await v.page.wait_for_url(f"{console.url}/breakers")
        await expect(v.page.get_by_test_id("breaker-card")).to_have_count(2)
        await v.page.keyboard.press("Control+k")
        await v.page.get_by_test_id("palette").get_by_role("combobox").fill("close breaker api")
        await expect(v.page.get_by_role("option", name="Close breaker api…")).to_be_visible()
        await v.page.keyboard.press("Enter")
        await v.page.get_by_label("Reason").fill("moved in")
        await v.page.get_by_test_id("confirm-breaker").click()
        await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0)
        await expect(v.page.locator("[data-breaker=api]").first).to_contain_text("closed it: moved in")
    with console.client() as api:
        acts = api.get("/api/v1/audit", params={"action": "breakers.write"}).json()["items"]
    assert [(act["details"]["state"], act["details"]["reason"]) for act in acts[:2]] == [("closed", "moved in"), ("forced_open", REASON)]


async def test_a_viewer_reads_everything_has_no_menu_and_gets_403(console, visit):
    async with visit(console) as v:
        await v.sign_in("vera@example.org", PASSWORD, "/breakers")
        await expect(v.page.get_by_test_id("breaker-card")).to_have_count(2)
        await expect(v.page.get_by_test_id("queue-panel")).to_contain_text("Running")
        await expect(v.page.get_by_test_id("breaker-menu")).to_have_count(0)
        status = await v.page.evaluate(
            """async () => (await fetch("/api/v1/breakers/api/state", {method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({state: "forced_open", reason: "x"})})).status"""
        )
        assert status == 403
