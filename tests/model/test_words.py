from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import PoolCounts
from dashboard_app.model.user import Role


def test_each_status_has_its_own_letter():
    assert [status.letter for status in HealthStatus] == ["o", "w", "b", "u"]


def test_usage_is_checked_out_over_size_plus_overflow():
    counts = PoolCounts(size=20, max_overflow=10, checked_out=13, idle=7, overflow=0)
    assert (counts.capacity, counts.usage_percent) == (30, 43.3)


def test_a_role_covers_itself_and_what_is_below():
    assert [[str(b) for b in Role if a.covers(b)] for a in Role] == [["viewer"], ["viewer", "operator"], ["viewer", "operator", "admin"]]
