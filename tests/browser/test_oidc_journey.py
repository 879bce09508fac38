"""Signing in with the identity provider in a browser: there and back without a script, then what a person without a password does."""

import secrets

import httpx
import psycopg
from playwright.async_api import expect

from dashboard_app.access.api_tokens import digest
from dashboard_app.access.vault import Vault
from dashboard_app.settings import Settings
from tests.browser.conftest import NARROW, violations
from tests.instance import PLAIN, url_of
from tests.oidc_provider import PASSWORD

EVA = {"email": "eva@example.org", "email_verified": True, "name": "Eva", "groups": ["sre"]}


async def let_in(page, who="eva"):
    """Fill the provider's form."""
    await page.get_by_label("Who").fill(who)
    await page.get_by_label("Password of the provider").fill(PASSWORD)
    await page.get_by_role("button", name="Let me in").click()


def stale_session(instance, email):
    """The cookie of a session whose person showed an hour ago who they are: waiting for it would take a quarter of one."""
    secret = secrets.token_urlsafe(32)
    with psycopg.connect(url_of(instance.postgres.address())) as database:
        database.execute(
            "INSERT INTO sessions (id_hash, user_id, address, created_at, last_seen_at, expires_at, user_agent, proved_at) "
            "SELECT %s, id, '', now(), now(), now() + interval '1 hour', '', now() - interval '1 hour' FROM users WHERE email = %s",
            (digest(secret), email),
        )
    return {
        "name": "spillway_session",
        "value": f"{secret}.{Vault(Settings(data_dir=instance.data_dir)).sign(secret)}",
        "url": instance.url,
    }


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


async def test_whoever_is_refused_for_want_of_a_proof_finds_the_way_behind_the_sentence_and_back(backend, identity_provider, visit):
    identity_provider.quirks()
    identity_provider.people(ida=EVA | {"email": "ida@example.org"})
    async with httpx.AsyncClient(verify=PLAIN) as browser:
        away = (await browser.get(f"{backend.url}/oidc/start")).headers["location"]
        assert (await browser.get(identity_provider.sign_in(away, "ida"))).headers["location"] == "/"
    async with visit(backend) as v:
        await v.page.context.add_cookies([stale_session(backend, "ida@example.org")])
        await v.open("/tokens")
        await v.page.get_by_label("Name").fill("late")
        await v.page.get_by_role("button", name="Make the token").click()
        await v.page.get_by_test_id("way-to-prove").click()
        await v.page.wait_for_url(f"{backend.url}/account#prove")
        await v.page.get_by_role("link", name="Show it with Example ID").click()
        await let_in(v.page, "ida")
        await expect(v.page.get_by_text("You have shown who you are")).to_be_visible()
        await v.open("/tokens")
        await v.page.get_by_label("Name").fill("late")
        await v.page.get_by_role("button", name="Make the token").click()
        await expect(v.page.get_by_test_id("new-token")).to_be_visible()
        await v.open("/users")
        await expect(v.page.get_by_test_id("user-row").filter(has_text="ida@example.org")).to_contain_text("by Example ID")
        await expect(v.page.get_by_test_id("user-row").filter(has_text="vera@example.org")).not_to_contain_text("by Example ID")
