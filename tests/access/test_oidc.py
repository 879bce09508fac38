"""Signing in with an identity provider: a real one in a process of its own, real signatures, real HTTP."""

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
import pytest

from dashboard_app.access.gate import Gate
from dashboard_app.access.oidc_pages import OidcPages
from dashboard_app.access.oidc_provider import GOOD_S, REST_S, STALE_S, Provider
from dashboard_app.access.sign_in import SignIn
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import ProofNeeded
from dashboard_app.model.user import Role
from dashboard_app.policy.permission import require_proof
from tests.access.parts import PASSWORD, opened, settled
from tests.access.test_gate import Echo
from tests.instance import free_port
from tests.oidc_provider import running_provider

HOME = "http://127.0.0.1:8000"
EVA = {"email": "eva@example.org", "email_verified": True, "name": "Eva", "groups": ["staff", "dev"]}


@pytest.fixture(scope="module")
def process():
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(process):
    process.quirks()
    process.people(eva=EVA, ben=EVA | {"email": "ben@example.org", "groups": ["sre"]})
    return process


@pytest.fixture
def site_of(fresh_database, settings_for):
    """`site_of(settings)`: the gate, the sign-in pages and the provider's, on a database with an admin, an operator and a viewer."""

    @asynccontextmanager
    async def opened_with(settings, **over):
        settings = settings_for(**{"rate_limit_login": "100/minute", **settings, **over})
        async with opened(fresh_database, settings, ManualClock(datetime.now(UTC))) as parts:
            await parts.add_users()
            parts.provider = Provider(settings, parts.clock)
            oidc = OidcPages(parts.provider, parts.identity, parts.vault, parts.clock)
            pages = SignIn(parts.identity, parts.audit, "test", parts.database.ping, oidc=oidc)
            gate = Gate(Echo(), identity=parts.identity, pages=pages, settings=settings)
            parts.browser = lambda base=HOME: httpx.AsyncClient(transport=httpx.ASGITransport(gate, client=("192.0.2.1", 1)), base_url=base)
            try:
                yield parts
            finally:
                await parts.provider.close()

    return opened_with


@pytest.fixture
async def site(site_of, provider):
    async with site_of(provider.settings) as parts:
        yield parts


async def there(client, query=""):
    """Off to the provider: its address."""
    answer = await client.get(f"/oidc/start{query}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def journey(client, provider, who="eva", query=""):
    """There, in at the provider, and back: the answer to the callback."""
    return await client.get(provider.sign_in(await there(client, query), who))


async def rows(parts, *actions):
    """(action, target, result) of the audit, oldest first."""
    await settled(parts.audit)
    found = [row for row in reversed(await parts.audit.page()) if row.action in actions and row.actor != "command line"]
    return [(row.action, row.target, row.result) for row in found]


async def test_the_button_is_a_plain_link_that_remembers_the_page_asked_for(site):
    async with site.browser() as client:
        page = await client.get("/login?next=/pool%3Fa%3D1")
        assert (
            '<a class="button" href="/oidc/start?next=/pool%3Fa%3D1" data-testid="sign-in-provider">Sign in with Example ID</a>'
            in page.text
        )


async def test_whoever_the_provider_lets_in_is_signed_in_with_the_highest_role_its_claim_names(site, provider):
    async with site.browser() as client:
        address = await there(client, "?next=/pool")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["code_challenge_method"], asked["redirect_uri"]) == ("S256", f"{HOME}/oidc/callback")
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
        back = await client.get(provider.sign_in(address, "eva"))
        assert (back.status_code, back.headers["location"]) == (303, "/pool")
        assert all(mark in back.headers["set-cookie"].lower() for mark in ("spillway_session=", "httponly", "samesite=lax"))
        assert (await client.get("/pool")).text.startswith("eva@example.org ")
        assert (await client.get("/oidc/start")).headers["location"] == "/"  # who is in goes nowhere
    user = next(user for user in await site.identity.list_users() if user.email == "eva@example.org")
    assert (user.role, user.name, user.disabled) == (Role.OPERATOR, "Eva", False)
    assert await rows(site, "user.add", "session.begin") == [
        ("user.add", "eva@example.org", "ok"),
        ("session.begin", "eva@example.org", "ok"),
    ]
    begun = next(row for row in await site.audit.page() if row.action == "session.begin")
    assert begun.details["by"] == "oidc"


async def test_the_role_is_what_the_provider_says_at_each_sign_in_and_the_person_is_known_by_subject(site, provider):
    async with site.browser() as client:
        await journey(client, provider)
    provider.people(eva=EVA | {"groups": ["sre"], "email": "eva.new@example.org"})
    async with site.browser() as client:
        await journey(client, provider)
        assert (await client.get("/pool")).text.startswith("eva@example.org ")
    found = {user.email: user.role for user in await site.identity.list_users()}
    assert (found["eva@example.org"], len(found)) == (Role.ADMIN, 4)
    assert ("user.set-role", "eva@example.org", "ok") in await rows(site, "user.set-role")


async def test_the_last_admin_stays_admin_whatever_the_provider_says(site, provider):
    async with site.browser() as client:
        await journey(client, provider, "ben")
    await site.identity.disable("admin@example.org")
    provider.people(ben=EVA | {"email": "ben@example.org", "groups": ["staff"]})
    async with site.browser() as client:
        assert (await journey(client, provider, "ben")).headers["location"] == "/"
        assert (await client.get("/pool")).text.startswith("ben@example.org ")
    ben = next(user for user in await site.identity.list_users() if user.email == "ben@example.org")
    assert ben.role is Role.ADMIN
    assert ("user.set-role", "ben@example.org", "conflict") in await rows(site, "user.set-role")


WRONG = {
    "wrong nonce": ({"claims": {"nonce": "x"}}, "not_ours"),
    "no nonce": ({"claims": {"nonce": None}}, "not_ours"),
    "wrong audience": ({"claims": {"aud": "another-client"}}, "not_ours"),
    "audience of several without azp": ({"claims": {"aud": ["spillway", "x"]}}, "not_ours"),
    "another azp": ({"claims": {"aud": ["spillway", "x"], "azp": "x"}}, "not_ours"),
    "wrong issuer": ({"claims": {"iss": "https://evil.example"}}, "not_ours"),
    "answer of another issuer": ({"iss": "https://evil.example"}, "not_ours"),
    "expired": ({"claims": {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}}, "not_ours"),
    "not yet": ({"claims": {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200}}, "not_ours"),
    "no end": ({"claims": {"exp": None}}, "not_ours"),
    "signed by another key": ({"signed": "by another key"}, "not_ours"),
    "not signed": ({"signed": "none"}, "not_ours"),
    "no subject": ({"claims": {"sub": None}}, "not_ours"),
    "a subject that cannot be stored": ({"claims": {"sub": "a\x00b"}}, "not_ours"),
    "a wrong hash of the access token": ({"claims": {"at_hash": "x"}}, "not_ours"),
    "no role": ({"claims": {"groups": ["nobody"]}}, "no_role"),
    "no claim": ({"claims": {"groups": None}}, "no_role"),
    "no email": ({"claims": {"email": None}}, "no_email"),
    "email that cannot be stored": ({"claims": {"email": "e\x00@example.org"}}, "no_email"),
    "email not verified": ({"claims": {"email_verified": False}}, "no_email"),
    "email of another account": ({"claims": {"email": "Admin@example.org"}}, "email_taken"),
}


async def test_an_answer_that_is_not_for_us_lets_nobody_in_and_says_why_in_the_audit(site, provider):
    for case, (quirks, reason) in WRONG.items():
        provider.quirks(**quirks)
        async with site.browser() as client:
            answer = await journey(client, provider, query="?next=/pool")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/login?oidc={reason}&next=/pool"), case
            assert "spillway_session" not in answer.headers["set-cookie"], case
            page = await client.get(answer.headers["location"])
            assert "xample ID" in page.text.partition('role="alert"')[2].partition("</p>")[0], case
    assert len(await site.identity.list_users()) == 3
    refused = await rows(site, "session.begin")
    assert [result for _, _, result in refused] == ["refused"] * len(WRONG)
    assert [why.partition(":")[0] for _, why, _ in refused] == [reason for _, reason in WRONG.values()]


async def test_a_state_counts_once_and_only_in_the_browser_that_went(site, provider):
    async with site.browser() as client, site.browser() as other:
        back = provider.sign_in(await there(client), "eva")
        state = parse_qs(urlsplit(back).query)["state"][0]
        assert (await other.get(back)).headers["location"] == "/login?oidc=lost"  # a link that somebody sent
        assert (await client.get(back.replace(state, "x"))).headers["location"] == "/login?oidc=lost"
        kept = (await client.get("/oidc/start")).headers["set-cookie"]  # refused answers took the cookie; go again
        back = provider.sign_in(await there(client), "eva")
        cookie = client.cookies["spillway_oidc"]
        assert (await client.get(back)).headers["location"] == "/"
        again = await other.get(back, headers={"Cookie": f"spillway_oidc={cookie}"})
        assert again.headers["location"] == "/login?oidc=lost"
        assert kept
    for broken in ("", "x", "é", "x" * 5000, cookie[:-3]):
        async with site.browser() as client:
            answer = await client.get(back, headers={"Cookie": f"spillway_oidc={broken}".encode()})
            assert answer.headers["location"] == "/login?oidc=lost"


async def test_a_sign_in_that_takes_longer_than_ten_minutes_is_begun_anew(site, provider):
    async with site.browser() as client:
        back = provider.sign_in(await there(client), "eva")
        site.clock.tick(601)
        assert (await client.get(back)).headers["location"] == "/login?oidc=lost"


async def test_a_code_that_was_redeemed_or_made_up_is_refused_and_tries_are_counted(site_of, provider):
    async with site_of(provider.settings, rate_limit_login="2/minute") as site:
        for reason in ("code_refused", "code_refused", "limited"):
            async with site.browser() as client:
                state = parse_qs(urlsplit(await there(client)).query)["state"][0]
                answer = await client.get(f"/oidc/callback?{urlencode({'code': 'made-up', 'state': state, 'iss': provider.issuer})}")
                assert answer.headers["location"] == f"/login?oidc={reason}"


async def test_who_says_no_at_the_provider_is_told_so(site, provider):
    async with site.browser() as client:
        back = provider.sign_in(await there(client), "eva", "a wrong password")
        assert (await client.get(back)).headers["location"] == "/login?oidc=denied"


async def test_a_disabled_account_stays_out(site, provider):
    async with site.browser() as client:
        await journey(client, provider)
    await site.identity.disable("eva@example.org")
    async with site.browser() as client:
        assert (await journey(client, provider)).headers["location"] == "/login?oidc=disabled"


async def test_who_loses_every_role_is_signed_out_where_they_still_are(site, provider):
    async with site.browser() as client, site.browser() as elsewhere:
        await journey(client, provider)
        provider.quirks(claims={"groups": []})
        assert (await journey(elsewhere, provider)).headers["location"] == "/login?oidc=no_role"
        assert (await client.get("/pool")).status_code == 303


async def test_no_redirect_leads_away_and_only_a_get_is_let_in(site, provider):
    async with site.browser() as client:
        for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example", "/oidc/start", "/login", "x" * 3000, "/" + "é" * 900):
            answer = await journey(client, provider, query=f"?{urlencode({'next': wanted})}")
            assert answer.headers["location"] == "/", wanted
            await client.post("/logout", headers={"Origin": HOME})
        for path in ("/oidc/start", "/oidc/callback"):
            for method in ("POST", "PUT", "DELETE"):
                assert (await client.request(method, path, headers={"Origin": "https://evil.example"})).status_code == 403
                answer = await client.request(method, path, headers={"Origin": HOME})
                assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
            assert (await client.get(path, headers={"Host": "evil.example"})).status_code == 400
        crossed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        back = provider.sign_in(await there(client), "eva")
        assert (await client.get(back, headers=crossed)).headers["location"] == "/"


async def test_who_comes_by_another_name_of_this_server_goes_by_the_registered_one(site):
    async with site.browser("http://localhost:8000") as client:
        assert await there(client, "?next=/pool%3Fa%3D1") == f"{HOME}/oidc/start?next=/pool%3Fa%3D1"


async def test_a_port_that_goes_without_saying_is_no_other_name(site_of, provider):
    at_home = "https://spillway.example.org"
    async with site_of(provider.settings, public_url=f"{at_home}:443") as site, site.browser(at_home) as client:
        answer = await client.get("/oidc/start")
        assert answer.headers["location"].startswith(f"{provider.issuer}/authorize?")
        assert answer.headers["set-cookie"].startswith("__Host-spillway_oidc=")
        assert "; Secure" in answer.headers["set-cookie"]


async def test_while_the_provider_is_away_the_password_still_works(site_of, provider):
    gone = f"http://127.0.0.1:{free_port()}"
    async with site_of(provider.settings, oidc_issuer=gone) as site, site.browser() as client:
        assert await there(client, "?next=/pool") == "/login?oidc=away&next=/pool"
        page = await client.get("/login?oidc=away")
        assert "Example ID does not answer just now. Sign in with your password, or try again in a moment." in page.text
        form = {"email": "admin@example.org", "password": PASSWORD}
        assert (await client.post("/login", data=form, headers={"Origin": HOME})).headers["location"] == "/"


async def test_a_provider_under_another_name_is_not_believed(site_of, provider):
    provider.quirks(issuer="https://evil.example")
    async with site_of(provider.settings) as site, site.browser() as client:
        assert await there(client) == "/login?oidc=away"
        provider.quirks()
        assert await there(client) == "/login?oidc=away"  # asked again after a rest only
        site.clock.tick(REST_S)
        assert (await there(client)).startswith(provider.issuer)


async def test_what_the_provider_says_of_itself_is_read_once_an_hour_and_a_new_key_at_once(site, provider):
    async with site.browser() as client:
        await there(client)
        assert provider.quirks() == ["discovery", "keys"]
        site.clock.tick(REST_S)
        await there(client)
        assert provider.quirks(new_key=True) == []
        assert (await journey(client, provider)).headers["location"] == "/"
        assert provider.quirks() == ["token", "discovery", "keys"]
        await client.post("/logout", headers={"Origin": HOME})
        site.clock.tick(GOOD_S)
        await there(client)
        assert provider.quirks(issuer="x") == ["discovery", "keys"]
        site.clock.tick(GOOD_S)
        assert (await there(client)).startswith(provider.issuer)  # it cannot be read: what is known counts for a day
        site.clock.tick(STALE_S)
        assert await there(client) == "/login?oidc=away"


async def test_what_the_token_leaves_out_is_asked_of_userinfo(site, provider):
    provider.people(eva={"email_verified": True})
    provider.quirks(userinfo={"email": "eva@example.org", "groups": ["dev"]})
    async with site.browser() as client:
        assert (await journey(client, provider)).headers["location"] == "/"
    assert next(user.role for user in await site.identity.list_users() if user.email == "eva@example.org") is Role.OPERATOR
    provider.people(mia={"email_verified": True})
    provider.quirks(userinfo={"sub": "id-of-eva", "email": "eva@example.org", "groups": ["sre"]})
    async with site.browser() as client:
        assert (await journey(client, provider, "mia")).headers["location"] == "/login?oidc=no_role"  # another one's answer


@pytest.mark.parametrize(("verified", "location"), [(True, "/"), (False, "/login?oidc=email_taken"), (None, "/login?oidc=email_taken")])
async def test_an_account_is_tied_by_email_only_when_set_so_and_verified(site_of, provider, verified, location):
    provider.people(vera=EVA | {"email": "Viewer@example.org", "email_verified": verified})
    async with site_of(provider.settings, oidc_link_by_email=True) as site, site.browser() as client:
        assert (await journey(client, provider, "vera")).headers["location"] == location
        if verified:
            assert (await client.get("/pool")).text.startswith("viewer@example.org ")
            assert await rows(site, "user.tie", "user.add") == [("user.tie", "viewer@example.org", "ok")]
        assert len(await site.identity.list_users()) == 3


async def test_without_a_claim_roles_are_given_here(site_of, provider):
    here = provider.settings | {"oidc_role_claim": None, "oidc_role_map": None, "oidc_default_role": "viewer"}
    async with site_of(here) as site:
        for role in (Role.VIEWER, Role.OPERATOR):
            async with site.browser() as client:
                await journey(client, provider)
            assert next(user.role for user in await site.identity.list_users() if user.email == "eva@example.org") is role
            await site.identity.set_role("eva@example.org", Role.OPERATOR)


async def test_a_second_factor_of_the_account_is_asked_for_after_the_provider_too(site, provider):
    async with site.browser() as client:
        await journey(client, provider)
        person = await site.identity.principal_for_cookie(f"spillway_session={client.cookies['spillway_session']}")
    begun = await site.identity.begin_second_factor(person)
    totp = pyotp.TOTP(begun.key.reveal())
    await site.identity.confirm_second_factor(person, begun.pending, totp.at(int(site.clock.now().timestamp())))
    site.clock.tick(30)
    async with site.browser() as client:
        page = await journey(client, provider, query="?next=/pool")
        assert (page.status_code, "spillway_session" in client.cookies) == (200, False)
        ticket = page.text.partition('name="ticket" value="')[2].partition('"')[0]
        form = {"ticket": ticket, "code": totp.at(int(site.clock.now().timestamp())), "next": "/pool"}
        assert (await client.post("/login", data=form, headers={"Origin": HOME})).headers["location"] == "/pool"
        assert (await client.get("/pool")).text.startswith("eva@example.org ")


async def person_of(site, client):
    """Who a browser is signed in as."""
    site.clock.tick(1)
    return await site.identity.principal_for_cookie(f"spillway_session={client.cookies['spillway_session']}")


async def test_who_has_no_password_shows_again_who_they_are_at_the_provider(site, provider):
    async with site.browser() as client:
        await journey(client, provider, "ben")
        ben = await person_of(site, client)
        assert await site.identity.ways_in(ben) == (False, True)
        site.clock.tick(901)
        with pytest.raises(ProofNeeded):
            require_proof(await person_of(site, client), site.clock.now())
        now = int(site.clock.now().timestamp())
        fresh = {"iat": now, "exp": now + 300, "auth_time": now}

        asked = parse_qs(urlsplit(await there(client, "?prove=1&next=/account")).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        for claims, who, reason in (
            ({"auth_time": now - 3600}, "ben", "not_fresh"),
            ({"auth_time": None}, "ben", "not_fresh"),
            ({}, "eva", "somebody_else"),
        ):
            provider.quirks(claims=fresh | claims)
            assert (await journey(client, provider, who, "?prove=1&next=/account")).headers["location"] == f"/account?oidc={reason}"
        with pytest.raises(ProofNeeded):
            require_proof(await person_of(site, client), site.clock.now())

        provider.quirks(claims=fresh)
        assert (await journey(client, provider, "ben", "?prove=1&next=/account")).headers["location"] == "/account"
        require_proof(await person_of(site, client), site.clock.now())
        assert ("session.prove", "ben@example.org", "ok") in await rows(site, "session.prove")


async def test_a_proof_is_for_the_session_that_asked_for_it(site, provider):
    async with site.browser() as client:
        assert (await client.get("/oidc/start?prove=1")).headers["location"] == "/login?next=/account"
        await journey(client, provider)
        back = provider.sign_in(await there(client, "?prove=1"), "eva")
        await client.post("/logout", headers={"Origin": HOME})
        assert (await client.get(back)).headers["location"] == "/account?oidc=somebody_else"


async def test_without_a_provider_there_is_no_button_and_no_way(parts):
    pages = SignIn(parts.identity, parts.audit, "test", parts.database.ping)
    gate = Gate(Echo(), identity=parts.identity, pages=pages, settings=parts.settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url=HOME) as client:
        assert "sign-in-provider" not in (await client.get("/login")).text
        for path in ("/oidc/start", "/oidc/callback?code=x&state=x"):
            assert (await client.get(path)).status_code == 404


async def test_the_secret_of_the_client_and_the_codes_are_nowhere_in_the_audit(site, provider, caplog):
    for whose in (None, "dashboard_app", "httpx", "authlib"):  # an app that another test has built quiets some of them for good
        caplog.set_level("DEBUG", logger=whose)
    provider.quirks(signed="by another key")
    async with site.browser() as client:
        back = provider.sign_in(await there(client), "eva")
        code = parse_qs(urlsplit(back).query)["code"][0]
        await client.get(back)
    await settled(site.audit)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("dashboard_app", "httpx", "authlib"))]
    of_the_test = ("/oidc/", "/authorize")  # its own clients log where they go
    written = "".join(str(row) for row in await site.audit.page()) + "".join(
        line for line in ours if not any(part in line for part in of_the_test)
    )
    assert f"{provider.issuer}/token" in written
    assert not any(secret in written for secret in (code, "a-secret-of-the-client"))
