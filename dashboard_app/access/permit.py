"""Round the API: who may call what, judged by method and path before anything is parsed. Denied unless a route names its action."""

import logging
from collections.abc import Callable

from dashboard_app.access import visit
from dashboard_app.access.gate import App, Receive, Scope, Send
from dashboard_app.access.refusal import not_signed_in, refuse_socket
from dashboard_app.model.errors import InsufficientScope
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import ACTIONS, denial, least_role
from dashboard_app.policy.scopes import scope_of
from dashboard_app.runtime.problem import ProblemResponse, problem

_LOG = logging.getLogger(__name__)
ActionOf = Callable[[str, str], str | None]


class Permit:
    """Pure ASGI. `action_of(method, path)` names the action of a call; None: the API has no such call.

    401 comes before 403 and before anything about the body. A call that does not exist is the app's to answer (404, 405), for
    callers with credentials; others learn nothing of it, save that an open path does not know their method.
    """

    def __init__(self, app: App, action_of: ActionOf, *, public_health: bool = True) -> None:
        """No I/O. `public_health`: PUBLIC_HEALTH."""
        self._app = app
        self._action_of = action_of
        self._public_health = public_health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a permitted call on; answer any other."""
        if scope["type"] == "websocket" and scope.get(visit.PRINCIPAL) is None:
            await refuse_socket(not_signed_in(scope), scope, receive, send)
            return
        refused = self._refusal(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemResponse | None:
        """The answer to a call that is not permitted, None for one that is."""
        principal: Principal | None = scope.get(visit.PRINCIPAL)
        action = self._action(scope["method"], scope["path"])
        if action is None:
            return not_signed_in(scope) if principal is None and not self._is_open(scope["path"]) else None
        if action not in ACTIONS:
            return problem(403, "forbidden", "Nobody may do this.", instance=scope["path"])
        needed = least_role(action, public_health=self._public_health)
        if needed is None:
            return None
        if principal is None:
            return not_signed_in(scope)
        refused = denial(principal, action)
        if refused is None:
            return None
        _LOG.warning("%s refused to %s: %s", action, principal.name, refused.code)
        how = [("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{scope_of(action)}"')]
        headers = how if isinstance(refused, InsufficientScope) else []
        return problem(403, refused.code, refused.detail, instance=scope["path"], headers=headers)

    def _is_open(self, path: str) -> bool:
        """True when anybody may read `path`."""
        action = self._action_of("GET", path)
        return action in ACTIONS and least_role(str(action), public_health=self._public_health) is None

    def _action(self, method: str, path: str) -> str | None:
        """The action of a call; a HEAD is judged as the GET it stands for."""
        return self._action_of(method, path) or (self._action_of("GET", path) if method == "HEAD" else None)
