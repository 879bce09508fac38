"""The list of sources and one source: add, test, edit, pause, delete, filter, open."""

import re
import time

from playwright.async_api import expect

from tests.browser.conftest import NARROW, calm, eventually

READ = re.compile("^(healthy|degraded)$")
"""It was read and it answers; what else the whole room does on its server may degrade it, by OF_OTHERS only."""
OF_OTHERS = {"longest_transaction", "idle_in_transaction", "connections", "blocked_sessions"}


async def test_sign_in_is_a_plain_form_that_needs_no_script(backend, visit):
    async with visit(backend, java_script_enabled=False) as v:
        await v.open("/")
        await expect(v.page).to_have_url(re.compile("/login"))
        await v.page.get_by_test_id("sign-in-email").fill("ana@example.org")
        await v.page.get_by_test_id("sign-in-password").fill("not the password")
        await v.page.get_by_test_id("sign-in-submit").click()
        await expect(v.page.get_by_text("Email or password is not right.")).to_be_visible()
        await v.page.get_by_test_id("sign-in-password").fill("correct-horse-battery-7")
        await v.page.get_by_test_id("sign-in-email").fill("ana@example.org")
        await v.page.get_by_test_id("sign-in-submit").click()
        await v.page.wait_for_url(f"{backend.url}/")


async def test_a_source_is_added_after_a_test_edited_and_deleted(backend, visit):
    await calm(backend)
    own, name = backend.postgres.address(), f"zeta-{time.monotonic_ns()}"
    async with visit(backend) as v:
        await v.sign_in()
        await v.page.get_by_test_id("add-source").click()
        dialog = v.page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill(name)
        await dialog.get_by_label("Host").fill(own.host)
        await dialog.get_by_label("Port").fill(str(own.port))
        await dialog.get_by_label("Database").fill(own.database)
        await dialog.get_by_label("User").fill(own.user)
        await dialog.get_by_label("Password").fill(own.password.reveal())
        await dialog.get_by_role("button", name="Test").click()
        await expect(dialog.get_by_text(re.compile("query", re.IGNORECASE)).first).to_be_visible()
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        await v.page.get_by_placeholder("Filter sources").fill(name)
        card = v.page.get_by_test_id("source-card")
        await expect(card).to_have_count(1)
        await expect(v.page).to_have_url(re.compile(name))
        await expect(card).to_have_attribute("data-status", READ, timeout=30_000)
        assert own.password.reveal() not in await v.page.content()
        with backend.client() as api:
            (source,) = api.get("/scan/data-sources", params={"search": name}).json()["items"]
            assert "password" not in source
            await expect(card).to_have_attribute("data-status", source["health"]["status"])
            failing = {check["name"] for check in source["health"]["checks"] if check["status"] != "pass"}
            assert failing <= OF_OTHERS
            await v.open(f"/sources/{source['id']}")
            await expect(v.page.get_by_role("heading", level=1)).to_contain_text(name)
            await expect(v.page.get_by_text("connections", exact=False).first).to_be_visible()
            assert api.delete(f"/scan/data-sources/{source['id']}").status_code in {200, 204}
            await v.open(f"/sources/{source['id']}")
            await expect(v.page.get_by_text(f"There is no source {source['id']}.")).to_be_visible()


async def test_the_demo_fleet_is_on_the_page_worst_first(backend, visit):
    await calm(backend)
    async with visit(backend) as v:
        await v.sign_in()
        cards = v.page.get_by_test_id("source-card")
        await expect(cards.nth(24)).to_be_visible()
        await eventually(lambda: _seen_unhealthy(backend), 60)
        await v.open("/")  # the order is kept while the list is read, and made anew for who opens it
        await expect(cards.first).to_have_attribute("data-status", "unhealthy")


def _seen_unhealthy(backend):
    with backend.client() as api:
        return api.get("/scan/data-sources", params={"status": "unhealthy"}).json()["total"] > 0


async def test_a_phone_reaches_every_page_by_the_bar_and_its_menu(backend, visit):
    async with visit(backend, NARROW) as v:
        await v.sign_in()
        bar, more = v.page.locator("nav.bot"), v.page.locator("#more-pages")
        await bar.get_by_role("link", name="Pool").click()
        await expect(v.page.locator(".shell[data-page='pool']")).to_be_visible()
        for name in ("audit", "settings", "jobs"):
            await bar.get_by_role("button", name="More").click()
            await more.get_by_role("link", name=name.title()).click()
            await expect(v.page.locator(f".shell[data-page='{name}']")).to_be_visible()
            await expect(more).to_be_hidden()


async def test_on_a_phone_the_states_to_filter_by_have_the_width_of_the_page_and_choose(backend, visit):
    async with visit(backend, NARROW) as v:
        await v.sign_in()
        states = v.page.get_by_role("navigation", name="State")
        await expect(states.get_by_role("link", name="All")).to_be_visible()
        assert (await states.bounding_box())["width"] > NARROW["width"] * 0.9
        await states.get_by_role("link", name="Degraded").click()
        await v.page.wait_for_url(f"{backend.url}/?status=degraded")
