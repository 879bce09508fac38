"""`make run`: one process, one port, from a cold machine to /readyz, and back to nothing when told to stop."""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Never

import uvicorn
from pydantic import SecretStr

from dashboard_app import frontend
from dashboard_app.model.errors import StartRefused
from dashboard_app.model.secret import Secret
from dashboard_app.runtime import logs
from dashboard_app.runtime.watchdog import Watchdog, live_door
from dashboard_app.settings import LoadedSettings, Settings
from dashboard_app.store import embedded
from dashboard_app.store.data_dir import owned

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DRAIN_S = 3
_STOP_S = 20.0
_EXIT_S = 5.0
_BACKLOG = 2048
_SILENT_MS = 45_000


def serve(loaded: LoadedSettings) -> int:
    """Serve until SIGINT or SIGTERM; the exit code: 0 after an orderly stop, 1 when Spillway did not start (the reason is on stderr)."""
    gc.disable()  # until it serves: what a start makes stays for good
    settings = loaded.values
    logs.configure(settings.log_format, settings.log_level)
    logs.hear_uncaught()
    for value in settings.model_dump().values():
        if isinstance(value, SecretStr):
            logs.protect(Secret(value.get_secret_value()))
    for number in _SIGNALS:
        signal.signal(number, _leave)  # a signal before the server runs still stops what was started
    database = embedded.of_settings(settings)
    try:
        os.chdir(frontend.ROOT)
        watchdog = Watchdog()
        with owned(settings.data_dir), _listening(settings) as listener, _living(settings, watchdog):
            try:
                if settings.database_url is None:
                    logs.protect(database.start().password)
                frontend.build_if_needed()
                _prepare_environment(settings)
                console = importlib.import_module("dashboard_app.dashboard_app")
                server = _server(console.served(), settings, console.spillway.leave, database.stop_if_last_user, watchdog)
                return _run(server, listener)
            finally:
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                database.stop_if_last_user()
    except StartRefused as refused:
        sys.stderr.write(f"Spillway does not start:\n{refused.detail}\n")
        return 1
    finally:
        _end_later(_EXIT_S, 0)  # even when a thread hangs in a call that has no time limit, such as a name look-up


def _leave(_number: int, _frame: types.FrameType | None) -> Never:
    sys.exit(0)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The one port, taken at once, so that a port in use is said before anything is started."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefused(f"SPILLWAY_HOST={settings.host!r}: {error.strerror}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a peer that takes nothing for so long is gone, however full the buffer to it is
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
        try:
            listener.bind(address)
        except OSError as error:
            raise StartRefused(f"SPILLWAY_HOST={settings.host!r}, SPILLWAY_PORT={settings.port}: {error.strerror}") from error
        yield listener


@contextlib.contextmanager
def _living(settings: Settings, watchdog: Watchdog) -> Iterator[None]:
    """LIVE_PORT, when there is one: it answers from the start on, whatever the event loop does."""
    if not settings.live_port:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(live_door(settings.host, settings.live_port, lambda: watchdog.stalled_s))
        except OSError as error:
            raise StartRefused(f"SPILLWAY_HOST={settings.host!r}, SPILLWAY_LIVE_PORT={settings.live_port}: {error.strerror}") from error
        yield


def _prepare_environment(settings: Settings) -> None:
    """What Reflex reads while it is imported; and nothing that would lend this process's own database identity to a source."""
    for name in [name for name in os.environ if name.startswith("PG") or name == "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"]:
        del os.environ[name]
    os.environ.update(
        {
            "REFLEX_ENV_MODE": "prod",
            "__REFLEX_SKIP_COMPILE": "true",
            "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
            "REFLEX_TELEMETRY_ENABLED": "false",
            "REFLEX_CHECK_LATEST_VERSION": "false",
            "REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE": str(settings.ws_max_bytes),
            "REFLEX_SOCKET_INTERVAL": str(settings.ws_ping_s),
            "REFLEX_SOCKET_TIMEOUT": str(settings.ws_ping_timeout_s),
        }
    )


class _Server(uvicorn.Server):
    """uvicorn, with its own words at the start, and an exit code of 0 after an orderly stop: a signal that was obeyed is not raised again."""

    def __init__(
        self, config: uvicorn.Config, announcement: str, leave: Callable[[], object], last_act: Callable[[], object], watchdog: Watchdog
    ) -> None:
        super().__init__(config)
        self._watchdog = watchdog
        self._announcement = announcement
        self._leave = leave
        self._last_act = last_act

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, and say where."""
        await super().startup(sockets)
        gc.freeze()  # and is never looked through again: no pause of all for it later
        gc.enable()
        if self.started:
            self._watchdog.start()
            _LOG.info(self._announcement)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to answer; answers that would go on for minutes end first."""
        self._watchdog.stop()
        self._leave()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have the signals set `should_exit` for the length of the block."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        """Begin to stop; what has not stopped in time is ended."""
        if not self.should_exit:
            _end_later(_STOP_S, 1, self._last_act)
        super().handle_exit(sig, frame)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told. LIMIT_CONCURRENCY is not among it: the gate refuses with a problem document instead."""
    return {
        "loop": "uvloop",
        "ws": "wsproto",
        "ws_max_size": settings.ws_max_bytes,
        "ws_ping_interval": settings.ws_ping_s,
        "ws_ping_timeout": settings.ws_ping_timeout_s,
        "timeout_keep_alive": settings.keep_alive_s,  # used as seconds of a timer only
        "timeout_graceful_shutdown": _DRAIN_S,
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # the gate knows how many proxies to believe
        "backlog": _BACKLOG,
    }


def _server(app: Any, settings: Settings, leave: Callable[[], object], last_act: Callable[[], object], watchdog: Watchdog) -> _Server:
    """Uvicorn with the limits of `settings`."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(app, **uvicorn_options(settings))
    return _Server(config, f"Spillway is at http://{host}:{settings.port}", leave, last_act, watchdog)


def _run(server: _Server, listener: socket.socket) -> int:
    """Serve on `listener` until a signal; returns the exit code."""
    loop = (server.config.get_loop_factory() or asyncio.new_event_loop)()
    asyncio.set_event_loop(loop)
    try:
        with contextlib.suppress(SystemExit):  # how uvicorn says that the lifespan failed; it has logged why
            loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()  # waits for no thread
    return 0 if server.started else 1


def _end_later(delay_s: float, code: int, last_act: Callable[[], object] | None = None) -> None:
    """End the process with `code` after `delay_s`, if it still lives then."""

    def end() -> None:
        if last_act is not None:
            sys.stderr.write("Spillway did not stop in time and is ended\n")
            last_act()
        os._exit(code)

    timer = threading.Timer(delay_s, end)
    timer.daemon = True
    timer.start()
