"""One HTTP exchange with a watched service: name, TCP, TLS, request. No redirect is followed, no proxy or cookie used, no answer endless."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import orjson

from dashboard_app.backend.sources.probes.connection import APPLICATION_NAME, TCP_STEP, TLS_STEP, Steps, tls_context
from dashboard_app.backend.sources.probes.names import NAME_STEP, Resolver
from dashboard_app.backend.sources.probes.service_answers import Json
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import reason
from dashboard_app.model.errors import ProbeFailed

GUARD_PATH = "/api/v1/health/database"
BODY_CAP_BYTES = 1024 * 1024
"""The longest answer that is read; 500 call sites and a pool of 500 are under 300 kB."""
NOT_HTTP = "Something answers there, but it does not speak HTTP"
NOT_A_GUARD = "Something answers there, but not as a pool guard does"
_TOO_LONG = "The service's answer is too long"
_DIGITS = 8
_KEPT_S = 3.0
"""Servers close connections that were idle for a few seconds (uvicorn: 5): a kept one is never used that late."""
_STEP_OF = {"connection.connect_tcp": TCP_STEP, "connection.start_tls": TLS_STEP}


class Answered(ProbeFailed):
    """The service lives: it answered, only not with what was asked for."""


class TokenRefused(Answered):
    """The service answers, but not to this token."""


class ServiceWire:
    """Asks one service. At most eight requests at once; the caller holds the time limit of each."""

    def __init__(self, target: Target, resolver: Resolver) -> None:
        """No I/O here."""
        self._target = target
        self._resolver = resolver
        self._client: httpx.AsyncClient | None = None

    async def ask(self, call: str, parse: Callable[[Any], Json], steps: Steps, body: object = None) -> Json:
        """What the guard answers to `call` (a POST when it has a body), as `parse` reads it; `steps` follows how far the request has come.

        Raises:
            ProbeFailed: why there is none, in plain words. TokenRefused: 401 or 403.

        """
        with steps.step(NAME_STEP):
            addresses = await self._resolver.resolve(self._target.host)
        client = await self._open()
        try:
            for address in addresses[:-1]:
                with contextlib.suppress(httpx.ConnectError):
                    return await self._exchange(client, self._request(client, address, call, body), parse, _Progress(steps, call))
            return await self._exchange(client, self._request(client, addresses[-1], call, body), parse, _Progress(steps, call))
        except httpx.RemoteProtocolError as error:
            words = "The service closed the connection" if "disconnected" in str(error) else NOT_HTTP
            raise ProbeFailed(words, step=steps.current) from error
        except RuntimeError as error:
            raise ProbeFailed("The reading was given up: the source was changed or paused", step=steps.current, given_up=True) from error
        except (httpx.HTTPError, OSError) as error:
            raise ProbeFailed(reason(_root(error), self._target), step=steps.current) from error

    async def close(self) -> None:
        """Close the connections; what is under way fails."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _open(self) -> httpx.AsyncClient:
        """The client, made at the first request: certificates are files."""
        if self._client is None:
            context: ssl.SSLContext | bool = await asyncio.to_thread(tls_context, self._target) if self._is_encrypted else False
            self._client = self._client or httpx.AsyncClient(
                headers=self._headers(),
                verify=context,
                follow_redirects=False,
                trust_env=False,
                timeout=None,  # noqa: S113 - every call sits in its caller's asyncio.timeout
                limits=httpx.Limits(max_connections=8, max_keepalive_connections=1, keepalive_expiry=_KEPT_S),
            )
        return self._client

    @property
    def _is_encrypted(self) -> bool:
        return self._target.sslmode != "disable"

    def _headers(self) -> dict[str, str]:
        """What every request says: whom it is for, that compression is not wanted, and the token."""
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        headers = {"Host": f"{host}:{self._target.port}", "User-Agent": APPLICATION_NAME, "Accept-Encoding": "identity"}
        token = self._target.password
        return headers | ({"Authorization": f"Bearer {token.reveal()}"} if token else {})

    def _request(self, client: httpx.AsyncClient, address: str, call: str, body: object) -> httpx.Request:
        """The request to one address of the service."""
        url = httpx.URL(
            scheme="https" if self._is_encrypted else "http",
            host=address,
            port=self._target.port,
            path=f"{self._target.base_path}{GUARD_PATH}/{call}",
        )
        if body is None:
            return client.build_request("GET", url)
        return client.build_request("POST", url, content=orjson.dumps(body), headers={"Content-Type": "application/json"})

    async def _exchange(
        self, client: httpx.AsyncClient, request: httpx.Request, parse: Callable[[Any], Json], progress: "_Progress"
    ) -> Json:
        """Send, read at most BODY_CAP_BYTES, parse."""
        request.extensions["trace"] = progress.trace
        response = await client.send(request, stream=True)
        raw = bytearray()
        try:
            client.cookies.clear()
            self._judge(response)
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > BODY_CAP_BYTES:
                    raise ProbeFailed(_TOO_LONG)
        finally:
            await response.aclose()
        try:
            found = parse(orjson.loads(raw))
        except (KeyError, TypeError, ValueError) as error:
            raise ProbeFailed(NOT_A_GUARD) from error
        progress.done()
        return found

    def _judge(self, response: httpx.Response) -> None:
        """Return for a 200; else say what the status means here."""
        status = response.status_code
        if status == httpx.codes.OK:
            return
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            words = "The service refuses this token" if self._target.password else "The service wants a token"
            raise TokenRefused(f"{words} (HTTP {status})")
        if response.is_redirect:
            raise Answered(f"The service answers with a redirect (HTTP {status}), which is not followed")
        if status == httpx.codes.NOT_FOUND:
            where = f"{self._target.base_path}{GUARD_PATH}"
            raise Answered(f"The service has no pool guard at {where} (HTTP 404)")
        if response.is_client_error and status != httpx.codes.TOO_MANY_REQUESTS:
            raise Answered(f"The service answered HTTP {status}")
        rest = response.headers.get("retry-after", "")
        rest_s = float(rest) if rest.isdigit() and len(rest) < _DIGITS else None
        raise ProbeFailed(f"The service answered HTTP {status}", retry_after_s=rest_s)


class _Progress:
    """Turns httpx's word on how far a request has come into steps; a step that fails stays the current one."""

    def __init__(self, steps: Steps, call: str) -> None:
        """Nothing is under way."""
        self._steps = steps
        self._call = call
        self._under_way = contextlib.ExitStack()

    async def trace(self, event: str, _facts: Mapping[str, Any]) -> None:
        """Hear of one event."""
        name, _, moment = event.rpartition(".")
        if event == "http11.send_request_headers.started":
            self._under_way.enter_context(self._steps.step(self._call))
        elif name in _STEP_OF and moment == "started":
            self._under_way.enter_context(self._steps.step(_STEP_OF[name]))
        elif name in _STEP_OF and moment == "complete":
            self.done()

    def done(self) -> None:
        """The step under way is done."""
        self._under_way.close()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _root(error: BaseException) -> BaseException:
    """The system's own error behind the library's: the most telling of the chain."""
    causes = [cause for cause in _chain(error) if isinstance(cause, OSError)]
    telling = [cause for cause in causes if isinstance(cause, (ssl.SSLError, ConnectionError)) or cause.errno]
    return (telling or causes or [OSError()])[-1]
