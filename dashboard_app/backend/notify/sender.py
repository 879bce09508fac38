"""Sends a letter through apprise in a process beside this one, with a hard limit: what takes too long is ended, whatever it hangs on.

Few are under way at once, and those whose last one failed have fewer places still, so that dead receivers never hold the living ones.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import orjson

import dashboard_app
from dashboard_app.backend.notify.codes import Reason, is_final, sentence
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import NotDelivered
from dashboard_app.model.network import INSIDE
from dashboard_app.model.notification import Letter
from dashboard_app.model.secret import Secret

CHILD = "dashboard_app.backend.notify.child"
_ROOT = Path(dashboard_app.__file__).resolve().parent.parent
_START_S = 30.0
"""How long Python and apprise may take to load on a busy machine, before a letter's own limit begins."""
_PLACES, _PLACES_OF_FAILING = 4, 2
_KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
_PASSED_ON = frozenset(
    {"PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
)
"""All that the process sees of the environment, in capitals or not: none of Spillway's settings."""


class Sender:
    """One per process. Raises NotDelivered only, with a sentence that holds nothing of the address."""

    def __init__(self, networks: str = INSIDE) -> None:
        """`networks`: what may be spoken to beside public addresses. Nothing is under way."""
        self._networks = networks
        self._places = asyncio.Semaphore(_PLACES)
        self._places_of_failing = asyncio.Semaphore(_PLACES_OF_FAILING)

    async def check(self, url: Secret) -> None:
        """Return when apprise understands the address and it is one that may be used; nothing is sent."""
        async with self._places:
            await _asked({"url": url.reveal(), "is_check": True}, _START_S)

    async def send(self, url: Secret, letter: Letter, limit_s: float, *, is_failing: bool = False) -> float:
        """How many seconds it took. `is_failing`: the last letter to this receiver did not arrive."""
        question = {
            "url": url.reveal(),
            "is_check": False,
            "networks": self._networks,
            "title": letter.title,
            "body": letter.body,
            "kind": _KINDS[letter.severity],
        }
        async with self._places_of_failing if is_failing else self._places:
            return float((await _asked(question, limit_s))["took_s"])


async def _asked(question: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """The answer of a process of its own. Raises NotDelivered."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-E", "-s", "-m", CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd=_ROOT,
            start_new_session=True,
        )
    except OSError as error:
        raise NotDelivered("The process that sends could not be started.") from error
    try:
        answer = await _answered(process, question | {"limit_s": limit_s}, limit_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if answer.get("ok") is not True:
        reason, status = Reason(answer["reason"]), answer.get("status")
        raise NotDelivered(sentence(reason, status, limit_s), is_final=is_final(reason, status))
    return answer


async def _answered(process: asyncio.subprocess.Process, question: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """What the process says. Raises NotDelivered."""
    if process.stdin is None or process.stdout is None:
        raise NotDelivered("The process that sends could not be spoken to.")
    line = b""
    try:
        async with asyncio.timeout(_START_S):
            with contextlib.suppress(ConnectionError):  # it has ended: its silence says so
                process.stdin.write(orjson.dumps(question))
                await process.stdin.drain()
            process.stdin.close()
            is_ready = await process.stdout.readline() == b'"ready"\n'
        if is_ready:
            async with asyncio.timeout(limit_s):
                line = await process.stdout.readline()
    except TimeoutError:
        raise NotDelivered(sentence(Reason.TIMEOUT, None, limit_s)) from None
    answer: dict[str, Any] = orjson.loads(line) if line.endswith(b"\n") else {}
    if not answer:
        raise NotDelivered("The process that sends ended before it was done.")
    return answer


def _environment() -> dict[str, str]:
    """What the process may see. No .netrc: whom to be is said by the address alone."""
    return {name: value for name, value in os.environ.items() if name.upper() in _PASSED_ON} | {"NETRC": os.devnull}
