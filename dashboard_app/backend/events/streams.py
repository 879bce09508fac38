"""Who reads the stream over SSE or WebSocket: places for each session and token, and one loop for both ways.

A stream sends what is there in one piece and sleeps until there is more. It is cut when its reader takes nothing for 15 s or falls
behind the history; the reader has an id to resume from. One timer each, every 15 s, whatever the traffic.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dashboard_app.backend.events.encoding import dumped
from dashboard_app.model.errors import RateLimited
from dashboard_app.model.event import RESET, Draft, Message, message_of
from dashboard_app.model.user import Principal, PrincipalKind
from dashboard_app.runtime.hub import FellBehind, Hub, Reader, beating

_log = logging.getLogger(__name__)
MOST_OF_SESSION = 5
MOST_OF_TOKEN = 2_000
BEAT_S = 15.0
LIFE_S = 600.0
"""A stream lives ten minutes, then its reader connects again: balancers get their chance, and rights are asked anew."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one reader asks for. `types`: published types, empty for all; `last_id` None: from now on."""

    types: frozenset[str]
    last_id: int | None


class Streams:
    """Every open stream of the process."""

    def __init__(self, hub: Hub[Message]) -> None:
        """Nobody reads."""
        self.hub = hub
        self._held: Counter[str] = Counter()
        self._open: set[Stream] = set()
        self._is_closed = False

    @property
    def count(self) -> int:
        """Open streams."""
        return len(self._open)

    @contextmanager
    def place(self, principal: Principal) -> Iterator[None]:
        """One of the places of this session or token, for the length of the block.

        Raises:
            RateLimited: it has as many streams as it may.

        """
        most = MOST_OF_SESSION if principal.kind is PrincipalKind.USER else MOST_OF_TOKEN
        holder = f"{principal.kind} {principal.session_id or principal.name}"
        if self._held[holder] >= most:
            raise RateLimited(f"This {'session' if most == MOST_OF_SESSION else 'token'} has {most} streams open already.", BEAT_S)
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]

    @contextmanager
    def opened(self, wanted: Wanted) -> "Iterator[Stream]":
        """A stream for the length of the block."""
        stream = Stream(self.hub, wanted)
        self._open.add(stream)
        if self._is_closed:
            stream.stop()
        try:
            yield stream
        finally:
            self._open.discard(stream)
            stream.close()

    def close(self) -> None:
        """End every stream, and those that come: the process is about to stop, and their readers will resume."""
        self._is_closed = True
        for stream in list(self._open):
            stream.stop()


class Stream:
    """One reader: what it is owed first, then what comes."""

    def __init__(self, hub: Hub[Message], wanted: Wanted) -> None:
        """Find the place to go on from."""
        position = None if wanted.last_id is None else hub.position_after(wanted.last_id)
        self._hub, self._types = hub, wanted.types
        self.reset = reset_of(hub) if wanted.last_id is not None and position is None else None
        """What a reader is told whose id the history does not reach."""
        self._reader: Reader[Message] = hub.join(position)
        self._task: asyncio.Task[object] | None = None
        self._is_sending = self._was_sending = self._is_cut = False
        self._beats = 0

    def stop(self) -> None:
        """End soon."""
        self._reader.stop()

    def close(self) -> None:
        """Give the place in the hub back."""
        self._hub.leave(self._reader)

    async def run(self, send: Callable[[Sequence[Message]], Awaitable[None]], beat: Callable[[], Awaitable[None]] | None = None) -> str:
        """Send until the end; why it ended: `life`, `stopped`, `behind` or `stuck`. `beat` is called every 15 s."""
        loop = asyncio.get_running_loop()
        self._task, end_beats = asyncio.current_task(), beating(loop, BEAT_S, self._beat)
        told = 0
        try:
            while not self._reader.has_ended:
                if told < self._beats:
                    told = self._beats
                    if told * BEAT_S >= LIFE_S:
                        return "life"
                    if beat is not None:
                        await self._sent(beat())
                found = self._reader.take()
                if messages := self._matching(found):
                    await self._sent(send(messages))
                elif not found:
                    await self._reader.wait()
        except FellBehind:
            return "behind"
        except asyncio.CancelledError:
            if not self._is_cut or self._task is None:
                raise
            self._task.uncancel()
            return "stuck"
        finally:
            end_beats()
        return "stopped"

    def _matching(self, found: Sequence[Message]) -> Sequence[Message]:
        """Those that the reader asked for: a type stands for its batch, too."""
        if not self._types:
            return found
        return [message for message in found if message.origin in self._types or message.type in self._types]

    async def _sent(self, sending: Awaitable[None]) -> None:
        """Await it, marked, so that the beat sees a reader who takes nothing."""
        self._is_sending = True
        await sending
        self._is_sending = self._was_sending = False

    def _beat(self) -> None:
        """Every 15 s: cut who has taken nothing since the last beat, wake who waits."""
        self._beats += 1
        if self._is_sending and self._was_sending and self._task is not None:
            self._is_cut = True
            self._task.cancel()
        self._was_sending = self._is_sending
        self._reader.ring()


def reset_of(hub: Hub[Message]) -> Message:
    """The message for a reader with a gap. Its id is the newest: whoever resumes from it has no gap again."""
    oldest = hub.oldest
    data = {"oldest_id": oldest.id if oldest is not None else None, "newest_id": hub.newest_id or None}
    return message_of(hub.newest_id, hub.newest_id, Draft(RESET, RESET, dumped(data)))


def wanted_types(types: str) -> frozenset[str]:
    """The types in a list with commas; unknown ones are taken as they are: they may be published one day."""
    return frozenset(part.strip() for part in types.split(",") if part.strip())
