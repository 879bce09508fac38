"""What a watched service's guard says, judged: one status becomes checks, one status becomes metrics. Pure."""

from collections.abc import Mapping
from typing import Any

from dashboard_app.model.health import Check, CheckStatus
from dashboard_app.model.pool import Level, PoolHealth
from dashboard_app.policy.health import verdict
from dashboard_app.policy.throttle import ALLOWANCES

SLOW_CONNECT_MS = 1_000.0
USAGE_WARN_PERCENT, USAGE_FAIL_PERCENT = ALLOWANCES[Level.MODERATE].from_percent, ALLOWANCES[Level.EMERGENCY].from_percent
WAIT_WARN_S, WAIT_FAIL_S = 1.0, 10.0

UNITS: Mapping[str, str] = {
    "usage_percent": "%",
    "peak_usage_percent": "%",
    "checked_out": "connections",
    "capacity": "connections",
    "idle": "connections",
    "overflow": "connections",
    "waiting": "requests",
    "oldest_wait_s": "s",
    "admission_in_flight": "requests",
    "admission_rejected_total": "requests",
    "level": "",
}
"""The unit of every metric this probe may give. `level`: 0 NORMAL, 1 MODERATE, 2 AGGRESSIVE, 3 EMERGENCY."""
_VERDICTS = {
    PoolHealth.HEALTHY: CheckStatus.PASS,
    PoolHealth.DEGRADED: CheckStatus.WARN,
    PoolHealth.CRITICAL: CheckStatus.FAIL,
    PoolHealth.UNAVAILABLE: CheckStatus.FAIL,
}

Status = Mapping[str, Any]


def failed_connect(words: str) -> Check:
    """The one check of a service that gave no answer, or none that is the guard's."""
    return Check("connect", CheckStatus.FAIL, None, "ms", _CONNECT_LIMIT, words)


def checks_of(status: Status, answered_ms: float) -> tuple[Check, ...]:
    """The checks of one status; what most needs a person comes first among equals."""
    return (_connect(answered_ms), _database(status), _usage(status), _waiting(status), _status(status))


def metrics_of(status: Status) -> dict[str, float]:
    """The metrics of one status."""
    pool, admission = status["pool"], status["admission"]
    found = {name: pool[name] for name in ("checked_out", "capacity", "idle", "overflow", "waiting", "oldest_wait_s")}
    found |= {name: status[name] for name in ("usage_percent", "peak_usage_percent")}
    found |= {"admission_in_flight": admission["in_flight"], "admission_rejected_total": admission["rejected_total"]}
    found["level"] = list(Level).index(Level(status["throttling_level"]))
    return {name: float(value) for name, value in found.items()}


_CONNECT_LIMIT = f"warns from {SLOW_CONNECT_MS:g} ms, fails without the guard's answer"


def _connect(answered_ms: float) -> Check:
    verdict_of = verdict(answered_ms, SLOW_CONNECT_MS)
    words = "" if verdict_of is CheckStatus.PASS else f"The answer took {answered_ms:.0f} ms"
    return Check("connect", verdict_of, round(answered_ms, 3), "ms", _CONNECT_LIMIT, words)


def _database(status: Status) -> Check:
    limit = "fails when the service cannot reach its database"
    if status["status"] == PoolHealth.UNAVAILABLE:
        return Check("database", CheckStatus.FAIL, "unreachable", "", limit, "The service cannot reach its database")
    return Check("database", CheckStatus.PASS, "reachable", "", limit)


def _usage(status: Status) -> Check:
    pool, percent = status["pool"], status["usage_percent"]
    limit = f"warns from {USAGE_WARN_PERCENT:g} %, fails from {USAGE_FAIL_PERCENT:g} %"
    words = f"{pool['checked_out']} of {pool['capacity']} in use, {status['throttling_level']}"
    return Check("pool_usage", verdict(percent, USAGE_WARN_PERCENT, USAGE_FAIL_PERCENT), percent, "%", limit, words)


def _waiting(status: Status) -> Check:
    count, longest = status["pool"]["waiting"], status["pool"]["oldest_wait_s"]
    limit = f"warns when one waits {WAIT_WARN_S:g} s, fails from {WAIT_FAIL_S:g} s"
    if not count:
        return Check("waiting", CheckStatus.PASS, 0, "requests", limit)
    words = f"{count} {'waits' if count == 1 else 'wait'} for a connection, the longest for {longest:.1f} s"
    return Check("waiting", verdict(longest, WAIT_WARN_S, WAIT_FAIL_S), count, "requests", limit, words)


def _status(status: Status) -> Check:
    found = PoolHealth(status["status"])
    words = "" if found is PoolHealth.HEALTHY else f"The guard says {found.value}"
    return Check("status", _VERDICTS[found], found.value, "", "warns when degraded, fails when critical or unavailable", words)
