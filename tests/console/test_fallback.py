"""When the banner stands, and what it tells."""

from datetime import UTC, datetime

import pytest

from dashboard_app.console.fallback import Fallback, Signs, fallback_of
from dashboard_app.model.breaker import BreakerState, Outcome
from dashboard_app.model.errors import BackendFailed, SpillwayError
from dashboard_app.runtime.named_breaker import BreakerReading, Transition

SINCE, NOW = datetime(2026, 1, 1, 14, 2, tzinfo=UTC), datetime(2026, 1, 1, 14, 4, tzinfo=UTC)


def signs(state: BreakerState, error: SpillwayError | None = None, **more: object) -> Signs:
    move = Transition(SINCE, BreakerState.CLOSED, state, "person", "Ana", "migration")
    breaker = BreakerReading(
        "api", state, 5, 1.0, SINCE, NOW, 12.0 if state is BreakerState.OPEN else None, SINCE, error, dict.fromkeys(Outcome, 0), move
    )
    facts: dict[str, object] = {
        "list_failure": None,
        "list_failing_since": None,
        "unavailable_since": None,
        "ages_s": (3.0, 90.0),
        "now": NOW,
    }
    return Signs(breaker, **(facts | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [BreakerState.CLOSED, BreakerState.DISABLED, BreakerState.METRICS_ONLY])
def test_no_banner_while_calls_go_through(state: BreakerState) -> None:
    assert fallback_of(signs(state)) is None


def test_open_tells_the_cause_and_the_next_try() -> None:
    error = BackendFailed(cause="http", status=503, problem_code="database_unavailable")
    assert fallback_of(signs(BreakerState.OPEN, error)) == Fallback(
        SINCE, "http", 503, "database_unavailable", next_try_s=12.0, youngest_s=3.0, oldest_s=90.0
    )


def test_half_open_is_trying_and_garbage_is_an_http_fault() -> None:
    fallback = fallback_of(signs(BreakerState.HALF_OPEN, BackendFailed(cause="garbage", status=200), ages_s=None))
    assert fallback is not None
    assert (fallback.trying, fallback.cause, fallback.oldest_s) == (True, "http", None)


def test_held_open_names_who_and_why_and_no_next_try() -> None:
    fallback = fallback_of(signs(BreakerState.FORCED_OPEN))
    assert fallback is not None
    assert (fallback.cause, fallback.by, fallback.reason, fallback.next_try_s) == ("forced", "Ana", "migration", None)


def test_a_database_that_is_away_and_a_refused_token_need_no_breaker() -> None:
    away = fallback_of(signs(BreakerState.CLOSED, unavailable_since=NOW))
    refused = fallback_of(signs(BreakerState.CLOSED, list_failure=BackendFailed(cause="unauthorized", status=401), list_failing_since=NOW))
    assert away is not None
    assert refused is not None
    assert (away.cause, away.since) == ("unavailable", NOW)
    assert (refused.cause, refused.status_code, refused.since) == ("unauthorized", 401, NOW)
    assert fallback_of(signs(BreakerState.CLOSED, list_failure=BackendFailed(status=500))) is None
