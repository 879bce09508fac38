"""Who stands behind a page's event, and the two lines every page starts and changes with.

Reflex state is never trusted: the principal is read anew from the session cookie of the socket for each event.
"""

from collections.abc import Mapping
from typing import Any

from dashboard_app.console.context import identity
from dashboard_app.model.user import Principal


async def principal_of(state: Any) -> Principal | None:
    """Who sent this event, or None when the session has ended. A known session stays good while the database is away.

    The gate of events has counted the use of the session already, or not, where a page did it by itself.
    """
    cookie: str = state.router.headers.cookie or ""
    return await identity().principal_for_cookie(cookie, guard_call=True, is_use=False)


def assign(state: Any, **values: object) -> int:
    """Set those vars whose value differs and return how many did: only what changed is sent to the browser."""
    changed = 0
    for name, value in values.items():
        if getattr(state, name) != value:
            setattr(state, name, value)
            changed += 1
    return changed


def take(state: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Set the vars of `after` whose value differs from `before`, which is what `state` was given last.

    As `assign`, for what many pages show alike: it compares the plain values, which is much cheaper than to ask the state for each.
    """
    if before is after:
        return
    for name, value in after.items():
        if name not in before or before[name] != value:
            setattr(state, name, value)
