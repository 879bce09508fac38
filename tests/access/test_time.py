"""Sessions are judged by the database's time: whatever this machine's clock says, and when the database's own clock is set, too."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dashboard_app.access.known import SESSION_LIFE, Known, KnownCredentials
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.permission import is_proved
from dashboard_app.runtime.steady_clock import SteadyClock
from dashboard_app.store.credentials import ended
from tests.access.parts import Parts, opened

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def at_a_machine(off, passed=None):
    """A clock on a machine whose clock is so far off, and on which so many seconds more than really have passed."""
    real = SteadyClock().elapsed
    return SteadyClock(ManualClock(datetime.now(UTC) + off), None if passed is None else lambda: real() + passed[0])


async def rows(parts, statement, **values):
    async with parts.database.control.begin() as connection:
        result = await connection.execute(text(statement), values)
        return result.all() if result.returns_rows else []


async def off_s(parts):
    """By how much this process's clock is off the real one."""
    return (parts.clock.now() - datetime.now(UTC)).total_seconds()


@pytest.fixture
def set_clock(fresh_database, postgres):
    """A lever: sets the clock of the database by a difference from the real one."""

    def execute(*statements):
        for statement in statements:
            postgres.execute(statement, database=fresh_database.database)

    name = f'"{fresh_database.database}"'
    execute(
        "CREATE TABLE off (by interval)",
        "INSERT INTO off VALUES ('0')",
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() + by FROM public.off'",
        f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
    )
    yield lambda by: postgres.execute("UPDATE off SET by = $1", by, database=fresh_database.database)
    execute(f"ALTER DATABASE {name} RESET search_path", "DROP FUNCTION public.clock_timestamp()", "DROP TABLE off")


async def look(parts):
    """One reading anew, as comes every 30 s."""
    parts.identity._refreshed_mono = None
    await parts.identity.keep_up()


async def is_in(parts, cookie):
    return await parts.identity.principal_for_cookie(cookie) is not None


@asynccontextmanager
async def signed_in(address, settings, clock):
    async with opened(address, settings, clock) as parts:
        await parts.add_users()
        yield parts, await parts.cookie(Role.ADMIN)


@pytest.mark.parametrize("off", [timedelta(hours=-9), timedelta(hours=9), -400 * DAY, 400 * DAY])
async def test_on_a_machine_whose_clock_is_hours_off_sessions_are_stamped_and_judged_by_the_databases_time(
    fresh_database, settings_for, off
):
    async with signed_in(fresh_database, settings_for(), at_a_machine(off)) as (parts, cookie):
        assert await is_in(parts, cookie)
        await look(parts)
        assert await is_in(parts, cookie)
        [[created, seen, ends, proved]] = await rows(
            parts, "SELECT now() - created_at, now() - last_seen_at, expires_at - now(), now() - proved_at FROM sessions"
        )
        assert max(abs(created), abs(seen), abs(proved), abs(SESSION_LIFE - ends)) < timedelta(seconds=30)
        assert abs(await off_s(parts)) < 30
    again = Parts(fresh_database, settings_for(), at_a_machine(-off))  # it was started this moment, and has read nothing yet
    assert await is_in(again, cookie)
    await again.close()


async def test_a_session_that_is_begun_before_the_time_is_known_asks_for_it_first(fresh_database, settings_for):
    async with signed_in(fresh_database, settings_for(), None) as (parts, _):
        early = Parts(fresh_database, parts.settings, at_a_machine(-3 * DAY))
        cookie = await early.cookie(Role.VIEWER)
        assert await is_in(early, cookie)
        assert await rows(early, "SELECT 1 FROM sessions WHERE abs(extract(epoch FROM expires_at - now()) - 43200) < 30")
        await early.close()


@pytest.mark.parametrize("by", [HOUR, -HOUR, DAY, -DAY])
async def test_a_database_whose_clock_is_set_signs_nobody_out_and_prolongs_nothing(fresh_database, settings_for, set_clock, by):
    passed = [0.0]
    async with signed_in(fresh_database, settings_for(), at_a_machine(timedelta(), passed)) as (parts, cookie):
        signed_out, principal = await parts.cookie(Role.VIEWER), await parts.identity.principal_for_cookie(cookie)
        opened_for = parts.identity.watch_session(principal.session_id)
        await parts.identity.sign_out((await parts.identity.principal_for_cookie(signed_out)).session_id)
        passed[0] += 600
        set_clock(by + timedelta(seconds=600))
        assert await is_in(parts, cookie)
        await look(parts)
        assert abs(await off_s(parts) - by.total_seconds() - 600) < 30
        now, principal = parts.clock.now(), await parts.identity.principal_for_cookie(cookie)
        assert is_proved(principal, now)
        assert not is_proved(principal, now + timedelta(seconds=330))
        [[left, age]] = await rows(parts, "SELECT expires_at - clock_timestamp(), clock_timestamp() - created_at FROM sessions")
        assert abs(left + timedelta(seconds=600) - SESSION_LIFE) < timedelta(seconds=30)
        assert abs(age - timedelta(seconds=600)) < timedelta(seconds=30)
        assert not await is_in(parts, signed_out)
        set_clock(timedelta(seconds=600))
        await look(parts)
        assert await is_in(parts, cookie)
        assert not opened_for.is_set()
        for _ in range(12):  # in use all day
            passed[0] += 3000
            set_clock(timedelta(seconds=passed[0]))
            assert await is_in(parts, cookie)
        passed[0] += 43_200 - 36_600 + 30
        set_clock(timedelta(seconds=passed[0]))
        assert not await is_in(parts, cookie)
        assert opened_for.is_set()


async def test_a_process_beside_it_and_the_next_one_go_on_with_the_same_sessions(fresh_database, settings_for, set_clock):
    async with signed_in(fresh_database, settings_for(), at_a_machine(timedelta())) as (parts, cookie):
        session_id = (await parts.identity.principal_for_cookie(cookie)).session_id
        async with opened(fresh_database, parts.settings, at_a_machine(HOUR)) as beside:
            for by in (DAY, timedelta(), -DAY):
                set_clock(by)
                await look(parts)
                assert await is_in(beside, cookie)  # which has yet to hear of it
                assert await ended(beside.database, [session_id], beside.clock.now(), 1.0) == []
                await look(beside)
                await look(parts)
                assert (await is_in(parts, cookie), await is_in(beside, cookie)) == (True, True)
                [[left]] = await rows(parts, "SELECT expires_at - clock_timestamp() FROM sessions")
                assert abs(left - SESSION_LIFE) < timedelta(seconds=30)
        async with opened(fresh_database, parts.settings, at_a_machine(-HOUR)) as later:
            assert await is_in(later, cookie)


@pytest.mark.parametrize("by", [DAY, -DAY])
def test_an_answer_from_before_the_step_does_not_take_it_back(by):
    """A check that was on its way when the clock was set, or another process that wrote the table already."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    person = Principal(PrincipalKind.USER, "ana@example.org", Role.ADMIN, 1, "key", now)
    known, sessions = Known("key", person, 0.0, now + SESSION_LIFE, now), KnownCredentials()
    sessions.put(replace(known))
    generation = sessions.generation
    sessions.carry(by, now + by)
    assert sessions.generation > generation
    sessions.put(replace(known, seen_at=min(now, now + by)))
    after = sessions.get("key")
    assert (after.expires_at, after.seen_at) == (now + by + SESSION_LIFE, now + by)
    assert sessions.stamps() == {"key": (now + by, now + by, now + by + SESSION_LIFE, max(now, now + by))}


async def test_more_than_a_day_forward_is_time_that_has_passed(fresh_database, settings_for, set_clock):
    async with signed_in(fresh_database, settings_for(), at_a_machine(timedelta())) as (parts, cookie):
        set_clock(3 * DAY)
        await look(parts)
        assert not await is_in(parts, cookie)
        set_clock(timedelta())
        await look(parts)
        assert not await is_in(parts, cookie)


async def test_a_session_of_a_clock_that_was_ahead_lives_no_longer_for_it(fresh_database, settings_for, set_clock):
    async with signed_in(fresh_database, settings_for(), at_a_machine(timedelta())) as (parts, cookie):
        await rows(
            parts, "UPDATE sessions SET expires_at = expires_at + interval '9 days', last_seen_at = last_seen_at + interval '9 days'"
        )
        passed = [0.0]
        later = Parts(fresh_database, parts.settings, at_a_machine(timedelta(), passed))
        for _ in range(14):  # in use all day
            assert await is_in(later, cookie)
            passed[0] += 3000
        passed[0] += 1201
        assert not await is_in(later, cookie)
        await later.close()


async def test_what_is_open_is_told_when_the_life_of_its_session_is_over(fresh_database, settings_for):
    clock = ManualClock()
    async with signed_in(fresh_database, settings_for(), clock) as (parts, cookie):
        over = parts.identity.watch_session((await parts.identity.principal_for_cookie(cookie)).session_id)
        parts.identity._end_what_is_over()
        assert not over.is_set()
        clock.tick(SESSION_LIFE.total_seconds())
        parts.identity._end_what_is_over()
        assert over.is_set()


async def test_a_session_that_the_database_has_yet_to_hear_of_is_carried_too(fresh_database, settings_for, set_clock):
    async with signed_in(fresh_database, settings_for(), at_a_machine(timedelta())) as (parts, _):
        parts.identity.mark_database(reachable=False)
        cookie = await parts.cookie(Role.OPERATOR)
        set_clock(DAY)
        await parts.identity._keep_time()
        parts.identity.mark_database(reachable=True)
        await look(parts)
        assert await is_in(parts, cookie)
        lives = [left for [left] in await rows(parts, "SELECT expires_at - clock_timestamp() FROM sessions")]
        assert len(lives) == 2
        assert all(abs(left - SESSION_LIFE) < timedelta(seconds=30) for left in lives)
