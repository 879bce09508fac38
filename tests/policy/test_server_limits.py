"""What a server asks of its clients: when the next request may start."""

import pytest

from dashboard_app.policy.server_limits import REST_MAX_S, ServerLimits, Throttling

ASKED = Throttling(max_concurrent=2, per_minute=60, delay_s=0.5)


def following(throttling: Throttling | None = ASKED, now: float = 100.0) -> ServerLimits:
    limits = ServerLimits()
    limits.follow(throttling, now)
    return limits


def test_nothing_asked_binds_nothing() -> None:
    limits = following(None)
    limits.started(100.0)
    assert limits.has_place(10_000)
    assert not limits.clicks_only
    assert limits.earliest(100.0, last_start=100.0) == 100.0


@pytest.mark.parametrize(("running", "has_place"), [(0, True), (1, True), (2, False), (3, False)])
def test_so_many_may_be_under_way(running: int, has_place: bool) -> None:
    assert following().has_place(running) is has_place


def test_only_emergency_leaves_clicks_alone() -> None:
    assert not following().clicks_only
    assert following(Throttling(1, 10, 1.0, clicks_only=True)).clicks_only


@pytest.mark.parametrize(("last_start", "earliest"), [(None, 100.0), (99.0, 100.0), (99.75, 100.25), (100.0, 100.5)])
def test_starts_are_a_delay_apart(last_start: float | None, earliest: float) -> None:
    assert following().earliest(100.0, last_start) == earliest


def test_a_minutes_requests_are_there_at_once_and_then_one_by_one() -> None:
    limits = following(Throttling(max_concurrent=9, per_minute=2, delay_s=0.0))
    limits.started(100.0)
    assert limits.earliest(100.0, 100.0) == 100.0
    limits.started(100.0)
    assert limits.earliest(100.0, 100.0) == pytest.approx(130.0)


def test_a_change_of_limits_gives_no_requests_back() -> None:
    limits = following(Throttling(max_concurrent=9, per_minute=1, delay_s=0.0))
    limits.started(100.0)
    limits.follow(Throttling(max_concurrent=9, per_minute=60, delay_s=0.0), 100.0)
    assert limits.earliest(100.0, 100.0) == pytest.approx(101.0)


@pytest.mark.parametrize("throttling", [None, ASKED])
def test_a_rest_ends_when_the_longest_does_and_within_its_bound(throttling: Throttling | None) -> None:
    limits = following(throttling)
    limits.rest(20.0, 100.0)
    limits.rest(5.0, 100.0)
    assert limits.earliest(100.0, None) == 120.0
    limits.rest(9_999.0, 100.0)
    assert limits.earliest(100.0, None) == 100.0 + REST_MAX_S
