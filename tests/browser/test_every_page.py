"""What holds on every page, in both themes, wide and on a phone."""

from collections import Counter

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, calm, faces, fits, violations

PATHS = (
    "/",
    "/sources/1",
    "/pool",
    "/breakers",
    "/jobs",
    "/events",
    "/alerts",
    "/audit",
    "/account",
    "/users",
    "/tokens",
    "/settings",
    "/drill",
)
ONCE = ("throttling-level", "pool-usage", "breaker-indicator")
TEST_IDS = "[...document.querySelectorAll('[data-testid]')].map((one) => one.dataset.testid)"
MANY = {"source-card", "alert-row", "breaker-card", "breaker-menu", "session-row", "user-row", "token-row"}


async def test_the_sign_in_page_has_no_accessibility_finding(backend, visit):
    for scheme in ("light", "dark"):  # a page without script takes the theme at its load
        async with visit(backend, color_scheme=scheme, reduced_motion="reduce") as v:
            await v.open("/login")
            for size in (WIDE, NARROW):
                await v.page.set_viewport_size(size)
                assert await violations(v.page) == [], (size, scheme)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_has_no_accessibility_finding_each_hook_once_and_fits_a_phone(backend, visit, path):
    await calm(backend)
    async with visit(backend, reduced_motion="reduce") as v:
        await v.sign_in(path=path)
        await expect(v.page.get_by_role("heading", level=1)).not_to_contain_text("Reading")
        async for face in faces(v.page, WIDE, NARROW):
            assert await violations(v.page) == [], face
            hooks = Counter(await v.page.evaluate(TEST_IDS))
            assert {name: count for name, count in hooks.items() if count > 1 and name not in MANY} == {}
            assert set(ONCE) <= set(hooks)
        for vital in ONCE:
            await expect(v.page.get_by_test_id(vital)).to_be_in_viewport()
        await fits(v.page)
        assert v.errors == []


async def test_an_unknown_address_says_so_and_leads_back(backend, visit):
    async with visit(backend, NARROW) as v:
        await v.sign_in()
        answer = await v.page.goto(f"{backend.url}/no-such-page")
        assert answer.status == 404
        await expect(v.page.get_by_role("heading", level=1)).to_have_text("There is no page at this address")
        assert await violations(v.page) == []
        await v.page.get_by_role("link", name="Back to sources").click()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible()


IN_VAIN = """html => [...new DOMParser().parseFromString(html, "text/html").querySelectorAll("button")]
.filter((one) => !one.disabled && !one.hidden && !one.closest("dialog, [popover], form[action]"))
.filter((one) => !one.matches("[data-opens], [data-press], [data-single-keys], [popovertarget]")).map((one) => one.outerHTML)"""
"""What is there to be pressed in a page as it is sent, and is no affair of the browser or of our own small scripts."""


async def test_what_needs_the_server_cannot_be_pressed_before_a_page_has_loaded(backend, visit):
    async with visit(backend) as v:
        await v.sign_in()
        for path in set(PATHS) - {"/sources/1"}:  # which scripts alone draw
            sent = await (await v.page.request.get(f"{backend.url}{path}", headers={"Accept": "text/html"})).text()
            assert "palette-open" in sent
            assert await v.page.evaluate(IN_VAIN, sent) == [], path
