"""The calls about events: publish, read the stream, and how it fares."""

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket
from pydantic import ValidationError

from dashboard_app.access import visit
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.event_schemas import BODY_SCHEMA, STREAM_SCHEMA, AcceptedEventsOut, EventStatsOut, StreamQuery, events_of
from dashboard_app.backend.api.event_stream import EventStreamResponse, serve_socket
from dashboard_app.backend.events.publisher import Events
from dashboard_app.backend.events.streams import Streams, Wanted, wanted_types
from dashboard_app.model.errors import DatabaseUnavailable, InvalidInput, SpillwayError, TryLater
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.problem import problem, status_of
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/api/v1/events"
_LAST_ID = "last-event-id"
_MOST_ID = 2**63 - 1


def event_routes(events: Events, streams: Streams) -> APIRouter:
    """The routes under `/api/v1/events`."""
    router = strict_router("events")

    @router.post(
        _PATH,
        status_code=202,
        response_model=AcceptedEventsOut,
        openapi_extra=acts("events.write") | BODY_SCHEMA,
        responses={503: {"description": "Too many events wait; Retry-After says when to come again."}},
    )
    async def publish(request: Request) -> Response:
        """Publish one event, or a list of up to 10,000, all or none. They go out within half a second, combined by type."""
        signed_in(request, "events.write")
        found = events_of(await request.body())
        events.accept(found)
        return answer({"accepted": len(found)}, 202)

    @router.get(
        f"{_PATH}/stats",
        response_model=EventStatsOut,
        openapi_extra=acts("events.read"),
    )
    async def stats() -> Response:
        """How many events came in, and how few messages they became."""
        return answer({**events.figures_json(), "subscribers": streams.count})

    @router.get(
        visit.STREAM,
        openapi_extra=acts("events.read", Last_Event_ID="Go on after this message; comes before `last_event_id`."),
        response_class=Response,
        responses={
            200: {
                "description": "Server-Sent Events: `retry`, then `id`, `event`, `data` of each message.",
                "content": {"text/event-stream": {"schema": STREAM_SCHEMA}},
            },
            429: {"description": "This session or token has as many streams open as it may."},
            503: {"description": "The history was not read yet."},
        },
    )
    async def stream(request: Request, query: Annotated[StreamQuery, Query()]) -> Response:
        """Server-Sent Events. `Last-Event-ID` resumes; `RESET` says that messages were missed which are no longer kept."""
        principal = signed_in(request, "events.read")
        wanted = _wanted(events, query, request.headers.get(_LAST_ID, ""))
        with ExitStack() as places:
            places.enter_context(streams.place(principal))
            return EventStreamResponse(streams, wanted, places.pop_all())

    @router.get(visit.EVENTS_SOCKET, openapi_extra=acts("events.read"), response_class=Response, status_code=426)
    async def no_socket(request: Request) -> Response:
        """The same messages over a WebSocket, one JSON object each: `{"id","event","data"}`. Without an upgrade: 426."""
        signed_in(request, "events.read")
        detail = "This call is a WebSocket: ask for an upgrade."
        return problem(
            426, "upgrade_required", detail, instance=request.url.path, headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")]
        )

    @router.websocket(visit.EVENTS_SOCKET)
    async def socket(socket: WebSocket) -> None:
        try:
            principal = socket.scope.get(visit.PRINCIPAL)
            require(principal, "events.read")
            query = _query_of(socket)
            wanted = _wanted(events, query, socket.headers.get(_LAST_ID, ""))
            if isinstance(principal, Principal):
                await serve_socket(socket, streams, wanted, principal)
        except SpillwayError as refused:
            later = [("Retry-After", str(int(refused.retry_after_s) or 1))] if isinstance(refused, TryLater) else []
            said = problem(status_of(refused.code), refused.code, refused.detail, instance=socket.url.path, headers=later)
            await socket.send_denial_response(said)

    return router


def _query_of(socket: WebSocket) -> StreamQuery:
    """The query of a handshake. Raises InvalidInput."""
    try:
        return StreamQuery.model_validate(dict(socket.query_params))
    except ValidationError as wrong:
        names = tuple({"field": str(error["loc"][0]) if error["loc"] else "query", "message": error["msg"]} for error in wrong.errors())
        raise InvalidInput("A value is not acceptable.", names) from None


def _wanted(events: Events, query: StreamQuery, header: str) -> Wanted:
    """What a reader asks for. An id that is none counts as one that the history does not reach: its reader is told of a gap.

    Raises:
        DatabaseUnavailable: the history was not read yet, so that nobody can resume.

    """
    if not events.is_open:
        raise DatabaseUnavailable("The history of events was not read yet.", 2)
    if header:
        number = int(header) if header.isascii() and header.isdigit() and len(header) < len(str(_MOST_ID)) else -1
        return Wanted(wanted_types(query.types), number)
    return Wanted(wanted_types(query.types), query.last_event_id)
