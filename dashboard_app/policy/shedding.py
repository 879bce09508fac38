"""What is given up first when memory runs out, so that the kernel need not choose: new streams, then new sockets; never a call."""

from enum import IntEnum


class Shed(IntEnum):
    """How much is refused; each step includes the one before."""

    NOTHING = 0
    STREAMS = 1
    """New streams of events: their readers come back and have missed nothing."""
    SOCKETS = 2
    """New pages, too: what is open stays, and who opens one more is told to come back."""


STREAMS_FROM = 0.85
SOCKETS_FROM = 0.92


def shed(used_bytes: int, limit_bytes: int) -> Shed:
    """The step for so much memory in use; `limit_bytes` 0: there is no limit."""
    if limit_bytes <= 0:
        return Shed.NOTHING
    share = used_bytes / limit_bytes
    if share >= SOCKETS_FROM:
        return Shed.SOCKETS
    return Shed.STREAMS if share >= STREAMS_FROM else Shed.NOTHING
