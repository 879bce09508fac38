"""`serve` starts what is needed, says where it is, and on a signal drains, stops all of it and exits 0.

The process under test is real, and so is its PostgreSQL; in the place of the console stands a small ASGI app.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import httpx
import pytest

from dashboard_app.store.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.instance import PLAIN

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import asyncio, os, sys, time, types
from dashboard_app import frontend, serve
from dashboard_app.settings import load_settings

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if os.environ.get("FAULT") == "startup":
                    raise RuntimeError("no start today")
                await send({"type": "lifespan.startup.complete"})
            else:
                if os.environ.get("FAULT") == "shutdown":
                    await asyncio.Event().wait()
                print("drained", flush=True)
                await send({"type": "lifespan.shutdown.complete"})
                return
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    else:
        if scope["path"] == "/thread":
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": os.environ.get("PGPASSWORD", "none").encode(), "more_body": scope["path"] == "/stream"})
        if scope["path"] == "/stream":
            await asyncio.Event().wait()

def build():
    print("built", flush=True)
    if os.environ.get("FAULT") == "build":
        time.sleep(60)

spillway = types.SimpleNamespace(leave=lambda: print("leaving", flush=True))
sys.modules["dashboard_app.dashboard_app"] = types.SimpleNamespace(served=lambda: app, spillway=spillway)
frontend.build_if_needed = build
serve._EXIT_S, serve._STOP_S = 0.5, 4.5
sys.exit(serve.serve(load_settings(env_file=None)))
"""


ELSEWHERE = {"SPILLWAY_DATABASE_URL": "postgresql://app:x@127.0.0.1:1/none"}  # where the embedded server is beside the point


class Served:
    """The process, its port, and what it prints."""

    def __init__(self, folder: Path, **environ: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(environ.get("SPILLWAY_PORT") or probe.getsockname()[1])
        self.data_dir = folder / "data"
        self.said_in = folder / f"said-{self.port}-{len(list(folder.iterdir()))}"
        ours = {"SPILLWAY_PORT": str(self.port), "SPILLWAY_DATA_DIR": str(self.data_dir), "PYTHONPATH": str(ROOT), "PGPASSWORD": "geheim"}
        with self.said_in.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT], env={**os.environ, **ours, **environ}, stdout=out, stderr=out, cwd=ROOT
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return self.said_in.read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.said()
        with suppress(httpx.TransportError):
            return httpx.get(self.url, timeout=10, verify=PLAIN).status_code == 200
        return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.data_dir)


@pytest.fixture
def served() -> Iterator[Callable[..., Served]]:
    """Starts a serving process; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-serve-"))
    folder.chmod(0o711)
    started: list[Served] = []

    def start(**environ: str) -> Served:
        started.append(Served(folder, **environ))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(10)
    EmbeddedServer(folder / "data").stop()
    shutil.rmtree(folder)


@pytest.fixture
def up(served: Callable[..., Served]) -> Served:
    one = served()
    wait_until(one.is_up, 30)
    return one


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_stops_everything_and_exits_0(up: Served, number: signal.Signals) -> None:
    assert f"Spillway is at {up.url}" in up.said()
    assert up.server().is_running()
    assert up.stop(number) == 0
    assert "drained" in up.said()
    assert up.server().pids() == []


def test_an_open_stream_does_not_keep_it_from_stopping(served: Callable[..., Served]) -> None:
    up = served(**ELSEWHERE)
    wait_until(up.is_up, 30)
    with httpx.stream("GET", f"{up.url}/stream", timeout=10) as stream:
        assert stream.status_code == 200
        assert up.stop() == 0
    assert "drained" in up.said()


def test_a_thread_that_hangs_does_not_keep_it_from_stopping(up: Served) -> None:
    httpx.get(f"{up.url}/thread", timeout=20, verify=PLAIN)
    assert up.stop() == 0
    assert up.server().pids() == []


def test_a_drain_that_hangs_is_ended_and_the_database_stopped(served: Callable[..., Served]) -> None:
    one = served(FAULT="shutdown")
    wait_until(one.is_up, 30)
    assert one.stop() == 1
    assert "did not stop in time" in one.said()
    assert one.server().pids() == []


def test_a_signal_before_it_serves_stops_what_was_started(served: Callable[..., Served]) -> None:
    one = served(FAULT="build")
    wait_until(lambda: "built" in one.said(), 30)
    assert one.server().is_running()
    assert one.stop() == 0
    assert one.server().pids() == []


def test_an_app_that_does_not_start_exits_1_and_leaves_nothing(served: Callable[..., Served]) -> None:
    one = served(FAULT="startup")
    assert one.process.wait(30) == 1
    assert "no start today" in one.said()
    assert one.server().pids() == []


def test_a_second_app_on_one_data_dir_is_refused_with_the_pid_of_the_first(up: Served, served: Callable[..., Served]) -> None:
    second = served()
    assert second.process.wait(30) == 1
    assert f"in use by the Spillway with pid {up.process.pid}" in second.said()
    assert up.is_up()
    assert up.server().is_running()


def test_a_port_in_use_is_said_before_anything_is_started(served: Callable[..., Served]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = served(SPILLWAY_PORT=str(taken.getsockname()[1]))
        assert one.process.wait(30) == 1
    assert f"SPILLWAY_PORT={one.port}: Address already in use" in one.said()
    assert "built" not in one.said()
    assert not (one.data_dir / "embedded").exists()


def test_a_host_that_does_not_exist_is_refused_by_name(served: Callable[..., Served]) -> None:
    one = served(SPILLWAY_HOST="not a host")
    assert one.process.wait(30) == 1
    assert "SPILLWAY_HOST='not a host'" in one.said()


def test_after_sigkill_the_next_start_adopts_the_database_and_stops_it(up: Served, served: Callable[..., Served]) -> None:
    orphan = up.server().postmaster()
    up.stop(signal.SIGKILL)
    assert up.server().is_running()
    heir = served()
    wait_until(heir.is_up, 30)
    assert heir.server().postmaster() == orphan
    assert heir.stop() == 0
    assert heir.server().pids() == []


def test_with_database_url_no_database_is_started_and_this_process_lends_its_own_identity_to_nobody(served: Callable[..., Served]) -> None:
    one = served(**ELSEWHERE)
    wait_until(one.is_up, 30)
    assert not (one.data_dir / "embedded").exists()
    assert httpx.get(one.url, timeout=20, verify=PLAIN).text == "none"
    assert one.stop() == 0


async def test_a_websocket_is_pinged_and_dropped_when_it_does_not_answer(served: Callable[..., Served]) -> None:
    one = served(SPILLWAY_WS_PING_S="0.1", SPILLWAY_WS_PING_TIMEOUT_S="0.3", **ELSEWHERE)
    await asyncio.to_thread(wait_until, one.is_up, 30)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(one.url, autoping=False, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket_,
    ):
        assert (await socket_.receive(5)).type is aiohttp.WSMsgType.PING
        async with asyncio.timeout(10):
            while (message := await socket_.receive()).type is aiohttp.WSMsgType.PING:
                pass
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


async def test_a_websocket_message_over_the_limit_is_refused(served: Callable[..., Served]) -> None:
    one = served(SPILLWAY_WS_MAX_BYTES="1000", **ELSEWHERE)
    await asyncio.to_thread(wait_until, one.is_up, 30)
    async with aiohttp.ClientSession() as session, session.ws_connect(one.url) as socket_:
        await socket_.send_str("x" * 1000)
        assert (await socket_.receive(5)).data == "x" * 1000
        await socket_.send_str("x" * 1001)
        message = await socket_.receive(5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
