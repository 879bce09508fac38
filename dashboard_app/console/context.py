"""The only door from page states to services: `bind` once when the app is wired, then `console()`, `identity()`, `audit()`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard_app.console.console import Console
from dashboard_app.settings import LoadedSettings

if TYPE_CHECKING:
    from dashboard_app.access.audit import Audit
    from dashboard_app.access.identity import Identity


@dataclass(slots=True)
class _Bound:
    """What was bound; pages ask at event time, never at import."""

    console: Console | None = None
    identity: Any = None
    audit: Any = None
    settings: LoadedSettings | None = None


_bound = _Bound()


def bind(console: Console, identity: "Identity", audit: "Audit", settings: LoadedSettings | None = None) -> None:
    """Make these the services of every page of this process. `settings` None: those of the console, their origins unknown."""
    _bound.console, _bound.identity, _bound.audit = console, identity, audit
    _bound.settings = settings or LoadedSettings(console.settings, console.origins)


def console() -> Console:
    """The console's services.

    Raises:
        RuntimeError: nothing was bound yet.

    """
    if _bound.console is None:
        message = "bind() the console before a page asks for it"
        raise RuntimeError(message)
    return _bound.console


def identity() -> "Identity":
    """Who is who.

    Raises:
        RuntimeError: nothing was bound yet.

    """
    if _bound.identity is None:
        message = "bind() the identity before a page asks for it"
        raise RuntimeError(message)
    found: Identity = _bound.identity
    return found


def audit() -> "Audit":
    """The audit book.

    Raises:
        RuntimeError: nothing was bound yet.

    """
    if _bound.audit is None:
        message = "bind() the audit before a page asks for it"
        raise RuntimeError(message)
    found: Audit = _bound.audit
    return found


def loaded_settings() -> LoadedSettings:
    """The settings and where each came from.

    Raises:
        RuntimeError: nothing was bound yet.

    """
    if _bound.settings is None:
        message = "bind() the settings before a page asks for them"
        raise RuntimeError(message)
    return _bound.settings
