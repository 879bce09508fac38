"""Passwords: the rule for a new one, and argon2 hashes made in two threads of their own, never on the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dashboard_app.model.errors import InvalidInput, RateLimited
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import PASSWORD_LENGTHS

MIN_LENGTH, MAX_LENGTH = PASSWORD_LENGTHS
_THREADS = 2
_MAX_WAITING = 16
"""Hashes under way or waiting; one more is refused. Each takes about 64 MiB and 50 ms."""

T = TypeVar("T")


def check_new_password(password: Secret) -> None:
    """Return when `password` may be set. Raises InvalidInput with what is asked for.

    Length is the only rule; a list of common passwords is not looked at yet.
    """
    if not MIN_LENGTH <= len(password.reveal()) <= MAX_LENGTH:
        sentence = f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters."
        raise InvalidInput(sentence, ({"field": "password", "message": sentence},))


class Passwords:
    """Makes and checks argon2id hashes (parameters: RFC 9106, second choice, as the library sets them)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """No hash is made yet; threads start with the first one."""
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: Secret) -> Secret:
        """The hash to store. Raises InvalidInput for a password that may not be set."""
        check_new_password(password)
        return Secret(await self._in_thread(lambda: self._hasher.hash(password.reveal())))

    async def matches(self, password_hash: Secret | None, password: Secret) -> bool:
        """True when `password` is the one behind `password_hash`; None stands for nobody and takes the same time."""
        if len(password.reveal()) > MAX_LENGTH:
            return False
        found = await self._in_thread(lambda: self._verify(password_hash or self._nobody, password))
        return found and password_hash is not None

    def close(self) -> None:
        """Let the threads go; what runs ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _nobody(self) -> Secret:
        """A hash that stands in for a user who does not exist."""
        return Secret(self._hasher.hash("nobody has this password"))

    def _verify(self, password_hash: Secret, password: Secret) -> bool:
        """Blocking: about 50 ms."""
        try:
            return self._hasher.verify(password_hash.reveal(), password.reveal())
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in one of the threads. Raises RateLimited when too many wait."""
        if self._waiting >= _MAX_WAITING:
            raise RateLimited("Too many people sign in at this moment. Try again.", retry_after_s=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
