"""Whether pages show last known values instead of live ones, and what the banner says about it."""

from dataclasses import dataclass
from datetime import datetime

from dashboard_app.console.loader import LIST_AFTER_FAILURE_S
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.errors import BackendFailed, SpillwayError
from dashboard_app.runtime.named_breaker import BreakerReading

_AWAY = frozenset({BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.FORCED_OPEN})
_CAUSES = frozenset({"refused", "timeout", "unauthorized", "http"})


@dataclass(frozen=True, slots=True)
class Fallback:
    """What the banner tells. `cause`: refused, timeout, unauthorized, http, forced, unavailable.

    `since` is the first failed answer. `next_try_s` None: no try is planned. `youngest_s` and `oldest_s` are the ages of the
    healths on screen, None when there are none. `by` and `reason` belong to a breaker that a person holds open.
    """

    since: datetime
    cause: str
    status_code: int | None = None
    problem_code: str = ""
    next_try_s: float | None = None
    trying: bool = False
    youngest_s: float | None = None
    oldest_s: float | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """What the decision is made from. `unavailable_since`: since when the pool's status says the database is away."""

    breaker: BreakerReading
    list_failure: SpillwayError | None
    list_failing_since: datetime | None
    unavailable_since: datetime | None
    ages_s: tuple[float, float] | None
    now: datetime


def fallback_of(signs: Signs) -> Fallback | None:
    """The fallback to show, or None while values are live.

    Shown while the breaker is open or tries, while the server says its database is away, and while it refuses this console's
    token (which no breaker counts: the server is well).
    """
    youngest, oldest = signs.ages_s or (None, None)
    breaker = signs.breaker
    since = breaker.failing_since or breaker.opened_at or signs.now
    if breaker.state is BreakerState.FORCED_OPEN:
        move = breaker.last_transition
        by, reason = (move.by, move.reason) if move else ("", "")
        return Fallback(since, "forced", youngest_s=youngest, oldest_s=oldest, by=by, reason=reason)
    if breaker.state in _AWAY:
        cause, status, code = _facts(breaker.last_error)
        is_trying = breaker.state is BreakerState.HALF_OPEN or breaker.retry_in_s == 0.0
        return Fallback(since, cause, status, code, breaker.retry_in_s, is_trying, youngest, oldest)
    if signs.unavailable_since is not None:
        return Fallback(signs.unavailable_since, "unavailable", youngest_s=youngest, oldest_s=oldest)
    if isinstance(signs.list_failure, BackendFailed) and signs.list_failure.cause == "unauthorized":
        cause, status, code = _facts(signs.list_failure)
        return Fallback(signs.list_failing_since or since, cause, status, code, LIST_AFTER_FAILURE_S, youngest_s=youngest, oldest_s=oldest)
    return None


def _facts(error: SpillwayError | None) -> tuple[str, int | None, str]:
    """The cause in the banner's words, the HTTP status and the problem's code."""
    if not isinstance(error, BackendFailed):
        return "http", None, ""
    return (error.cause if error.cause in _CAUSES else "http"), error.status, error.problem_code
