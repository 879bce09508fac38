"""Checks become one status, one sentence and one beginning; what is too old becomes unknown. Pure: no clock, no I/O."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus


def verdict(observed: float, warn_from: float, fail_from: float | None = None) -> CheckStatus:
    """FAIL at `fail_from` and above (None: never), WARN at `warn_from` and above, else PASS."""
    if fail_from is not None and observed >= fail_from:
        return CheckStatus.FAIL
    return CheckStatus.WARN if observed >= warn_from else CheckStatus.PASS


def fold(checks: Sequence[Check]) -> HealthStatus:
    """The one status of these checks: the worst rules; without any check nobody looked, which is UNKNOWN, not healthy."""
    found = {check.status for check in checks}
    if CheckStatus.FAIL in found:
        return HealthStatus.UNHEALTHY
    if CheckStatus.WARN in found:
        return HealthStatus.DEGRADED
    return HealthStatus.HEALTHY if found else HealthStatus.UNKNOWN


def sentence(checks: Sequence[Check]) -> str | None:
    """What is wrong, in words: the first failed check's message, else the first warning's; None when all pass."""
    for status in (CheckStatus.FAIL, CheckStatus.WARN):
        for check in checks:
            if check.status is status:
                return check.message or check.name
    return None


def began(previous: Health | None, status: HealthStatus, now: datetime) -> datetime:
    """When the present status began: as long ago as the previous reading says when it had the same status, else `now`."""
    if previous is not None and previous.status is status and previous.since is not None:
        return min(previous.since, now)
    return now


def dated(checks: Sequence[Check], previous: Health | None, now: datetime) -> tuple[Check, ...]:
    """`checks`, each with the beginning of its present verdict: as the previous reading says when it had the same one, else `now`.

    A previous reading without checks was restored from its samples: when it was healthy, every check has passed since then.
    """
    return tuple(replace(check, since=_verdict_began(check, previous, now)) for check in checks)


def _verdict_began(check: Check, previous: Health | None, now: datetime) -> datetime:
    """When the verdict of one check began."""
    if previous is None:
        return now
    if not previous.checks and previous.status is HealthStatus.HEALTHY and check.status is CheckStatus.PASS:
        return min(previous.since or now, now)
    same = (one.since for one in previous.checks if one.name == check.name and one.status is check.status)
    return min(next(same, None) or now, now)


def aged(health: Health, now: datetime, limit_s: float) -> Health:
    """`health`, or UNKNOWN since its last check when that is more than `limit_s` seconds ago or never was."""
    if health.status is HealthStatus.UNKNOWN:
        return health
    if health.checked_at is not None and now - health.checked_at <= timedelta(seconds=limit_s):
        return health
    return replace(health, status=HealthStatus.UNKNOWN, since=health.checked_at, latency_ms=None, message="Not checked lately", checks=())
