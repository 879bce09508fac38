"""Sees from a thread of its own that the event loop stands still, and says where; answers `/livez` while nothing else can."""

import asyncio
import contextlib
import json
import logging
import socketserver
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

_log = logging.getLogger(__name__)
STALL_S = 0.25
"""A loop that has not had a turn for so long stands still."""
DEAD_S = 30.0
"""A loop that stands for so long does not come back by itself: `/livez` is 503, so that somebody starts the process anew."""
_BEAT_S = 0.05
_MOST_FRAMES = 12
_MOST_PER_MINUTE = 10
_MINUTE_S = 60.0
_REQUEST_S = 1.0


class Watchdog:
    """Watches the loop it is started on. `stalls_total` and `longest_s` tell of it since the start."""

    def __init__(self, stall_s: float = STALL_S) -> None:
        """Nothing runs yet."""
        self.stalls_total = 0
        self.longest_s = 0.0
        self._stall_s = stall_s
        self._beaten_at = time.monotonic()
        self._is_over = threading.Event()
        self._told: deque[float] = deque(maxlen=_MOST_PER_MINUTE)
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    @property
    def stalled_s(self) -> float:
        """Seconds since the loop stands still, 0 while it runs, and before and after it is watched."""
        if self._thread is None or self._is_over.is_set():
            return 0.0
        silent_s = time.monotonic() - self._beaten_at
        return silent_s if silent_s > self._stall_s else 0.0

    def start(self) -> None:
        """Watch the running loop and its thread."""
        self._beat(asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; call it in the loop's thread."""
        self._is_over.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join(_REQUEST_S)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop has had a turn."""
        self._beaten_at = time.monotonic()
        self._timer = loop.call_later(_BEAT_S, self._beat, loop)

    def _watch(self, watched: int) -> None:
        """The thread: look at every beat. A look that comes late itself proves nothing: then the machine is busy, or was asleep."""
        stalled_at: float | None = None
        looked_at = time.monotonic()
        while not self._is_over.wait(_BEAT_S):
            now, before = time.monotonic(), looked_at
            looked_at = now
            beaten_at = self._beaten_at
            if now - beaten_at <= self._stall_s:
                if stalled_at is not None:
                    self._went_on(beaten_at - stalled_at)
                    stalled_at = None
            elif stalled_at is None and now - before < self._stall_s:
                stalled_at = beaten_at
                self.stalls_total += 1
                self._tell(now - beaten_at, watched)

    def _tell(self, silent_s: float, watched: int) -> None:
        """The stack of the loop's thread into the log, ten a minute at most."""
        now = time.monotonic()
        if len(self._told) == _MOST_PER_MINUTE and now - self._told[0] < _MINUTE_S:
            return
        self._told.append(now)
        frame = sys._current_frames().get(watched)  # noqa: SLF001 - the only way to another thread's stack
        where = "".join(traceback.format_stack(frame)[-_MOST_FRAMES:]) if frame is not None else "  its thread has ended\n"
        _log.warning("the event loop has stood still for %.2f s, in\n%s", silent_s, where.rstrip())

    def _went_on(self, stood_s: float) -> None:
        """It runs again."""
        self.longest_s = max(self.longest_s, stood_s)
        _log.info("the event loop runs again after %.2f s", stood_s)


class _Answers(BaseHTTPRequestHandler):
    """`GET /livez`, nothing else. One connection at a time, each for a second at most."""

    timeout = _REQUEST_S
    stalled_s: Callable[[], float]

    def do_GET(self) -> None:
        """Say whether the process lives."""
        if self.path != "/livez":
            self._answer(404, {"status": "not found"})
            return
        stalled_s = self.stalled_s()
        word = "ok" if not stalled_s else "stalled" if stalled_s < DEAD_S else "dead"
        self._answer(200 if stalled_s < DEAD_S else 503, {"status": word, "stalled_s": round(stalled_s, 3)})

    def log_message(self, *_: object) -> None:
        """Nothing: a probe is no news."""

    def _answer(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(text)


class _Door(HTTPServer):
    """One thread; a probe that breaks is nobody's error."""

    def server_bind(self) -> None:
        """Bind, without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def live_door(host: str, port: int, stalled_s: Callable[[], float]) -> Iterator[int]:
    """`/livez` on a port and in a thread of its own for the length of the block; the port.

    Raises:
        OSError: the port cannot be had.

    """
    with _Door((host, port), type("Answers", (_Answers,), {"stalled_s": staticmethod(stalled_s)})) as door:
        thread = threading.Thread(target=door.serve_forever, args=(0.1,), name="livez", daemon=True)
        thread.start()
        try:
            yield int(door.server_address[1])
        finally:
            door.shutdown()
            thread.join(_REQUEST_S)
