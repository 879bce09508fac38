"""The console's calls about events. The stream itself is `console/client/feed.py`'s."""

from typing import Any

from dashboard_app.console.client.caller import Caller
from dashboard_app.console.client.shared import SharedReads
from dashboard_app.model.clock import Clock
from dashboard_app.model.user import Principal

_STATS = "/api/v1/events/stats"


class EventCalls:
    """Every call raises errors of `model.errors` only; the right is checked here first."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        """Call through `caller`."""
        self._reads = SharedReads(caller, clock)

    async def stats(self, principal: Principal) -> dict[str, Any]:
        """The publisher and its readers in numbers."""
        return await self._reads.read(principal, "events.read", _STATS)
