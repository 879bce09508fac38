import asyncio

import pyotp
import pytest

from dashboard_app.access import codes
from dashboard_app.model.errors import InvalidInput, NotSignedIn, ProofNeeded, RateLimited, SecondFactorNeeded
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.access.parts import PASSWORD, opened, settled

EMAIL, HERE = "viewer@example.org", "192.0.2.1"
BOSS = Principal(PrincipalKind.SYSTEM, "command line", Role.ADMIN)


def shown(key, clock, steps=0):
    """What the app with this key shows."""
    return pyotp.TOTP(key).at(int(clock.now().timestamp()) + 30 * steps)


async def enrolled(parts):
    """The viewer's key and recovery codes."""
    person = await parts.identity.principal_for_cookie(await parts.cookie(Role.VIEWER))
    begun = await parts.identity.begin_second_factor(person)
    key = begun.key.reveal()
    return key, await parts.identity.confirm_second_factor(person, begun.pending, shown(key, parts.clock))


async def ticket(parts, password=PASSWORD):
    """What a right password is worth."""
    with pytest.raises(SecondFactorNeeded) as needed:
        await parts.identity.sign_in(EMAIL, password, HERE)
    return needed.value.ticket


async def test_with_an_app_a_password_alone_opens_nothing_and_each_code_counts_once(parts):
    key, _ = await enrolled(parts)
    for wrong in ("000000", "", "abc", "\uff11\uff12\uff13\uff14\uff15\uff16", shown(key, parts.clock)):  # the last was used to confirm
        with pytest.raises(NotSignedIn, match="not right"):
            await parts.identity.finish_sign_in(await ticket(parts), wrong, HERE)
    parts.clock.tick(30)
    code = shown(key, parts.clock)
    tries = [parts.identity.finish_sign_in(await ticket(parts), code, HERE) for _ in range(3)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(end) is str for end in ends) == [False, False, True]
    cookie = next(end for end in ends if isinstance(end, str))
    assert (await parts.identity.principal_for_cookie(f"{parts.identity.cookie_name}={cookie}")).name == EMAIL
    parts.clock.tick(60)
    assert await parts.identity.finish_sign_in(await ticket(parts), shown(key, parts.clock, -1), HERE)  # typed late
    with pytest.raises(NotSignedIn):
        await parts.identity.finish_sign_in(await ticket(parts), shown(key, parts.clock, 2), HERE)


async def test_a_new_password_by_a_link_does_not_get_round_the_second_factor(parts):
    key, _ = await enrolled(parts)
    viewer = next(user for user in await parts.identity.list_users() if user.email == EMAIL)
    before = await ticket(parts)
    _, link = await parts.identity.password_link(viewer.id, by=BOSS)
    await parts.identity.use_link(link.path.partition("token=")[2], Secret("another-good-one-5"))
    parts.clock.tick(30)
    with pytest.raises(NotSignedIn):  # a ticket is for the password that it was given for
        await parts.identity.finish_sign_in(before, shown(key, parts.clock), HERE)
    after = await ticket(parts, "another-good-one-5")
    with pytest.raises(NotSignedIn):
        await parts.identity.finish_sign_in(after, "000000", HERE)
    assert await parts.identity.finish_sign_in(after, shown(key, parts.clock), HERE)


async def test_a_recovery_code_lets_in_once_however_it_is_typed(parts):
    _, recovery = await enrolled(parts)
    assert len(set(recovery)) == 10
    assert all(len(codes.normal(one)) * 5 >= 112 for one in recovery)  # base32: 5 bits a letter
    assert await parts.identity.finish_sign_in(await ticket(parts), f" {recovery[3].upper().replace('-', ' ')} ", HERE)
    with pytest.raises(NotSignedIn):
        await parts.identity.finish_sign_in(await ticket(parts), recovery[3], HERE)
    person = await parts.identity.principal_for_cookie(await _cookie(parts, recovery[4]))
    assert await parts.identity.own_second_factor(person) == 8


async def _cookie(parts, code):
    return f"{parts.identity.cookie_name}={await parts.identity.finish_sign_in(await ticket(parts), code, HERE)}"


async def test_a_ticket_is_ours_fresh_and_of_the_present_password(parts):
    key, recovery = await enrolled(parts)
    good = await ticket(parts)
    for wrong in ("", "x", f"{good}x", "x" + good, good.partition(".")[0]):
        with pytest.raises(NotSignedIn, match="took too long"):
            await parts.identity.finish_sign_in(wrong, recovery[0], HERE)
    await parts.identity.reset_password(EMAIL, Secret("another-good-one-5"))
    with pytest.raises(NotSignedIn, match="Email or password"):
        await parts.identity.finish_sign_in(good, recovery[0], HERE)
    late = await ticket(parts, "another-good-one-5")
    parts.clock.tick(301)
    with pytest.raises(NotSignedIn, match="took too long"):
        await parts.identity.finish_sign_in(late, shown(key, parts.clock), HERE)


async def test_codes_are_guessed_only_so_often(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(rate_limit_login="3/minute")) as parts:
        await parts.add_users()
        await enrolled(parts)
        held = await ticket(parts)
        for _ in range(3):
            with pytest.raises(NotSignedIn):
                await parts.identity.finish_sign_in(held, "000000", HERE)
        with pytest.raises(RateLimited):
            await parts.identity.finish_sign_in(held, "000000", HERE)


async def test_a_key_is_confirmed_by_its_person_in_time_and_taken_away_by_them_or_an_admin(parts):
    person = await parts.identity.principal_for_cookie(await parts.cookie(Role.VIEWER))
    other = await parts.identity.principal_for_cookie(await parts.cookie(Role.OPERATOR))
    begun = await parts.identity.begin_second_factor(person)
    code = shown(begun.key.reveal(), parts.clock)
    for who, pending, typed in ((other, begun.pending, code), (person, "made up", code), (person, begun.pending, "000000")):
        with pytest.raises(InvalidInput):
            await parts.identity.confirm_second_factor(who, pending, typed)
    assert await parts.identity.own_second_factor(person) is None
    parts.clock.tick(601)
    with pytest.raises(InvalidInput, match="too long ago"):
        await parts.identity.confirm_second_factor(person, begun.pending, shown(begun.key.reveal(), parts.clock))
    parts.clock.tick(400)
    with pytest.raises(ProofNeeded):
        await parts.identity.begin_second_factor(person)
    await enrolled(parts)
    await parts.identity.reset_second_factor(EMAIL, by=BOSS)
    assert await parts.cookie(Role.VIEWER)
    await enrolled(parts)
    await parts.identity.end_second_factor(await parts.identity.principal_for_cookie(await _fresh(parts)))
    assert await parts.cookie(Role.VIEWER)
    await settled(parts.audit)
    rows = await parts.audit.page(action="user.no-second-factor")
    assert [row.actor for row in rows] == [EMAIL, "command line"]


async def _fresh(parts):
    """A cookie of the viewer, by a recovery code of a new enrolment."""
    record = await parts.identity._account(EMAIL)
    key = parts.vault.decrypt(record.totp_encrypted).reveal()
    parts.clock.tick(30)
    return await _cookie(parts, shown(key, parts.clock))


async def test_a_code_of_the_app_proves_who_one_is_too(parts):
    key, _ = await enrolled(parts)
    parts.clock.tick(30)
    cookie = await _cookie(parts, shown(key, parts.clock))
    parts.clock.tick(901)
    person = await parts.identity.principal_for_cookie(cookie)
    with pytest.raises(InvalidInput):
        await parts.identity.prove(person, Secret("000000"))
    await parts.identity.prove(person, Secret(shown(key, parts.clock)))
    assert (await parts.identity.principal_for_cookie(cookie)).proved_at == parts.clock.now()


async def test_signing_in_with_a_code_works_while_the_database_is_away_and_counts_once(parts, postgres):
    key, recovery = await enrolled(parts)
    await parts.identity._refresh()
    postgres.stop()
    parts.identity.mark_database(reachable=False)
    parts.clock.tick(30)
    code = shown(key, parts.clock)
    held = await ticket(parts)
    with pytest.raises(NotSignedIn):  # nobody can tell whether it was used
        await parts.identity.finish_sign_in(held, recovery[0], HERE)
    assert await parts.identity.finish_sign_in(held, code, HERE)
    with pytest.raises(NotSignedIn):
        await parts.identity.finish_sign_in(held, code, HERE)


def test_the_picture_holds_the_address_and_needs_nothing_from_outside():
    key = codes.new_key()
    address = codes.address(key, "ana@example.org")
    assert address.startswith("otpauth://totp/Spillway:ana%40example.org?secret=")
    assert key.reveal() in address
    assert codes.picture(address).startswith("data:image/svg+xml")
    assert codes.picture(address) != codes.picture(codes.address(codes.new_key(), "ana@example.org"))
