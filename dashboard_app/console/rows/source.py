"""One source as rows for `/sources/[id]`: verdict, facts, checks, key figures. Pure."""

import re
from dataclasses import dataclass, field

from dashboard_app.console import theme, words
from dashboard_app.console.rows.pool import Fact
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.source import Source, SourceKind

CHECK_LOOK = {
    CheckStatus.FAIL: theme.Look("Fails", "bad", "octagon-x"),
    CheckStatus.WARN: theme.Look("Warns", "warn", "triangle-alert"),
    CheckStatus.PASS: theme.Look("Passes", "ok", "circle-check"),
}
"""A check's verdict as people see it; this order is worst first."""
_KIND_WORD = {
    SourceKind.POSTGRESQL: "PostgreSQL",
    SourceKind.PGBOUNCER: "PgBouncer",
    SourceKind.MYSQL: "MySQL",
    SourceKind.REDIS: "Redis",
    SourceKind.HTTP: "HTTP",
    SourceKind.SERVICE: "Service",
}


@dataclass(frozen=True, slots=True)
class SourceVerdict:
    """The h1, the sentence under it, and the state's look."""

    title: str = ""
    lede: str = ""
    word: str = ""
    tone: str = "off"
    icon: str = "circle-dashed"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Who this source is: one line of identity and its tags."""

    kind: str = ""
    kind_icon: str = "database"
    address: str = ""
    environment: str = ""
    tags: list[str] = field(default_factory=list)
    username: str = ""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One named check of the last probe. `finding` says what was found when it is not a pass."""

    name: str
    word: str
    tone: str
    icon: str
    observed: str
    limit: str
    since: str
    """A marked time; "" when the server does not say."""
    finding: str


def verdict(source: Source, health: Health | None, *, is_live: bool, at: str = "") -> SourceVerdict:
    """The title and lede of one source. `is_live` false: fallback data of the marked time `at`, told in the past tense."""
    status = health.status if health is not None else HealthStatus.UNKNOWN
    look = theme.STATUS[status] if source.enabled else theme.PAUSED
    state = _state(source, status, health)
    verb = "is" if is_live else "was"
    when = f" at {at}" if not is_live and at else ""
    since = f" since {words.clock(health.since)}" if is_live and source.enabled and health is not None and health.since is not None else ""
    return SourceVerdict(f"{source.name} {verb} {state}{when or since}", _lede(source, health), look.word, look.tone, look.icon)


def _state(source: Source, status: HealthStatus, health: Health | None) -> str:
    """The state as the end of a sentence."""
    if not source.enabled:
        return "paused"
    if health is None or health.checked_at is None:
        return "not looked at yet"
    return {
        HealthStatus.HEALTHY: "healthy",
        HealthStatus.DEGRADED: "degraded",
        HealthStatus.UNHEALTHY: "down" if health.latency_ms is None else "unhealthy",
        HealthStatus.UNKNOWN: "unknown",
    }[status]


def _lede(source: Source, health: Health | None) -> str:
    """Why it is in this state."""
    if not source.enabled:
        return "Nobody checks it until it is enabled again; what is shown is from before."
    if health is None or health.checked_at is None:
        return "The next health round reaches it; Check now asks at once."
    worst = [check for check in ordered(health.checks) if check.status is not CheckStatus.PASS]
    if worst:
        told = [check.message or f"{check_name(check.name)} {observed(check)}" for check in worst[:2]]
        more = f"; {len(worst) - 2} more below" if len(worst) > 2 else ""  # noqa: PLR2004 - two reasons fit in a line
        return f"{words.bold(_sentence('; '.join(told)))}{more}."
    if health.message:
        return f"{_sentence(health.message)}."
    latency = f" It answered in {words.duration(health.latency_ms / 1000)}." if health.latency_ms is not None else ""
    passed = "1 check passes." if len(health.checks) == 1 else f"All {len(health.checks)} checks pass."
    return f"{passed}{latency}" if health.checks else latency.strip()


def _sentence(text: str) -> str:
    """`text` with a capital and without a full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}"


def ordered(checks: tuple[Check, ...]) -> list[Check]:
    """The checks, worst first, else in the order they were made."""
    rank = list(CHECK_LOOK)
    return sorted(checks, key=lambda check: rank.index(check.status))


_NAMES = {"maxwait_s": "oldest_wait"}


def check_name(name: str) -> str:
    """A check's name for people: `idle_in_transaction` is "Idle in transaction"; what its unit says is left out."""
    spaced = _NAMES.get(name, re.sub("_(percent|s)$", "", name)).replace("_", " ")
    return f"{spaced[:1].upper()}{spaced[1:]}"


def observed(check: Check) -> str:
    """What was observed, with its unit; a dash when it could not be measured."""
    if check.observed is None:
        return words.UNKNOWN
    if isinstance(check.observed, bool):
        return "yes" if check.observed else "no"
    if isinstance(check.observed, str):
        return check.observed
    return words.quantity(float(check.observed), check.unit)


def checks(health: Health | None) -> list[CheckRow]:
    """The checks of the last probe, worst first."""
    return [_check(check) for check in ordered(health.checks)] if health is not None else []


def _check(check: Check) -> CheckRow:
    """One check as a row."""
    look = CHECK_LOOK[check.status]
    since = words.clock(check.since) if check.since is not None else ""
    return CheckRow(check_name(check.name), look.word, look.tone, look.icon, observed(check), check.limit, since, check.message)


def facts(source: Source) -> SourceFacts:
    """Who this source is."""
    where = f"{source.host}:{source.port}" + (f" / {source.database}" if source.database else "")
    return SourceFacts(_KIND_WORD[source.kind], theme.KIND_ICON[source.kind], where, source.environment, list(source.tags), source.username)


_ORDER = (
    "connections_used",
    "clients_waiting",
    "maxwait_s",
    "saturation_percent",
    "servers_active",
    "transactions_per_s",
    "cache_hit_percent",
    "longest_query_s",
    "replication_lag_s",
    "locks_waiting",
    "size_bytes",
    "deadlocks_per_s",
    "queries_per_s",
    "avg_wait_ms",
)
_PART_OF_ANOTHER = ("connections_max",)
MOST_FIGURES = 8


def key_figures(metrics: Metrics | None) -> list[Fact]:
    """At most eight measured numbers: those an operator asks for first, then the others as the source sent them."""
    if metrics is None:
        return []
    known = metrics.metrics
    names = [name for name in _ORDER if name in known]
    names += [name for name in known if name not in (*_ORDER, *_PART_OF_ANOTHER)]
    return [_figure(name, known[name], metrics) for name in names[:MOST_FIGURES]]


_SHORT_UNITS = {"connections": "", "locks": "", "1/s": "/s"}


def _figure(name: str, value: float, metrics: Metrics) -> Fact:
    """One number; its unit stands apart, its name loses what the unit says."""
    limit = metrics.metrics.get("connections_max") if name == "connections_used" else None
    if limit is not None:
        return Fact("Connections", words.count(value), f"/ {words.count(limit)}", "of all applications")
    unit = metrics.units.get(name, "")
    per_s = "/s" if unit == "bytes/s" else ""
    shown, _, apart = words.quantity(value, "bytes" if per_s else _SHORT_UNITS.get(unit, unit)).rpartition(words.NB)
    label = check_name(name if name in _NAMES else re.sub("_(percent|bytes_per_s|per_s|bytes|ms|s)$", "", name))
    return Fact(label, shown or apart, (apart if shown else "") + per_s, _NOTES.get(name, ""))


_NOTES = {
    "transactions_per_s": "since the last reading",
    "cache_hit_percent": "of all block reads",
    "longest_query_s": "running now",
    "replication_lag_s": "behind its primary",
    "locks_waiting": "sessions that wait",
    "size_bytes": "this database",
    "deadlocks_per_s": "since the last reading",
    "clients_waiting": "for a server connection",
    "maxwait_s": "the client that waits longest",
    "saturation_percent": "of the fullest limit",
    "servers_active": "linked to a client",
    "queries_per_s": "since the last reading",
    "avg_wait_ms": "per transaction",
}


def check_result(health: Health) -> str:
    """The result of "Check now", in place of the button's wish."""
    took = f" after {words.duration(health.latency_ms / 1000)}" if health.latency_ms is not None else ""
    if health.status is HealthStatus.HEALTHY:
        return f"Healthy: answered{took.replace('after', 'in')}"
    why = f": {health.message.rstrip('.')}" if health.message else ""
    return f"{theme.STATUS[health.status].word}{took}{why}"


def missing(source_id: str) -> str:
    """The sentence for a source that is not there."""
    return f"There is no source {source_id}. It may have been deleted; see the audit log."
