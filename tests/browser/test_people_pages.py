"""Accounts and tokens in a real browser: an admin lets a person in, gives and takes roles, and gives a program its token."""

import time

from playwright.async_api import expect

from tests.browser.conftest import PASSWORD


async def test_a_person_is_let_in_by_a_link_given_a_role_locked_out_and_let_in_again(backend, visit):
    email = f"nora-{time.monotonic_ns()}@example.org"
    async with visit(backend) as admin, visit(backend) as nora:
        await admin.sign_in(path="/users")
        await admin.page.get_by_label("Email").fill(email)
        await admin.page.get_by_role("button", name="Add and make a link").click()
        link = await admin.page.get_by_test_id("password-link").input_value()
        row = admin.page.locator(f"[data-testid=user-row][data-email='{email}']")
        await expect(row).to_contain_text("0")

        await nora.page.goto(link)
        for box in await nora.page.locator("input[type=password]").all():
            await box.fill(PASSWORD)
        await nora.page.get_by_test_id("password-submit").click()
        await nora.sign_in(email, PASSWORD, "/pool")
        account = nora.page.locator("header")
        await expect(account).to_contain_text("viewer")
        await expect(nora.page.get_by_test_id("force-cleanup")).to_be_disabled()

        await row.get_by_label(f"Role of {email}").select_option("operator")
        await expect(admin.page.get_by_text(f"{email} is operator from now on.")).to_be_visible()
        await nora.page.reload()
        await expect(account).to_contain_text("operator")

        await row.get_by_role("button", name="Disable").click()
        await admin.page.get_by_role("button", name="Disable the account").click()
        await nora.page.wait_for_url("**/login?expired=1**")
        await expect(row).to_contain_text("disabled")
        await row.get_by_role("button", name="Let in again").click()
        await nora.sign_in(email, PASSWORD, "/")


async def test_a_token_is_shown_once_opens_what_its_scope_allows_and_nothing_after_it_is_revoked(backend, visit):
    name = f"grafana {time.monotonic_ns()}"
    async with visit(backend) as v:
        await v.sign_in(path="/tokens")
        await v.page.get_by_label("Name").fill(name)
        await v.page.get_by_role("button", name="Make the token").click()
        secret = await v.page.get_by_test_id("new-token").input_value()
        row = v.page.get_by_test_id("token-row").filter(has_text=name)
        await expect(row).to_contain_text(secret[:8])
        with backend.client(None) as api:
            signed = {"Authorization": f"Bearer {secret}"}
            assert api.get("/scan/data-sources", headers=signed).status_code == 200
            await v.page.get_by_role("button", name="Done").click()
            await expect(v.page.get_by_test_id("new-token")).to_have_count(0)
            assert secret not in await v.page.content()
            await row.get_by_role("button", name="Revoke").click()
            await v.page.get_by_role("dialog").or_(v.page.get_by_role("alertdialog")).get_by_role("button", name="Revoke").click()
            await expect(v.page.get_by_text(f"{name} is no longer good.")).to_be_visible()
            assert api.get("/scan/data-sources", headers=signed).status_code == 401
