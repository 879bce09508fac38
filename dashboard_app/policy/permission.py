"""Who may do what: one table of actions, each with the least role that may, asked by every gate and every service."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from dashboard_app.model.errors import Forbidden, InsufficientScope, NotSignedIn, ProofNeeded
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.scopes import covers, scope_of

ACTIONS: Mapping[str, Role | None] = MappingProxyType(
    {
        "open": None,
        "health.live": None,
        "health.ping": None,
        "docs.read": None,
        "session.read": Role.VIEWER,
        "session.end": Role.VIEWER,
        "account.read": Role.VIEWER,
        "account.write": Role.VIEWER,
        "console.watch": Role.VIEWER,
        "sources.read": Role.VIEWER,
        "sources.check": Role.OPERATOR,
        "sources.write": Role.ADMIN,
        "pooler.clients": Role.OPERATOR,
        "pooler.act": Role.ADMIN,
        "pool.status": Role.VIEWER,
        "pool.test": Role.VIEWER,
        "pool.history": Role.OPERATOR,
        "pool.holders": Role.OPERATOR,
        "pool.performance": Role.OPERATOR,
        "pool.clients": Role.OPERATOR,
        "pool.sizing": Role.OPERATOR,
        "pool.cleanup": Role.ADMIN,
        "jobs.read": Role.VIEWER,
        "jobs.write": Role.OPERATOR,
        "jobs.dead_letters": Role.OPERATOR,
        "events.read": Role.VIEWER,
        "events.payload": Role.OPERATOR,
        "events.write": Role.OPERATOR,
        "dashboard.read": Role.VIEWER,
        "loader.read": Role.VIEWER,
        "loader.refresh": Role.OPERATOR,
        "breakers.read": Role.VIEWER,
        "breakers.try": Role.OPERATOR,
        "breakers.write": Role.ADMIN,
        "queue.read": Role.VIEWER,
        "metrics.read": Role.VIEWER,
        "settings.read": Role.ADMIN,
        "settings.write": Role.ADMIN,
        "audit.read": Role.ADMIN,
        "users.read": Role.ADMIN,
        "users.write": Role.ADMIN,
        "tokens.read": Role.ADMIN,
        "tokens.write": Role.ADMIN,
        "alerts.read": Role.VIEWER,
        "alerts.act": Role.OPERATOR,
        "alert_rules.read": Role.ADMIN,
        "alert_rules.write": Role.ADMIN,
        "notifications.read": Role.ADMIN,
        "notifications.write": Role.ADMIN,
        "drill.run": Role.ADMIN,
    }
)
"""Action → least role; None: open to everyone, signed in or not. An action that is not here is denied to all."""

PROOF_GOOD_FOR = timedelta(minutes=15)
"""How long a sign-in, or a password entered again, is enough for what cannot be undone."""
PROOF_ASKED = "Show it on Your account"
"""What a refusal for want of a proof says; pages put a link behind it."""
PUBLIC_HEALTH_ACTIONS = frozenset({"health.ping", "pool.status"})
"""Open when PUBLIC_HEALTH is true; else they need what `least_role` says."""


def least_role(action: str, *, public_health: bool = True) -> Role | None:
    """The least role for `action`, None when it is open to everyone.

    Raises:
        KeyError: there is no such action.

    """
    if action in PUBLIC_HEALTH_ACTIONS:
        return None if public_health else Role.VIEWER
    return ACTIONS[action]


def allowed(role: Role | None, action: str) -> bool:
    """True when `role` (None: nobody is signed in) may do `action`; an unknown action is never allowed."""
    if action not in ACTIONS:
        return False
    needed = ACTIONS[action]
    return needed is None or (role is not None and role.covers(needed))


def require(principal: Principal | None, action: str) -> None:
    """Return when `principal` may do `action`.

    Raises:
        NotSignedIn: nobody is signed in and the action is not open.
        Forbidden: the role does not reach, or there is no such action.
        InsufficientScope: the role reaches, but the token is narrowed to other things.

    """
    if principal is None:
        if not allowed(None, action):
            raise NotSignedIn
        return
    refused = denial(principal, action)
    if refused is not None:
        raise refused


def denial(principal: Principal, action: str) -> Forbidden | None:
    """Why `principal` may not do `action`: the role is judged first, then the scopes of a token. None: it may."""
    if not allowed(principal.role, action):
        return Forbidden(refusal(principal.role, action))
    if covers(principal.scopes, action):
        return None
    named = ", ".join(sorted(principal.scopes or ()))
    return InsufficientScope(f"This needs the scope {scope_of(action)}; this token is narrowed to {named}.")


def require_proof(principal: Principal, now: datetime) -> None:
    """Return when `principal` may do what cannot be undone: somebody in a session showed within 15 minutes who they are.

    Programs and the system itself have nobody to ask.

    Raises:
        ProofNeeded: it is longer ago.

    """
    if principal.kind is not PrincipalKind.USER or not principal.session_id:
        return
    if not is_proved(principal, now):
        raise ProofNeeded(
            "This cannot be undone, and you last showed more than 15 minutes ago who you are. "
            f"{PROOF_ASKED}, in the user menu; then do it again."
        )


def is_proved(principal: Principal, now: datetime) -> bool:
    """True when somebody showed within 15 minutes who they are. A proof from a later time than now is one of a clock that was set back."""
    return principal.proved_at is not None and abs(now - principal.proved_at) <= PROOF_GOOD_FOR


def refusal(role: Role, action: str) -> str:
    """The sentence for somebody of `role` who may not do `action`."""
    needed = ACTIONS.get(action)
    if needed is None:
        return "Nobody may do this."
    return f"This needs the {needed.value} role; you are {_with_article(role)}."


def _with_article(role: Role) -> str:
    """The role as in "you are an operator"."""
    return f"{'a' if role is Role.VIEWER else 'an'} {role.value}"
