"""An event as somebody publishes it, and the message that readers get: one event, or several of one type combined."""

import re
from dataclasses import dataclass
from enum import StrEnum

EVENT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
"""What a type may be: it travels in a line of its own in a stream, and in a list with commas."""
RESET = "RESET"
"""The type of the message that tells a reader of a gap; nobody else may publish it."""
STATISTICS = "BROADCAST_STATISTICS"
"""The type of the figures that the publisher itself tells every five minutes."""
MOST_EVENT_BYTES = 65_536
"""JSON bytes that the data of one event may have."""


class Shape(StrEnum):
    """How events of one type in one batch become one message."""

    GENERAL = "general"
    """The contract's rule: ids gathered, equal fields once, fields that differ in `items`."""
    COUNT = "count"
    """Only how many there were."""
    LATEST = "latest"
    """Only the latest of each id, as for gauges."""
    ALONE = "alone"
    """Never combined, and sent at once."""


@dataclass(slots=True)
class Event:
    """What was published; never changed once it is made (a frozen one costs three times as much to make). `payload` is the data as JSON, an object; `source` names the publisher, "" for a caller of the API."""

    type: str
    payload: bytes
    source: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message without its place in the stream. `origin` is the type that was published, `count` the events it stands for."""

    type: str
    origin: str
    payload: bytes
    count: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream. `id` grows over restarts; `follows` is the id of the message before it, 0 for the very first."""

    id: int
    follows: int
    type: str
    origin: str
    payload: bytes
    count: int
    sse: bytes
    """The message as a frame of Server-Sent Events, made once for all readers."""

    @property
    def text(self) -> str:
        """The message as a WebSocket text. A type needs no escapes."""
        return f'{{"id":{self.id},"event":"{self.type}","data":{self.payload.decode()}}}'

    @property
    def size(self) -> int:
        """About the bytes that it takes in memory."""
        return len(self.payload) + len(self.sse) + 300


def message_of(number: int, follows: int, draft: Draft) -> Message:
    """`draft` in its place. JSON has no line breaks of its own, so one `data` line holds it."""
    sse = b"id: %d\nevent: %b\ndata: %b\n\n" % (number, draft.type.encode(), draft.payload)
    return Message(number, follows, draft.type, draft.origin, draft.payload, draft.count, sse)
