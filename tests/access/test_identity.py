import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from dashboard_app.access.known import GOOD_S, SESSION_IDLE
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, Forbidden, InvalidInput, NotFound, NotSignedIn, RateLimited, Refused
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.access.parts import PASSWORD, Parts, opened, until
from tests.timing import within


async def rows(parts, statement):
    async with parts.database.control.begin() as connection:
        return (await connection.execute(text(statement))).all()


async def test_a_cookie_of_sign_in_says_who_asks(parts):
    cookie = await parts.cookie(Role.OPERATOR)
    principal = await parts.identity.principal_for_cookie(f"theme=dark; {cookie}; other=1")
    assert (principal.kind, principal.name, principal.role) == (PrincipalKind.USER, "operator@example.org", Role.OPERATOR)
    assert len(principal.session_id) == 64
    assert principal.session_id not in cookie


async def test_the_cookie_itself_is_stored_nowhere(parts):
    cookie = await parts.cookie()
    secret = cookie.partition("=")[2].partition(".")[0]
    assert secret not in str(await rows(parts, "SELECT * FROM sessions"))


@pytest.mark.parametrize(
    "header", ["", "spillway_session=", "spillway_session=abc", "spillway_session=abc.def", "x", "spillway_session=é.é"]
)
async def test_a_cookie_that_is_not_ours_is_nobody_and_asks_no_database(header, settings_for):
    def never():
        raise AssertionError

    parts = Parts(None, settings_for())
    parts.database._address = never
    assert await parts.identity.principal_for_cookie(header) is None


async def test_sign_in_takes_the_email_in_any_case(parts):
    assert await parts.identity.sign_in(" ADMIN@Example.org ", PASSWORD, "192.0.2.1")


async def test_wrong_password_and_unknown_email_are_told_alike_with_the_tries_left(parts):
    with pytest.raises(NotSignedIn) as wrong:
        await parts.identity.sign_in("admin@example.org", "not-the-password", "192.0.2.1")
    with pytest.raises(NotSignedIn) as unknown:
        await parts.identity.sign_in("nobody@example.org", "not-the-password", "192.0.2.1")
    assert wrong.value.detail == "Email or password is not right. 9 tries left this minute."
    assert unknown.value.detail == "Email or password is not right. 8 tries left this minute."


async def test_no_password_grows_old(parts):
    parts.clock.tick(5 * 365 * 86_400)
    await parts.identity.keep_up()
    assert await parts.identity.principal_for_cookie(await parts.cookie())


async def test_tries_end_for_one_address_and_not_for_another(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(rate_limit_login="2/minute")) as parts:
        await parts.add_users()
        for _ in range(2):
            with pytest.raises(NotSignedIn):
                await parts.identity.sign_in("admin@example.org", "wrong-wrong", "192.0.2.1")
        with pytest.raises(RateLimited) as limited:
            await parts.identity.sign_in("admin@example.org", PASSWORD, "192.0.2.1")
        assert 0 < limited.value.retry_after_s <= 60
        assert limited.value.detail == f"Too many tries from this address. Again in {limited.value.retry_after_s} s."
        assert await parts.identity.sign_in("admin@example.org", PASSWORD, "192.0.2.2")


async def test_tries_at_once_do_not_slip_past_the_limit(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(rate_limit_login="3/minute")) as parts:
        await parts.add_users()
        tries = [parts.identity.sign_in("admin@example.org", "wrong-wrong", "192.0.2.1") for _ in range(10)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, NotSignedIn) for result in results) == 3


async def test_signing_out_counts_at_once(parts):
    cookie = await parts.cookie()
    principal = await parts.identity.principal_for_cookie(cookie)
    ended = parts.identity.watch_session(principal.session_id)
    await parts.identity.sign_out(principal.session_id)
    assert ended.is_set()
    assert await parts.identity.principal_for_cookie(cookie, guard_call=True) is None
    assert await rows(parts, "SELECT 1 FROM sessions") == []


@pytest.mark.parametrize("change", ["disable", "reset"])
async def test_a_disabled_or_reset_account_is_out_everywhere_at_once(parts, change):
    cookie = await parts.cookie(Role.VIEWER)
    if change == "disable":
        await parts.identity.disable("viewer@example.org")
    else:
        await parts.identity.reset_password("viewer@example.org", Secret("another-password"))
    assert await parts.identity.principal_for_cookie(cookie, guard_call=True) is None
    with pytest.raises(NotSignedIn):
        await parts.cookie(Role.VIEWER)


async def test_a_new_role_counts_at_once(parts):
    cookie = await parts.cookie(Role.VIEWER)
    await parts.identity.set_role("viewer@example.org", Role.OPERATOR)
    assert (await parts.identity.principal_for_cookie(cookie, guard_call=True)).role is Role.OPERATOR


async def test_what_another_process_takes_away_is_felt_by_the_next_check(parts):
    cookie = await parts.cookie(Role.VIEWER)
    assert await parts.identity.principal_for_cookie(cookie)
    await rows(parts, "UPDATE users SET disabled = true WHERE email = 'viewer@example.org' RETURNING 1")
    assert await parts.identity.principal_for_cookie(cookie), "checked less than 1 s ago"
    parts.clock.tick(1.0)
    assert await parts.identity.principal_for_cookie(cookie) is None


async def test_guard_calls_feel_it_too_within_one_check(parts):
    cookie = await parts.cookie(Role.VIEWER)
    await rows(parts, "DELETE FROM sessions RETURNING 1")
    parts.clock.tick(1.0)
    await parts.identity.principal_for_cookie(cookie, guard_call=True)
    await until(lambda: not parts.identity._checker.under_way)
    assert await parts.identity.principal_for_cookie(cookie, guard_call=True) is None


async def test_an_idle_session_ends_after_two_hours_and_any_after_twelve(parts):
    idle, used = await parts.cookie(), await parts.cookie()
    for _ in range(11):
        parts.clock.tick(3600)
        assert await parts.identity.principal_for_cookie(used)
        await parts.identity.keep_up()
    assert await parts.identity.principal_for_cookie(idle) is None
    parts.clock.tick(3600)
    assert await parts.identity.principal_for_cookie(used) is None
    await parts.identity._refresh()
    assert await rows(parts, "SELECT 1 FROM sessions") == []


async def test_sessions_and_tokens_outlive_a_restart(parts, fresh_database):
    cookie, token = await parts.cookie(), await parts.identity.create_token("ci", Role.OPERATOR)
    async with opened(fresh_database, parts.settings, parts.clock) as second:
        assert (await second.identity.principal_for_cookie(cookie)).name == "admin@example.org"
        assert (await second.identity.principal_for_token(token)).role is Role.OPERATOR


async def test_a_token_says_which_program_asks_until_it_is_revoked(parts):
    token = await parts.identity.create_token("ci", Role.OPERATOR)
    principal = await parts.identity.principal_for_token(token)
    assert (principal.kind, principal.name, principal.role, principal.user_id) == (PrincipalKind.TOKEN, "ci", Role.OPERATOR, None)
    (record,) = await parts.identity.list_tokens()
    assert (record.prefix, record.created_by) == (token[:9], "command line")
    await parts.identity.revoke_token("ci")
    assert await parts.identity.principal_for_token(token, guard_call=True) is None


async def test_a_token_ends_when_it_expires(parts):
    token = await parts.identity.create_token("ci", Role.VIEWER, 90.0)
    parts.clock.tick(89)
    assert await parts.identity.principal_for_token(token)
    parts.clock.tick(1)
    assert await parts.identity.principal_for_token(token) is None


async def test_use_of_a_token_is_noted_at_most_once_a_minute(parts):
    token = await parts.identity.create_token("ci", Role.VIEWER)
    noted = []
    for _ in range(4):
        await parts.identity.principal_for_token(token)
        await parts.identity.keep_up()
        (record,) = await parts.identity.list_tokens()
        noted.append(record.last_used_at)
        parts.clock.tick(25)
    assert noted[0] == noted[1] == noted[2] == parts.clock.now() - timedelta(seconds=100)
    assert noted[3] == noted[0] + timedelta(seconds=75)


@pytest.mark.parametrize("token", ["", "x", "spw_", "spw_unknown", "spw_" + "x" * 500, "spw_\x00"])
async def test_a_made_up_token_is_nobody(parts, token):
    assert await parts.identity.principal_for_token(token) is None


async def test_names_that_several_tokens_have_are_revoked_by_id(parts):
    await parts.identity.create_token("ci", Role.VIEWER)
    await parts.identity.create_token("ci", Role.VIEWER)
    with pytest.raises(Conflict):
        await parts.identity.revoke_token("ci")
    for record in await parts.identity.list_tokens():
        await parts.identity.revoke_token(record.id)
    with pytest.raises(NotFound):
        await parts.identity.revoke_token("ci")
    with pytest.raises(NotFound):
        await parts.identity.revoke_token("99")


@pytest.mark.parametrize(
    ("email", "password", "name"),
    [("no-at", PASSWORD, ""), ("a@b", "short77", ""), ("a@b", "x" * 1025, ""), ("a\x00@b", PASSWORD, ""), ("a@b", PASSWORD, "x\x00")],
)
async def test_an_account_with_a_bad_value_is_not_made(parts, email, password, name):
    with pytest.raises(InvalidInput):
        await parts.identity.create_user(email, Secret(password), Role.VIEWER, name=name)


async def test_an_email_is_taken_in_any_case(parts):
    with pytest.raises(Conflict):
        await parts.identity.create_user("Admin@EXAMPLE.org", Secret(PASSWORD), Role.VIEWER)


async def test_the_last_admin_stays(parts):
    for change in (parts.identity.disable("admin@example.org"), parts.identity.set_role("admin@example.org", Role.VIEWER)):
        with pytest.raises(Conflict):
            await change
    assert (await parts.identity.set_role("viewer@example.org", Role.ADMIN)).role is Role.ADMIN
    assert (await parts.identity.disable("admin@example.org")).disabled


async def test_an_unknown_account_is_not_found(parts):
    with pytest.raises(NotFound):
        await parts.identity.set_role("nobody@example.org", Role.VIEWER)


async def test_only_an_admin_changes_accounts(parts):
    operator = Principal(PrincipalKind.USER, "operator@example.org", Role.OPERATOR)
    with pytest.raises(Forbidden):
        await parts.identity.create_token("ci", Role.ADMIN, by=operator)


async def test_the_admin_of_the_settings_is_made_once(parts):
    assert await parts.identity.ensure_admin("ops@example.org", Secret(PASSWORD))
    assert not await parts.identity.ensure_admin("OPS@example.org", Secret("another-password"))
    assert await parts.identity.sign_in("ops@example.org", PASSWORD, "192.0.2.1")


async def test_the_first_run_link_makes_one_admin_once(fresh_database, settings_for):
    async with opened(fresh_database, settings_for()) as parts:
        older = (await parts.identity.first_run_link("http://localhost:8000/")).partition("token=")[2]
        link = await parts.identity.first_run_link("http://localhost:8000/")
        assert link.startswith("http://localhost:8000/setup?token=")
        token = link.partition("token=")[2]
        with pytest.raises(Refused):
            await parts.identity.set_up(older, "ana@example.org", Secret(PASSWORD))
        made = await asyncio.gather(
            *(parts.identity.set_up(token, f"{name}@example.org", Secret(PASSWORD)) for name in ("ana", "bo")), return_exceptions=True
        )
        assert sorted(isinstance(result, Refused) for result in made) == [False, True]
        assert (await parts.identity.setup_state(token)).used_at == parts.clock.now()
        assert await parts.identity.first_run_link("http://localhost:8000") is None
        (user,) = await parts.identity.list_users()
        assert user.role is Role.ADMIN


async def test_the_first_run_link_ends_after_thirty_minutes(fresh_database, settings_for):
    async with opened(fresh_database, settings_for()) as parts:
        token = (await parts.identity.first_run_link("http://localhost:8000")).partition("token=")[2]
        assert (await parts.identity.setup_state(token)).is_open
        parts.clock.tick(1800)
        assert not (await parts.identity.setup_state(token)).is_open
        with pytest.raises(Refused):
            await parts.identity.set_up(token, "ana@example.org", Secret(PASSWORD))


# -- while the database is away -------------------------------------------------------------------------------------------------


async def test_guard_calls_of_known_people_never_wait_for_a_frozen_database(parts, postgres):
    cookie, token = await parts.cookie(), await parts.identity.create_token("ci", Role.VIEWER)
    parts.clock.tick(60)
    with postgres.frozen():
        for _ in range(3):
            with within(0.1):
                assert await parts.identity.principal_for_cookie(cookie, guard_call=True)
                assert await parts.identity.principal_for_token(token, guard_call=True)
        await until(lambda: not parts.identity._checker.under_way)


async def test_other_calls_wait_once_and_then_nobody_waits(parts, postgres):
    cookie = await parts.cookie()
    parts.clock.tick(60)
    with postgres.frozen():
        assert await parts.identity.principal_for_cookie(cookie)
        assert not parts.identity.is_database_reachable
        with within(0.05):
            assert await parts.identity.principal_for_cookie(cookie)


async def test_what_is_known_counts_for_fifteen_minutes(parts, postgres):
    cookie = await parts.cookie()
    postgres.stop()
    parts.identity.mark_database(reachable=False)
    parts.clock.tick(GOOD_S - 1)
    assert await parts.identity.principal_for_cookie(cookie, guard_call=True)
    parts.clock.tick(1)
    with pytest.raises(DatabaseUnavailable):
        await parts.identity.principal_for_cookie(cookie, guard_call=True)


async def test_an_unknown_token_cannot_be_judged_while_the_database_is_away(parts, postgres):
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await parts.identity.principal_for_token("spw_unknown")


@pytest.mark.parametrize("way", ["frozen", "stopped"])
async def test_people_sign_in_while_the_database_is_away_and_stay_when_it_is_back(parts, postgres, way):
    parts.clock.tick(60)
    await parts.identity.keep_up()
    (postgres.freeze if way == "frozen" else postgres.stop)()
    with within(3):
        cookie = await parts.cookie(Role.OPERATOR)
    with within(1):
        second = await parts.cookie(Role.ADMIN)
    with pytest.raises(NotSignedIn):
        await parts.identity.sign_in("admin@example.org", "wrong-wrong", "192.0.2.1")
    gone = await parts.identity.principal_for_cookie(second)
    await parts.identity.sign_out(gone.session_id)
    assert (await parts.identity.principal_for_cookie(cookie)).role is Role.OPERATOR
    (postgres.thaw if way == "frozen" else postgres.start)()
    async with asyncio.timeout(20):
        while not parts.identity.is_database_reachable:
            await parts.identity.keep_up()
    assert len(await rows(parts, "SELECT 1 FROM sessions")) == 1
    parts.clock.tick(5)
    assert await parts.identity.principal_for_cookie(cookie)
    assert await parts.identity.principal_for_cookie(second) is None


async def test_nobody_signs_in_on_accounts_read_too_long_ago(parts, postgres):
    postgres.stop()
    parts.identity.mark_database(reachable=False)
    parts.clock.tick(GOOD_S)
    with pytest.raises(DatabaseUnavailable):
        await parts.cookie()


async def test_the_heartbeat_of_the_guard_tells_identity_and_audit(parts):
    parts.identity.mark_database(reachable=False)
    assert not parts.audit.is_reachable
    parts.identity.mark_database(reachable=True)
    assert parts.audit.is_reachable


async def test_made_up_tokens_cannot_pile_up_checks(parts):
    asked = [parts.identity.principal_for_token(f"spw_{number}") for number in range(200)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), DatabaseUnavailable}
    assert any(isinstance(result, DatabaseUnavailable) for result in results)


async def test_every_change_of_accounts_is_in_the_audit(parts):
    await parts.identity.create_token("ci", Role.VIEWER)
    await parts.identity.revoke_token("ci")
    await parts.identity.reset_password("viewer@example.org", Secret("another-password"))
    page = await parts.audit.page()
    assert [row.action for row in page[:3]] == ["user.reset-password", "token.revoke", "token.create"]
    assert "another-password" not in str(page)


async def test_running_keeps_up_by_itself(parts):
    parts.identity.mark_database(reachable=False)
    running = asyncio.create_task(parts.identity.run())
    await asyncio.sleep(0)
    parts.clock.tick(2.0)
    await until(lambda: parts.identity.is_database_reachable)
    running.cancel()
    await asyncio.wait({running})


async def test_a_page_that_is_only_open_does_not_keep_its_session(parts):
    cookie = await parts.cookie()
    for _ in range(3):
        assert not await parts.identity.is_session_over(cookie)
        parts.clock.tick(SESSION_IDLE.total_seconds() / 2 - 1)
    assert await parts.identity.is_session_over(cookie)
    assert await parts.identity.principal_for_cookie(cookie) is None


async def test_a_session_is_not_called_over_while_nobody_can_tell(parts, postgres):
    cookie = await parts.cookie()
    postgres.stop()
    parts.clock.tick(GOOD_S + 1)
    with pytest.raises(DatabaseUnavailable):
        await parts.identity.principal_for_cookie(cookie, guard_call=True)
    assert not await parts.identity.is_session_over(cookie)


async def test_no_cookie_and_a_session_that_ended_are_over(parts):
    cookie = await parts.cookie()
    principal = await parts.identity.principal_for_cookie(cookie)
    await parts.identity.sign_out(principal.session_id)
    assert await parts.identity.is_session_over(cookie)
    assert await parts.identity.is_session_over("")
