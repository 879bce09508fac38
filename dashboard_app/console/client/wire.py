"""One request to the server this console reads from, over the network or in process: the same code but for the transport."""

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_app.model.errors import (
    BackendFailed,
    Conflict,
    Forbidden,
    InvalidInput,
    KindNotSupported,
    NotFound,
    NotSignedIn,
    Refused,
    TooLarge,
)
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal

BODY_CAP_BYTES = 4 * 1024 * 1024
"""The longest answer that is read; a list of 500 sources is under 1 MiB."""
ONE_SOURCE_CAP_BYTES = 512 * 1024
"""The same for one source's health or numbers, of which many may be under way."""
_DETAIL_KEPT = 500
_DIGITS = 20
_PRINCIPAL = "spillway.principal"
_REQUEST_ID = "x-request-id"
_REFERENCE = 8
"""So many characters of a request id find it in a log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer whose body was JSON (None when it had none)."""

    status: int
    headers: Mapping[str, str]
    body: Any


def _nothing() -> None:
    """Nobody wants to know."""


def _no_version() -> int | None:
    """No version of the throttling-config was heard."""
    return None


def _tracer(on_sent: Callable[[], None]) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """A listener for httpx's word on how far a request has come."""

    async def trace(event: str, _: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            on_sent()

    return trace


class InProcessTransport(httpx.AsyncBaseTransport):
    """Calls an ASGI app in this process. Who asks travels in the scope, where no outside request can put it.

    A request that changes something runs to its end even when its caller gives up, as it would on a server.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Serve every request by `app`."""
        self._app = app
        self._under_way: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The app's answer; its crash is a 500."""
        transport = httpx.ASGITransport(app=self._as(request.extensions.get(_PRINCIPAL)), raise_app_exceptions=False)
        if request.method == "GET":
            return await transport.handle_async_request(request)
        task = asyncio.ensure_future(transport.handle_async_request(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Give what is under way two seconds to end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=2.0)

    def _as(self, principal: Principal | None) -> Callable[[Scope, Receive, Send], Any]:
        """The app, called by `principal`."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request_id = uuid.uuid4().hex

            async def named(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), (_REQUEST_ID.encode(), request_id.encode())]
                await send(message)

            known = {_PRINCIPAL: principal, "spillway.request_id": request_id, "spillway.address": "console"}
            await self._app({**scope, **known}, receive, named)

        return app


class Wire:
    """Sends requests and reads JSON. Knows no queue, breaker or retry."""

    def __init__(self, client: httpx.AsyncClient, *, is_remote: bool, on_headers: Callable[[Mapping[str, str]], None]) -> None:
        """Use `client`; tell `on_headers` the headers of every answer."""
        self._client = client
        self.is_remote = is_remote
        self._on_headers = on_headers
        self.name = "spillway-console"
        """What this console calls itself in `X-Throttle-Client`, so that the server can say whether it follows the throttling-config."""
        self.acts_on: Callable[[], int | None] = _no_version
        """The version of the throttling-config that this console acts on."""

    @staticmethod
    def in_process(app: ASGIApp, on_headers: Callable[[Mapping[str, str]], None]) -> "Wire":
        """A wire to an ASGI app of this process."""
        client = httpx.AsyncClient(transport=InProcessTransport(app), base_url="http://console.internal", follow_redirects=False)
        return Wire(client, is_remote=False, on_headers=on_headers)

    @staticmethod
    def remote(url: str, token: Secret | None, on_headers: Callable[[Mapping[str, str]], None]) -> "Wire":
        """A wire to another server: certificates are checked, redirects are not followed, proxies of the environment not used."""
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token is not None else {}
        client = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            verify=ssl.create_default_context() if url.startswith("https:") else False,  # reading them takes 30 ms
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 - every call sits in asyncio.timeout, which also limits what httpx cannot
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        )
        return Wire(client, is_remote=True, on_headers=on_headers)

    async def send(
        self,
        method: str,
        path: str,
        *,
        limit_s: float,
        principal: Principal | None = None,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        on_sent: Callable[[], None] = _nothing,
        cap_bytes: int = BODY_CAP_BYTES,
    ) -> Answer:
        """The answer, whatever its status, within `limit_s`. `on_sent` is called when the request leaves, after a connection was made.

        Raises:
            BackendFailed: no answer, one that took too long, is too large or is no JSON.

        """
        request = self._client.build_request(
            method,
            path,
            params=params,
            content=None if body is None else orjson.dumps(body),
            headers=self._named() if body is None else self._named() | {"Content-Type": "application/json"},
            extensions={_PRINCIPAL: principal, "trace": _tracer(on_sent)},
        )
        if not self.is_remote:
            on_sent()
        try:
            async with asyncio.timeout(limit_s):
                return await self._exchange(request, cap_bytes)
        except TimeoutError as failure:
            raise BackendFailed(f"The server took longer than {limit_s:.3g} s.", cause="timeout") from failure
        except httpx.TimeoutException as failure:
            raise BackendFailed("The server took too long.", cause="timeout") from failure
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as failure:
            raise BackendFailed("Nothing listens at the server's address.", cause="refused") from failure
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            raise BackendFailed("The server broke off the conversation.", cause="refused") from failure

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _named(self) -> dict[str, str]:
        """Who asks, and on which version of the throttling-config it acts."""
        version = self.acts_on()
        return {"X-Throttle-Client": self.name if version is None else f"{self.name}; version={version}"}

    async def _exchange(self, request: httpx.Request, cap_bytes: int) -> Answer:
        """Send, read at most `cap_bytes`, parse. A body that says it is longer is not begun."""
        response = await self._client.send(request, stream=True)
        try:
            self._on_headers(response.headers)
            told = response.headers.get("content-length", "")
            if told.isdigit() and int(told[:_DIGITS]) > cap_bytes:
                raise BackendFailed("The server's answer is too large.", cause="garbage", status=response.status_code)
            raw = bytearray()
            async for chunk in response.aiter_bytes():
                raw += chunk
                if len(raw) > cap_bytes:
                    raise BackendFailed("The server's answer is too large.", cause="garbage", status=response.status_code)
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, _json(bytes(raw), response.status_code))


def _json(raw: bytes, status: int) -> Any:
    """The body as JSON; an error's body may be anything."""
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as failure:
        if status >= 300:  # noqa: PLR2004 - HTTP's own number
            return None
        raise BackendFailed("The server's answer is no JSON.", cause="garbage", status=status) from failure


def judged(answer: Answer, principal: Principal | None = None) -> Any:
    """The body of a good answer.

    Raises:
        Refused: the request was wrong (404, 409, 413, 422 …; 401 and 403 when a person asked).
        BackendFailed: everything else that is not 2xx; 401 and 403 of the console's own calls have cause "unauthorized".

    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return answer.body
    problem = answer.body if isinstance(answer.body, dict) else {}
    detail, code = str(problem.get("detail") or "")[:_DETAIL_KEPT], str(problem.get("code") or "")[:_DETAIL_KEPT]
    if answer.status in (401, 403):
        if principal is not None:
            raise (NotSignedIn if answer.status == 401 else Forbidden)(detail)  # noqa: PLR2004 - HTTP's own number
        message = "The server refused this console's token."
        raise BackendFailed(message, cause="unauthorized", status=answer.status, problem_code=code, reference=_reference(answer))
    if answer.status >= 500 or answer.status == 429 or answer.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        raise BackendFailed(
            detail,
            cause="http",
            status=answer.status,
            problem_code=code,
            retry_after_s=_retry_after(answer),
            reference=_reference(answer),
        )
    raise _refusal(answer.status, code, detail, problem.get("errors"))


def _refusal(status: int, code: str, detail: str, errors: object) -> Refused:
    """Our error for a 4xx."""
    if status in (400, 422):
        listed = errors if isinstance(errors, list) else []
        fields = tuple(
            {"field": str(each.get("field", "")), "message": str(each.get("message", ""))} for each in listed if isinstance(each, dict)
        )
        return (KindNotSupported if code == KindNotSupported.code else InvalidInput)(detail, fields)
    return {404: NotFound, 409: Conflict, 413: TooLarge}.get(status, Refused)(detail)


def _reference(answer: Answer) -> str:
    """The start of the request id that the server gave; empty when it gave none."""
    told = answer.headers.get(_REQUEST_ID, "")[:_REFERENCE]
    return told if told.isascii() and told.replace("-", "").isalnum() else ""


def _retry_after(answer: Answer) -> float | None:
    """Retry-After in seconds; a date or nonsense counts as absent."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
