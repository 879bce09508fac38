"""The wall: readable from across the room, honest about its age, and without controls."""

import re
import signal

from playwright.async_api import expect

from dashboard_app.console.rows.wall import OLD_S
from tests.browser.conftest import NARROW, calm, faces, fits, violations

SCREEN = {"width": 1920, "height": 1080}


SIZES = "all => all.map((one) => parseFloat(getComputedStyle(one).fontSize))"


async def px(locator) -> float:
    return float(await locator.evaluate("node => parseFloat(getComputedStyle(node).fontSize)"))


async def test_the_wall_is_large_worst_first_and_leaves_by_escape(console, backend, visit):
    await calm(backend)
    async with visit(console, SCREEN) as v:
        await v.sign_in(path="/wall")
        title = v.page.get_by_role("heading", level=1)
        await expect(title).to_contain_text(re.compile(r"\d+ of \d+ DOWN"))
        tiles = v.page.locator(".wall-tile")
        await expect(tiles.first).to_have_attribute("data-status", "unhealthy")
        assert await px(title) >= 96
        assert min(await tiles.locator("b, small").evaluate_all(SIZES)) >= 20  # at once: tiles come and go
        assert await v.page.locator(".wall button").count() == 0
        await expect(v.page.locator(".wall-age")).to_have_text(re.compile(r"data \d+\xa0s old"))
        await v.page.keyboard.press("Escape")
        await expect(v.page).to_have_url(f"{console.url}/")


async def test_without_an_answer_the_wall_says_in_large_letters_how_old_it_is(backend, visit):
    await calm(backend)
    async with visit(backend, SCREEN) as v:
        await v.page.clock.install()
        await v.sign_in(path="/wall")
        old = v.page.locator(".wall-old")
        await expect(v.page.locator(".wall-age")).to_have_text(re.compile("data"))
        await expect(old).to_be_hidden()
        backend.process.send_signal(signal.SIGSTOP)
        try:  # what was sent before it stopped has come when the age grows
            await expect(v.page.locator(".wall-age")).to_have_text(re.compile(r"data [5-9]\xa0s old"))
            await v.page.clock.run_for(42_000)
            told = re.fullmatch(r"DATA IS (\d+)\xa0s OLD", await old.inner_text())
            assert told is not None
            assert int(told[1]) >= OLD_S, "what comes into view had waited with its text until it was there"
            await expect(old).to_have_text(re.compile(r"DATA IS (4[2-9]|[5-9]\d|1[01]\d)\xa0s OLD"))
            await expect(old).to_be_visible()
        finally:
            backend.process.send_signal(signal.SIGCONT)


async def test_the_wall_has_no_accessibility_findings_and_fits(backend, visit):
    async with visit(backend, SCREEN, reduced_motion="reduce") as v:
        await v.sign_in(path="/wall")
        await expect(v.page.locator(".wall-tile").first).to_be_visible()
        async for _ in faces(v.page, SCREEN, NARROW):
            assert await violations(v.page) == []
            await fits(v.page)
