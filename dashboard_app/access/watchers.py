"""Who wants to know that a session or a token has ended: what is open under it, such as a socket or a stream."""

import asyncio
from collections.abc import Iterator


class Watchers:
    """Events by the key of the session or token."""

    def __init__(self) -> None:
        """Nobody watches."""
        self._events: dict[str, set[asyncio.Event]] = {}

    def watch(self, key: str) -> asyncio.Event:
        """An event that is set when `key` ends. Hand it back with `unwatch`."""
        ended = asyncio.Event()
        self._events.setdefault(key, set()).add(ended)
        return ended

    def unwatch(self, key: str, ended: asyncio.Event) -> None:
        """Forget an event of `watch`."""
        events = self._events.get(key, set())
        events.discard(ended)
        if not events:
            self._events.pop(key, None)

    def tell(self, key: str) -> None:
        """Let all who watch `key` know that it has ended."""
        for ended in self._events.get(key, ()):
            ended.set()

    def __iter__(self) -> Iterator[str]:
        """Every key that is watched, as they are at this moment."""
        return iter(tuple(self._events))
