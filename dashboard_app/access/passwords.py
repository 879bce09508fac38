"""Passwords: the rule for a new one, and argon2 hashes made in two threads of their own, never on the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
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

    Two rules: its length, and that it is none of the 30,000 that people choose most. What it is made of is not prescribed.
    """
    sentence = ""
    if not MIN_LENGTH <= len(password.reveal()) <= MAX_LENGTH:
        sentence = f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters."
    elif is_common(password):
        sentence = "This password is one of the most common ones. Choose another."
    if sentence:
        raise InvalidInput(sentence, ({"field": "password", "message": sentence},))


def is_common(password: Secret) -> bool:
    """True for one of the passwords that are tried first, in any case of its letters."""
    return password.reveal().lower() in _common()


@cache
def _common() -> frozenset[str]:
    """The list that zxcvbn brings along: read once, when the first password is set."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - a megabyte that most processes never need

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_LENGTH)


class Passwords:
    """Makes and checks argon2id hashes (parameters: RFC 9106, second choice, as the library sets them)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """No hash is made yet; threads start with the first one."""
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: Secret, *, may_be_common: bool = False) -> Secret:
        """The hash to store. Raises InvalidInput for a password that may not be set."""
        if not (may_be_common and is_common(password)):
            check_new_password(password)
        return Secret(await self._in_thread(lambda: self._hasher.hash(password.reveal())))

    async def matches(self, password_hash: Secret | None, password: Secret) -> bool:
        """True when `password` is the one behind `password_hash`; None, or an empty one, is nobody's and takes the same time."""
        if len(password.reveal()) > MAX_LENGTH:
            return False
        found = await self._in_thread(lambda: self._verify(password_hash or self._nobody, password))
        return found and bool(password_hash)

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
