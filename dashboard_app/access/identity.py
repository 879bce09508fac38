"""Who asks: sessions of people and tokens of programs, known in memory so that they count while the database is away.

A credential confirmed less than 1 s ago is used as it is. Otherwise the database is asked, with a limit; while it does not answer,
what was confirmed within 15 minutes still counts. Guard calls never wait for more than 15 ms. A right that is lost in this process is
lost at once; one that another process takes is felt by the next check.
"""

import contextlib
from http.cookies import CookieError, SimpleCookie

from dashboard_app.access.api_tokens import TOKEN_PREFIX, digest
from dashboard_app.access.audit import Audit
from dashboard_app.access.checker import CHECK_LIMIT_S, Checker
from dashboard_app.access.known import GOOD_S, Known
from dashboard_app.access.oidc_provider import ProviderPerson
from dashboard_app.access.own_account import shown_agent
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.remembered import MAX_UNWRITTEN, Remembered
from dashboard_app.access.vault import Vault
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable, NotSignedIn, SecondFactorNeeded
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, Role
from dashboard_app.settings import Settings
from dashboard_app.store.database import Database
from dashboard_app.store.users import UserRecord

_MAX_COOKIE = 200


class Identity(Remembered):
    """Says who asks, signs people in and out, and keeps both working while the database is away."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, *, audit: Audit, vault: Vault, passwords: Passwords) -> None:
        """No I/O."""
        super().__init__(database, settings, clock, audit=audit, vault=vault, passwords=passwords)
        is_https = (settings.public_url or "").startswith("https://")
        self.cookie_name = "__Host-spillway_session" if is_https else "spillway_session"
        self.cookie_is_secure = is_https
        self._checker = Checker(clock, lambda: self._is_reachable, self.mark_database, self._watchers.tell)

    # -- who asks -------------------------------------------------------------------------------------------------------------

    async def principal_for_cookie(self, cookie_header: str, *, guard_call: bool = False, is_use: bool = True) -> Principal | None:
        """The person whose session cookie is in `cookie_header`, or None: no cookie, signed out, over, or not ours.

        `is_use` False: what a page does by itself, which keeps no session alive.

        Raises:
            DatabaseUnavailable: the session is not known here and the database cannot be asked.

        """
        secret = self._session_secret(cookie_header)
        if secret is None:
            return None
        known = await self._checker.known(self._sessions, digest(secret), self._find_session, guard_call=guard_call)
        if known is None:
            return None
        if is_use:
            known.seen_at = self._clock.now()
            self._remember_use(known.key, self._seen_sessions)
        return known.principal

    async def is_session_over(self, cookie_header: str) -> bool:
        """True when the session of this cookie is known to be over, or there is none; no use of it. While nobody can tell: False."""
        try:
            return await self.principal_for_cookie(cookie_header, guard_call=True, is_use=False) is None
        except DatabaseUnavailable:
            return False

    async def principal_for_token(self, token: str, *, guard_call: bool = False) -> Principal | None:
        """The program whose API token this is, or None: unknown, revoked or expired. Raises DatabaseUnavailable as above."""
        if not token.startswith(TOKEN_PREFIX) or len(token) > _MAX_COOKIE:
            return None
        known = await self._checker.known(self._tokens, digest(token), self._find_token, guard_call=guard_call)
        if known is None:
            return None
        self._remember_use(known.key, self._used_tokens)
        return known.principal

    # -- in and out -----------------------------------------------------------------------------------------------------------

    async def sign_in(self, email: str, password: str | Secret, address: str, user_agent: str = "") -> str:
        """The value of a new session cookie. Works from memory while the database is away.

        Raises:
            NotSignedIn: email or password is not right (same words and time for an unknown email); says how many tries are left.
            RateLimited: no try left for this address or account; says in how many seconds.
            SecondFactorNeeded: the password is right, and a code is asked for: go on with `finish_sign_in`.
            DatabaseUnavailable: the database is away and no account is known here.

        """
        secret = password if isinstance(password, Secret) else Secret(password)
        account = email.strip().lower()
        with self._limit.one_try(address, "" if self._is_spared(account, address) else account):
            record = await self._account(email.strip())
            is_right = await self._passwords.matches(record.password_hash if record else None, secret)
            if record is None or not is_right or record.user.disabled:
                raise NotSignedIn("Email or password is not right.")
        if record.totp_encrypted is not None:
            raise SecondFactorNeeded(ticket=self._factor.ticket(record))
        return await self._begin_session(record, address, shown_agent(user_agent))

    def one_try(self, address: str) -> contextlib.AbstractContextManager[None]:
        """Inside, one try of this address to sign in is under way; a NotSignedIn counts. Raises RateLimited."""
        return self._limit.one_try(address)

    async def sign_in_by_provider(self, person: ProviderPerson, address: str, user_agent: str = "", *, request_id: str = "") -> str:
        """The value of a new session cookie for somebody whom the identity provider let in.

        Raises:
            ProviderRefused: there is no account for this person, and none is made.
            SecondFactorNeeded: a code of the account's own app is asked for, too.
            DatabaseUnavailable: the database is away.

        """
        record = await self.account_of(person, request_id=request_id)
        if record.totp_encrypted is not None:
            raise SecondFactorNeeded(ticket=self._factor.ticket(record))
        return await self._begin_session(record, address, shown_agent(user_agent))

    async def finish_sign_in(self, ticket: str, code: str, address: str, user_agent: str = "") -> str:
        """The value of a new session cookie, for the ticket of a right password and a code of the app or a recovery code.

        Raises:
            NotSignedIn: the code is not right, or was used; or the ticket is too old.
            RateLimited, DatabaseUnavailable: as `sign_in`.

        """
        found = self._factor.email_of(ticket)
        if found is None:
            raise NotSignedIn("That took too long. Enter your password again.")
        email, mark = found
        with self._limit.one_try(address, "" if self._is_spared(email.lower(), address) else email.lower()):
            record = await self._account(email)
            if record is None or record.user.disabled or not self._factor.fits(record, mark):
                raise NotSignedIn("Email or password is not right.")
            if record.totp_encrypted is not None and not await self._is_right_code(record, code):
                raise NotSignedIn("This code is not right, or it was used already.")
        return await self._begin_session(record, address, shown_agent(user_agent))

    def ticket_email(self, ticket: str) -> str | None:
        """Whose ticket this is, None for one that is too old or not ours."""
        found = self._factor.email_of(ticket)
        return None if found is None else found[0]

    async def sign_out(self, session_id: str) -> None:
        """End a session (by `Principal.session_id`) at once; the table hears of it when it can."""
        self._end_session(session_id)
        self._unwritten.pop(session_id, None)
        if self._is_reachable:
            try:
                await self._session_store.delete(session_id, CHECK_LIMIT_S)
            except DatabaseUnavailable:
                self.mark_database(reachable=False)
            else:
                return
        if len(self._undeleted) < MAX_UNWRITTEN:
            self._undeleted[session_id] = None

    async def close(self) -> None:
        """End the checks under way, write what waits, once, and let the hashing threads go."""
        await super().close()
        self._checker.close()

    # -- inside ---------------------------------------------------------------------------------------------------------------

    async def _find_session(self, key: str) -> Known | None:
        """The session as the table has it."""
        await self._time.begin()
        record = await self._session_store.find(key, CHECK_LIMIT_S)
        return self._known_session(record) if record is not None and not record.disabled and key not in self._undeleted else None

    async def _find_token(self, key: str) -> Known | None:
        """The token as the table has it."""
        record = await self._token_store.find(key, CHECK_LIMIT_S)
        return self._known_token(record) if record is not None and record.is_good(self._clock.now()) else None

    async def _account(self, email: str) -> UserRecord | None:
        """The account of `email`: from the table, or from memory while the table cannot be asked."""
        if self._is_reachable:
            try:
                record = await self._user_store.by_email(email, CHECK_LIMIT_S)
            except DatabaseUnavailable:
                self.mark_database(reachable=False)
            else:
                return record
        if self._users_mono is None or self._clock.monotonic() - self._users_mono >= GOOD_S:
            raise DatabaseUnavailable("The database does not answer, and accounts were last read too long ago to sign in without it.")
        return self._users.get(email.lower())

    def _is_spared(self, account: str, address: str) -> bool:
        """True when the tries of this account do not count: at an address that it is signed in at, and for the last admin anywhere."""
        record = self._users.get(account)
        if record is None:
            return False
        admins = [one for one in self._users.values() if one.user.role is Role.ADMIN and not one.user.disabled]
        return admins == [record] or any(one.address == address and one.principal.user_id == record.user.id for one in self._sessions)

    def _session_secret(self, cookie_header: str) -> str | None:
        """The random part of our cookie, when it is there and its signature is ours."""
        value = cookie_value(cookie_header, self.cookie_name)
        secret, dot, signature = value.partition(".")
        if not dot or len(value) > _MAX_COOKIE or not value.isascii() or not self._vault.is_signed(secret, signature):
            return None
        return secret

    async def _is_right_code(self, record: UserRecord, code: str) -> bool:
        """True for a code that counts; while the database is away this process remembers which were used."""
        return await self._factor.is_right(record, code, is_reachable=self._is_reachable)


def cookie_value(cookie_header: str, name: str) -> str:
    """The value of cookie `name` in a Cookie header, "" when it is not there. Other cookies of the host may be broken."""
    for part in cookie_header.split(";"):
        key, equals, value = part.strip().partition("=")
        if equals and key == name:
            try:
                return SimpleCookie(f"{name}={value}")[name].value
            except (CookieError, KeyError):
                return ""
    return ""
