"""The outermost gate: nothing of the app runs before a request has passed here.

In: host and origin checked → places at once → who asks → what kind of path. Out: request id and security headers on every answer.
Assets and sign-in pages are open, pages and the socket need a session, the API is judged by `Permit` behind this gate.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from starlette.responses import RedirectResponse, Response

from dashboard_app.access import visit
from dashboard_app.access.hosts import AllowedHosts
from dashboard_app.access.refusal import not_signed_in, refuse_socket
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.user import Principal, PrincipalKind
from dashboard_app.runtime.problem import problem
from dashboard_app.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLOSE_NOT_SIGNED_IN = 4401
_RETRY_AFTER_S = "1"


class WhoAsks(Protocol):
    """The part of `Identity` that the gate speaks to."""

    cookie_name: str

    async def principal_for_cookie(self, cookie_header: str, *, guard_call: bool = False) -> Principal | None:
        """The person behind a Cookie header."""

    async def principal_for_token(self, token: str, *, guard_call: bool = False) -> Principal | None:
        """The program behind a bearer token."""

    def watch_session(self, session_id: str) -> asyncio.Event:
        """Set when the session ends."""

    def unwatch_session(self, session_id: str, ended: asyncio.Event) -> None:
        """Forget the event."""


class SignInPages(Protocol):
    """The pages that need no session, as one ASGI app."""

    def serves(self, path: str) -> bool:
        """True when the path is one of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""


class Gate:
    """Pure ASGI round everything. Sets `spillway.principal`, `.request_id` and `.address` in the scope."""

    def __init__(
        self,
        app: App,
        *,
        identity: WhoAsks,
        pages: SignInPages,
        settings: Settings,
        hint: Callable[[], str] | None = None,
        farewell: str = "",
        scripts: tuple[str, ...] = (),
    ) -> None:
        """No I/O. `hint`: the X-Throttle of an answer given here. `farewell`: the last text to a page whose session is over.

        `scripts`: the hashes of the scripts that stand in the built pages.
        """
        self._scripts = scripts
        self._farewell = farewell
        self._app = app
        self._hint = hint
        self._identity = identity
        self._pages = pages
        self._hosts = AllowedHosts(settings.host, settings.port, settings.public_url)
        self._hops = settings.trusted_proxy_hops
        self._is_https = (settings.public_url or "").startswith("https://")
        self._limit = settings.limit_concurrency
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope[visit.REQUEST_ID] = visit.request_id(visit.header(scope, b"x-request-id"))
        peer = str((scope.get("client") or ("", 0))[0])
        scope[visit.ADDRESS] = visit.client_address(peer, visit.header(scope, b"x-forwarded-for"), self._hops)
        scope[visit.PRINCIPAL] = None
        answer = self._stamped(scope, send)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, answer)
            return
        refused = self._foreign(scope)
        if refused is not None:
            await refused(scope, receive, answer)
        elif scope["path"] in visit.GUARD_CALLS or scope["path"] in visit.LIVENESS_CALLS:
            await self._http(scope, receive, answer)
        elif self._in_flight >= self._limit:
            detail, wait = "Too many requests at once.", [("Retry-After", _RETRY_AFTER_S)]
            busy = problem(503, "too_many_requests_at_once", detail, instance=scope["path"], headers=wait)
            await busy(scope, receive, answer)
        else:
            self._in_flight += 1
            try:
                await self._http(scope, receive, answer)
            finally:
                self._in_flight -= 1

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a request of our own site by the kind of its path."""
        path: str = scope["path"]
        if visit.is_api(path):
            scope[visit.PRINCIPAL] = person = await self._principal(scope, guard_call=path in visit.GUARD_CALLS)
            if path == visit.STREAM and person is not None:
                await self._while_signed_in(person, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        elif visit.is_closed(path):
            await problem(404, "not_found", "There is no such page.", instance=path)(scope, receive, send)
        elif visit.is_asset(path) and not self._pages.serves(path):
            await self._app(scope, receive, send)
        else:
            scope[visit.PRINCIPAL] = await self._person(scope)
            app = self._pages if self._pages.serves(path) else self._page_or_sign_in(scope)
            await app(scope, receive, send)

    def _page_or_sign_in(self, scope: Scope) -> App:
        """The console for somebody with a session; a way to sign in for everybody else."""
        if scope[visit.PRINCIPAL] is not None:
            return self._app
        if scope["method"] not in visit.SAFE_METHODS or visit.is_socket(scope["path"]):
            return problem(401, "not_signed_in", "Sign in first.", instance=scope["path"])
        expired = f"{self._identity.cookie_name}=" in visit.header(scope, b"cookie")
        query = scope.get("query_string", b"").decode("latin-1")
        location = visit.login_location(scope["path"], query, expired=expired)
        return RedirectResponse(location, 303, {"Cache-Control": "no-store"})

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a WebSocket of our own page with a session in; refuse any other before the app hears of it."""
        is_page = visit.is_socket(scope["path"])
        refused = self._foreign(scope)
        if refused is None:
            someone = await (self._person(scope) if is_page else self._principal(scope, guard_call=False))
            if someone is not None:
                scope[visit.PRINCIPAL] = someone
                await self._while_signed_in(someone, scope, receive, send, self._farewell if is_page else "")
                return
            refused = not_signed_in(scope)
        await refuse_socket(refused, scope, receive, send)

    async def _while_signed_in(self, person: Principal, scope: Scope, receive: Receive, send: Send, farewell: str = "") -> None:
        """Serve a socket or a stream until it ends, or the session or token behind it does."""
        ended = self._identity.watch_session(person.session_id)
        waiting = asyncio.create_task(ended.wait(), name="session-end")
        try:
            await self._app(scope, *_until(waiting, farewell, receive, send, is_socket=scope["type"] == "websocket"))
        finally:
            waiting.cancel()
            self._identity.unwatch_session(person.session_id, ended)

    def _foreign(self, scope: Scope) -> Response | None:
        """The refusal of a request that is not for us or not from our own page; None when it is."""
        host = visit.header(scope, b"host")
        if not self._hosts.allows(host):
            detail = "This host name is not allowed. Set SPILLWAY_PUBLIC_URL to the address people use."
            return problem(400, "host_not_allowed", detail, instance=scope["path"])
        is_unsafe = scope["type"] == "websocket" or scope["method"] not in visit.SAFE_METHODS
        if is_unsafe and not self._is_own_page(scope, host):
            detail = "This request comes from a page of another site, or does not say from where."
            return problem(403, "origin_not_allowed", detail, instance=scope["path"])
        return None

    def _is_own_page(self, scope: Scope, host: str) -> bool:
        """True unless a page of another site sent this; whoever shows a session cookie must name its origin."""
        origin = visit.header(scope, b"origin")
        if visit.header(scope, b"sec-fetch-site") in {"cross-site", "same-site"}:
            return False
        if origin:
            return self._hosts.allows_origin(origin, host)
        shows_cookie = f"{self._identity.cookie_name}=" in visit.header(scope, b"cookie")
        return not shows_cookie or bool(visit.header(scope, b"authorization"))

    async def _principal(self, scope: Scope, *, guard_call: bool) -> Principal | None:
        """Who asks, by token or by session; a bearer token counts alone. None and a mark when it cannot be told."""
        token = visit.bearer_token(visit.header(scope, b"authorization"))
        try:
            if token is not None:
                return await self._identity.principal_for_token(token, guard_call=guard_call)
            cookie = visit.header(scope, b"cookie")
            return await self._identity.principal_for_cookie(cookie, guard_call=guard_call) if cookie else None
        except DatabaseUnavailable:
            scope[visit.IDENTITY_UNKNOWN] = True
            return None

    async def _person(self, scope: Scope) -> Principal | None:
        """The person with a session, or None; tokens open no pages. Never waits for a database that is away."""
        try:
            person = await self._identity.principal_for_cookie(visit.header(scope, b"cookie"), guard_call=True)
        except DatabaseUnavailable:
            return None
        return person if person is not None and person.kind is PrincipalKind.USER else None

    def _stamped(self, scope: Scope, send: Send) -> Send:
        """`send` that adds request id and security headers to the answer."""
        path: str = scope["path"]
        is_api = visit.is_api(path)
        is_page = not is_api and not visit.is_asset(path)

        async def stamped(message: Message) -> None:
            if message["type"] == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", scope[visit.REQUEST_ID].encode("latin-1"))]
            elif message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
                given = {name.lower() for name, _ in headers}
                host = visit.header(scope, b"host")
                safe_host = host if self._hosts.allows(host) else "localhost"
                wanted = visit.raw_security_headers(safe_host, is_https=self._is_https, page=self._scripts if is_page else None)
                headers += [pair for pair in wanted if pair[0] not in given]
                if (is_page or is_api) and b"cache-control" not in given:
                    headers.append((b"cache-control", b"no-store"))
                if is_api and self._hint is not None and b"x-throttle" not in given:
                    headers.append((b"x-throttle", self._hint().encode("latin-1")))
                headers.append((b"x-request-id", scope[visit.REQUEST_ID].encode("latin-1")))
                message["headers"] = headers
            await send(message)

        return stamped


def _until(ended: asyncio.Task[Any], farewell: str, receive: Receive, send: Send, *, is_socket: bool) -> tuple[Receive, Send]:
    """`receive` and `send` that say `farewell` and end a socket as soon as `ended` is done; a stream hears that its reader has left."""
    is_open = False

    async def send_and_note(message: Message) -> None:
        nonlocal is_open
        is_open = is_open or message["type"] == "websocket.accept"
        await send(message)

    async def receive_or_end() -> Message:
        arriving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({arriving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                return arriving.result()
        finally:
            arriving.cancel()
        if not is_socket:
            return {"type": "http.disconnect"}
        if is_open and farewell:
            await send({"type": "websocket.send", "text": farewell})
        await send({"type": "websocket.close", "code": CLOSE_NOT_SIGNED_IN})
        return {"type": "websocket.disconnect", "code": CLOSE_NOT_SIGNED_IN}

    return receive_or_end, send_and_note
