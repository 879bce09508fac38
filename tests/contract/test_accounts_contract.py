"""The own account, accounts and tokens over HTTP."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.backend.api.fakes import client_of
from tests.backend.api.test_bad_input import assert_problem

PASSWORD = "correct-horse-battery-7"
ACCOUNT, USERS, TOKENS = "/api/v1/account", "/api/v1/users", "/api/v1/tokens"


@pytest.fixture
async def people(api):
    """Two accounts; `session(email)` signs one in and gives a client with that session, and its principal."""
    await api.identity.create_user("ana@example.org", Secret(PASSWORD), Role.ADMIN)
    await api.identity.create_user("vera@example.org", Secret(PASSWORD), Role.VIEWER)

    async def session(email, agent="Firefox"):
        cookie = ""
        async with asyncio.timeout(30):  # a busy machine may answer too late for one try
            while not cookie or api.identity._unwritten:
                with contextlib.suppress(DatabaseUnavailable):
                    cookie = cookie or await api.identity.sign_in(email, PASSWORD, "192.0.2.1", agent)
                await api.identity.keep_up()
        principal = await api.identity.principal_for_cookie(f"{api.identity.cookie_name}={cookie}")
        return client_of(api.door, principal), principal

    return session


async def is_signed_in(api, principal):
    return api.identity._sessions.get(principal.session_id) is not None


async def test_a_person_sees_the_own_sessions_and_ends_one_or_all_others(api, people):
    (vera, here), (_, there), (_, phone) = [await people("vera@example.org", agent) for agent in ("Firefox", "Chromium\x00", "Phone")]
    _, ana = await people("ana@example.org")
    async with vera:
        assert (await vera.get(ACCOUNT)).json() | {"proved_at": 0} == {
            "kind": "user",
            "name": "vera@example.org",
            "role": "viewer",
            "proved_at": 0,
        }
        listed = (await vera.get(f"{ACCOUNT}/sessions")).json()["items"]
        assert {(one["user_agent"], one["is_this"], one["address"]) for one in listed} == {
            ("Firefox", True, "192.0.2.1"),
            ("Chromium", False, "192.0.2.1"),
            ("Phone", False, "192.0.2.1"),
        }
        assert all(len(one["id"]) == 16 for one in listed)
        chromium = next(one["id"] for one in listed if one["user_agent"] == "Chromium")
        assert (await vera.delete(f"{ACCOUNT}/sessions/{chromium}")).status_code == 204
        assert not await is_signed_in(api, there)
        assert_problem(await vera.delete(f"{ACCOUNT}/sessions/{chromium}"), 404, "not_found")
        assert_problem(await vera.delete(f"{ACCOUNT}/sessions/{ana.session_id[:16]}"), 404, "not_found")
        assert (await vera.post(f"{ACCOUNT}/sessions/end-others")).json() == {"ended": 1}
        assert not await is_signed_in(api, phone)
        assert await is_signed_in(api, here)
        assert await is_signed_in(api, ana)
        assert len((await vera.get(f"{ACCOUNT}/sessions")).json()["items"]) == 1
    assert [row.target for row in await api.audit.page(action="session.revoke")] == ["all others", chromium]


async def test_a_new_password_ends_the_other_sessions_and_counts_at_once(api, people):
    (vera, here), (_, there) = [await people("vera@example.org") for _ in range(2)]
    new = "a-much-better-one-9"
    async with vera:
        wrong = await vera.post(f"{ACCOUNT}/password", json={"present": "wrong", "new": new})
        assert_problem(wrong, 422, "invalid_input")
        assert wrong.json()["errors"][0]["field"] == "present"
        common = await vera.post(f"{ACCOUNT}/password", json={"present": PASSWORD, "new": "password1"})
        assert (common.status_code, common.json()["errors"][0]["field"]) == (422, "new")
        assert (await vera.post(f"{ACCOUNT}/password", json={"present": PASSWORD, "new": new})).json() == {"ended": 1}
        assert await is_signed_in(api, here)
        assert not await is_signed_in(api, there)
        assert await api.identity.sign_in("vera@example.org", new, "192.0.2.1")
        for _ in range(12):
            last = await vera.post(f"{ACCOUNT}/password", json={"present": "wrong", "new": new})
        assert_problem(last, 429, "rate_limited")
    for row in await api.audit.page(limit=500):
        assert new not in str(row)


async def test_a_token_has_no_account_of_its_own(api):
    async with client_of(api.door, Principal(PrincipalKind.TOKEN, "ci", Role.ADMIN, session_id="x")) as client:
        assert (await client.get(ACCOUNT)).json()["kind"] == "token"
        assert_problem(await client.get(f"{ACCOUNT}/sessions"), 403, "forbidden")
        assert_problem(await client.post(f"{ACCOUNT}/sessions/end-others"), 403, "forbidden")
        assert_problem(await client.post(f"{ACCOUNT}/password", json={"present": "x", "new": "y"}), 403, "forbidden")


async def test_what_cannot_be_undone_asks_a_session_for_a_fresh_proof_and_a_token_never(api, people):
    client, ana = await people("ana@example.org")
    long_ago = replace(ana, proved_at=ana.proved_at - timedelta(minutes=16))
    cleanup = "/api/v1/health/database/force-cleanup"
    async with client, client_of(api.door, long_ago) as stale:
        assert (await client.post(cleanup)).status_code == 200
        assert (await stale.post(cleanup, json={"dry_run": True})).status_code == 200
        for method, path, body in (
            ("POST", cleanup, {}),
            ("DELETE", "/scan/data-sources/1", None),
            ("DELETE", "/api/v1/jobs/dead-letters/1", None),
            ("DELETE", "/api/v1/alert-rules/1", None),
            ("DELETE", "/api/v1/notifications/1", None),
            ("POST", USERS, {"email": "x@example.org"}),
            ("PATCH", f"{USERS}/1", {"disabled": True}),
            ("POST", TOKENS, {"name": "x", "role": "admin"}),
            ("DELETE", f"{TOKENS}/1", None),
        ):
            assert_problem(await stale.request(method, path, json=body), 403, "proof_needed")
        assert_problem(await stale.post(f"{ACCOUNT}/prove", json={"password": "wrong"}), 422, "invalid_input")
        assert (await stale.post(f"{ACCOUNT}/prove", json={"password": PASSWORD})).status_code == 204
    assert api.identity._sessions.get(ana.session_id).principal.proved_at > ana.proved_at
    token = Principal(PrincipalKind.TOKEN, "ci", Role.ADMIN, session_id="x")
    async with client_of(api.door, token) as program:
        assert (await program.post(cleanup)).status_code == 200


async def test_an_account_is_added_by_link_changed_signed_out_and_locked_out(api, people):
    client, _ = await people("ana@example.org")
    async with client:
        made = await client.post(USERS, json={"email": "bo@example.org", "role": "operator", "name": "Bo"})
        assert made.status_code == 201
        bo = made.json()["user"]
        assert (bo["email"], bo["role"], bo["last_sign_in_at"], bo["sessions"]) == ("bo@example.org", "operator", None, 0)
        assert_problem(await client.post(USERS, json={"email": "bo@example.org"}), 409, "conflict")
        assert_problem(await client.post(USERS, json={"email": "no email"}), 422, "invalid_input")
        token = made.json()["link"].partition("/password?token=")[2]
        assert len(token) > 40
        await api.identity.use_link(token, Secret(PASSWORD))
        _, there = await people("bo@example.org")
        listed = {one["email"]: one for one in (await client.get(USERS)).json()["items"]}
        assert (listed["bo@example.org"]["sessions"], listed["bo@example.org"]["last_sign_in_at"] is None) == (1, False)
        assert (await client.patch(f"{USERS}/{bo['id']}", json={"role": "viewer"})).json()["role"] == "viewer"
        row = (await api.audit.page(action="user.set-role"))[0]
        assert (dict(row.details)["before"], dict(row.details)["after"], row.request_id) == (
            {"role": "operator"},
            {"role": "viewer"},
            "r-1",
        )
        assert (await client.delete(f"{USERS}/{bo['id']}/sessions")).status_code == 204
        assert not await is_signed_in(api, there)
        assert (await client.patch(f"{USERS}/{bo['id']}", json={"disabled": True})).json()["disabled"] is True
        assert_problem(await client.post(f"{USERS}/{bo['id']}/password-link"), 409, "conflict")
        assert (await client.patch(f"{USERS}/{bo['id']}", json={"disabled": False})).json()["disabled"] is False
        assert (await client.post(f"{USERS}/{bo['id']}/password-link")).status_code == 200
        ana = listed["ana@example.org"]["id"]
        assert_problem(await client.patch(f"{USERS}/{ana}", json={"role": "viewer"}), 409, "conflict")
        assert_problem(await client.patch(f"{USERS}/999", json={"role": "viewer"}), 404, "not_found")
        assert_problem(await client.patch(f"{USERS}/{ana}", json={"role": None}), 422, "invalid_input")


async def test_a_second_factor_is_begun_confirmed_and_ended(api, people):
    vera, _ = await people("vera@example.org")
    ana, _ = await people("ana@example.org")
    path = f"{ACCOUNT}/second-factor"
    async with vera, ana:
        assert (await vera.get(path)).json() == {"is_on": False, "recovery_codes_left": 0}
        for turn in range(2):
            begun = await vera.post(path)
            assert begun.headers["cache-control"] == "no-store"
            told = begun.json()
            assert_problem(await vera.post(f"{path}/confirm", json={"pending": told["pending"], "code": "000000"}), 422, "invalid_input")
            code = pyotp.TOTP(told["key"]).now()
            confirmed = await vera.post(f"{path}/confirm", json={"pending": told["pending"], "code": code})
            assert len(confirmed.json()["recovery_codes"]) == 10
            assert (await vera.get(path)).json() == {"is_on": True, "recovery_codes_left": 10}
            listed = {one["email"]: one for one in (await ana.get(USERS)).json()["items"]}
            assert listed["vera@example.org"]["has_second_factor"]
            reset = f"{USERS}/{listed['vera@example.org']['id']}/second-factor"
            ended = await (vera.delete(path) if turn else ana.delete(reset))
            assert ended.status_code == 204
            assert (await vera.get(path)).json()["is_on"] is False
        rows = str(await api.audit.page(limit=500))
        assert told["key"] not in rows
        assert confirmed.json()["recovery_codes"][0] not in rows


async def test_a_token_is_shown_once_works_and_loses_its_power(api, people):
    client, _ = await people("ana@example.org")
    async with client:
        made = await client.post(TOKENS, json={"name": "ci", "role": "operator", "expires_in_days": 90})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        token = made.json()["token"]
        assert (await api.identity.principal_for_token(token)).role is Role.OPERATOR
        listed = (await client.get(TOKENS)).json()["items"]
        assert (len(listed), listed[0]["begins"], listed[0]["created_by"]) == (1, token[:9], "ana@example.org")
        assert token not in str(listed)
        assert (await client.delete(f"{TOKENS}/{listed[0]['id']}")).json()["revoked_at"] is not None
        assert await api.identity.principal_for_token(token) is None
        assert_problem(await client.delete(f"{TOKENS}/999"), 404, "not_found")
        for wrong in (
            {"name": "", "role": "viewer"},
            {"name": "x"},
            {"name": "x", "role": "king"},
            {"name": "x", "role": "viewer", "expires_in_days": 0},
        ):
            assert_problem(await client.post(TOKENS, json=wrong), 422, "invalid_input")
    assert token not in str(await api.audit.page(limit=500))
