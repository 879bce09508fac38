"""An open page without a browser: the WebSocket that Reflex's page opens, spoken by hand, so that a thousand fit into one process."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

ROOT = "reflex___state____state."
HYDRATE = f"{ROOT}hydrate"
ON_LOAD = f"{ROOT}reflex___state____on_load_internal_state.on_load_internal"
_AT_ONCE = 50
_HEAD = '42/_event,["event",'


class Tab:
    """One tab. `token` is what a browser keeps in its sessionStorage."""

    def __init__(self, web: aiohttp.ClientSession, url: str, cookie: str, token: str = "") -> None:
        self._web, self._url, self._cookie = web, url, cookie
        self.token = token or str(uuid.uuid4())
        self.heard: list[str] = []
        self.bytes = 0
        self.keeps = True
        """Whether what is heard is kept."""
        self._news = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """True until one of the two has hung up."""
        return self._socket is not None and not self._socket.closed

    async def connect(self, limit_s: float = 30) -> None:
        """Open the socket. Raises aiohttp.ClientError when it is refused."""
        address = f"{self._url.replace('http', 'ws', 1)}/_event/?token={self.token}&EIO=4&transport=websocket"
        headers = {"Origin": self._url} | ({"Cookie": self._cookie} if self._cookie else {})
        async with asyncio.timeout(limit_s):
            self._socket = await self._web.ws_connect(address, headers=headers, max_msg_size=0, autoping=True)
            await self._socket.receive_str()
            await self._socket.send_str("40/_event,")
            while not (await self._socket.receive_str()).startswith("40/_event"):
                pass
        self._reading = asyncio.create_task(self._read())

    async def send(self, name: str, payload: dict[str, Any] | None = None, path: str = "/", query: dict[str, str] | None = None) -> None:
        """Call an event handler."""
        assert self._socket is not None
        shown = path + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")
        router = {"pathname": path, "asPath": shown, "query": query or {}}
        event = {"name": name, "payload": payload or {}, "router_data": router, "token": self.token}
        await self._socket.send_str(f"{_HEAD}{json.dumps(event)}]")

    async def load(self, path: str = "/", limit_s: float = 30, query: dict[str, str] | None = None) -> float:
        """What a page does first; seconds until the whole state has come and the page has loaded."""
        began = time.monotonic()
        await self.send(HYDRATE, path=path, query=query)
        await self.hears('"is_hydrated', limit_s)
        await self.send(ON_LOAD, path=path, query=query)
        await self.hears('"is_hydrated_rx_state_":true', limit_s)
        return time.monotonic() - began

    async def hears(self, text: str, limit_s: float = 30) -> str:
        """The first message from now on, or of those that were kept, that holds `text`."""
        async with asyncio.timeout(limit_s):
            while True:
                for message in self.heard:
                    if text in message:
                        return message
                self._news.clear()
                await self._news.wait()

    def forget(self) -> None:
        """Drop what was heard."""
        self.heard.clear()

    def cut(self) -> None:
        """Cut the wire: no farewell."""
        if self._socket is not None and (transport := self._socket.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                transport.shutdown(2)

    async def close(self) -> None:
        """Leave."""
        if self._reading is not None:
            self._reading.cancel()
        if self._socket is not None:
            await self._socket.close()

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            text = message.data
            if text == "2":
                await self._socket.send_str("3")
                continue
            self.bytes += len(text)
            if self.keeps and text.startswith(_HEAD):
                self.heard.append(text)
                self._news.set()


@contextlib.asynccontextmanager
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    """What tabs connect with; as many at once as it takes."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def each(tabs: list[Tab], work) -> list[float]:
    """`work` on every tab, fifty at once; how long each took."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(tab: Tab) -> float:
        async with places:
            began = time.monotonic()
            await work(tab)
            return time.monotonic() - began

    return await asyncio.gather(*(one(tab) for tab in tabs))


async def opened(tab: Tab, path: str) -> None:
    await tab.connect()
    await tab.load(path)
    tab.forget()
