"""What `/pool` shows beside the level: holders in an order that the address keeps, who uses it, its size, times and clients."""

import re

from playwright.async_api import expect

from tests.browser.conftest import NARROW, PASSWORD, calm, fits, hold


async def test_an_operator_sees_who_fills_the_pool_in_an_order_that_the_address_keeps(console, backend, visit):
    await calm(backend)
    for kind, connections in (("query", 12), ("leak", 3)):
        assert hold(backend, connections, kind) == connections
    async with visit(console) as v:
        await v.sign_in(path="/pool")
        rows = v.page.locator(".hold .row:not(.head)")
        await expect(rows.filter(has_text="drill query")).to_contain_text("Fills the pool")
        await expect(v.page.locator(".cs .row:not(.head)").first).to_contain_text("Holds._hold")
        await v.page.get_by_role("link", name="State", exact=True).click()
        await expect(v.page).to_have_url(re.compile(r"/pool\?sort=state$"))
        await expect(rows.first).to_contain_text("drill leak")
        await v.page.get_by_role("link", name="1 h", exact=True).click()
        await expect(v.page).to_have_url(re.compile(r"range=1h&sort=state$"))
        await expect(v.page.get_by_role("columnheader", name="State", exact=True)).to_have_attribute("aria-sort", "ascending")
        await rows.first.get_by_text("Details").click()
        await expect(rows.first.locator(".dets")).to_contain_text("Holds._hold")
    await calm(backend)


async def test_size_times_and_clients_are_on_the_page_of_a_phone_too(console, backend, visit):
    await calm(backend)
    with backend.client() as api:
        for _ in range(220):
            api.get("/scan/data-sources", params={"limit": 1}, headers={"X-Throttle-Client": "orders; version=1"})
    async with visit(console, NARROW) as v:
        await v.sign_in(path="/pool")
        size = v.page.get_by_test_id("pool-sizing")
        await expect(size).to_contain_text("would have been enough", timeout=40_000)
        await expect(size.get_by_role("img")).to_have_attribute("aria-label", re.compile("99th percentile of the wait"))
        await size.get_by_text("Show as table").click()
        await expect(size.get_by_role("columnheader", name="Wait p99")).to_be_visible()
        await expect(size.get_by_role("row").nth(1)).to_contain_text("5")
        await expect(v.page.get_by_test_id("pool-performance")).to_contain_text("GET /scan/data-sources")
        await expect(v.page.get_by_test_id("pool-efficiency")).to_contain_text("From an idle one")
        clients = v.page.get_by_test_id("pool-clients")
        await expect(clients).to_contain_text("orders")
        await expect(clients).to_contain_text("spillway-console")
        await fits(v.page)


async def test_a_viewer_is_told_which_role_the_measurements_need(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in("vera@example.org", PASSWORD, path="/pool")
        await expect(v.page.get_by_text("Sizing, response times and clients need the operator role.")).to_be_visible()
        await expect(v.page.get_by_test_id("pool-clients")).to_have_count(0)
