"""What an API token may be narrowed to: every action is in exactly one scope, or open to each token."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dashboard_app.model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token with this scope may do, as far as its role reaches: in words, and as actions."""

    words: str
    actions: frozenset[str]


def _scope(words: str, *actions: str) -> Scope:
    """One line of the table."""
    return Scope(words, frozenset(actions))


SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        "read": _scope(
            "look at sources, pools, jobs, alerts, breakers and the loader",
            "sources.read",
            "pooler.clients",
            "pool.status",
            "pool.history",
            "pool.holders",
            "pool.performance",
            "pool.clients",
            "pool.sizing",
            "jobs.read",
            "dashboard.read",
            "loader.read",
            "breakers.read",
            "queue.read",
            "alerts.read",
        ),
        "metrics": _scope("read /metrics", "metrics.read"),
        "check": _scope(
            "check a source, test a connection, start a round now", "sources.check", "pool.test", "loader.refresh", "breakers.try"
        ),
        "guard": _scope("clean up a pool, act on a PgBouncer, hold a breaker", "pool.cleanup", "pooler.act", "breakers.write"),
        "events.read": _scope("follow the streams of events", "events.read", "events.payload"),
        "events.publish": _scope("publish events", "events.write"),
        "jobs.write": _scope("make jobs and update them", "jobs.write"),
        "jobs.repair": _scope("retry and delete dead letters", "jobs.dead_letters"),
        "alerts.act": _scope("acknowledge and silence alerts", "alerts.act"),
        "configure": _scope(
            "change sources, settings, alert rules and channels",
            "sources.write",
            "settings.read",
            "settings.write",
            "alert_rules.read",
            "alert_rules.write",
            "notifications.read",
            "notifications.write",
        ),
        "audit.read": _scope("read the audit", "audit.read"),
        "accounts": _scope("change accounts, and so become anybody", "users.read", "users.write"),
        "tokens": _scope("make and revoke tokens, none that may do more", "tokens.read", "tokens.write"),
        "drill": _scope("run drills, under make demo only", "drill.run"),
    }
)
"""Scope → what it covers."""

EVERY_TOKEN = frozenset(
    {"open", "health.live", "health.ping", "docs.read", "session.read", "session.end", "account.read", "account.write", "console.watch"}
)
"""Actions that no scope narrows: what is open to everyone, who one is, and what only people do."""

_SCOPE_OF = {action: name for name, scope in SCOPES.items() for action in scope.actions}


def scope_of(action: str) -> str | None:
    """The scope of `action`; None when no scope narrows it. An action without one fails a test."""
    return _SCOPE_OF.get(action)


def covers(scopes: Iterable[str] | None, action: str) -> bool:
    """True when a token narrowed to `scopes` (None: not narrowed) may do `action` as far as its role reaches."""
    return scopes is None or action in EVERY_TOKEN or scope_of(action) in frozenset(scopes)


def checked_scopes(names: Iterable[str] | None) -> frozenset[str] | None:
    """`names` as a set; None stays None: the whole role.

    Raises:
        InvalidInput: one is unknown, or there is none: a token that may do nothing is a mistake.

    """
    if names is None:
        return None
    found = frozenset(names)
    unknown = sorted(found - set(SCOPES))
    if unknown or not found:
        known = ", ".join(SCOPES)
        sentence = f"There is no scope {unknown[0][:60]!r}; there are {known}." if unknown else f"Name at least one of {known}."
        raise InvalidInput(sentence, ({"field": "scopes", "message": sentence},))
    return found
