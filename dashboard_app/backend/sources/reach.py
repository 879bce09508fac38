"""Where sources may point, asked when one is entered. Each connection asks again (`probes/names`): a name may lead elsewhere by then."""

import asyncio
import contextlib
from collections.abc import Iterable

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import InvalidInput, ProbeFailed
from dashboard_app.model.network import Network

LOOK_S = 0.3
"""How long whoever enters a source waits for the name server."""
_REST_S = 30.0


class Reach:
    """Refuses hosts that lead where no source may point; a name that is not known yet is let through."""

    def __init__(self, allowed: Iterable[Network | str], clock: Clock) -> None:
        """`allowed`: the operator's list of networks. No I/O here."""
        self._resolver = Resolver(allowed)
        self._clock = clock
        self._asks_from = 0.0

    async def check(self, host: str) -> None:
        """Return when `host` may be entered. Raises InvalidInput. A name server that is silent is left alone for a while."""
        reason = self._resolver.refusal(host)
        if not reason and self._clock.monotonic() >= self._asks_from:
            try:
                async with asyncio.timeout(LOOK_S):
                    reason = await self._found(host)
            except TimeoutError:
                self._asks_from = self._clock.monotonic() + _REST_S
        if reason:
            raise InvalidInput(f"host: {reason}", ({"field": "host", "message": reason},))

    async def _found(self, host: str) -> str:
        """Why the addresses of a name are refused; "" when they are not, or there are none."""
        with contextlib.suppress(ProbeFailed):
            addresses = await self._resolver.resolve(host, is_own=True)
            return self._resolver.refusal(host, addresses)
        return ""
