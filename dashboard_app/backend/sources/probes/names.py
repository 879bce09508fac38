"""Host names become addresses on threads of their own: a dead name server never takes the threads other work needs.

Every address is judged before anybody connects to it, and who asked connects to what was judged: a name cannot lead elsewhere in between.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterable

from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.network import LOOPBACK, PRIVATE, Network
from dashboard_app.policy.outbound import judged, literal

NAME_STEP = "name"


class Resolver:
    """Looks names up, one lookup per name at a time, at most `limit` at once. Each runs on a daemon thread, which no exit waits for."""

    def __init__(self, allowed: Iterable[Network | str] = (PRIVATE, LOOPBACK), limit: int = 32) -> None:
        """`allowed`: the networks beside public addresses that sources may point to. No I/O here."""
        self._allowed = tuple(allowed)
        self._limit = limit
        self._pending: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def resolve(self, host: str, *, is_own: bool = False) -> tuple[str, ...]:
        """The addresses of `host` in the order the system prefers; an address stands for itself. `is_own`: what our settings name is not judged.

        Raises:
            ProbeFailed: the name is not known, one of its addresses may not be connected to, or `limit` other names are being looked up.
                The time limit is the caller's.

        """
        reason = "" if is_own else self.refusal(host)
        if not reason:
            addresses = (host,) if _is_address(host) else await self._looked_up(host)
            reason = "" if is_own else self.refusal(host, addresses)
        if reason:
            raise ProbeFailed(f"Not connected: {reason}", step=NAME_STEP)
        return addresses

    def refusal(self, host: str, addresses: Iterable[str] | None = None) -> str:
        """Why nothing may connect to `host`, which has these addresses (None: those that it spells itself); "" when it may."""
        for text in (host,) if addresses is None else addresses:
            address = literal(text)
            reason = judged(address, self._allowed).reason if address is not None else ""
            if reason:
                return f"{host} is {reason}" if text == host else f"{host} leads to {text}, which is {reason}"
        return ""

    async def _looked_up(self, host: str) -> tuple[str, ...]:
        """The addresses of a name; raises ProbeFailed."""
        if host not in self._pending:
            if len(self._pending) >= self._limit:
                raise ProbeFailed("Too many host names are being looked up", step=NAME_STEP)
            self._begin(host)
        return await asyncio.shield(self._pending[host])

    def _begin(self, host: str) -> None:
        """Start the one lookup of `host`; it leaves `_pending` when it ends."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[tuple[str, ...]] = loop.create_future()
        self._pending[host] = found
        threading.Thread(target=self._look_up, args=(host, loop, found), name="name lookup", daemon=True).start()

    def _look_up(self, host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[tuple[str, ...]]) -> None:
        """On its own thread: ask the system, then hand the answer to the loop (which may be gone by then)."""
        addresses: tuple[str, ...] = ()
        with contextlib.suppress(OSError, UnicodeError):
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._end, host, found, addresses)

    def _end(self, host: str, found: asyncio.Future[tuple[str, ...]], addresses: tuple[str, ...]) -> None:
        """On the loop: answer whoever still waits."""
        self._pending.pop(host, None)
        if found.done():
            return
        if addresses:
            found.set_result(addresses)
            return
        found.set_exception(ProbeFailed(f"Host name {host} is not known", step=NAME_STEP))
        found.exception()  # seen here, so that nobody is warned when all who asked have left


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
