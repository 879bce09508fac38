"""What an admin does with accounts and tokens, and how the first admin comes to be. Every change is recorded with who made it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard_app.access.audit import Audit
from dashboard_app.access.passwords import Passwords, check_new_password
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, InvalidInput, NotFound
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role, User, is_email
from dashboard_app.policy.permission import require
from dashboard_app.store.database import Database
from dashboard_app.store.sessions import SessionStore
from dashboard_app.store.setup_links import SetupLinkStore
from dashboard_app.store.tokens import TokenRecord, TokenStore
from dashboard_app.store.users import UserRecord, UserStore

COMMAND_LINE = Principal(PrincipalKind.SYSTEM, "command line", Role.ADMIN)
"""Who acts when a person at the machine runs a command."""
SPILLWAY = Principal(PrincipalKind.SYSTEM, "spillway", Role.ADMIN)
"""Who acts when Spillway itself does."""
SETUP_LINK_LIFE = timedelta(minutes=30)
TOKEN_PREFIX = "spw_"  # noqa: S105 - what every token begins with, not a token
_SHOWN_CHARACTERS = 9
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class SetupState:
    """What a one-time link is good for: `is_open`, else used at `used_at`, else too old or unknown."""

    is_open: bool
    used_at: datetime | None = None


class Accounts:
    """Users, API tokens and the one-time link. All raise DatabaseUnavailable while the database does not answer."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords, audit: Audit) -> None:
        """No I/O."""
        self._clock = clock
        self._passwords = passwords
        self._audit = audit
        self._user_store = UserStore(database)
        self._session_store = SessionStore(database)
        self._token_store = TokenStore(database)
        self._link_store = SetupLinkStore(database)

    async def list_users(self) -> list[User]:
        """Every account, oldest first."""
        return [record.user for record in await self._user_store.all()]

    async def create_user(self, email: str, password: Secret, role: Role, *, name: str = "", by: Principal = COMMAND_LINE) -> User:
        """The new account. Raises InvalidInput, Conflict."""
        require(by, "users.write")
        email, name = checked_email(email), _checked_name(name, empty=True)
        record = await self._user_store.insert(email, name, role, await self._passwords.hash(password))
        self._user_changed(record)
        await self._audit.record(by, "user.add", record.user.email, details={"role": role.value})
        return record.user

    async def set_role(self, email: str, role: Role, *, by: Principal = COMMAND_LINE) -> User:
        """The account with its new role, felt at once. Raises NotFound, Conflict for the last admin."""
        require(by, "users.write")
        record = await self._user_store.change(email, role=role)
        self._user_changed(record)
        await self._audit.record(by, "user.set-role", record.user.email, details={"role": role.value})
        return record.user

    async def disable(self, email: str, *, disabled: bool = True, by: Principal = COMMAND_LINE) -> User:
        """The account, disabled and signed out everywhere (or enabled again). Raises NotFound, Conflict for the last admin."""
        require(by, "users.write")
        record = await self._user_store.change(email, disabled=disabled)
        if disabled:
            await self._sign_out_everywhere(record)
        self._user_changed(record)
        await self._audit.record(by, "user.disable" if disabled else "user.enable", record.user.email)
        return record.user

    async def reset_password(self, email: str, password: Secret, *, by: Principal = COMMAND_LINE) -> User:
        """The account with its new password, signed out everywhere. Raises NotFound, InvalidInput."""
        require(by, "users.write")
        record = await self._user_store.set_password(email, await self._passwords.hash(password))
        await self._sign_out_everywhere(record)
        self._user_changed(record)
        await self._audit.record(by, "user.reset-password", record.user.email)
        return record.user

    async def ensure_admin(self, email: str, password: Secret) -> bool:
        """True when the admin of ADMIN_EMAIL was made now; False when that account exists already (nothing is changed)."""
        if await self._user_store.by_email(email.strip()) is not None:
            return False
        try:
            await self.create_user(email, password, Role.ADMIN, by=SPILLWAY)
        except Conflict:
            return False  # another process was first
        return True

    async def create_token(self, name: str, role: Role, expires_in_s: float | None = None, *, by: Principal = COMMAND_LINE) -> str:
        """A new API token: shown this once. `expires_in_s` None: it does not expire. Raises InvalidInput."""
        require(by, "tokens.write")
        name = _checked_name(name)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires_at = None if expires_in_s is None else self._clock.now() + _life(expires_in_s)
        record = await self._token_store.insert(
            name, token[:_SHOWN_CHARACTERS], digest(token), role, expires_at=expires_at, created_by=by.name
        )
        self._token_changed(record)
        await self._audit.record(by, "token.create", f"{record.id} {name}", details={"role": role.value, "expires_at": str(expires_at)})
        return token

    async def list_tokens(self) -> list[TokenRecord]:
        """Every token without its secret, newest first."""
        return await self._token_store.all()

    async def revoke_token(self, id_or_name: int | str, *, by: Principal = COMMAND_LINE) -> TokenRecord:
        """The token, no longer good. A name must fit exactly one good token. Raises NotFound, Conflict."""
        require(by, "tokens.write")
        record = await self._token_store.revoke(await self._token_id(id_or_name), self._clock.now())
        self._token_changed(record)
        await self._audit.record(by, "token.revoke", f"{record.id} {record.name}")
        return record

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
        email, name = checked_email(email), _checked_name(name, empty=True)
        check_new_password(password)
        await self._link_store.find(digest(token))
        password_hash = await self._passwords.hash(password)
        record = await self._link_store.use(digest(token), self._clock.now(), email, name, password_hash)
        self._user_changed(record)
        await self._audit.record(_principal_of(record.user), "user.first-admin", record.user.email)
        return record.user

    async def _token_id(self, id_or_name: int | str) -> int:
        """The id behind an id, or behind a name that exactly one good token has."""
        if isinstance(id_or_name, int) or id_or_name.isdecimal():
            return int(id_or_name)
        now = self._clock.now()
        found = [record.id for record in await self._token_store.all() if record.name == id_or_name and record.is_good(now)]
        if len(found) > 1:
            raise Conflict(f"{len(found)} tokens have this name; revoke by id: {', '.join(map(str, found))}")
        if not found:
            raise NotFound("There is no such token.")
        return found[0]

    async def _sign_out_everywhere(self, record: UserRecord) -> None:
        """End every session of the user, in the table and in memory."""
        await self._session_store.delete_of_user(record.user.id)

    def _user_changed(self, record: UserRecord) -> None:
        """Called after each change of an account."""

    def _token_changed(self, record: TokenRecord) -> None:
        """Called after each change of a token."""


def digest(secret: str) -> str:
    """SHA-256 as hex: what is stored of a session or token. Both are 256 random bits: no salt or slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def checked_email(email: str) -> str:
    """`email` without blanks around it. Raises InvalidInput."""
    email = email.strip()
    if not is_email(email):
        sentence = "An email looks like name@example.org."
        raise InvalidInput(sentence, ({"field": "email", "message": sentence},))
    return email


def _checked_name(name: str, *, empty: bool = False) -> str:
    """`name` without blanks around it. Raises InvalidInput when it is too long, not printable, or empty without leave."""
    name = name.strip()
    if len(name) > _MAX_NAME or not name.isprintable() or not (name or empty):
        sentence = f"A name has 1 to {_MAX_NAME} printable characters."
        raise InvalidInput(sentence, ({"field": "name", "message": sentence},))
    return name


def _life(seconds: float) -> timedelta:
    """`seconds` as a duration. Raises InvalidInput when it is not positive or beyond ten years."""
    ten_years_s = 10 * 365 * 86_400
    if not 0 < seconds <= ten_years_s:
        sentence = "A token lives from 1 second to 10 years."
        raise InvalidInput(sentence, ({"field": "expires", "message": sentence},))
    return timedelta(seconds=seconds)


def _principal_of(user: User) -> Principal:
    """The user as somebody who acts."""
    return Principal(PrincipalKind.USER, user.email, user.role, user.id)
