"""Hands one message to apprise, in a process of its own: `python -m dashboard_app.backend.notify.child`, JSON in, JSON out.

apprise blocks, loads two hundred plug-ins, logs what it sends and leaves some services to read local files. Here it can be stopped for
good when it takes too long, has none of Spillway's secrets round it, and stands behind a fence: no local file outside of Python's own, no
program, no local socket, no address where nothing may be sent. Only the fence and the words for a failure are this module's own.
"""

import json
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apprise

from dashboard_app.backend.notify.codes import Reason
from dashboard_app.model.network import Network, networks_of
from dashboard_app.policy.outbound import judged, literal

_LONGEST_LIFE_S = 600
_LINES_KEPT = 200
_READABLE = tuple(
    os.path.realpath(path) + os.sep
    for path in {sys.prefix, sys.base_prefix, *(path for path in sys.path if path), "/etc/ssl", "/etc/pki", "/usr/share", "/usr/lib"}
)
_FILES = frozenset({os.devnull, "/etc/mime.types", "/etc/apache2/mime.types"})
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"})
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_STATUS = re.compile(r"error=(\d{3})\b")
_WORDS = (
    (Reason.TIMEOUT, ("timed out", "timeout")),
    (Reason.NO_NAME, ("name or service not known", "nameresolution", "name resolution", "getaddrinfo", "no address associated")),
    (Reason.NO_LISTENER, ("connection refused", "no route to host", "network is unreachable")),
    (Reason.TLS, ("certificate", "ssl", "tls")),
    (Reason.CUT, ("connection aborted", "remote end closed", "connection reset", "broken pipe", "incompleteread")),
)


class Fence:
    """Refuses what a message has no need of, from `close` on. `hit`: what it has refused."""

    def __init__(self, allowed: tuple[Network | str, ...]) -> None:
        """Open. `allowed`: the networks beside public addresses that may be spoken to."""
        self._allowed = allowed
        self.hit: Reason | None = None

    def close(self) -> None:
        """For the rest of this process's life."""
        sys.addaudithook(self._judge)

    def _judge(self, event: str, args: tuple[Any, ...]) -> None:
        """Raise when this may not be."""
        if event in _CONNECTS and self._is_refused(args[1] if len(args) > 1 else None):
            self._refuse(Reason.REFUSED_ADDRESS)
        elif event in _PROGRAMS or (event == "open" and not self._is_own(args[0], args[1])):
            self._refuse(Reason.LOCAL)

    def _refuse(self, reason: Reason) -> None:
        """Remember and raise; requests and smtplib take it for a failed connection."""
        self.hit = reason
        raise PermissionError(reason.value)

    def _is_refused(self, address: object) -> bool:
        """True for an address that may not be spoken to, for local sockets, and for a name: whoever connects to one is told nothing of where it leads."""
        found = literal(str(address[0])) if isinstance(address, tuple) else None
        return found is None or bool(judged(found, self._allowed).reason)

    @staticmethod
    def _is_own(path: object, mode: object) -> bool:
        """True for reading a file that Python and its libraries come with, and for what is open already."""
        if isinstance(path, int):
            return True
        name = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes) else ""
        is_read = mode is None or (isinstance(mode, str) and not set("wax+") & set(mode))
        return name in _FILES or (is_read and name.startswith(_READABLE))


def built(url: str, limit_s: float) -> Any:
    """The plug-in of apprise for `url`, without redirects, files and long waits; None when apprise does not understand it."""
    asset = apprise.AppriseAsset(async_mode=False, service_timeout=0, http_redirects=False, storage_mode="memory", allow_templates=False)
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if not isinstance(plugin, apprise.NotifyBase):
        return None
    plugin.redirects = False
    plugin.socket_connect_timeout = plugin.socket_read_timeout = limit_s
    return plugin


def is_remote(kind: type) -> bool:
    """True when the service is spoken to over HTTP or is mail: not the desktop, the log, the radio or the bus of this machine."""
    homes = [one.__module__ for one in kind.__mro__ if one.__module__.startswith("apprise.plugins.")]
    return any(home.startswith("apprise.plugins.email.") or hasattr(sys.modules[home], "requests") for home in homes)


class Ear(logging.Handler):
    """Keeps what apprise says while it sends; nothing of it leaves this process but a status or a kind of failure."""

    def __init__(self) -> None:
        """Nothing was said."""
        super().__init__(logging.DEBUG)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if len(self.said) < _LINES_KEPT:
            self.said.append(record.getMessage())


def send(plugin: Any, title: str, body: str, kind: str) -> bool:
    """True when it was sent."""
    sender = apprise.Apprise(asset=plugin.asset)
    sender.add(plugin)
    return bool(sender.notify(body, title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT, timeout=0))


def reason_of(said: list[str]) -> tuple[Reason, int | None]:
    """Why it failed, as far as apprise's words tell: the last status that was answered, or the kind of failure."""
    text = "\n".join(said).lower()
    if statuses := _STATUS.findall(text):
        return Reason.ANSWERED, int(statuses[-1])
    return next((reason for reason, words in _WORDS if any(word in text for word in words)), Reason.UNKNOWN), None


def main() -> None:
    """Read what is asked, say `ready`, do it, answer."""
    answers, sys.stdout = sys.stdout, Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end of the process
    signal.alarm(_LONGEST_LIFE_S)  # should the parent be gone
    asked = json.load(sys.stdin)
    plugin = built(asked["url"], asked["limit_s"])
    answers.write('"ready"\n')
    answers.flush()
    answers.write(json.dumps(_answer(plugin, asked)) + "\n")
    answers.flush()


def _answer(plugin: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What the parent gets."""
    if plugin is None or not is_remote(type(plugin)):
        reason = Reason.NOT_UNDERSTOOD if plugin is None else Reason.LOCAL
        return {"ok": False, "reason": reason.value, "status": None, "took_s": 0.0}
    if asked["is_check"]:
        return {"ok": True, "service": urlsplit(asked["url"]).scheme, "name": str(plugin.service_name), "took_s": 0.0}
    fence, ear, began = Fence(networks_of(asked["networks"])), Ear(), time.monotonic()
    log = logging.getLogger("apprise")
    log.addHandler(ear)
    log.setLevel(logging.DEBUG)
    fence.close()
    try:
        is_sent = send(plugin, asked["title"], asked["body"], asked["kind"])
    except Exception:  # noqa: BLE001 - two hundred plug-ins of others: whatever one of them raises is a message not sent
        is_sent = False
    took_s = time.monotonic() - began
    if is_sent:
        return {"ok": True, "took_s": took_s}
    reason, status = (fence.hit, None) if fence.hit is not None else reason_of(ear.said)
    return {"ok": False, "reason": reason.value, "status": status, "took_s": took_s}


if __name__ == "__main__":
    main()
