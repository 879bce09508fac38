"""The calls about jobs: make and list them, update their status, and look at what could not be written."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited, database_work, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.job_schemas import (
    AcceptedOut,
    BulkOut,
    CountsOut,
    DeadLettersOut,
    FlushedOut,
    IdsOut,
    JobId,
    JobQuery,
    JobsIn,
    JobsOut,
    JobStatsOut,
    LetterId,
    LetterQuery,
    PastOut,
    StatusesIn,
    StatusIn,
    judged,
    updates_of,
)
from dashboard_app.backend.jobs.figures import STEP_S
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.job import REASONS, DeadLetter, Job, JobStatus, wrong_with
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/api/v1/jobs"
_LETTERS = f"{_PATH}/dead-letters"
_LATER: dict[int | str, dict[str, Any]] = {
    503: {"description": "The journal or the database does not take it now; Retry-After says when to come again."}
}


def job_routes(deps: ApiDeps, jobs: Jobs) -> APIRouter:
    """The routes under `/api/v1/jobs`."""
    router = strict_router("jobs")
    _add_jobs(router, deps, jobs)
    _add_updates(router, deps, jobs)
    _add_letters(router, deps, jobs)
    return router


def _add_jobs(router: APIRouter, deps: ApiDeps, jobs: Jobs) -> None:
    """Make and list."""

    @router.post(_PATH, status_code=201, response_model=IdsOut, openapi_extra=acts("jobs.write"), responses=_LATER)
    async def make_jobs(request: Request, body: JobsIn) -> Response:
        """New pending jobs, all or none; their ids in the order given."""
        signed_in(request, "jobs.write")
        async with database_work(deps, request):
            return answer({"ids": await jobs.add(body.new_jobs())}, 201)

    @router.get(_PATH, response_model=JobsOut, openapi_extra=acts("jobs.read"), responses=_LATER)
    async def list_jobs(request: Request, query: Annotated[JobQuery, Query()]) -> Response:
        """Jobs, newest first. `before` is the id of the last job seen, exclusive."""
        async with database_work(deps, request):
            return answer({"items": [_job(job) for job in await jobs.page(**query.model_dump())]})

    @router.get(f"{_PATH}/counts", response_model=CountsOut, openapi_extra=acts("jobs.read"), responses=_LATER)
    async def count_jobs(request: Request) -> Response:
        """How many jobs are in each status; above 100,000 jobs an estimate, and it says so."""
        async with database_work(deps, request):
            counts = await jobs.counts()
        return answer({"by_status": counts.by_status, "is_estimate": counts.is_estimate})


def _add_updates(router: APIRouter, deps: ApiDeps, jobs: Jobs) -> None:
    """Updates and their ledger; none of these waits for the database, a flush excepted."""

    @router.patch(
        f"{_PATH}/{{job_id}}/status", status_code=202, response_model=AcceptedOut, openapi_extra=acts("jobs.write"), responses=_LATER
    )
    async def update_status(request: Request, job_id: JobId, body: StatusIn) -> Response:
        """Accepted once the update is in the journal. A job that does not exist becomes a dead letter."""
        signed_in(request, "jobs.write")
        if word := wrong_with(job_id, body.status, body.error_message):
            raise InvalidInput(REASONS[word], ({"field": "error_message", "message": REASONS[word]},))
        await jobs.accept([(job_id, JobStatus(body.status), body.error_message)])
        return answer({"accepted": 1}, 202)

    @router.post(
        f"{_PATH}/status",
        status_code=202,
        response_model=BulkOut,
        openapi_extra=acts("jobs.write") | _body_of(StatusesIn),
        responses=_LATER | {422: {"description": "The body is not a list of updates."}},
    )
    async def update_statuses(request: Request) -> Response:
        """Each update is judged by itself: wrong ones are named in `rejected`, the others are accepted."""
        signed_in(request, "jobs.write")
        good, bad = judged(updates_of(await request.body()))
        await jobs.accept(good)
        return answer({"accepted": len(good), "rejected": bad}, 202)

    @router.post(f"{_PATH}/status/flush", response_model=FlushedOut, openapi_extra=acts("jobs.write"), responses=_LATER)
    async def flush(request: Request) -> Response:
        """Answers when all that was queued is committed."""
        signed_in(request, "jobs.write")
        return answer({"flushed": await jobs.flush()})

    @router.get(f"{_PATH}/status/stats", response_model=JobStatsOut, openapi_extra=acts("jobs.read"))
    async def stats() -> Response:
        """The ledger: accepted = written + superseded + queued + dead letters."""
        return answer(stats_json(jobs))

    @router.get(f"{_PATH}/status/history", response_model=PastOut, openapi_extra=acts("jobs.read"))
    async def history() -> Response:
        """What the updater wrote in the last ten minutes, from its memory."""
        now = deps.clock.now().timestamp()
        points = [
            [round((now + step.ago_s) * 1000), step.written / STEP_S, step.largest, round(step.longest_ms, 1)] for step in jobs.past()
        ]
        return answer({"step_s": STEP_S, "points": points})


def _add_letters(router: APIRouter, deps: ApiDeps, jobs: Jobs) -> None:
    """Dead letters."""

    @router.get(_LETTERS, response_model=DeadLettersOut, openapi_extra=acts("jobs.dead_letters"), responses=_LATER)
    async def dead_letters(request: Request, query: Annotated[LetterQuery, Query()]) -> Response:
        """Updates that the database refused, newest first."""
        signed_in(request, "jobs.dead_letters")
        async with database_work(deps, request):
            return answer({"items": [_letter(letter) for letter in await jobs.dead_letters(**query.model_dump())]})

    @router.post(
        f"{_LETTERS}/{{letter_id}}/retry",
        status_code=202,
        response_model=AcceptedOut,
        openapi_extra=acts("jobs.dead_letters"),
        responses=_LATER,
    )
    async def retry(request: Request, letter_id: LetterId) -> Response:
        """Queue the update once more."""
        async with audited(deps, request, "jobs.dead_letters", f"dead letter {letter_id}", {"act": "retry"}) as noted:
            async with database_work(deps, request):
                letter = await jobs.retry(letter_id)
            noted["job_id"] = letter.update.job_id
        return answer({"accepted": 1}, 202)

    @router.delete(f"{_LETTERS}/{{letter_id}}", status_code=204, openapi_extra=acts("jobs.dead_letters"), responses=_LATER)
    async def discard(request: Request, letter_id: LetterId) -> Response:
        """Forget the update; it was never written, and cannot be had back. Needs a fresh proof."""
        details = {"act": "discard"}
        async with audited(deps, request, "jobs.dead_letters", f"dead letter {letter_id}", details, needs_proof=True) as noted:
            async with database_work(deps, request):
                letter = await jobs.discard(letter_id)
            noted["job_id"] = letter.update.job_id
        return Response(status_code=204)


def stats_json(jobs: Jobs) -> dict[str, Any]:
    """The ledger as the contract spells it."""
    now = jobs.figures()
    return {
        "accepted_total": now.accepted_total,
        "written_total": now.written_total,
        "superseded_total": now.superseded_total,
        "queued": now.queued,
        "dead_letter_total": now.dead_letter_total,
        "batches_total": now.batches_total,
        "checkouts_total": now.checkouts_total,
        "fallbacks_total": now.fallbacks_total,
        "last_batch": {"size": now.last_size, "duration_ms": now.last_duration_ms},
        "journal_bytes": now.journal_bytes,
        "oldest_s": round(now.oldest_s, 3),
        "level": now.level,
        "batching": now.is_batching,
    }


def _job(job: Job) -> dict[str, Any]:
    """One job as JSON."""
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "error_message": job.error_message,
        "payload": job.payload,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter as JSON."""
    return {
        "id": letter.id,
        "job_id": letter.update.job_id,
        "status": letter.update.status.value,
        "error_message": letter.update.error_message,
        "code": letter.code,
        "reason": letter.reason,
        "at": letter.at,
    }


def _body_of(model: type[StatusesIn]) -> dict[str, Any]:
    """The body of a call that reads it by itself, for OpenAPI."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
