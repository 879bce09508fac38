"""The second step of a sign-in, and the link that sets a password, as a browser without scripts sends them."""

import html
import re

import pytest

from dashboard_app.model.user import Role
from tests.access.parts import PASSWORD, settled
from tests.access.test_gate import BASE, sign_in, visitor
from tests.access.test_second_factor import BOSS, EMAIL, enrolled, shown

FROM_HERE = {"Origin": BASE}


def fields_of(page):
    """The hidden fields of the form."""
    return {name: html.unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)}


async def test_after_the_password_a_plain_form_asks_for_the_code_and_leads_to_the_page_asked_for(parts):
    key, recovery = await enrolled(parts)
    parts.clock.tick(30)
    async with visitor(parts) as client:
        asked = await sign_in(client, Role.VIEWER, next_path="/pool?tab=a")
        assert (asked.status_code, "set-cookie" in asked.headers, PASSWORD in asked.text) == (200, False, False)
        assert 'data-testid="sign-in-code"' in asked.text
        assert 'autocomplete="one-time-code"' in asked.text
        assert asked.headers["content-security-policy"].startswith("default-src 'none'")
        form = fields_of(asked.text)
        wrong = await client.post("/login", data=form | {"code": "000000"}, headers=FROM_HERE)
        assert wrong.status_code == 401
        assert "This code is not right, or it was used already. 9 tries left this minute." in wrong.text
        assert fields_of(wrong.text) == form
        done = await client.post("/login", data=form | {"code": shown(key, parts.clock)}, headers=FROM_HERE)
        assert (done.status_code, done.headers["location"]) == (303, "/pool?tab=a")
        assert (await client.get("/pool")).text.startswith(EMAIL)
        again = await client.post("/login", data=form | {"ticket": "made up", "code": recovery[0]}, headers=FROM_HERE)
        assert again.status_code == 401
        assert 'data-testid="sign-in-password"' in again.text
        foreign = await client.post("/login", data=form | {"code": recovery[0]}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
    await settled(parts.audit)
    begun = await parts.audit.page(action="session.begin", actor=EMAIL)
    assert [row.result for row in begun] == ["ok"]
    assert [(row.target, row.result) for row in await parts.audit.page(actor="nobody")] == [("(no ticket)", "refused"), (EMAIL, "refused")]


async def test_too_many_codes_are_429(parts):
    await enrolled(parts)
    async with visitor(parts) as client:
        form = fields_of((await sign_in(client, Role.VIEWER)).text)
        for _ in range(11):
            last = await client.post("/login", data=form | {"code": "000000"}, headers=FROM_HERE)
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) >= 1


async def test_a_link_shows_a_plain_form_sets_the_password_and_works_once(parts):
    _, link = await parts.identity.invite("bo@example.org", Role.OPERATOR, by=BOSS)
    async with visitor(parts) as client:
        page = await client.get(link.path)
        assert (page.status_code, page.headers["cache-control"], page.headers["referrer-policy"]) == (200, "no-store", "same-origin")
        assert "bo@example.org" in page.text
        form = fields_of(page.text)
        weak = await client.post("/password", data=form | {"password": "password1"}, headers=FROM_HERE)
        assert (weak.status_code, "most common" in weak.text) == (422, True)
        done = await client.post("/password", data=form | {"password": PASSWORD}, headers=FROM_HERE)
        assert (done.status_code, done.headers["location"], "set-cookie" in done.headers) == (303, "/login?set=1", False)
        assert "Your password is set." in (await client.get("/login?set=1")).text
        for used in (await client.get(link.path), await client.post("/password", data=form | {"password": PASSWORD}, headers=FROM_HERE)):
            assert (used.status_code, "This link was used at" in used.text) == (410, True)
        assert (await client.get("/password?token=x")).status_code == 410
        assert (
            await client.post("/password", data={"token": "x", "password": PASSWORD}, headers={"Origin": "https://evil.example"})
        ).status_code == 403
        entered = await client.post("/login", data={"email": "bo@example.org", "password": PASSWORD}, headers=FROM_HERE)
        assert entered.status_code == 303


async def test_the_forms_ask_for_nothing_but_email_password_and_code(parts):
    _, link = await parts.identity.invite("bo@example.org", Role.OPERATOR, by=BOSS)
    async with visitor(parts) as client:
        login, password = (await client.get("/login")).text, (await client.get(link.path)).text
    assert set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', login)) == {"email", "password", "next"}
    assert set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', password)) == {"email", "password", "token"}


@pytest.mark.parametrize("way", ["get", "post"])
async def test_while_the_database_is_away_a_link_says_so(parts, postgres, way):
    postgres.stop()
    async with visitor(parts) as client:
        answer = await (
            client.get("/password?token=x") if way == "get" else client.post("/password", data={"token": "x"}, headers=FROM_HERE)
        )
    assert (answer.status_code, "The database does not answer" in answer.text) == (503, True)
