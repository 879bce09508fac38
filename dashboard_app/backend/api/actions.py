"""Which call is which action: a table read off the routes, so that rights can be judged before anything is parsed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import compile_path

from dashboard_app.model.errors import StartRefused
from dashboard_app.policy.permission import ACTIONS
from dashboard_app.runtime.routing import ACTION_KEY


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API."""

    method: str
    path: str
    action: str
    pattern: re.Pattern[str]


class ActionTable:
    """Answers which action a request is. Built once; later routes are not seen."""

    def __init__(self, calls: Iterable[Call]) -> None:
        """Keep the calls in the order of the routes: the first that matches decides, as in the router."""
        self.calls = tuple(calls)
        self._fixed = {(call.method, call.path): call.action for call in self.calls if "{" not in call.path}
        self._patterns = tuple(call for call in self.calls if "{" in call.path)

    def action_of(self, method: str, path: str) -> str | None:
        """The action of `method path`; None when the API has no such call (the answer will be 404 or 405)."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed
        return next((call.action for call in self._patterns if call.method == method and call.pattern.match(path)), None)

    def own_methods_of(self, path: str) -> tuple[str, ...]:
        """The methods of a path that is named outright, sorted; none for one that only a pattern such as `/{id}` meets."""
        return tuple(sorted(method for method, fixed in self._fixed if fixed == path))

    def methods_of(self, path: str) -> tuple[str, ...]:
        """The methods `path` knows, sorted; none when there is no such path."""
        return self.own_methods_of(path) or tuple(sorted({call.method for call in self._patterns if call.pattern.match(path)}))


def table_of(app: FastAPI) -> ActionTable:
    """The table of every API route of `app`.

    Raises:
        StartRefused: one line per route that names no action, or one that `policy/permission.py` does not know.

    """
    calls, mute = [], []
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            continue
        action = str((context.openapi_extra or {}).get(ACTION_KEY, ""))
        path = context.path or ""
        if action not in ACTIONS:
            mute.append(f"route {sorted(context.methods or ())} {path} names no known action: {action!r}")
            continue
        calls += [Call(method, path, action, compile_path(path)[0]) for method in sorted(context.methods or ())]
    if mute:
        raise StartRefused("\n".join(mute))
    return ActionTable(calls)
