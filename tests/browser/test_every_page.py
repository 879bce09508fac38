"""What holds on every page, in both themes, wide and on a phone."""

from collections import Counter

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, calm, violations

PATHS = ("/", "/sources/1", "/pool", "/audit", "/settings", "/drill")
ONCE = ("throttling-level", "pool-usage", "breaker-indicator")
TEST_IDS = "[...document.querySelectorAll('[data-testid]')].map((one) => one.dataset.testid)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
async def test_a_page_has_no_accessibility_finding_and_each_hook_once(backend, visit, scheme, size):
    await calm(backend)
    async with visit(backend, size, color_scheme=scheme, reduced_motion="reduce") as v:
        await v.open("/login")
        assert await violations(v.page) == [], "/login"
        await v.sign_in()
        for path in PATHS:
            await v.open(path)
            await expect(v.page.get_by_role("heading", level=1)).not_to_contain_text("Reading", timeout=20_000)
            await v.page.wait_for_function("document.fonts.status === 'loaded'")
            assert await violations(v.page) == [], path
            hooks = Counter(await v.page.evaluate(TEST_IDS))
            assert {name: count for name, count in hooks.items() if count > 1 and name != "source-card"} == {}, path
            assert set(ONCE) <= set(hooks), path
            assert await v.page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0, path


async def test_an_unknown_address_says_so_and_leads_back(backend, visit):
    async with visit(backend, NARROW) as v:
        await v.sign_in()
        answer = await v.page.goto(f"{backend.url}/no-such-page")
        assert answer.status == 404
        await expect(v.page.get_by_role("heading", level=1)).to_have_text("There is no page at this address")
        assert await violations(v.page) == []
        await v.page.get_by_role("link", name="Back to sources").click()
        await expect(v.page.get_by_test_id("source-card").first).to_be_visible(timeout=20_000)
