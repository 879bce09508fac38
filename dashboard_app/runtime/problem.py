"""Problem documents (RFC 9457): how every error leaves this process, from a route or from plain ASGI."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

_STATUS_OF_CODE: Mapping[str, int] = {
    "invalid_input": 422,
    "kind_not_supported": 422,
    "not_found": 404,
    "conflict": 409,
    "wrong_kind": 409,
    "not_supported_by_server": 409,
    "too_large": 413,
    "refused": 400,
    "not_signed_in": 401,
    "second_factor_needed": 401,
    "provider_refused": 401,
    "forbidden": 403,
    "insufficient_scope": 403,
    "proof_needed": 403,
    "rate_limited": 429,
    "database_unavailable": 503,
    "provider_away": 503,
    "breaker_open": 503,
    "queue_full": 503,
    "deadline_passed": 503,
    "try_later": 503,
    "reclaimed": 503,
    "probe_failed": 502,
    "backend_failed": 502,
}


def status_of(code: str) -> int:
    """The HTTP status that stands for an error's `code`; 500 for one the table does not know."""
    return _STATUS_OF_CODE.get(code, 500)


class ProblemResponse(Response):
    """A problem document. An ASGI app itself: `await problem(...)(scope, receive, send)`."""

    media_type = MEDIA_TYPE


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str = "",
    headers: Iterable[tuple[str, str]] = (),
    **extra: Any,
) -> ProblemResponse:
    """A response with type, title, status, detail, instance and `code`; `extra` becomes further members.

    `detail` is a sentence for a person: never a driver's text, a value that was sent, or a secret.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance[:500],
        "code": code,
        **extra,
    }
    return ProblemResponse(orjson.dumps(body, default=str), status, headers=dict(headers))
