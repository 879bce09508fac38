"""What an open page does when its session ends: it leaves for the sign-in page by itself, and comes back to where it was."""

import time

import httpx
import pytest
from playwright.async_api import TimeoutError as PlaywrightTimeout
from playwright.async_api import expect

from tests.browser.conftest import PASSWORD
from tests.instance import ADMIN_EMAIL, PLAIN

GONE_MS = 20_000
ELSEWHERE = "window.WebSocket = class extends WebSocket { constructor(url) { super(String(url).replace('/_event', '/nowhere')); } }"
"""A page whose socket is refused, always."""


async def _watch(v, email, password, path="/pool"):
    await v.sign_in(email, password, path)
    await expect(v.page.get_by_test_id("pool-usage")).to_be_visible()


async def test_signing_out_elsewhere_sends_an_open_page_to_the_sign_in_and_back(backend, visit):
    async with visit(backend) as v:
        await _watch(v, "vera@example.org", PASSWORD)
        cookie = "; ".join(f"{c['name']}={c['value']}" for c in await v.page.context.cookies())
        async with httpx.AsyncClient(base_url=backend.url, headers={"Origin": backend.url, "Cookie": cookie}, verify=PLAIN) as elsewhere:
            assert (await elsewhere.post("/logout")).status_code == 303
        await v.page.wait_for_url("**/login?expired=1&next=%2Fpool", timeout=GONE_MS)
        await v.page.get_by_test_id("sign-in-email").fill("vera@example.org")
        await v.page.get_by_test_id("sign-in-password").fill(PASSWORD)
        await v.page.get_by_test_id("sign-in-submit").click()
        await v.page.wait_for_url(f"{backend.url}/pool")


async def test_somebody_disabled_by_another_process_is_out_within_seconds(backend, visit):
    email = f"dora-{time.monotonic_ns()}@example.org"
    backend.cli("user", "add", email, "--role", "viewer", stdin=PASSWORD)
    async with visit(backend) as v:
        await _watch(v, email, PASSWORD)
        backend.cli("user", "disable", email)
        await v.page.wait_for_url("**/login?expired=1**", timeout=GONE_MS)


async def test_the_tab_that_signs_out_is_not_told_that_its_session_ended(backend, visit):
    async with visit(backend) as v:
        await _watch(v, ADMIN_EMAIL, "correct-horse-battery-7")
        await v.page.evaluate("""() => { const form = document.createElement('form'); form.method = 'post'; form.action = '/logout';
            document.body.append(form); form.submit(); }""")
        await v.page.wait_for_url("**/login?out=1", timeout=GONE_MS)
        with pytest.raises(PlaywrightTimeout):
            await v.page.wait_for_url("**/login?expired=1**", timeout=1500)


async def test_a_page_whose_socket_never_came_hears_of_the_end_of_its_session(backend, visit):
    async with visit(backend) as v:
        await v.page.add_init_script(ELSEWHERE)
        await _watch(v, "vera@example.org", PASSWORD)
        await v.page.context.clear_cookies()
        await v.page.wait_for_url("**/login?expired=1&next=%2Fpool", timeout=GONE_MS)


async def test_signing_out_leaves_no_words_of_the_house_in_the_browser(backend, visit):
    async with visit(backend) as v:
        await _watch(v, "vera@example.org", PASSWORD)
        await v.open("/")
        await expect(v.page.get_by_text("legacy-crm").first).to_be_visible()
        cookie = next(one["value"] for one in await v.page.context.cookies() if one["name"] == "spillway_session")
        await v.page.evaluate("""() => { const form = document.createElement('form'); form.method = 'post'; form.action = '/logout';
            document.body.append(form); form.submit(); }""")
        await v.page.wait_for_url("**/login?out=1", timeout=GONE_MS)
        kept = await v.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        shown = await v.page.content()
        for word in ("vera@example.org", "legacy-crm", PASSWORD, cookie):
            assert word not in kept
            assert word not in shown
        assert [one["name"] for one in await v.page.context.cookies() if one["name"] == "spillway_session"] == []
