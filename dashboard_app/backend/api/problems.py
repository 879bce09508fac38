"""Errors into problem documents: one table for the tree of `model/errors.py`, one for what the libraries raise."""

import logging
import math
from typing import Any

from asyncpg import InterfaceError as DriverRefused
from asyncpg import PostgresError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_app.model.errors import DatabaseUnavailable, InvalidInput, NotFound, SpillwayError, TryLater
from dashboard_app.runtime.problem import problem, status_of
from dashboard_app.store.database import unavailable_errors

log = logging.getLogger(__name__)

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large", 415: "unsupported_media_type"}
_DATABASE_TROUBLE = (DBAPIError, PoolTimeout, OSError, PostgresError, DriverRefused)
_MOST_ERRORS = 50
_LONGEST_FIELD = 120


def from_error(error: SpillwayError, *, instance: str = "") -> Response:
    """The problem document of one of our errors; `Retry-After` in whole seconds when it is worth trying again."""
    status = status_of(error.code)
    headers = []
    extra: dict[str, Any] = {}
    if isinstance(error, TryLater):
        headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after_s)))))
    if isinstance(error, InvalidInput) and error.errors:
        extra["errors"] = [dict(one) for one in error.errors[:_MOST_ERRORS]]
    return problem(status, error.code, error.detail, instance=instance, headers=headers, **extra)


async def _ours(request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    if not isinstance(error, SpillwayError):
        raise error
    if status_of(error.code) >= 500 and not isinstance(error, TryLater):  # noqa: PLR2004 - server errors begin there
        log.warning("%s %s failed: %s: %s", request.method, request.url.path, error.code, error.detail)
    return from_error(error, instance=request.url.path)


async def _database(request: Request, error: Exception) -> Response:
    """503 when the error means that the database is away; raised again when it means anything else. The driver's text stays in the log."""
    try:
        with unavailable_errors():
            raise error
    except DatabaseUnavailable as away:
        log.warning("%s %s: the database failed: %s", request.method, request.url.path, type(error).__name__)
        return from_error(away, instance=request.url.path)


async def _data(request: Request, _error: Exception) -> Response:
    """PostgreSQL itself found a value it cannot hold: the caller's mistake."""
    return problem(422, "invalid_input", "A value cannot be stored.", instance=request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    """What the router refuses: unknown paths, unknown methods, bodies that are too large."""
    if not isinstance(error, HTTPException):
        raise error
    detail = {404: "There is nothing at this path.", 405: "This path does not know that method."}.get(error.status_code, error.detail)
    code = _CODES.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(request.app.state.actions.methods_of(request.url.path))  # the router names its first route's only
    return problem(error.status_code, code, detail, instance=request.url.path, headers=headers.items())


def _field(loc: tuple[Any, ...]) -> str:
    """The name of the field an error is about: `port`, `tags.2`, `body` for the body as a whole."""
    parts = [str(part) for part in loc[1:]] if len(loc) > 1 else [str(part) for part in loc]
    return ".".join(parts)[:_LONGEST_FIELD]


async def _validation(request: Request, error: Exception) -> Response:
    """A request that does not fit its schema: 422 with a reason per field; an impossible id in the path: 404.

    The word of a path that is named outright, such as `/test`, is no id of the path beside it: 405 with the methods it knows.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(one["loc"][:1] == ("path",) for one in found):
        if own := request.app.state.actions.own_methods_of(request.url.path):
            return await _http(request, HTTPException(405, headers={"Allow": ", ".join(own)}))
        return from_error(NotFound("There is no such thing."), instance=request.url.path)
    if any(one["type"] == "json_invalid" for one in found):
        malformed = InvalidInput("The body is not JSON.", ({"field": "body", "message": "this is not JSON"},))
        return from_error(malformed, instance=request.url.path)
    errors = tuple({"field": _field(tuple(one["loc"])), "message": str(one["msg"])[:300]} for one in found[:_MOST_ERRORS])
    named = ", ".join(dict.fromkeys(one["field"] for one in errors[:5]))
    return from_error(InvalidInput(f"Some values are not acceptable: {named}.", errors), instance=request.url.path)


def add_handlers(app: FastAPI) -> None:
    """Register every handler on `app`."""
    app.add_exception_handler(SpillwayError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(DataError, _data)
    for trouble in _DATABASE_TROUBLE:
        app.add_exception_handler(trouble, _database)


class LastResort:
    """Pure ASGI round the whole API: whatever nobody foresaw is a problem 500 with a reference, and a trace in the log."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:  # the edge of the process: a caller gets a reference, never a trace
            log.exception("%s %s failed, reference %s", scope["method"], scope["path"], scope.get("spillway.request_id", ""))
            if started:
                raise
            await unforeseen(scope)(scope, receive, send)


def unforeseen(scope: Scope) -> Response:
    """A problem 500 with the reference under which the log has the trace."""
    detail = "Something went wrong on our side. The log has the details under this reference."
    return problem(500, "internal_error", detail, instance=scope["path"], reference=str(scope.get("spillway.request_id", "")))
