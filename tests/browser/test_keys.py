"""Everything by keyboard alone: the palette, the list of keys, the rows, the single keys and their switch, the way back of the focus."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, PASSWORD, WIDE, all_read, calm, faces, holds, violations

SHIFT = """
window.moves = [];
// a message in the corner moves those above it: that is no part of the page
const counts = (one) => !one.hadRecentInput && one.sources.some((part) => part.node && !part.node.closest?.(".toasts"));
new PerformanceObserver((list) => list.getEntries().filter(counts).forEach((one) => window.moves.push(
  [one.value, one.sources.map((part) => `${part.node?.className}: ${part.previousRect.y} to ${part.currentRect.y}`)]
))).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
async def v(backend, visit):
    await calm(backend)
    async with visit(backend) as here:
        await here.sign_in()
        await expect(here.page.get_by_test_id("source-card").first).to_be_visible()
        yield here


async def focused(v, what="document.activeElement.outerHTML.slice(0, 200)"):
    return await v.page.evaluate(what)


async def test_the_palette_goes_to_a_source_by_keys_alone_and_remembers_it(v):
    await v.page.keyboard.press("Control+k")
    palette = v.page.get_by_test_id("palette")
    await expect(palette.get_by_role("option").first).to_be_visible()
    await v.page.keyboard.type("legacy")
    await v.page.keyboard.press("Enter")
    await expect(v.page).to_have_url(re.compile(r"/sources/\d+$"))
    await expect(palette).to_be_hidden()
    await expect(v.page.get_by_role("heading", level=1)).to_contain_text("legacy-crm")  # the page has arrived, not its address only
    await v.page.keyboard.press("Control+k")
    await expect(v.page.get_by_test_id("palette").get_by_role("option").first).to_contain_text("legacy-crm")


async def test_the_palette_keeps_the_focus_and_gives_it_back(v):
    opener = v.page.get_by_test_id("palette-open")
    await opener.focus()
    await v.page.keyboard.press("Enter")
    options = v.page.get_by_test_id("palette").get_by_role("option")
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await v.page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await v.page.keyboard.press("Tab")
    assert await focused(v, "document.activeElement.getAttribute('role')") == "combobox"
    await v.page.keyboard.press("Escape")
    await expect(opener).to_be_focused()


async def test_a_change_elsewhere_on_the_page_leaves_the_choice_of_the_palette_alone(v):
    await v.page.keyboard.press("Control+k")
    options = v.page.get_by_test_id("palette").get_by_role("option")
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await v.page.keyboard.press("ArrowDown")
    await v.page.evaluate(
        """() => { document.querySelector("main").append(document.createElement("i"));
        return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); }"""
    )
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await v.page.keyboard.type("legacy")
    await expect(options.first).to_contain_text("legacy")
    await expect(options.first).to_have_attribute("aria-selected", "true")


async def test_an_open_palette_finds_a_source_that_comes_after_it_was_asked(v, backend):
    await v.page.keyboard.press("Control+k")
    palette = v.page.get_by_test_id("palette")
    await v.page.keyboard.type("newcomer")
    await expect(palette.get_by_text("Nothing fits 'newcomer'.")).to_be_visible()
    with backend.client() as api:
        body = {"name": "newcomer", "kind": "postgresql", "host": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": "p"}
        made = api.post("/scan/data-sources", json=body).raise_for_status().json()
        try:
            await expect(palette.get_by_role("option")).to_have_count(1)
            await expect(palette.get_by_role("option")).to_have_attribute("aria-selected", "true")
            await expect(palette.get_by_role("option")).to_contain_text("newcomer")
        finally:
            api.delete(f"/scan/data-sources/{made['id']}").raise_for_status()


async def test_a_palette_that_is_opened_before_the_page_has_loaded_is_filled_once_it_has(v):
    may_load = asyncio.Event()

    async def later(route):
        await may_load.wait()
        await route.continue_()

    await v.page.route("**/assets/*.js", later)
    await v.page.reload(wait_until="commit")
    await v.page.get_by_test_id("palette-open").click()
    await expect(v.page.get_by_test_id("palette")).to_be_visible()
    await expect(v.page.get_by_test_id("palette").get_by_role("option")).to_have_count(0)
    may_load.set()
    await expect(v.page.get_by_test_id("palette").get_by_role("option").first).to_have_attribute("aria-selected", "true")


async def test_a_dangerous_command_opens_its_dialog_and_runs_nothing(v, backend):
    await v.page.keyboard.press("Control+k")
    await v.page.keyboard.type("clean up")
    await v.page.keyboard.press("Enter")
    await expect(v.page).to_have_url(f"{backend.url}/pool")
    dialog = v.page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("Clean up the pool")
    await expect(v.page.get_by_test_id("cleanup-result")).to_have_count(0)
    await v.page.keyboard.press("Escape")
    await expect(v.page.get_by_test_id("force-cleanup")).to_be_focused()


async def test_a_viewer_is_not_offered_what_it_may_not_do(backend, visit):
    async with visit(backend) as v:
        await v.sign_in("vera@example.org", PASSWORD)
        await v.page.get_by_test_id("palette-open").click()
        options = v.page.get_by_test_id("palette").get_by_role("option")
        await expect(options.first).to_be_visible()
        offered = " ".join(await options.all_inner_texts())
        assert "Switch theme" in offered
        assert not re.search("Clean up|Add source|Refresh now|Audit|Settings", offered)


async def test_rows_are_one_stop_that_arrows_move(v):
    page, links = v.page, v.page.locator("[data-row-link]")
    await links.first.focus()
    for key in ("ArrowDown", "j", "ArrowUp", "ArrowDown"):
        await page.keyboard.press(key)
    await expect(links.nth(2)).to_be_focused()
    assert await page.locator("[data-row-link][tabindex='0']").count() == 1
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert not await focused(v, "Boolean(document.activeElement.closest('.row'))")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await expect(links.nth(2)).to_be_focused()
    await page.keyboard.press(".")
    await expect(page.get_by_role("menu")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/sources/\d+$"))


async def test_dialogs_of_a_source_give_the_focus_back(v):
    adder = v.page.get_by_test_id("add-source")
    await adder.focus()
    await v.page.keyboard.press("Enter")
    await expect(v.page.get_by_role("dialog")).to_be_visible()
    await v.page.keyboard.press("Escape")
    await expect(adder).to_be_focused()
    menu = v.page.locator("[data-row-menu]").nth(1)
    await menu.click()
    await v.page.get_by_role("menuitem", name="Delete").click()
    await expect(v.page.get_by_role("alertdialog")).to_be_visible()
    await v.page.keyboard.press("Escape")
    await expect(menu).to_be_focused()


async def test_single_keys_open_pages_and_lists_until_they_are_switched_off(v, backend):
    page = v.page
    await page.keyboard.press("g")
    await page.keyboard.press("p")
    await expect(page.get_by_test_id("force-cleanup")).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_test_id("keys")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await expect(page).to_have_url(f"{backend.url}/pool")
    await page.keyboard.press("Escape")
    await page.locator(".who").click()
    switch = page.get_by_role("switch", name="Single keys")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await switch.click()
    await page.keyboard.press("Escape")
    for reload in (False, True):
        if reload:
            await page.reload()
            await expect(page.get_by_role("switch", name="Single keys", include_hidden=True)).to_have_attribute("aria-checked", "false")
        await page.keyboard.press("?")
        await expect(page.get_by_test_id("keys")).to_be_hidden()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_test_id("palette")).to_be_visible()


async def test_the_dialogs_of_the_frame_have_no_accessibility_findings(backend, visit):
    async with visit(backend, reduced_motion="reduce") as v:
        await v.sign_in()
        for key, name in (("Control+k", "palette"), ("?", "keys")):
            await expect(v.page.get_by_test_id("source-card").first).to_be_visible()
            await v.page.keyboard.press(key)
            await expect(v.page.get_by_test_id(name)).to_be_visible()
            if name == "palette":
                await expect(v.page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
            async for face in faces(v.page, WIDE):
                assert await violations(v.page) == [], face
            await v.page.keyboard.press("Escape")


@pytest.fixture
def still(backend):
    """The fleet as it was last read: what a source says may move its row, and that is no part of a page's load."""

    def change(seconds):
        with backend.client() as api:
            answer = api.patch("/api/v1/settings", json={"HEALTH_REFETCH_S": seconds, "METRICS_REFETCH_S": seconds})
        assert answer.status_code == 200, answer.text

    change(7200)
    yield
    change(None)


@pytest.mark.parametrize("size", [None, *({"width": width, "height": 800} for width in (1280, 1024, 768)), NARROW])
async def test_nothing_jumps_while_the_list_loads(backend, still, visit, size):
    await calm(backend)
    async with visit(backend, size) as v:
        await v.sign_in()
        await expect(v.page.get_by_test_id("source-card").nth(24)).to_be_attached()  # before, all of a part may have been read
        await all_read(backend)
        await v.open("/?sort=name")  # an order that is the same when the page loads again: it is kept only while the page is open
        await expect(v.page.get_by_test_id("source-card").nth(23)).to_be_attached()
        await v.page.add_init_script(SHIFT)
        await v.page.reload()
        await expect(v.page.get_by_test_id("source-card").nth(23)).to_be_attached()
        await holds(v.page, "document.fonts.status === 'loaded'")
        moves = await v.page.evaluate("window.moves")
        assert sum(value for value, _ in moves) <= 0.02, moves
