"""API tokens of programs: made, narrowed, listed, revoked. Every change is recorded with who made it."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from dashboard_app.access.audit import Audit
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, InsufficientScope, InvalidInput, NotFound
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.policy.scopes import checked_scopes
from dashboard_app.store.database import Database
from dashboard_app.store.tokens import TokenRecord, TokenStore

COMMAND_LINE = Principal(PrincipalKind.SYSTEM, "command line", Role.ADMIN)
"""Who acts when a person at the machine runs a command."""
TOKEN_PREFIX = "spw_"  # noqa: S105 - what every token begins with, not a token
_SHOWN_CHARACTERS = 9
_MAX_NAME = 200


class ApiTokens:
    """All raise DatabaseUnavailable while the database does not answer."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        """No I/O."""
        self._clock = clock
        self._audit = audit
        self._token_store = TokenStore(database)

    async def create_token(
        self,
        name: str,
        role: Role,
        expires_in_s: float | None = None,
        *,
        scopes: Iterable[str] | None = None,
        by: Principal = COMMAND_LINE,
    ) -> str:
        """A new API token, shown this once; as `make_token`."""
        return (await self.make_token(name, role, expires_in_s, scopes=scopes, by=by))[0]

    async def make_token(
        self,
        name: str,
        role: Role,
        expires_in_s: float | None,
        *,
        scopes: Iterable[str] | None = None,
        by: Principal,
        request_id: str = "",
    ) -> tuple[str, TokenRecord]:
        """A new API token, shown this once, and what is kept of it.

        `expires_in_s` None: it does not expire. `scopes` None: it may do all that its role may.

        Raises:
            InvalidInput: name, life or scopes.
            InsufficientScope: a narrowed token makes none that may do more than itself.

        """
        self._may(by, "tokens.write")
        name, scopes = checked_name(name), checked_scopes(scopes)
        if by.scopes is not None and (scopes is None or not scopes <= by.scopes):
            raise InsufficientScope("A narrowed token makes no token that may do more than itself; name scopes that it has.")
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires_at = None if expires_in_s is None else self._clock.now() + _life(expires_in_s)
        async with self._audit.act(by, "token.create", name, request_id=request_id) as noted:
            record = await self._token_store.insert(
                name, token[:_SHOWN_CHARACTERS], digest(token), role, scopes=scopes, expires_at=expires_at, created_by=by.name
            )
            self._token_changed(record)
            noted.update(
                target=f"{record.id} {name}", role=role.value, expires_at=str(expires_at), scopes=sorted(scopes) if scopes else "whole role"
            )
        return token, record

    async def list_tokens(self) -> list[TokenRecord]:
        """Every token without its secret, newest first."""
        return await self._token_store.all()

    async def revoke_token(self, id_or_name: int | str, *, by: Principal = COMMAND_LINE, request_id: str = "") -> TokenRecord:
        """The token, no longer good. A name must fit exactly one good token. Raises NotFound, Conflict."""
        self._may(by, "tokens.write")
        async with self._audit.act(by, "token.revoke", str(id_or_name), request_id=request_id) as noted:
            record = await self._token_store.revoke(await self._token_id(id_or_name), self._clock.now())
            self._token_changed(record)
            noted["target"] = f"{record.id} {record.name}"
        return record

    def _may(self, by: Principal, action: str) -> None:
        """Return when `by` may change accounts or tokens now. Raises Forbidden, ProofNeeded."""
        require(by, action)
        require_proof(by, self._clock.now())

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

    def _token_changed(self, record: TokenRecord) -> None:
        """Called after each change of a token."""


def digest(secret: str) -> str:
    """SHA-256 as hex: what is stored of a session or token. Both are 256 random bits: no salt or slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def checked_name(name: str, *, empty: bool = False) -> str:
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
