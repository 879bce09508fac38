"""Spillway's processes for tests, forked from a server that has imported what they share: a start costs half, a command a tenth.

What a process is, does and leaves is the same; how it comes to be is not, so tests of start and stop run `python -m dashboard_app` itself.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent
NOTHING = Path(os.devnull)
_BEHIND = os.O_WRONLY | os.O_APPEND
FORKING = multiprocessing.get_context("forkserver")
"""The one server that forks, of each worker."""
FORKING.set_forkserver_preload(["tests.preload", "tests.faults.jobs.worker"])


class Preloaded:
    """`python -m dashboard_app *args` with exactly `environment`, as `subprocess.Popen` would show it."""

    serves: ClassVar[bool] = False
    """True: `serve` is started so, too. Measurements start it as people do."""

    def __init__(self, args: Sequence[str], environment: Mapping[str, str], *, out: Path, err: Path, into: Path = NOTHING) -> None:
        """Start it in the project's folder. It reads `into`, and writes behind what is in `out` and `err`."""
        self._process = FORKING.Process(target=_become, args=(tuple(args), dict(environment), into, out, err))
        with _no_main():
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """The exit code; minus a signal's number; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """`returncode`, looked at now."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; `subprocess.TimeoutExpired` when it still runs after `timeout` seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("dashboard_app", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended: the server that forked it may know that first."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Without a main module for the length of the block: the forked process would import this one's, pytest."""
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _become(args: tuple[str, ...], environment: dict[str, str], into: Path, out: Path, err: Path) -> None:
    """In the forked process: take over the environment, folder and files, then be the command."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    for descriptor, (path, flags) in enumerate(((into, os.O_RDONLY), (out, _BEHIND), (err, _BEHIND))):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from dashboard_app.cli import app

    gc.freeze()
    try:
        app(prog_name="spillway", args=list(args))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()
