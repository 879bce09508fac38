"""Frames that no browser would send, to the socket of the pages (`/_event`, signed in) and to the socket of events."""

import asyncio
import json
import logging
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.browser.raw_session import open_session
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, ROOT, Instance

PAGES, EVENTS = "/_event", "/api/v1/events/ws"
BATCH = 20
LONGER_THAN_TAKEN = 200_001
_LIMIT_S = 20
_TELL_HANDLERS = """
import json
import dashboard_app.dashboard_app
from dashboard_app.access.arguments import parameters_of
from reflex_base.registry import RegistrationContext
found = sorted(RegistrationContext.get().event_handlers)
print("TOLD" + json.dumps({name: {one[0]: str(one[1]) for one in parameters_of(name)} for name in found}))
"""
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
_ATTACHED = st.just({"_placeholder": True, "num": 0}) | st.just({"_placeholder": True, "num": 10**9}) | _VALUES
Frame = str | bytes
Handlers = Mapping[str, Mapping[str, str]]
logging.getLogger("websockets").setLevel(logging.CRITICAL)  # that the other side cuts is what this is about


def _told(value: object) -> str:
    """JSON as a careless client writes it: NaN and lone surrogates and all."""
    return json.dumps(value)


def _fitting(handlers: Handlers) -> st.SearchStrategy[dict[str, object]]:
    """Events for real handlers with arguments of the right kinds and any value."""
    form = st.dictionaries(
        st.sampled_from(["name", "id", "password", "code", "url", "limit", "metric", "email"]) | _TEXT, _TEXT, max_size=5
    )
    words = _TEXT | st.sampled_from(["1", "name", "../..", "0", "2026-01-01", "postgresql", '{"a":1}', "pool.usage_percent"])
    kinds = {
        "int": st.integers(-5, 5) | st.integers(),
        "bool": st.booleans(),
        "dict": form,
        "list": st.lists(_TEXT, max_size=5),
        "str": words,
    }

    def of(name: str) -> st.SearchStrategy[dict[str, object]]:
        values = {one: next((kinds[kind] for kind in kinds if kind in told), _VALUES) for one, told in handlers[name].items()}
        place = st.sampled_from(["/", "/sources", "/sources/1", "/jobs", "/pool", "/nowhere"])
        router = st.builds(
            lambda path, query: {"pathname": path, "asPath": path, "query": query}, place, st.dictionaries(_TEXT, _TEXT, max_size=3)
        )
        return st.fixed_dictionaries({"name": st.just(name), "payload": st.fixed_dictionaries(values), "router_data": router})

    return st.sampled_from(sorted(handlers)).flatmap(of)


def page_frames(handlers: Handlers) -> st.SearchStrategy[Frame]:
    """Frames for the pages' socket: from noise to events for real handlers with arguments that fit."""
    names = sorted(handlers)
    fitting = st.builds(lambda body: f"42/_event,{_told(['event', body])}", _fitting(handlers))
    router = st.fixed_dictionaries({"pathname": st.sampled_from(["/", "/sources", "/jobs", "//", "\x00"]) | _VALUES, "query": _VALUES})
    event = st.fixed_dictionaries(
        {"name": st.sampled_from(names) | _TEXT},
        optional={
            "payload": st.dictionaries(st.sampled_from(["value", "form_data", "var_name", "source_id", "key"]) | _TEXT, _VALUES, max_size=4)
            | _VALUES,
            "router_data": router | _VALUES,
            "token": _TEXT,
            "handler": _VALUES,
            "substate_name": _TEXT,
        },
    )
    called = st.builds(lambda body: f"42/_event,{_told(['event', body])}", event | _VALUES)
    packet = st.builds(
        lambda kind, where, number, body: f"4{kind}{where}{number}{body}",
        st.sampled_from("0123456789"),
        st.sampled_from(["", "/_event,", "/,", "/nowhere,", "/_event?token=x,", ","]),
        st.sampled_from(["", "0", "1-", "99999999999999999999", "3-", "-1"]),
        st.builds(_told, _VALUES) | _TEXT,
    )
    binary = st.builds(lambda count, body: f"45{count}-/_event,{_told(['event', body])}", st.integers(0, 50), _ATTACHED)
    engine = st.builds(lambda kind, body: kind + body, st.sampled_from("0123456b"), _TEXT)
    return st.one_of(
        fitting,
        fitting,
        fitting,
        fitting,
        called,
        called,
        packet,
        binary,
        engine,
        _TEXT,
        st.binary(max_size=300),
        st.just("42/_event," + "[" * 3000),
    )


def event_frames() -> st.SearchStrategy[Frame]:
    """Frames for the socket of events, which listens to nothing."""
    return st.one_of(_TEXT, st.binary(max_size=300), st.builds(_told, _VALUES), st.just("x" * LONGER_THAN_TAKEN))


class Sender:
    """Keeps a socket open and sends; what the server cuts is opened again. `sent` counts the frames, `cut` the sockets it closed."""

    def __init__(self, instance: Instance, path: str, seed_number: int) -> None:
        """Nothing is open yet."""
        self._instance, self._path = instance, path
        self._socket: ClientConnection | None = None
        self._chance = random.Random(seed_number)  # noqa: S311 - no secret
        self._cookie = sign_in(instance) if path == PAGES else ""
        self.sent = self.cut = 0

    def send(self, frames: Sequence[Frame]) -> None:
        """Send every one of them, over as many sockets as it takes."""
        for frame in frames:
            try:
                self._open().send(frame)
            except ConnectionClosed:
                self.cut += 1
                self._socket = None
            self.sent += 1
        if self._chance.random() < 0.1:
            self.close()

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> ClientConnection:
        if self._socket is None:
            try:
                self._socket = self._connected()
            except InvalidHandshake:  # a frame may have ended the session: sign in again, and then it must open
                self._cookie = sign_in(self._instance) if self._path == PAGES else ""
                self._socket = self._connected()
        return self._socket

    def _connected(self) -> ClientConnection:
        base = f"ws://127.0.0.1:{self._instance.port}"
        options = {"open_timeout": _LIMIT_S, "close_timeout": 1, "max_queue": None, "proxy": None, "ping_interval": None}
        if self._path == EVENTS:
            token = {"Authorization": f"Bearer {self._instance.token('admin')}"}
            return connect(f"{base}{EVENTS}", additional_headers=token, **options)
        client = quote(self._chance.choice([str(uuid.uuid4()), "1", "../../x", "x" * 2000, "\u202e"]))
        origin = self._instance.url
        url = f"{base}{PAGES}/?EIO=4&transport=websocket&token={client}"
        socket = connect(url, additional_headers={"Cookie": self._cookie}, origin=origin, **options)
        socket.recv(timeout=_LIMIT_S)
        if self._chance.random() < 0.9:
            socket.send("40/_event,")
        return socket


def sign_in(instance: Instance) -> str:
    """The Cookie header of the admin, freshly signed in."""
    with httpx.Client(base_url=instance.url, timeout=_LIMIT_S, verify=PLAIN) as browser:
        form = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = browser.post("/login", data=form, headers={"Origin": instance.url})
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text[:500]
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def handlers_of(instance: Instance) -> Handlers:
    """The full name of every event handler with its parameters, as the app itself tells."""
    line = [sys.executable, "-c", _TELL_HANDLERS]
    told = subprocess.run(line, cwd=ROOT, env=instance.environment, capture_output=True, text=True, timeout=120, check=True)
    found: Handlers = json.loads(told.stdout.rpartition("TOLD")[2])
    return found


@contextmanager
def _closing(sender: Sender) -> Iterator[Sender]:
    try:
        yield sender
    finally:
        sender.close()


def shower(sender: Sender, frames: st.SearchStrategy[Frame], count: int, seed_number: int) -> None:
    """Send `count` of `frames` at least, the same for the same seed."""

    @seed(seed_number)
    @settings(
        max_examples=-(-count // BATCH), database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(frames, min_size=BATCH, max_size=BATCH))
    def some(batch: list[Frame]) -> None:
        sender.send(batch)

    while sender.sent < count:
        some()


def run(instance: Instance, count: int, seed_number: int) -> bool:
    """`count` frames, two in three to the pages; True when the pages are served afterwards as before."""
    handlers = handlers_of(instance)
    for path, frames, share in ((PAGES, page_frames(handlers), count - count // 3), (EVENTS, event_frames(), count // 3)):
        with _closing(Sender(instance, path, seed_number)) as sender:
            shower(sender, frames, share, seed_number)
        print(f"fuzz: {sender.sent} frames to {path}, which cut {sender.cut} sockets", flush=True)
    return asyncio.run(_serves_pages(instance))


async def _serves_pages(instance: Instance) -> bool:
    """True when a page that is opened now is told its state."""
    try:
        async with open_session(instance.url, sign_in(instance)) as session:
            await session.shows("is_hydrated", _LIMIT_S)
    except TimeoutError:
        print("fuzz: a page that was opened afterwards got no answer")
        return False
    return True
