"""A network of our own: only loopback. Fuzzed sources and channels name hosts, and nothing may be sent to one of them."""

import fcntl
import os
import shutil
import socket
import struct
import sys
from collections.abc import Sequence

_MARK = "SPILLWAY_FUZZ_ALONE"
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS
_UP_AND_RUNNING = 0x41


def command(line: Sequence[str]) -> list[str]:
    """How to start `line` in a network of its own."""
    unshare = shutil.which("unshare", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin") or "unshare"
    rights = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    return [unshare, *rights, "--net", *line]


def enter(module: str, arguments: Sequence[str]) -> None:
    """Start again in a network of our own, unless that is where we are; ends the process with a sentence where there is none."""
    if os.environ.get(_MARK) != str(os.getppid()):
        wanted = command([sys.executable, "-m", module, *arguments])
        os.environ[_MARK] = str(os.getppid())  # exec keeps the parent: a mark left in the environment of others does not count
        try:
            os.execv(wanted[0], wanted)  # noqa: S606 - this very module, in its own network
        except OSError:
            sys.exit("fuzz: needs `unshare` (Linux, util-linux): fuzzed hosts must lead nowhere")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
    others = {name for _, name in socket.if_nameindex()}
    if others != {"lo"}:
        sys.exit(f"fuzz: this network has more than loopback: {', '.join(sorted(others))}")
