"""The gate of the pages' events: every handler of every state can be called by any socket, so each call is judged here.

Denied unless the handler's name has an action. The session is read anew for each event, from the cookie of the socket.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import reflex as rx
from reflex.state import StateUpdate
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext
from reflex_base.utils.format import json_dumps

from dashboard_app.model.errors import DatabaseUnavailable, StartRefused
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import ACTIONS, allowed

_LOG = logging.getLogger(__name__)
_ROOT = "reflex___state____state."
REFLEX_HANDLERS = frozenset(
    _ROOT + name
    for name in (
        "hydrate",
        "hydrate_and_load",
        "set_is_hydrated",
        "reflex___state____on_load_internal_state.on_load_internal",
        "reflex___state____on_load_internal_state.set_is_hydrated",
        "reflex___state____update_vars_internal_state.update_vars_internal",
        "reflex___state____frontend_event_exception_state.handle_frontend_exception",
    )
)
"""Reflex's own handlers by their exact names: open to everybody who is signed in."""
_MAX_CLIENTS = 10_000


class WhoAsks(Protocol):
    """The part of `Identity` that this gate speaks to."""

    async def principal_for_cookie(self, cookie_header: str, *, guard_call: bool = False, is_use: bool = True) -> Principal | None:
        """The person behind a Cookie header."""


class EventGate(rx.Middleware):
    """Put first: `app.add_middleware(EventGate(identity, policies), index=0)`. Call `check_policies` at start."""

    def __init__(self, identity: WhoAsks, policies: Mapping[str, str], unattended: Iterable[str] = (), *, over: "Delta") -> None:
        """`policies`: "sources_state.load" → "sources.read", for every handler of every page.

        `unattended` are handlers that open pages call by themselves: they do not keep a session from ending unused.
        `over` is what makes a page leave for the sign-in page: see `delta_of`.
        """
        self._identity = identity
        self._over = over
        self._policies = dict(policies)
        self._unattended = frozenset(unattended)
        self._owners: OrderedDict[str, int | None] = OrderedDict()

    async def preprocess(self, app: Any, state: Any, event: Event) -> StateUpdate | None:  # noqa: ARG002 - Reflex's signature
        """None lets the event run; a StateUpdate stops it, in the background and in chains, too."""
        principal = await self._principal(state, is_use=short_name(event.name) not in self._unattended)
        if principal is None:
            return StateUpdate(delta=self._over)
        self._give_state_to(principal, state)
        if self._may(principal, event.name):
            return None
        _LOG.warning("event %s refused to %s", event.name[:200].encode("ascii", "backslashreplace").decode(), principal.name)
        return StateUpdate()

    async def _principal(self, state: Any, *, is_use: bool) -> Principal | None:
        """Who sent the event; nobody when that cannot be told."""
        try:
            return await self._identity.principal_for_cookie(state.router.headers.cookie or "", guard_call=True, is_use=is_use)
        except DatabaseUnavailable:
            return None

    def _may(self, principal: Principal, name: str) -> bool:
        """True when this person may run the handler of this full name."""
        if name in REFLEX_HANDLERS:
            return True
        short = short_name(name)
        action = None if _is_inner(short) else self._policies.get(short)
        return action is not None and allowed(principal.role, action)

    def _give_state_to(self, principal: Principal, state: Any) -> None:
        """Empty a state that another person left under this client token: whoever knows the token would see it else."""
        token = state.router.session.client_token
        if token in self._owners and self._owners[token] != principal.user_id:
            state._get_root_state().reset()  # noqa: SLF001 - Reflex has no public way from a substate to its root
        self._owners[token] = principal.user_id
        self._owners.move_to_end(token)
        while len(self._owners) > _MAX_CLIENTS:
            self._owners.popitem(last=False)


Delta = dict[str, dict[str, Any]]


def delta_of(state: type[rx.State], **values: object) -> Delta:
    """What tells an open page that these variables of a state have these values now.

    A page leaves by a variable, never by a script that it is sent: to run that, the policy of content would have to allow eval.
    """
    return {state.get_full_name(): {f"{name}{FIELD_MARKER}": value for name, value in values.items()}}


def farewell(over: Delta) -> str:
    """The frame that sends an open page to the sign-in page: what Reflex itself would send, for a socket that is about to be closed."""
    return "42/_event," + json_dumps(["event", StateUpdate(delta=over)])


def check_policies(policies: Mapping[str, str], handlers: Iterable[str] | None = None) -> None:
    """Return when every handler has a policy and every policy a handler and an action that exists.

    `handlers` are their full names; None: all that Reflex knows now.

    Raises:
        StartRefused: one line per mistake.

    """
    names = registered() if handlers is None else handlers
    own = sorted(name for name in names if name not in REFLEX_HANDLERS and not _is_inner(short_name(name)))
    shorts = [short_name(name) for name in own]
    mistakes = [f"event handler {short} has no policy" for short in sorted(set(shorts) - set(policies))]
    mistakes += [f"event handler {short} exists twice: name one of the states otherwise" for short in _twice(shorts)]
    mistakes += [f"policy {short} has no event handler" for short in sorted(set(policies) - set(shorts))]
    mistakes += [f"policy {short}: there is no action {action}" for short, action in sorted(policies.items()) if action not in ACTIONS]
    if mistakes:
        raise StartRefused("\n".join(mistakes))


def registered() -> frozenset[str]:
    """The full names of all handlers of events, Reflex's own included."""
    return frozenset(RegistrationContext.get().event_handlers)


def short_name(name: str) -> str:
    """The state's and the handler's name: "…pages___sources_state____sources_state.load" → "sources_state.load"."""
    return name.rsplit("____", 1)[-1]


def _is_inner(short: str) -> bool:
    """True for what no page ever calls: `setvar`, which runs other methods, and names with an underscore in front."""
    return any(part == "setvar" or part.startswith("_") for part in short.split("."))


def _twice(names: list[str]) -> list[str]:
    """The names that occur more than once."""
    return sorted({name for name in names if names.count(name) > 1})
