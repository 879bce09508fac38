"""What the calls about jobs take and give."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import Path
from pydantic import Field, StrictStr

from dashboard_app.backend.api.values import Answer, Body, Name, Parameters, Search
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.job import LARGEST_JOB_ID, JobStatus, NewJob, wrong_with

MOST_NEW_JOBS = 10_000
Status = Literal["pending", "processing", "completed", "error", "cancelled"]
JobId = Annotated[int, Path(ge=1, le=LARGEST_JOB_ID, description="The id of a job.")]
LetterId = Annotated[int, Path(ge=1, le=LARGEST_JOB_ID, description="The id of a dead letter.")]
_UPDATE_FIELDS = frozenset({"job_id", "status", "error_message"})


class JobIn(Body):
    """A job to make."""

    kind: Name
    payload: dict[str, Any] = Field(default_factory=dict)


class JobsIn(Body):
    """Jobs to make, all or none."""

    jobs: Annotated[list[JobIn], Field(min_length=1, max_length=MOST_NEW_JOBS)]

    def new_jobs(self) -> list[NewJob]:
        """The same as values of the model."""
        return [NewJob(job.kind, job.payload) for job in self.jobs]


class StatusIn(Body):
    """A job's new status. An `error_message` is kept with any status; left out, the job has none."""

    status: Status
    error_message: StrictStr | None = None


class StatusesIn(Body):
    """Updates, each judged by itself."""

    updates: list[Any]


class JobQuery(Parameters):
    """Which jobs."""

    status: Status | Literal[""] = ""
    kind: Search = ""
    limit: int = Field(default=50, ge=1, le=500)
    before: int | None = Field(default=None, ge=1, le=LARGEST_JOB_ID, description="Only jobs with a smaller id: the next page.")


class LetterQuery(Parameters):
    """Which dead letters."""

    limit: int = Field(default=50, ge=1, le=500)
    before: int | None = Field(default=None, ge=1, le=LARGEST_JOB_ID, description="Only those with a smaller id: the next page.")


class IdsOut(Answer):
    """The ids of what was made, in the order given."""

    ids: list[int]


class JobOut(Answer):
    """One job."""

    id: int
    kind: str
    status: Status
    error_message: str | None
    payload: Any
    created_at: datetime
    updated_at: datetime


class JobsOut(Answer):
    """Jobs, newest first."""

    items: list[JobOut]


class CountsOut(Answer):
    """How many jobs are in each status; above 100,000 jobs the planner's estimate."""

    by_status: dict[str, int]
    is_estimate: bool


class AcceptedOut(Answer):
    """How many updates are in the journal."""

    accepted: int


class RejectedOut(Answer):
    """One update that was not accepted: its place in the call, and why."""

    index: int
    code: str


class BulkOut(Answer):
    """What became of a bulk call."""

    accepted: int
    rejected: list[RejectedOut]


class FlushedOut(Answer):
    """How many updates were queued and are committed."""

    flushed: int


class LastBatchOut(Answer):
    """The last batch."""

    size: int
    duration_ms: float


class JobStatsOut(Answer):
    """The updater's ledger: at every moment accepted = written + superseded + queued + dead letters."""

    accepted_total: int
    written_total: int
    superseded_total: int
    queued: int
    dead_letter_total: int
    batches_total: int
    checkouts_total: int
    fallbacks_total: int
    last_batch: LastBatchOut
    journal_bytes: int
    oldest_s: float = Field(description="How long the oldest queued update has waited.")
    level: Literal["ok", "waiting", "journal_failed"]
    batching: bool


class PastOut(Answer):
    """The last ten minutes in steps, oldest first: [epoch ms, updates written per second, largest batch, its longest statement in ms]."""

    step_s: int
    points: list[tuple[float, float, int, float]]


class DeadLetterOut(Answer):
    """An update that the database refused."""

    id: int
    job_id: int
    status: str
    error_message: str | None
    code: str
    reason: str
    at: datetime


class DeadLettersOut(Answer):
    """Dead letters, newest first."""

    items: list[DeadLetterOut]


Judged = tuple[list[tuple[int, JobStatus, str | None]], list[dict[str, Any]]]


def judged(updates: Sequence[Any]) -> Judged:
    """The updates that can be written, and the place and code of each that can not.

    Codes beside those of `model.job.wrong_with`: invalid_update (no object), unknown_field.
    """
    good: list[tuple[int, JobStatus, str | None]] = []
    bad: list[dict[str, Any]] = []
    for index, update in enumerate(updates):
        if not isinstance(update, dict):
            bad.append({"index": index, "code": "invalid_update"})
            continue
        job_id, status, message = update.get("job_id"), update.get("status"), update.get("error_message")
        code = "unknown_field" if not update.keys() <= _UPDATE_FIELDS else wrong_with(job_id, status, message)
        if code:
            bad.append({"index": index, "code": code})
        else:
            good.append((job_id, JobStatus(status), message))  # type: ignore[arg-type]  # `wrong_with` has looked
    return good, bad


def updates_of(body: bytes) -> list[Any]:
    """The updates of a bulk call. Lone surrogates are let in here, so that they spoil their own update only.

    Raises:
        InvalidInput: the body is not JSON, or is not `{"updates": […]}`.

    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            parsed = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise InvalidInput("The body is not JSON.", ({"field": "body", "message": "this is not JSON"},)) from None
    if not isinstance(parsed, dict) or parsed.keys() != {"updates"} or not isinstance(parsed["updates"], list):
        raise InvalidInput('The body is {"updates": […]}.', ({"field": "updates", "message": "a list is needed, and nothing else"},))
    found: list[Any] = parsed["updates"]
    return found


def _no_constant(name: str) -> None:
    """NaN and the infinities are no JSON."""
    raise ValueError(name)
