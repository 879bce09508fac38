"""How Spillway speaks to an identity provider: HTTP with a limit on time and on length, no redirect followed, no proxy of the environment."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from dashboard_app.model.errors import ProviderAway

CALL_LIMIT_S = 5.0
"""One call to the provider, all in all."""
MOST_BYTES = 1_048_576
_MOST_AT_ONCE = 16
_ASKED = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "spillway"}
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcWire:
    """One client for all calls; made at the first, since certificates are files."""

    def __init__(self) -> None:
        """No I/O."""
        self._client: httpx.AsyncClient | None = None
        self._under_way = 0

    async def get(self, url: str, token: str = "") -> Mapping[str, Any]:
        """The JSON object at `url`. Raises ProviderAway."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status, found = await self._exchange("GET", url, headers, "")
        if status != httpx.codes.OK:
            raise ProviderAway(f"The provider answered HTTP {status}.")
        return found

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON object of the answer to a form. Raises ProviderAway."""
        return await self._exchange("POST", url, headers, body)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: str) -> tuple[int, Mapping[str, Any]]:
        """Send, read at most MOST_BYTES, parse; 16 at once at most."""
        if self._under_way >= _MOST_AT_ONCE:
            raise ProviderAway("Too many people sign in at this moment.")
        self._under_way += 1
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                client = await self._open()
                request = client.build_request(method, url, headers={**_ASKED, **headers}, content=body or None)
                async with _sent(client, request) as response:
                    client.cookies.clear()
                    status, raw = response.status_code, await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise ProviderAway(f"The provider does not answer: {type(error).__name__}.") from error
        finally:
            self._under_way -= 1
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or httpx.codes.is_redirect(status):
            raise ProviderAway(f"The provider answered HTTP {status}.")
        try:
            found = orjson.loads(raw)
        except ValueError as error:
            raise ProviderAway("The provider did not answer with JSON.") from error
        if not isinstance(found, dict):
            raise ProviderAway("The provider did not answer with a JSON object.")
        return status, found

    async def _open(self) -> httpx.AsyncClient:
        """The client."""
        if self._client is None:
            context = await asyncio.to_thread(ssl.create_default_context)
            self._client = self._client or httpx.AsyncClient(
                verify=context,
                follow_redirects=False,
                trust_env=False,
                timeout=None,  # noqa: S113 - every call sits in asyncio.timeout, which also limits what httpx cannot
                limits=httpx.Limits(max_connections=_MOST_AT_ONCE, max_keepalive_connections=2),
            )
        return self._client


def checked_url(value: object, what: str) -> str:
    """An address that the provider names for itself: https, or http on this machine. Raises ProviderAway."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_MACHINE)):
        raise ProviderAway(f"The provider names no good {what}.")
    return text


@contextlib.asynccontextmanager
async def _sent(client: httpx.AsyncClient, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    """The answer to `request`, closed afterwards."""
    response = await client.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


async def _read(response: httpx.Response) -> bytes:
    """The body. Raises ProviderAway when it is too long."""
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise ProviderAway("The provider's answer is too long.")
    return bytes(raw)
