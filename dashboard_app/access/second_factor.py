"""The second factor of an account: begun, confirmed by a code, asked for at each sign-in, and taken away again."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard_app.access import codes
from dashboard_app.access.api_tokens import digest
from dashboard_app.access.vault import Vault
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable, Failed, InvalidInput
from dashboard_app.model.secret import Secret
from dashboard_app.store.database import Database
from dashboard_app.store.second_factors import SecondFactorStore
from dashboard_app.store.users import UserRecord

PENDING_LIFE = timedelta(minutes=10)
TICKET_LIFE = timedelta(minutes=5)
_TICKET = "second factor "
_LIMIT_S = 1.0
_MAX_TICKET = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """A key that waits to be confirmed. `pending` is the same, encrypted: it comes back with the first code."""

    key: Secret
    address: str
    pending: str


class SecondFactor:
    """Keys are stored encrypted; a code counts once; recovery codes are stored as hashes."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        """No I/O."""
        self._store = SecondFactorStore(database)
        self._vault = vault
        self._clock = clock
        self._used_steps: dict[int, int] = {}

    def begin(self, user_id: int, email: str) -> Begun:
        """A fresh key; nothing is stored before `confirm`."""
        key = codes.new_key()
        ends = (self._clock.now() + PENDING_LIFE).timestamp()
        told = json.dumps([user_id, key.reveal(), ends])
        return Begun(key, codes.address(key, email), self._vault.encrypt(Secret(told)).decode())

    async def confirm(self, user_id: int, pending: str, code: str) -> tuple[UserRecord, list[str]]:
        """The account with its second factor, and its recovery codes, shown this once. Raises InvalidInput."""
        key = self._pending_key(user_id, pending)
        step = codes.step_of(key, code, self._clock.now())
        if step is None:
            raise _wrong("This is not the code that the app shows now.")
        recovery = codes.new_recovery_codes()
        hashes = [digest(codes.normal(one)) for one in recovery]
        record = await self._store.set(user_id, self._vault.encrypt(key), step, hashes)
        self._used_steps[user_id] = step
        return record, recovery

    async def remove(self, user_id: int) -> UserRecord:
        """The account without a second factor. Raises NotFound."""
        return await self._store.set(user_id, None, 0, ())

    async def codes_left(self, user_id: int) -> int:
        """How many recovery codes are unused."""
        return await self._store.codes_left(user_id)

    async def is_right(self, record: UserRecord, code: str, *, is_reachable: bool) -> bool:
        """True when `code` is one of the app's or an unused recovery code; it is used up by that.

        While the database is away a code of the app counts, once for this process; a recovery code does not.
        """
        if record.totp_encrypted is None:
            return False
        try:
            step = codes.step_of(self._vault.decrypt(record.totp_encrypted), code, self._clock.now())
        except Failed:
            step = None  # SECRET_KEY is another one now: the recovery codes still count
        if step is not None:
            return await self._is_first_use(record.user.id, step, is_reachable=is_reachable)
        return is_reachable and await self._store.use_code(record.user.id, digest(codes.normal(code)), self._clock.now(), _LIMIT_S)

    def ticket(self, record: UserRecord) -> str:
        """What a right password is worth until the code comes: signed, good for 5 minutes and for this password only."""
        ends = int((self._clock.now() + TICKET_LIFE).timestamp())
        told = base64.urlsafe_b64encode(json.dumps([record.user.email, ends, _mark(record)]).encode()).decode()
        return f"{told}.{self._vault.sign(_TICKET + told)}"

    def email_of(self, ticket: str) -> tuple[str, str] | None:
        """Whose ticket this is, and the mark of the password it was given for; None when it is not ours or too old."""
        told, _, signature = ticket[:_MAX_TICKET].partition(".")
        if not told.isascii() or not self._vault.is_signed(_TICKET + told, signature):
            return None
        email, ends, mark = json.loads(base64.urlsafe_b64decode(told))
        return (email, mark) if self._clock.now().timestamp() < ends else None

    def fits(self, record: UserRecord, mark: str) -> bool:
        """True while the password is still the one that the ticket was given for."""
        return _mark(record) == mark

    async def _is_first_use(self, user_id: int, step: int, *, is_reachable: bool) -> bool:
        """True when no code of this step was used before."""
        if self._used_steps.get(user_id, 0) >= step:
            return False
        if is_reachable:
            try:
                if not await self._store.use_step(user_id, step, _LIMIT_S):
                    return False
            except DatabaseUnavailable:
                pass  # the memory of this process is what is left
        if self._used_steps.get(user_id, 0) >= step:
            return False  # another try was quicker
        self._used_steps[user_id] = step
        return True

    def _pending_key(self, user_id: int, pending: str) -> Secret:
        """The key behind `pending`. Raises InvalidInput when it is not this person's, or too old."""
        try:
            owner, key, ends = json.loads(self._vault.decrypt(pending.encode()).reveal())
        except (Failed, ValueError) as error:
            raise _wrong("Begin again: this key is not known.") from error
        if owner != user_id or datetime.fromtimestamp(ends, tz=self._clock.now().tzinfo) < self._clock.now():
            raise _wrong("Begin again: this key was made too long ago.")
        return Secret(key)


def _mark(record: UserRecord) -> str:
    """Changes with the password."""
    return digest(record.password_hash.reveal())[:16]


def _wrong(sentence: str) -> InvalidInput:
    """What is said of a code."""
    return InvalidInput(sentence, ({"field": "code", "message": sentence},))
