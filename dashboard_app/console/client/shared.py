"""What many pages look at is read once for all of them, a few times a second at most."""

from typing import Any

from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import parse_object
from dashboard_app.model.clock import Clock
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.single_flight import SingleFlight

FRESH_S = 1.5
"""How long an answer serves every page that asks for the same."""
_KEPT = 64


class SharedReads:
    """Answers that are objects, by path and parameters."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        """Nothing was read yet."""
        self._caller, self._clock = caller, clock
        self._flights: SingleFlight[dict[str, Any]] = SingleFlight()
        self._known: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    async def read(self, principal: Principal, action: str, path: str, params: dict[str, str | int] | None = None) -> dict[str, Any]:
        """An answer, at most FRESH_S old, shared by all who ask for the same; the right is checked for each of them."""
        require(principal, action)
        key = (path, repr(sorted((params or {}).items())))
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() - known[0] < FRESH_S:
            return known[1]
        call = Call("GET", path, Priority.VIEW, principal=principal, params=params)
        found = await self._flights.run(key, lambda: self._caller.ordinary(call, parse_object))
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = (self._clock.monotonic(), found)
        return found

    def forget(self) -> None:
        """Read anew what is asked for next: something has changed."""
        self._known.clear()
