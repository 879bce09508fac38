"""What the plain pages share: how a form is read, and the headers that every such page carries."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from dashboard_app.runtime.problem import problem

_MAX_BODY = 16_384
_MAX_FIELDS = 20
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


async def fields_of(request: Request) -> Mapping[str, str] | Response:
    """The fields of a urlencoded form, or the refusal of anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return problem(415, "unsupported_media_type", "Send application/x-www-form-urlencoded.", instance=request.url.path)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return problem(413, "too_large", f"A form has at most {_MAX_BODY} bytes.", instance=request.url.path)
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        return problem(422, "invalid_input", "This is not a urlencoded form in UTF-8.", instance=request.url.path)
    return {name: values[-1] for name, values in found.items()}
