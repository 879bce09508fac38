"""One publisher, many readers, one shared history: a reader is a place in it, so that a slow one costs nobody anything.

Everything is bounded: the history by `kept` and `kept_bytes`; a reader whose place has left the history is cut, and resumes from the id it has.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from dashboard_app.policy.replay import index_after, unbroken


class _Message(Protocol):
    """What a hub keeps."""

    @property
    def id(self) -> int:
        """Grows."""

    @property
    def follows(self) -> int:
        """The id of the message before it, 0 for the very first."""

    @property
    def size(self) -> int:
        """Bytes of memory, about."""


M = TypeVar("M", bound=_Message)


class FellBehind(Exception):
    """This reader was so slow that the history has left it behind."""


class Reader(Generic[M]):
    """A place in the history, and a bell for one waiter. Close it with `Hub.leave`."""

    __slots__ = ("_hub", "_woken", "has_ended", "position")

    def __init__(self, hub: "Hub[M]", position: int) -> None:
        """Read from `position` on."""
        self._hub = hub
        self._woken: asyncio.Future[None] | None = None
        self.position = position
        self.has_ended = False
        """True once somebody has asked this reader to stop."""

    def take(self, most: int = 500) -> Sequence[M]:
        """The next messages, at most `most`; none when all are read.

        Raises:
            FellBehind: some that were not read are gone.

        """
        found = self._hub.between(self.position, most)
        self.position += len(found)
        return found

    async def wait(self) -> None:
        """Return when there may be something to do: a message, a ring, an end."""
        if self.has_ended or self.position < self._hub.end:
            return
        self._woken = asyncio.get_running_loop().create_future()
        try:
            await self._woken
        finally:
            self._woken = None

    def ring(self) -> None:
        """Wake the waiter, if one waits."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def stop(self) -> None:
        """Ask the one who reads to end."""
        self.has_ended = True
        self.ring()


class Hub(Generic[M]):
    """Messages in the order of their ids. Places are ordinals: `start` is that of the oldest kept message, `end` that of the next one."""

    def __init__(self, kept: int = 10_000, kept_bytes: int = 128 * 1024 * 1024) -> None:
        """Nothing was published. `kept`: messages of the history, `kept_bytes`: their memory, about."""
        self._kept, self._kept_bytes, self._bytes = kept, kept_bytes, 0
        self._messages: list[M] = []
        self._ids: list[int] = []
        self._first = 0
        self._follows = 0
        self._base = 0
        self._readers: set[Reader[M]] = set()
        self.on_gone: Callable[[M], None] = lambda _message: None
        """Hears of each message that the history lets go."""

    @property
    def start(self) -> int:
        """The ordinal of the oldest kept message."""
        return self._base

    @property
    def end(self) -> int:
        """The ordinal of the next message."""
        return self._base + len(self._messages) - self._first

    @property
    def newest_id(self) -> int:
        """The id of the newest message, 0 before the very first."""
        return self._ids[-1] if len(self._ids) > self._first else self._follows

    @property
    def oldest(self) -> M | None:
        """The oldest kept message."""
        return self._messages[self._first] if len(self._messages) > self._first else None

    def load(self, history: Sequence[M]) -> None:
        """Begin with what an earlier process kept, ascending; what lies before a hole is left out. Call it before anything is published."""
        whole = history[len(history) - unbroken(history) :][-self._kept :]
        if whole:
            self._follows = whole[0].follows
            self._messages, self._ids = list(whole), [message.id for message in whole]
            self._bytes = sum(message.size for message in whole)
            self._trim()

    def publish(self, messages: Sequence[M]) -> None:
        """Add messages and wake every reader."""
        if not messages:
            return
        if messages[0].follows != self.newest_id:
            self._forget_all(messages[0].follows)
        self._messages.extend(messages)
        self._ids.extend(message.id for message in messages)
        self._bytes += sum(message.size for message in messages)
        self._trim()
        for reader in self._readers:
            reader.ring()

    def _forget_all(self, follows: int) -> None:
        """A hole: what lies before it is owed to nobody any more."""
        self._base = self.end
        self._messages, self._ids, self._first, self._bytes, self._follows = [], [], 0, 0, follows

    def _trim(self) -> None:
        """Let the oldest go; the lists are moved only now and then."""
        while len(self._messages) - self._first > self._kept or (self._bytes > self._kept_bytes and self.oldest is not self._messages[-1]):
            gone = self._messages[self._first]
            self._first += 1
            self._base += 1
            self._bytes -= gone.size
            self._follows = gone.id
            self.on_gone(gone)
        if self._first >= self._kept:
            del self._messages[: self._first], self._ids[: self._first]
            self._first = 0

    def between(self, position: int, most: int) -> Sequence[M]:
        """At most `most` messages from `position` on. Raises FellBehind."""
        if position < self._base:
            raise FellBehind
        at = self._first + position - self._base
        return self._messages[at : at + most]

    def join(self, position: int | None = None) -> Reader[M]:
        """A reader from `position` on; None: of what is published from now on."""
        reader = Reader(self, self.end if position is None else position)
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader[M]) -> None:
        """That reader reads no more."""
        self._readers.discard(reader)

    def position_after(self, last_id: int) -> int | None:
        """Where somebody goes on who has read `last_id`; None when what was missed is not all there."""
        ids = self._ids[self._first :] if self._first else self._ids
        index = index_after(ids, self._follows, last_id)
        return None if index is None else self._base + index


def beating(loop: asyncio.AbstractEventLoop, every_s: float, beat: Callable[[], None]) -> Callable[[], None]:
    """Call `beat` every `every_s` seconds until what is returned is called: one timer for each reader, however much it reads."""
    handle: asyncio.TimerHandle | None = None

    def again() -> None:
        nonlocal handle
        handle = loop.call_later(every_s, again)
        beat()

    handle = loop.call_later(every_s, again)
    return lambda: handle.cancel() if handle is not None else None
