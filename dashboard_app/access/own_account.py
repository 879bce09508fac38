"""What a signed-in person does with the own account: see and end sessions, change the password, show again who they are."""

import re

from dashboard_app.access.accounts import Accounts
from dashboard_app.access.api_tokens import COMMAND_LINE
from dashboard_app.access.audit import Audit
from dashboard_app.access.known import SESSION_IDLE
from dashboard_app.access.login_limit import LoginLimit
from dashboard_app.access.passwords import Passwords, check_new_password
from dashboard_app.access.second_factor import Begun, SecondFactor
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, User
from dashboard_app.policy.permission import require_proof
from dashboard_app.store.database import Database
from dashboard_app.store.sessions import SessionRecord
from dashboard_app.store.users import UserRecord

_MAX_AGENT = 300
_CODE = re.compile(r"[0-9]{3} ?[0-9]{3}")


class OwnAccount(Accounts):
    """Only for people: a token has no account. Raises DatabaseUnavailable while the database does not answer."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, *, audit: Audit, limit: LoginLimit, factor: SecondFactor
    ) -> None:
        """No I/O."""
        super().__init__(database, clock, passwords, audit)
        self._limit = limit
        self._factor = factor

    async def own_sessions(self, by: Principal) -> list[SessionRecord]:
        """The sessions of this person that are not over, the one last seen first. Raises Forbidden for a token."""
        now = self._clock.now()
        return await self._session_store.of_user(person_id(by), now, now - SESSION_IDLE)

    async def end_own_session(self, by: Principal, handle: str, *, request_id: str = "") -> None:
        """End one of them at once. Raises Forbidden, NotFound."""
        key = next((one.id_hash for one in await self.own_sessions(by) if one.handle == handle), None)
        if key is None:
            raise NotFound("There is no such session; it may be over already.")
        async with self._audit.act(by, "session.revoke", handle, request_id=request_id):
            await self._session_store.delete(key)
            self._session_over(key)

    async def end_other_sessions(self, by: Principal, *, request_id: str = "") -> int:
        """End all of them but the one that asks, and return how many. Raises Forbidden."""
        user_id = person_id(by)
        async with self._audit.act(by, "session.revoke", "all others", request_id=request_id) as noted:
            ended = await self._end_sessions(user_id, keep=by.session_id)
            noted["ended"] = ended
        return ended

    async def change_password(self, by: Principal, present: Secret, new: Secret, *, request_id: str = "") -> int:
        """Set the own password; every other session ends. Returns how many did.

        Raises:
            Forbidden: a token has no password.
            InvalidInput: the present password is not right, or the new one may not be set.
            RateLimited: too many wrong ones.

        """
        user_id = person_id(by)
        try:
            check_new_password(new)
        except InvalidInput as wrong:
            raise InvalidInput(wrong.detail, ({"field": "new", "message": wrong.detail},)) from wrong
        record = await self._check_password(by, present)
        async with self._audit.act(by, "user.change-password", record.user.email, request_id=request_id) as noted:
            changed = await self._user_store.set_password(record.user.email, await self._passwords.hash(new))
            noted["ended"] = ended = await self._end_sessions(user_id, keep=by.session_id)
            self._user_changed(changed)
        return ended

    async def own_second_factor(self, by: Principal) -> int | None:
        """How many recovery codes are left; None without a second factor. Raises Forbidden."""
        user_id = person_id(by)
        record = await self._user_store.by_id(user_id)
        return await self._factor.codes_left(user_id) if record.user.has_second_factor else None

    async def begin_second_factor(self, by: Principal) -> Begun:
        """A key for an authenticator app; it counts from `confirm_second_factor` on. Raises Forbidden, ProofNeeded."""
        user_id = person_id(by)
        require_proof(by, self._clock.now())
        return self._factor.begin(user_id, by.name)

    async def confirm_second_factor(self, by: Principal, pending: str, code: str, *, request_id: str = "") -> list[str]:
        """From now on a code is asked for at each sign-in; returns the recovery codes, shown this once. Raises InvalidInput."""
        user_id = person_id(by)
        require_proof(by, self._clock.now())
        async with self._audit.act(by, "user.second-factor", by.name, request_id=request_id):
            record, recovery = await self._factor.confirm(user_id, pending, code)
            self._user_changed(record)
        return recovery

    async def end_second_factor(self, by: Principal, *, request_id: str = "") -> None:
        """The own account, without a second factor. Raises Forbidden, ProofNeeded."""
        user_id = person_id(by)
        require_proof(by, self._clock.now())
        async with self._audit.act(by, "user.no-second-factor", by.name, request_id=request_id):
            self._user_changed(await self._factor.remove(user_id))

    async def reset_second_factor(self, email: str, *, by: Principal = COMMAND_LINE, request_id: str = "") -> User:
        """The account of somebody who lost app and recovery codes, without a second factor. Raises NotFound."""
        self._may(by, "users.write")
        found = await self._user_store.by_email(email)
        if found is None:
            raise NotFound("There is no account with this email.")
        async with self._audit.act(by, "user.no-second-factor", found.user.email, request_id=request_id):
            record = await self._factor.remove(found.user.id)
            self._user_changed(record)
        return record.user

    async def prove(self, by: Principal, password: Secret, *, request_id: str = "") -> None:
        """Show again who one is, for the session that asks, with the password or a code of the app.

        Works from memory while the database is away.

        Raises:
            Forbidden: a token has nobody behind it.
            InvalidInput: the password is not right.
            RateLimited: too many wrong ones.

        """
        person_id(by)
        record = await self._account(by.name)
        if record is not None and record.totp_encrypted is not None and _CODE.fullmatch(password.reveal()):
            await self._check_code(by, record, password.reveal())
        else:
            await self._check_password(by, password)
        async with self._audit.act(by, "session.prove", by.name, request_id=request_id):
            await self._proved(by.session_id)

    async def _proved(self, session_id: str) -> None:
        """Note that the person of this session has shown who they are."""
        await self._session_store.prove(session_id, self._clock.now())

    async def _account(self, email: str) -> UserRecord | None:
        """The account of `email`, or None."""
        return await self._user_store.by_email(email)

    async def _check_password(self, by: Principal, password: Secret) -> UserRecord:
        """The account behind `by`, whose password this is; its tries are counted wherever it asks from. Raises InvalidInput, RateLimited."""
        try:
            with self._limit.one_try(f"account {by.user_id}"):
                record = await self._account(by.name)
                is_right = await self._passwords.matches(record.password_hash if record else None, password)
                return _right_one(record, is_right=is_right)
        except NotSignedIn as wrong:
            raise InvalidInput(wrong.detail, ({"field": "present", "message": wrong.detail},)) from wrong

    async def _check_code(self, by: Principal, record: UserRecord, code: str) -> None:
        """Return when this is a code of the person's app. Raises InvalidInput, RateLimited."""
        try:
            with self._limit.one_try(f"account {by.user_id}"):
                _right_one(record, is_right=await self._is_right_code(record, code))
        except NotSignedIn as wrong:
            raise InvalidInput(wrong.detail, ({"field": "present", "message": wrong.detail},)) from wrong

    async def _is_right_code(self, record: UserRecord, code: str) -> bool:
        """True for a code that counts; it is used up by that."""
        return await self._factor.is_right(record, code, is_reachable=True)

    async def _end_sessions(self, user_id: int, keep: str = "") -> int:
        """End the sessions of a user, in the table and in memory; how many the table had."""
        ended = await self._session_store.delete_of_user(user_id, keep)
        for key in ended:
            self._session_over(key)
        return len(ended)

    def _session_over(self, key: str) -> None:
        """Called for each session that was ended in the table."""


def shown_agent(user_agent: str) -> str:
    """What a browser says of itself, as it is kept."""
    return "".join(letter for letter in user_agent if letter.isprintable())[:_MAX_AGENT]


def _right_one(record: UserRecord | None, *, is_right: bool) -> UserRecord:
    """The account, when its password was right. Raises NotSignedIn."""
    if record is None or not is_right or record.user.disabled:
        raise NotSignedIn("This is not right.")
    return record


def person_id(by: Principal) -> int:
    """The id of the account behind `by`. Raises Forbidden."""
    if by.kind is not PrincipalKind.USER or by.user_id is None:
        raise Forbidden("A token has no account of its own; sign in as a person.")
    return by.user_id
