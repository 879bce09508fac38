"""What an admin does with accounts, and how the first admin comes to be. Every change is recorded with who made it."""

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard_app.access.api_tokens import COMMAND_LINE, ApiTokens, checked_name, digest
from dashboard_app.access.audit import Audit
from dashboard_app.access.known import SESSION_IDLE
from dashboard_app.access.passwords import Passwords, check_new_password, is_common
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, InvalidInput, Refused
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role, User, is_email
from dashboard_app.policy.permission import require
from dashboard_app.store.account_links import AccountLinkStore
from dashboard_app.store.database import Database
from dashboard_app.store.sessions import SessionStore
from dashboard_app.store.setup_links import SetupLinkStore
from dashboard_app.store.users import UserRecord, UserStore

_LOG = logging.getLogger(__name__)
SPILLWAY = Principal(PrincipalKind.SYSTEM, "spillway", Role.ADMIN)
"""Who acts when Spillway itself does."""
SETUP_LINK_LIFE = timedelta(minutes=30)
ACCOUNT_LINK_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SetupState:
    """What a one-time link is good for: `is_open`, else used at `used_at`, else too old or unknown."""

    is_open: bool
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link: its path on this site, shown once, and how long it is good."""

    path: str
    expires_at: datetime


class Accounts(ApiTokens):
    """Users and the one-time link. All raise DatabaseUnavailable while the database does not answer."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords, audit: Audit) -> None:
        """No I/O."""
        super().__init__(database, clock, audit)
        self._passwords = passwords
        self._user_store = UserStore(database)
        self._session_store = SessionStore(database)
        self._link_store = SetupLinkStore(database)
        self._account_link_store = AccountLinkStore(database)

    async def list_users(self) -> list[User]:
        """Every account, oldest first."""
        return [record.user for record in await self._user_store.all()]

    async def user(self, user_id: int) -> User:
        """One account. Raises NotFound."""
        return (await self._user_store.by_id(user_id)).user

    async def create_user(
        self, email: str, password: Secret, role: Role, *, name: str = "", by: Principal = COMMAND_LINE, may_be_common: bool = False
    ) -> User:
        """The new account. Raises InvalidInput, Conflict."""
        require(by, "users.write")
        email, name = checked_email(email), checked_name(name, empty=True)
        password_hash = await self._passwords.hash(password, may_be_common=may_be_common)
        async with self._audit.act(by, "user.add", email, details={"role": role.value}):
            record = await self._user_store.insert(email, name, role, password_hash)
            self._user_changed(record)
        return record.user

    async def invite(self, email: str, role: Role, *, name: str = "", by: Principal, request_id: str = "") -> tuple[User, Link]:
        """A new account without a password, and the link by which its person sets one. Raises InvalidInput, Conflict."""
        self._may(by, "users.write")
        email, name = checked_email(email), checked_name(name, empty=True)
        async with self._audit.act(by, "user.add", email, request_id=request_id, details={"role": role.value, "by": "link"}):
            record = await self._user_store.insert(email, name, role, Secret(""))
            self._user_changed(record)
            return record.user, await self._new_link(record.user, by)

    async def password_link(self, user_id: int, *, by: Principal, request_id: str = "") -> tuple[User, Link]:
        """A link by which a person sets a new password; older ones lose their power, sessions stay. Raises NotFound, Conflict: disabled."""
        self._may(by, "users.write")
        user = await self.user(user_id)
        if user.disabled:
            raise Conflict("This account is disabled; let it in first.")
        async with self._audit.act(by, "user.password-link", user.email, request_id=request_id):
            return user, await self._new_link(user, by)

    async def link_state(self, token: str) -> tuple[SetupState, str]:
        """What a link for a password is good for, and whose it is."""
        found = await self._account_link_store.find(digest(token))
        if found is None:
            return SetupState(is_open=False), ""
        link, email = found
        return SetupState(link.used_at is None and link.expires_at > self._clock.now(), link.used_at), email

    async def use_link(self, token: str, password: Secret, *, request_id: str = "") -> User:
        """Set the password by a link; the account is signed out everywhere. Raises Refused, InvalidInput."""
        check_new_password(password)
        state, email = await self.link_state(token)
        if not state.is_open:
            raise Refused("This link is used or too old.")
        password_hash = await self._passwords.hash(password)
        person = Principal(PrincipalKind.USER, email, Role.VIEWER)
        async with self._audit.act(person, "user.set-password", email, request_id=request_id):
            record = await self._account_link_store.use(digest(token), self._clock.now(), password_hash)
            await self._sign_out_everywhere(record)
            self._user_changed(record)
        return record.user

    async def set_role(self, email: str, role: Role, *, by: Principal = COMMAND_LINE, request_id: str = "") -> User:
        """The account with its new role, felt at once. Raises NotFound, Conflict for the last admin."""
        self._may(by, "users.write")
        async with self._audit.act(by, "user.set-role", email, request_id=request_id, details={"role": role.value}) as noted:
            before = await self._user_store.by_email(email)
            record = await self._user_store.change(email, role=role)
            self._user_changed(record)
            noted["before"] = {"role": before.user.role.value if before else None}
            noted["after"] = {"role": record.user.role.value}
        return record.user

    async def disable(self, email: str, *, disabled: bool = True, by: Principal = COMMAND_LINE, request_id: str = "") -> User:
        """The account, disabled and signed out everywhere (or enabled again). Raises NotFound, Conflict for the last admin."""
        self._may(by, "users.write")
        async with self._audit.act(by, "user.disable" if disabled else "user.enable", email, request_id=request_id):
            record = await self._user_store.change(email, disabled=disabled)
            if disabled:
                await self._sign_out_everywhere(record)
            self._user_changed(record)
        return record.user

    async def sign_out_user(self, user_id: int, *, by: Principal, request_id: str = "") -> User:
        """The account, signed out everywhere. Raises NotFound."""
        self._may(by, "users.write")
        record = await self._user_store.by_id(user_id)
        async with self._audit.act(by, "user.sign-out", record.user.email, request_id=request_id):
            await self._sign_out_everywhere(record)
        return record.user

    async def open_sessions(self) -> dict[int, int]:
        """How many sessions each user has; users without one are left out."""
        now = self._clock.now()
        return await self._session_store.count_of_users(now, now - SESSION_IDLE)

    async def reset_password(self, email: str, password: Secret, *, by: Principal = COMMAND_LINE) -> User:
        """The account with its new password, signed out everywhere. Raises NotFound, InvalidInput."""
        require(by, "users.write")
        password_hash = await self._passwords.hash(password)
        async with self._audit.act(by, "user.reset-password", email):
            record = await self._user_store.set_password(email, password_hash)
            await self._sign_out_everywhere(record)
            self._user_changed(record)
        return record.user

    async def ensure_admin(self, email: str, password: Secret) -> bool:
        """True when the admin of ADMIN_EMAIL was made now; False when that account exists already (nothing is changed)."""
        if await self._user_store.by_email(email.strip()) is not None:
            return False
        try:
            await self.create_user(email, password, Role.ADMIN, by=SPILLWAY, may_be_common=True)
        except Conflict:
            return False  # another process was first
        if is_common(password):
            _LOG.warning("SPILLWAY_ADMIN_PASSWORD is one of the most common passwords; change it on /account")
        return True

    async def first_run_link(self, base_url: str) -> str | None:
        """The one-time link that makes the first admin, good for 30 minutes; None when there is a user.

        Each call makes a new one and takes the older ones' power.
        """
        token = secrets.token_urlsafe(32)
        made = await self._link_store.renew(digest(token), self._clock.now() + SETUP_LINK_LIFE)
        return f"{base_url.rstrip('/')}/setup?token={token}" if made else None

    async def setup_state(self, token: str) -> SetupState:
        """What the link with `token` is good for."""
        link = await self._link_store.find(digest(token))
        if link is None:
            return SetupState(is_open=False)
        return SetupState(link.used_at is None and link.expires_at > self._clock.now(), link.used_at)

    async def set_up(self, token: str, email: str, password: Secret, *, name: str = "") -> User:
        """The first admin, made with the one-time link. Raises Refused, Conflict, InvalidInput."""
        email, name = checked_email(email), checked_name(name, empty=True)
        check_new_password(password)
        await self._link_store.find(digest(token))
        password_hash = await self._passwords.hash(password)
        record = await self._link_store.use(digest(token), self._clock.now(), email, name, password_hash)
        self._user_changed(record)
        await self._audit.record(_principal_of(record.user), "user.first-admin", record.user.email)
        return record.user

    async def _new_link(self, user: User, by: Principal) -> Link:
        """A fresh link of this user."""
        token, expires_at = secrets.token_urlsafe(32), self._clock.now() + ACCOUNT_LINK_LIFE
        await self._account_link_store.renew(digest(token), user.id, expires_at, by.name)
        return Link(f"/password?token={token}", expires_at)

    async def _sign_out_everywhere(self, record: UserRecord) -> None:
        """End every session of the user, in the table and in memory."""
        await self._session_store.delete_of_user(record.user.id)

    def _user_changed(self, record: UserRecord) -> None:
        """Called after each change of an account."""


def checked_email(email: str) -> str:
    """`email` without blanks around it. Raises InvalidInput."""
    email = email.strip()
    if not is_email(email):
        sentence = "An email looks like name@example.org."
        raise InvalidInput(sentence, ({"field": "email", "message": sentence},))
    return email


def _principal_of(user: User) -> Principal:
    """The user as somebody who acts."""
    return Principal(PrincipalKind.USER, user.email, user.role, user.id)
