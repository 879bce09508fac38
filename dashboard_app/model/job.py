"""A job, and an update of its status on the way to the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

LARGEST_JOB_ID = 2**63 - 1
LONGEST_MESSAGE_BYTES = 65_536
"""UTF-8 bytes that an `error_message` may have."""


class JobStatus(StrEnum):
    """Where a job stands. Any status may follow any."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"


STATUSES = tuple(JobStatus)
"""In the order of their numbers in the journal: append new ones at the end."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is stored."""

    id: int
    kind: str
    status: str
    error_message: str | None
    payload: Any
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be made; it starts as pending."""

    kind: str
    payload: Any


@dataclass(slots=True)
class JobUpdate:
    """A status that was accepted for a job. `seq` orders all updates: of two for one job the greater wins, however often they are replayed."""

    seq: int
    job_id: int
    status: JobStatus
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An update that the database refused, with the reason as a word (`code`) and as a sentence."""

    id: int
    update: JobUpdate
    code: str
    reason: str
    at: datetime


def wrong_with(job_id: object, status: object, error_message: object) -> str:
    """The machine's word for what is wrong with an update as it was sent; "" when nothing is.

    Words: invalid_job_id, unknown_status, invalid_error_message, error_message_too_long.
    """
    if isinstance(job_id, bool) or not isinstance(job_id, int) or not 1 <= job_id <= LARGEST_JOB_ID:
        return "invalid_job_id"
    if not isinstance(status, str) or status not in _WORDS:
        return "unknown_status"
    if error_message is None:
        return ""
    if not isinstance(error_message, str) or "\x00" in error_message:
        return "invalid_error_message"
    try:
        size = len(error_message.encode())
    except UnicodeEncodeError:
        return "invalid_error_message"
    return "error_message_too_long" if size > LONGEST_MESSAGE_BYTES else ""


_WORDS: Mapping[str, JobStatus] = {status.value: status for status in JobStatus}

REASONS: Mapping[str, str] = {
    "invalid_job_id": "job_id must be a whole number from 1 to 2^63 - 1",
    "unknown_status": f"status must be one of {', '.join(JobStatus)}",
    "invalid_error_message": "error_message must be text without NUL and lone surrogates",
    "error_message_too_long": "error_message may have 64 KiB",
}
"""The sentence for each word of `wrong_with`."""
