"""`/account` and the second step of the sign-in, in a browser; the step itself runs no script."""

import time

import pyotp
from playwright.async_api import expect

from tests.browser.conftest import NARROW, PASSWORD, violations

TESS = "tess@example.org"


def code_after(key, used=""):
    """A code that was not used yet: of this step, or of the next, which counts already."""
    totp, now = pyotp.TOTP(key), int(time.time())
    return next(code for code in (totp.at(now), totp.at(now + 30)) if code != used)


async def test_an_app_is_set_up_asked_for_without_a_script_and_another_session_is_ended(backend, visit):
    backend.cli("user", "add", TESS, "--role", "viewer", stdin=PASSWORD)
    async with visit(backend) as v:
        await v.sign_in(TESS, PASSWORD)
        await v.page.get_by_role("button", name=TESS).click()
        await v.page.get_by_role("link", name="Your account").click()
        await expect(v.page.get_by_role("heading", level=1)).to_have_text("You are signed in here only", timeout=20_000)
        await v.page.get_by_test_id("begin-second-factor").click()
        key = await v.page.get_by_test_id("factor-key").inner_text(timeout=20_000)
        used = code_after(key)
        await v.page.get_by_label("Code of the app").fill(used)
        await v.page.get_by_role("button", name="Confirm").click()
        codes = v.page.get_by_test_id("recovery-codes").get_by_role("listitem")
        await expect(codes).to_have_count(10, timeout=20_000)
        assert await violations(v.page) == []
        async with visit(backend, NARROW, java_script_enabled=False) as plain:
            await plain.page.goto(f"{backend.url}/login?next=/account")
            await plain.page.get_by_test_id("sign-in-email").fill(TESS)
            await plain.page.get_by_test_id("sign-in-password").fill(PASSWORD)
            await plain.page.get_by_test_id("sign-in-submit").click()
            await expect(plain.page.get_by_test_id("sign-in-code")).to_be_focused()
            await plain.page.get_by_test_id("sign-in-code").fill(code_after(key, used))
            await plain.page.get_by_test_id("sign-in-submit").click()
            await plain.page.wait_for_url(f"{backend.url}/account", timeout=15_000)
            await v.open("/account")
            await expect(v.page.get_by_test_id("session-row")).to_have_count(2, timeout=20_000)
            await v.page.get_by_test_id("end-other-sessions").click()
            await expect(v.page.get_by_text("1 other session ended.")).to_be_visible(timeout=20_000)
            await plain.open("/pool")
            await expect(plain.page.get_by_test_id("sign-in-password")).to_be_visible()
