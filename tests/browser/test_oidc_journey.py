"""Signing in with the identity provider in a browser: there and back without a script, then what a person without a password does."""

import httpx
from playwright.async_api import expect

from tests.browser.conftest import NARROW, violations
from tests.instance import PLAIN
from tests.oidc_provider import PASSWORD

EVA = {"email": "eva@example.org", "email_verified": True, "name": "Eva", "groups": ["sre"]}


async def let_in(page, who="eva"):
    """Fill the provider's form."""
    await page.get_by_label("Who").fill(who)
    await page.get_by_label("Password of the provider").fill(PASSWORD)
    await page.get_by_role("button", name="Let me in").click()


async def test_a_person_of_the_provider_comes_in_proves_who_they_are_there_and_makes_a_narrow_token(backend, identity_provider, visit):
    identity_provider.quirks()
    identity_provider.people(eva=EVA)
    async with visit(backend, NARROW, java_script_enabled=False) as plain:
        await plain.open("/login?next=/tokens")
        await plain.page.get_by_test_id("sign-in-provider").click()
        await let_in(plain.page)
        await plain.page.wait_for_url(f"{backend.url}/tokens")

    async with visit(backend) as v:
        await v.open("/login?next=/account")
        await v.page.get_by_role("link", name="Sign in with Example ID").click()
        await let_in(v.page)
        await v.page.wait_for_url(f"{backend.url}/account")
        await expect(v.page.get_by_text("You sign in with Example ID and have no password here.")).to_be_visible()
        await expect(v.page.get_by_label("Present password")).to_have_count(0)
        await v.page.get_by_role("link", name="Show it with Example ID").click()
        await let_in(v.page)  # who is signed in there is asked all the same
        await v.page.wait_for_url(f"{backend.url}/account?proved=1")
        await expect(v.page.get_by_text("You have shown who you are")).to_be_visible()
        assert await violations(v.page) == []

        await v.open("/tokens")
        await v.page.get_by_label("Name").fill("prometheus")
        await v.page.get_by_test_id("token-scopes").get_by_label("metrics").check()
        await v.page.get_by_role("button", name="Make the token").click()
        token = await v.page.get_by_test_id("new-token").input_value()
        await expect(v.page.get_by_test_id("token-row").filter(has_text="prometheus")).to_contain_text("metrics")
        assert await violations(v.page) == []
    async with httpx.AsyncClient(base_url=backend.url, headers={"Authorization": f"Bearer {token}"}, verify=PLAIN) as program:
        assert (await program.get("/metrics")).status_code == 200
        assert (await program.get("/api/v1/jobs")).json()["code"] == "insufficient_scope"
