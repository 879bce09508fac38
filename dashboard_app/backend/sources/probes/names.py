"""Host names become addresses on threads of their own: a dead name server never takes the threads other work needs."""

import asyncio
import contextlib
import ipaddress
import socket
import threading

from dashboard_app.model.errors import ProbeFailed

NAME_STEP = "name"


class Resolver:
    """Looks names up, one lookup per name at a time, at most `limit` at once. Each runs on a daemon thread, which no exit waits for."""

    def __init__(self, limit: int = 32) -> None:
        """No I/O here."""
        self._limit = limit
        self._pending: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def resolve(self, host: str) -> tuple[str, ...]:
        """The addresses of `host` in the order the system prefers; an address stands for itself.

        Raises:
            ProbeFailed: the name is not known, or `limit` other names are being looked up. The time limit is the caller's.

        """
        if _is_address(host):
            return (host,)
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
