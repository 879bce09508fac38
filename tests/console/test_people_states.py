"""What the handlers of `/account`, `/users` and `/tokens` do, on the real accounts and a real database."""

import re
from types import SimpleNamespace

import pyotp
import pytest

from dashboard_app.console import context
from dashboard_app.console.pages.account_state import AccountState
from dashboard_app.console.pages.tokens import TokensState
from dashboard_app.console.pages.users_state import UsersState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from tests.access.parts import PASSWORD, opened
from tests.console.fake_details import detailed
from tests.console.state_pages import opened_at, run


@pytest.fixture
async def app(fresh_database, settings_for, monkeypatch):
    """Three accounts, and `page(kind, path, role)`, which opens a page as one of them."""
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    await database.close()
    async with opened(fresh_database, settings_for()) as parts:
        await parts.add_users()
        monkeypatch.setattr(context._bound, "console", detailed(clock=ManualClock()))
        monkeypatch.setattr(context._bound, "identity", parts.identity)

        async def page(kind, path, role=Role.ADMIN):
            state = await opened_at(path, await parts.cookie(role)).get_state(kind)
            await run(state, "load")
            return state

        yield SimpleNamespace(page=page, identity=parts.identity, parts=parts)


async def test_a_viewer_sees_no_account_and_no_token_of_others(app):
    for kind, path, acts in (
        (UsersState, "/users", [("add", {"email": "x@example.org"}), ("set_role", "1", "viewer"), ("make_link", "1"), ("sign_out", "1")]),
        (TokensState, "/tokens", [("make", {"name": "x", "role": "admin"})]),
    ):
        state = await app.page(kind, path, Role.VIEWER)
        assert state.is_refused
        for name, *given in acts:
            await run(state, name, *given)
            assert "admin role" in state.failure, name
        assert not any(getattr(state, name, []) for name in ("people", "tokens"))
    assert len(await app.identity.list_users()) == 3
    assert await app.identity.list_tokens() == []


async def test_an_admin_adds_changes_and_locks_out(app):
    state = await app.page(UsersState, "/users")
    assert (state.title, [row.email for row in state.people]) == (
        "3 people can sign in, 1 as admin",
        ["admin@example.org", "operator@example.org", "viewer@example.org"],
    )
    await run(state, "add", {"email": "no email", "role": "viewer"})
    assert (state.errors["email"], state.link) == ("An email looks like name@example.org.", "")
    await run(state, "add", {"email": "bo@example.org", "name": "Bo", "role": "operator"})
    assert (state.errors, state.failure) == ({}, "")
    token = re.fullmatch(r"http://127\.0\.0\.1:\d+/password\?token=(\S+)", state.link)[1]
    await app.identity.use_link(token, Secret(PASSWORD))
    await run(state, "put_away")
    assert state.link == ""
    bo = next(row.key for row in state.people if row.email == "bo@example.org")
    await run(state, "set_role", bo, "viewer")
    assert state.result == "bo@example.org is viewer from now on."
    await run(state, "set_role", bo, "king")
    await run(state, "make_link", bo)
    assert "/password?token=" in state.link
    await run(state, "sign_out", bo)
    assert (state.link, state.result) == ("", "bo@example.org is signed out everywhere.")
    await run(state, "disable")
    assert not any(row.is_disabled for row in state.people)
    await run(state, "ask_disable", bo)
    assert (state.is_asking, state.asked_email) == (True, "bo@example.org")
    await run(state, "disable")
    assert (state.people[-1].email, state.people[-1].is_disabled, state.title) == (
        "bo@example.org",
        True,
        "3 people can sign in, 1 as admin",
    )
    await run(state, "enable", bo)
    assert not any(row.is_disabled for row in state.people)
    admin = next(row.key for row in state.people if row.is_self)
    await run(state, "set_role", admin, "viewer")
    assert state.failure == "This is the last admin who can sign in."
    for wrong in ("x", "", "99", "9" * 40):
        await run(state, "sign_out", wrong)
        assert state.failure


async def test_only_what_was_done_with_a_form_empties_it(app):
    """A person may have begun to type before the page has loaded, or it loads again as its socket comes back."""
    users = await app.page(UsersState, "/users")
    await run(users, "sign_out", users.people[1].key)
    assert users.turn == 0
    await run(users, "add", {"email": "bo@example.org", "name": "Bo", "role": "operator"})
    assert users.turn == 1
    account = await app.page(AccountState, "/account")
    await run(account, "load")
    assert account.turn == 0
    await run(account, "prove", {"password": PASSWORD})
    assert (account.turn, account.failure, account.errors) == (1, "", {})


async def test_an_admin_makes_a_token_once_and_revokes_it(app):
    state = await app.page(TokensState, "/tokens")
    assert (state.title, state.tokens) == ("No token is good", [])
    await run(state, "make", {"name": " ", "role": "viewer"})
    assert "name" in state.errors
    await run(state, "make", {"name": "ci", "role": "operator", "expires": "30"})
    made = state.made
    assert (await app.identity.principal_for_token(made)).role is Role.OPERATOR
    assert (state.title, state.tokens[0].begins, state.tokens[0].by) == ("1 token is good", f"{made[:9]}…", "admin@example.org")
    assert made not in str(state.tokens)
    await run(state, "put_away")
    assert state.made == ""
    await run(state, "revoke")
    await run(state, "ask_revoke", "x")
    assert (state.is_asking, state.tokens[0].is_good) == (False, True)
    await run(state, "ask_revoke", state.tokens[0].key)
    await run(state, "revoke")
    assert (state.tokens[0].is_good, state.title, state.failure) == (False, "No token is good", "")
    assert await app.identity.principal_for_token(made) is None
    await run(state, "make", {"name": "prometheus", "role": "viewer", "scope-metrics": "on", "scope-read": ""})
    assert (await app.identity.principal_for_token(state.made)).scopes == {"metrics"}
    assert state.tokens[0].scopes == "metrics"
    await run(state, "make", {"name": "x", "role": "viewer", "scope-everything": "on"})
    assert "everything" in state.errors["scopes"]


async def test_what_cannot_be_undone_asks_for_the_password_again_after_a_quarter_of_an_hour(app):
    state, account = await app.page(TokensState, "/tokens"), await app.page(AccountState, "/account")
    app.parts.clock.tick(901)
    await run(state, "make", {"name": "ci", "role": "viewer"})
    assert ("Show it on Your account" in state.failure, state.made) == (True, "")
    await run(account, "prove", {"password": "wrong"})
    assert account.errors["password"].startswith("This is not right.")
    account.router = state.router  # the same session
    await run(account, "prove", {"password": PASSWORD})
    assert (account.errors, account.failure) == ({}, "")
    await run(state, "make", {"name": "ci", "role": "viewer"})
    assert (state.failure, state.made.startswith("spw_")) == ("", True)


async def test_what_came_of_a_proof_at_the_provider_is_said_when_one_is_back(app):
    state = await app.page(AccountState, "/account?oidc=not_fresh")
    assert state.failure == "Single sign-on did not ask who you are. Sign out there first, then try again."
    assert (state.has_password, state.provider, state.no_password) == (True, "", "")
    state = await app.page(AccountState, "/account?oidc=<b>")
    assert state.failure == ""
    state = await app.page(AccountState, "/account?proved=1")
    assert state.result.startswith("You have shown who you are")
    context.console().clock.tick(901)
    await run(state, "load")
    assert state.result == ""


async def test_a_second_factor_is_set_up_and_taken_away(app):
    state = await app.page(AccountState, "/account", Role.VIEWER)
    assert (state.has_factor, state.factor.startswith("Off")) == (False, True)
    await run(state, "confirm_factor", {"code": "000000"})
    assert state.errors["code"].startswith("Begin again")
    await run(state, "begin_factor")
    assert (len(state.key), state.picture.startswith("data:image/svg+xml")) == (32, True)
    await run(state, "confirm_factor", {"code": "000000"})
    assert "code" in state.errors
    key = state.key
    await run(state, "confirm_factor", {"code": pyotp.TOTP(key).at(app.parts.clock.now())})
    assert (state.errors, state.has_factor, len(state.recovery), state.key) == ({}, True, 10, "")
    assert "10 recovery codes left" in state.factor
    await run(state, "put_away")
    assert state.recovery == []
    users = await app.page(UsersState, "/users")
    viewer = next(row for row in users.people if row.email == "viewer@example.org")
    assert viewer.has_second_factor
    await run(users, "reset_factor", viewer.key)
    assert (users.result, users.failure) == ("viewer@example.org signs in with the password alone.", "")
    await run(state, "begin_factor")
    await run(state, "confirm_factor", {"code": pyotp.TOTP(state.key).at(app.parts.clock.now())})
    await run(state, "end_factor")
    assert (state.has_factor, state.result) == (False, "No code is asked for any more.")
    assert key not in str(state.dict())


async def test_a_person_ends_sessions_and_changes_the_password(app):
    other = await app.parts.cookie(Role.VIEWER)
    third = await app.parts.cookie(Role.VIEWER)
    state = await app.page(AccountState, "/account", Role.VIEWER)
    assert (state.title, [row.is_this for row in state.sessions]) == ("You are signed in at 3 places", [True, False, False])
    await run(state, "end_one", "x")
    assert "no such session" in state.failure
    await run(state, "end_one", state.sessions[1].handle)
    assert (len(state.sessions), state.failure) == (2, "")
    await run(state, "change_password", {"present": PASSWORD, "new": "one-good-one-1", "again": "another-one-2"})
    assert list(state.errors) == ["again"]
    await run(state, "change_password", {"present": "wrong", "new": "one-good-one-1", "again": "one-good-one-1"})
    assert list(state.errors) == ["present"]
    await run(state, "change_password", {"present": PASSWORD, "new": "one-good-one-1", "again": "one-good-one-1"})
    assert (state.errors, state.result) == ({}, "Your new password counts from now on. 1 other session ended.")
    assert [await app.identity.principal_for_cookie(cookie) for cookie in (other, third)] == [None, None]
    await run(state, "end_others")
    assert (state.result, state.title) == ("No other session was open.", "You are signed in here only")
    assert PASSWORD not in str(state.dict())
