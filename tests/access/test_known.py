from datetime import UTC, datetime, timedelta

from dashboard_app.access.known import SESSION_IDLE, Known, KnownCredentials
from dashboard_app.model.user import Principal, PrincipalKind, Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entry(key, confirmed=0.0, *, user_id=1, seen_at=NOW, is_written=True):
    return Known(
        key, Principal(PrincipalKind.USER, "ana", Role.VIEWER, user_id, key), confirmed, NOW + timedelta(hours=12), seen_at, is_written
    )


def keys(memory):
    return [known.key for known in memory]


def test_the_least_recently_used_goes_first():
    memory = KnownCredentials(2)
    memory.put(entry("a"))
    memory.put(entry("b"))
    memory.get("a")
    memory.put(entry("c"))
    assert keys(memory) == ["a", "c"]


def test_what_was_ended_does_not_come_back_with_a_late_answer():
    memory = KnownCredentials()
    memory.put(entry("a"))
    before = memory.generation
    memory.end("a")
    memory.put(entry("a"))
    memory.replace([entry("a")], 5.0)
    assert (len(memory), memory.get("a"), memory.generation) == (0, None, before + 1)


def test_the_memory_of_what_ended_is_bounded():
    memory = KnownCredentials(2)
    for key in "abc":
        memory.end(key)
    memory.put(entry("a"))
    assert keys(memory) == ["a"]


def test_a_full_reading_drops_what_it_lacks_unless_that_is_newer_or_not_written_yet():
    memory = KnownCredentials()
    memory.put(entry("old", 1.0))
    memory.put(entry("newer", 9.0))
    memory.put(entry("unwritten", 1.0, is_written=False))
    memory.replace([entry("read", 5.0)], 5.0)
    assert sorted(keys(memory)) == ["newer", "read", "unwritten"]


def test_a_reading_never_sets_back_when_a_session_was_last_used():
    memory = KnownCredentials()
    memory.put(entry("a", 1.0, seen_at=NOW + timedelta(minutes=5)))
    memory.replace([entry("a", 5.0)], 5.0)
    assert memory.get("a").seen_at == NOW + timedelta(minutes=5)
    assert memory.get("a").confirmed_mono == 5.0


def test_an_entry_is_over_at_its_end_or_after_two_idle_hours():
    assert not entry("a").is_over(NOW + SESSION_IDLE)
    assert entry("a").is_over(NOW + SESSION_IDLE + timedelta(seconds=1))
    assert entry("a", seen_at=NOW + timedelta(hours=11)).is_over(NOW + timedelta(hours=12))


def test_the_sessions_of_a_user_are_found():
    memory = KnownCredentials()
    memory.put(entry("a"))
    memory.put(entry("b", user_id=2))
    assert memory.of_user(1) == ["a"]
