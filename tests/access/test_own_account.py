import pytest

from dashboard_app.access.login_limit import LoginLimit
from dashboard_app.model.errors import InvalidInput, NotSignedIn, RateLimited, Refused
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.access.parts import PASSWORD, opened

BOSS = Principal(PrincipalKind.SYSTEM, "command line", Role.ADMIN)


def tried(limit, address, account=""):
    """How one wrong try ends."""
    with pytest.raises((NotSignedIn, RateLimited)) as refused, limit.one_try(address, account):
        raise NotSignedIn("No.")
    return refused.value


def test_an_account_is_guessed_at_from_everywhere_only_so_often():
    limit = LoginLimit("100/minute", "3/hour")
    assert [type(tried(limit, f"192.0.2.{n}", "ana")) for n in range(5)] == [NotSignedIn] * 3 + [RateLimited] * 2
    assert "for this account. Again in " in tried(limit, "192.0.2.9", "ana").detail
    assert isinstance(tried(limit, "192.0.2.9", "bo"), NotSignedIn)
    assert isinstance(tried(limit, "192.0.2.9"), NotSignedIn)  # somebody who is spared


async def test_guesses_lock_nobody_out_where_they_are_signed_in_and_the_last_admin_nowhere(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(rate_limit_login="100/minute")) as parts:
        await parts.add_users()
        await parts.identity.keep_up()
        await parts.cookie(Role.VIEWER, "192.0.2.1")
        for email in ("viewer@example.org", "admin@example.org", "nobody@example.org"):
            ends = []
            for number in range(35):
                with pytest.raises((NotSignedIn, RateLimited)) as refused:
                    await parts.identity.sign_in(email, "wrong-wrong", f"198.51.100.{number}")
                ends.append(type(refused.value))
            assert (RateLimited in ends) is (email != "admin@example.org"), email
        with pytest.raises(RateLimited, match="for this account"):
            await parts.identity.sign_in("viewer@example.org", PASSWORD, "203.0.113.1")
        assert await parts.identity.sign_in("viewer@example.org", PASSWORD, "192.0.2.1")
        assert await parts.identity.sign_in("admin@example.org", PASSWORD, "203.0.113.1")


async def test_a_link_sets_a_password_once_and_ends_every_session(parts):
    user, link = await parts.identity.invite("bo@example.org", Role.OPERATOR, by=BOSS)
    token = link.path.partition("token=")[2]
    for guess in ("", "nobody has this password"):
        with pytest.raises(NotSignedIn):
            await parts.identity.sign_in("bo@example.org", guess, "192.0.2.1")
    with pytest.raises(InvalidInput, match="most common"):
        await parts.identity.use_link(token, Secret("password1"))
    await parts.identity.use_link(token, Secret(PASSWORD))
    cookie = f"{parts.identity.cookie_name}={await parts.identity.sign_in('bo@example.org', PASSWORD, '192.0.2.1')}"
    for again in (token, "made up"):
        with pytest.raises(Refused):
            await parts.identity.use_link(again, Secret(PASSWORD))
    _, first = await parts.identity.password_link(user.id, by=BOSS)
    _, second = await parts.identity.password_link(user.id, by=BOSS)
    with pytest.raises(Refused):  # a newer link takes the older one's power
        await parts.identity.use_link(first.path.partition("token=")[2], Secret(PASSWORD))
    await parts.identity.use_link(second.path.partition("token=")[2], Secret("another-good-one-5"))
    assert await parts.identity.principal_for_cookie(cookie) is None
    _, late = await parts.identity.password_link(user.id, by=BOSS)
    parts.clock.tick(86_401)
    with pytest.raises(Refused):
        await parts.identity.use_link(late.path.partition("token=")[2], Secret(PASSWORD))
