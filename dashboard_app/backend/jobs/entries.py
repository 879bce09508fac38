"""Updates as bytes of the journal and back."""

import struct
from collections.abc import Iterable, Iterator

from dashboard_app.model.job import STATUSES, JobUpdate

_HEAD = struct.Struct("<QqBi")
_NUMBER_OF = {status: number for number, status in enumerate(STATUSES)}
_NO_MESSAGE = -1


def packed(updates: Iterable[JobUpdate]) -> bytes:
    """Updates one behind the other: seq, job id, number of the status, length of the message (-1: none), message in UTF-8."""
    parts: list[bytes] = []
    pack, numbers = _HEAD.pack, _NUMBER_OF
    for update in updates:
        if update.error_message is None:
            parts.append(pack(update.seq, update.job_id, numbers[update.status], _NO_MESSAGE))
        else:
            message = update.error_message.encode()
            parts += (pack(update.seq, update.job_id, numbers[update.status], len(message)), message)
    return b"".join(parts)


def unpacked(data: bytes) -> Iterator[JobUpdate]:
    """The updates in `data`, in order."""
    at = 0
    while at < len(data):
        seq, job_id, number, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        message = None
        if length != _NO_MESSAGE:
            message = data[at : at + length].decode()
            at += length
        yield JobUpdate(seq, job_id, STATUSES[number], message)


def latest(payloads: Iterable[bytes]) -> list[JobUpdate]:
    """The last update of each job in these payloads, in the order of their numbers."""
    last: dict[int, JobUpdate] = {}
    for payload in payloads:
        for update in unpacked(payload):
            known = last.get(update.job_id)
            if known is None or known.seq < update.seq:
                last[update.job_id] = update
    return sorted(last.values(), key=lambda update: update.seq)
