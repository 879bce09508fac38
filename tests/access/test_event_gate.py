"""Raw sockets against a real Reflex app behind the real gates: whatever a client sends, only what its role may do runs."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import socketio
from reflex_base.event import Event

from dashboard_app.access.event_gate import REFLEX_HANDLERS, EventGate, check_policies, short_name
from dashboard_app.model.errors import DatabaseUnavailable, StartRefused
from dashboard_app.model.user import Principal, PrincipalKind, Role
from tests.instance import PLAIN, ROOT, free_port

ROOT_STATE = "reflex___state____state"
OVER = {"a____x_state": {"is_over_rx_state_": True}}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    port = free_port()
    log = tmp_path_factory.mktemp("tiny") / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "tiny" / "serve.py"), str(port), str(log.parent)],
            env=environment,
            stdout=out,
            stderr=out,
        )
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            httpx.get(f"http://127.0.0.1:{port}/x.js", timeout=10, verify=PLAIN)
            break
        except httpx.TransportError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
    names = [line for line in log.read_text().splitlines() if line.startswith(ROOT_STATE)]
    yield f"http://127.0.0.1:{port}#{names[0]}"
    process.terminate()
    process.wait(20)


class Client:
    """A socket that sends what it likes and keeps what it gets."""

    def __init__(self, base, who, token=None, origin=None):
        self.token = token or str(uuid.uuid4())
        base, _, self.state = base.partition("#")
        self.base, self.got = base, []
        self.headers = {"Cookie": f"who={who}"} if who else {}
        self.headers["Origin"] = origin or base
        self.sio = socketio.AsyncClient(reconnection=False)
        self.sio.on("event", self._on, namespace="/_event")
        self.arrived = asyncio.Event()

    async def _on(self, data):
        self.got.append(data)
        self.arrived.set()

    async def connect(self):
        await self.sio.connect(
            f"{self.base}?token={self.token}",
            headers=self.headers,
            transports=["websocket"],
            socketio_path="/_event",
            namespaces=["/_event"],
        )

    def handler(self, name):
        """The full name of a handler of the tiny app."""
        return f"{self.state}.{name}"

    async def send(self, name, payload=None):
        router = {"pathname": "/", "asPath": "/", "query": {}}
        await self.sio.emit("event", {"name": name, "payload": payload or {}, "router_data": router}, namespace="/_event")

    async def text_after(self, name, wanted, payload=None):
        """All that arrived once `wanted` did."""
        await self.send(name, payload)
        async with asyncio.timeout(10):
            while wanted not in json.dumps(self.got):
                self.arrived.clear()
                await self.arrived.wait()
        return json.dumps(self.got)

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, *_):
        await self.sio.disconnect()


async def test_a_viewer_runs_what_viewers_may_and_nothing_else(tiny):
    async with Client(tiny, "viewer-1") as client:
        for refused in ("clean_up", "clean_up_later", "set_ran", "_inner", "setvar"):
            await client.send(client.handler(refused), {"var_name": "ran", "value": "x"} if refused == "setvar" else {})
        seen = await client.text_after(client.handler("read"), "read ")
        for refused in ("clean_up", "set_ran", "_inner"):
            assert refused not in seen


async def test_setvar_is_refused_to_an_admin_too(tiny):
    async with Client(tiny, "admin-1") as client:
        await client.send(client.handler("setvar"), {"var_name": "ran", "value": "x"})
        assert "set_ran" not in await client.text_after(client.handler("read"), "read ")


async def test_an_admin_runs_it_in_front_and_in_the_background(tiny):
    async with Client(tiny, "admin-2") as client:
        await client.text_after(client.handler("clean_up"), "clean_up ")
        await client.text_after(client.handler("clean_up_later"), "clean_up_later ")


async def test_a_chained_event_needs_its_own_right(tiny):
    async with Client(tiny, "viewer-3") as client:
        await client.text_after(client.handler("chain"), "chain ")
        assert "clean_up" not in await client.text_after(client.handler("read"), "read ")
    async with Client(tiny, "admin-3") as client:
        assert "chain clean_up" in await client.text_after(client.handler("chain"), "clean_up ")


async def test_an_event_after_the_session_ended_only_leads_to_the_sign_in(tiny):
    async with Client(tiny, "viewer-ends") as client:
        await client.text_after(client.handler("read"), "read ")
        await client.send(client.handler("end_my_session"))
        client.got.clear()
        seen = await client.text_after(client.handler("read"), '"is_over_rx_state_": true')
        assert "read " not in seen


@pytest.mark.parametrize(("who", "origin"), [(None, None), ("nobody", None), ("admin-4", "http://evil.example")])
async def test_a_socket_without_a_session_or_from_elsewhere_never_opens(tiny, who, origin):
    client = Client(tiny, who, origin=origin)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect()
    await client.sio.disconnect()


async def test_whoever_takes_over_a_client_token_finds_an_empty_state(tiny):
    async with Client(tiny, "admin-first") as first:
        await first.text_after(first.handler("clean_up"), "clean_up ")
    async with Client(tiny, "viewer-second", token=first.token) as second:
        assert "clean_up" not in await second.text_after(second.handler("read"), "read ")


def test_a_handler_without_a_policy_stops_the_start():
    registered = [*REFLEX_HANDLERS, f"{ROOT_STATE}.setvar", f"{ROOT_STATE}.a___pages____x_state.load", f"{ROOT_STATE}.a____x_state.setvar"]
    check_policies({"x_state.load": "sources.read"}, registered)
    with pytest.raises(StartRefused) as refused:
        check_policies({"y_state.load": "pool.drain"}, registered)
    assert refused.value.detail.splitlines() == [
        "event handler x_state.load has no policy",
        "policy y_state.load has no event handler",
        "policy y_state.load: there is no action pool.drain",
    ]


def test_two_handlers_of_one_name_stop_the_start():
    registered = [f"{ROOT_STATE}.a____x_state.load", f"{ROOT_STATE}.b____x_state.load"]
    with pytest.raises(StartRefused, match="exists twice"):
        check_policies({"x_state.load": "sources.read"}, registered)


def test_the_short_name_is_state_and_handler():
    assert short_name(f"{ROOT_STATE}.dashboard_app___console___pages___sources_state____sources_state.load") == "sources_state.load"


class FakeState:
    """What the gate reads of a state."""

    def __init__(self):
        self.router = SimpleNamespace(headers=SimpleNamespace(cookie="c"), session=SimpleNamespace(client_token="t"))
        self.resets = 0

    def _get_root_state(self):
        return self

    def reset(self):
        self.resets += 1


class FakeIdentity:
    def __init__(self, answer):
        self.answer = answer
        self.uses = []

    async def principal_for_cookie(self, cookie_header, *, guard_call=False, is_use=True):
        self.uses.append(is_use)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def person(role, user_id=1):
    return Principal(PrincipalKind.USER, "ana", role, user_id)


async def judged(answer, name, state=None):
    gate = EventGate(
        FakeIdentity(answer), {"x_state.load": "sources.read", "x_state.drop": "pool.cleanup", "x_state._in": "open"}, over=OVER
    )
    return await gate.preprocess(None, state or FakeState(), Event(name=name))


@pytest.mark.parametrize(
    ("role", "name", "runs"),
    [
        (Role.VIEWER, "a____x_state.load", True),
        (Role.VIEWER, "a____x_state.drop", False),
        (Role.ADMIN, "a____x_state.drop", True),
        (Role.ADMIN, "a____x_state.unknown", False),
        (Role.ADMIN, "a____x_state.setvar", False),
        (Role.ADMIN, "a____x_state._in", False),
        (Role.VIEWER, f"{ROOT_STATE}.hydrate", True),
        (Role.ADMIN, f"{ROOT_STATE}.hydrate_else", False),
    ],
)
async def test_an_event_runs_when_its_name_has_an_action_that_the_role_may_do(role, name, runs):
    stopped = await judged(person(role), name)
    assert (stopped is None) is runs
    assert stopped is None or (not stopped.delta and not stopped.events)


@pytest.mark.parametrize("answer", [None, DatabaseUnavailable()])
async def test_an_event_of_nobody_leads_to_the_sign_in(answer):
    stopped = await judged(answer, f"{ROOT_STATE}.hydrate")
    assert (stopped.delta, stopped.events) == (OVER, [])


async def test_what_a_page_asks_by_itself_is_no_use_of_the_session():
    identity = FakeIdentity(person(Role.VIEWER))
    gate = EventGate(identity, {"x_state.load": "sources.read", "x_state.tick": "sources.read"}, ("x_state.tick",), over=OVER)
    for name in ("a____x_state.load", "a____x_state.tick"):
        assert await gate.preprocess(None, FakeState(), Event(name=name)) is None
    assert identity.uses == [True, False]


async def test_a_state_is_emptied_when_another_person_takes_it_over():
    identity, state = FakeIdentity(person(Role.VIEWER, 1)), FakeState()
    gate = EventGate(identity, {}, over=OVER)
    for user_id, resets in ((1, 0), (1, 0), (2, 1), (2, 1)):
        identity.answer = person(Role.VIEWER, user_id)
        await gate.preprocess(None, state, Event(name=f"{ROOT_STATE}.hydrate"))
        assert state.resets == resets
