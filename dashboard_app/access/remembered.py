"""What is remembered of sessions, tokens and accounts, so that they count while the database is away, and how memory and table keep in step.

A right that is lost in this process is lost at once; one that another process takes is felt by the next check.
"""

import asyncio
import contextlib
import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from dashboard_app.access.api_tokens import digest
from dashboard_app.access.audit import Audit
from dashboard_app.access.checker import CHECK_LIMIT_S
from dashboard_app.access.federated import Federated
from dashboard_app.access.known import SESSION_IDLE, SESSION_LIFE, Known, KnownCredentials
from dashboard_app.access.login_limit import LoginLimit
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.second_factor import SecondFactor
from dashboard_app.access.timekeeper import CARRIED_AT_MOST, Timekeeper
from dashboard_app.access.vault import Vault
from dashboard_app.access.watchers import Watchers
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.user import Principal, PrincipalKind
from dashboard_app.settings import Settings
from dashboard_app.store.credentials import ended
from dashboard_app.store.database import Database
from dashboard_app.store.sessions import SessionRecord
from dashboard_app.store.tokens import TokenRecord
from dashboard_app.store.users import UserRecord

_LOG = logging.getLogger(__name__)
KEEP_UP_S = 2.0
WATCH_S = 0.5
"""A right that another process takes is felt on what is open within twice this."""
REFRESH_S = 30.0
_TOUCH_S = 60.0
MAX_UNWRITTEN = 1000


class Remembered(Federated):
    """The memory behind `Identity`: written when the database is there, read anew every 30 s, told of every change at once."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, *, audit: Audit, vault: Vault, passwords: Passwords) -> None:
        """No I/O."""
        limit, factor = LoginLimit(settings.rate_limit_login), SecondFactor(database, vault, clock)
        super().__init__(database, settings, clock, passwords, audit=audit, limit=limit, factor=factor)
        self._database = database
        self._time = Timekeeper(clock, database)
        self._vault = vault
        self._sessions = KnownCredentials()
        self._tokens = KnownCredentials()
        self._users: dict[str, UserRecord] = {}
        self._users_mono: float | None = None
        self._seen_sessions: dict[str, datetime] = {}
        self._used_tokens: dict[str, datetime] = {}
        self._touched_mono: dict[str, float] = {}
        self._unwritten: dict[str, SessionRecord] = {}
        self._undeleted: dict[str, None] = {}
        self._proofs: dict[str, datetime] = {}
        self._refreshed_mono: float | None = None
        self._are_carried = False
        self._is_reachable = True
        self._watchers = Watchers()

    def watch_session(self, session_id: str) -> asyncio.Event:
        """An event that is set when this session or token (`Principal.session_id`) ends here. Hand it back with `unwatch_session`."""
        return self._watchers.watch(session_id)

    def unwatch_session(self, session_id: str, ended: asyncio.Event) -> None:
        """Forget an event of `watch_session`."""
        self._watchers.unwatch(session_id, ended)

    async def run_watch(self) -> None:
        """Twice a second: end what is open under a session or token that another process has ended. Cancelled by the supervisor."""
        while True:
            await self._clock.sleep(WATCH_S)
            self._end_what_is_over()
            watched = [key for key in self._watchers if key not in self._unwritten]
            if not watched or not self._is_reachable:
                continue
            with contextlib.suppress(DatabaseUnavailable):  # while nobody can tell, what is open stays open
                for key in await ended(self._database, watched, self._clock.now(), CHECK_LIMIT_S):
                    self._tokens.end(key)
                    self._end_session(key)

    # -- keeping up -----------------------------------------------------------------------------------------------------------

    @property
    def is_database_reachable(self) -> bool:
        """What was last known about the database."""
        return self._is_reachable

    def mark_database(self, reachable: bool) -> None:
        """Hear from the guard's heartbeat whether the database answers; while it does not, nobody waits for it."""
        self._is_reachable = reachable
        self._audit.is_reachable = reachable

    async def start(self) -> None:
        """Read accounts, tokens and sessions into memory, so that they count when the database goes away later."""
        await self.keep_up()

    async def run(self) -> None:
        """Keep memory and table in step; cancelled by the supervisor."""
        while True:
            await self._clock.sleep(KEEP_UP_S)
            await self.keep_up()

    async def keep_up(self) -> None:
        """One turn of `run`: write what waits, read again what is 30 s old. While the database is away, only ask whether it is back."""
        try:
            if not self._is_reachable:
                await self._database.ping(CHECK_LIMIT_S)
            self.mark_database(reachable=True)
            await self._write_what_waits()
            if self._refreshed_mono is None or self._clock.monotonic() - self._refreshed_mono >= REFRESH_S:
                await self._refresh()
        except DatabaseUnavailable:
            self.mark_database(reachable=False)

    async def close(self) -> None:
        """Write what waits, once, and let the hashing threads go."""
        if self._is_reachable:
            try:
                await self._write_what_waits()
            except DatabaseUnavailable:
                _LOG.warning("%d sessions could not be written; their owners sign in again", len(self._unwritten))
        self._passwords.close()

    # -- inside ---------------------------------------------------------------------------------------------------------------

    def _known_session(self, record: SessionRecord) -> Known:
        """A row as an entry."""
        principal = Principal(PrincipalKind.USER, record.email, record.role, record.user_id, record.id_hash, record.proved_at)
        now = self._clock.now()  # a row that a clock ahead of ours wrote lives no longer for it
        ends, seen = min(record.expires_at, now + SESSION_LIFE), min(record.last_seen_at, now)
        return Known(record.id_hash, principal, self._clock.monotonic(), ends, seen, address=record.address)

    def _known_token(self, record: TokenRecord) -> Known:
        """A row as an entry."""
        principal = Principal(PrincipalKind.TOKEN, record.name, record.role, session_id=record.token_hash, scopes=record.scopes)
        return Known(record.token_hash, principal, self._clock.monotonic(), record.expires_at)

    async def _begin_session(self, record: UserRecord, address: str, user_agent: str) -> str:
        """The cookie of a new session of this user. Raises DatabaseUnavailable when too many wait to be written."""
        if len(self._unwritten) >= MAX_UNWRITTEN:
            raise DatabaseUnavailable("Too many sessions wait for the database.")
        if self._is_reachable:
            with contextlib.suppress(DatabaseUnavailable):
                await self._time.begin()
        secret, now, user = secrets.token_urlsafe(32), self._clock.now(), record.user
        ends = now + SESSION_LIFE
        row = SessionRecord(digest(secret), user.id, user.email, user.role, False, address, now, now, ends, user_agent, now)
        self._unwritten[row.id_hash] = row
        self._sessions.put(replace(self._known_session(row), is_written=False))
        if self._is_reachable:
            try:
                await self._write_session(row, CHECK_LIMIT_S)
            except DatabaseUnavailable:
                self.mark_database(reachable=False)
        return f"{secret}.{self._vault.sign(secret)}"

    async def _write_session(self, row: SessionRecord, limit_s: float) -> None:
        """Write a session that is only in memory."""
        await self._session_store.insert(row, limit_s)
        self._unwritten.pop(row.id_hash, None)
        known = self._sessions.get(row.id_hash)
        if known is not None:
            known.is_written = True

    async def _write_what_waits(self) -> None:
        """Ended sessions, new sessions, and when each was last seen. Raises DatabaseUnavailable."""
        for key in list(self._undeleted):
            await self._session_store.delete(key)
            self._undeleted.pop(key, None)
        for row in list(self._unwritten.values()):
            await self._write_session(row, CHECK_LIMIT_S)
        await self._write_proofs()
        if self._seen_sessions:
            seen, self._seen_sessions = self._seen_sessions, {}
            await self._session_store.touch(seen)
        if self._used_tokens:
            used, self._used_tokens = self._used_tokens, {}
            await self._token_store.touch(used)

    async def _refresh(self) -> None:
        """Read accounts, tokens and sessions into memory; drop ended sessions from the table. Raises DatabaseUnavailable."""
        await self._keep_time()
        asked, now = self._clock.monotonic(), self._clock.now()
        await self._session_store.delete_ended(now, now - SESSION_IDLE)
        generations = (self._sessions.generation, self._tokens.generation)
        users = await self._user_store.all()
        tokens = [self._known_token(record) for record in await self._token_store.all() if record.is_good(now)]
        sessions = [self._known_session(record) for record in await self._session_store.live(now) if not record.disabled]
        if generations != (self._sessions.generation, self._tokens.generation):
            return  # somebody lost a right meanwhile: this reading may be older than that; the next turn reads again
        self._users = {record.user.email.lower(): record for record in users}
        self._users_mono = self._refreshed_mono = asked
        before = {known.key for known in (*self._sessions, *self._tokens)}
        self._sessions.replace(sessions, asked)
        self._tokens.replace(tokens, asked)
        for key in before - {known.key for known in (*self._sessions, *self._tokens)}:
            self._watchers.tell(key)
        self._touched_mono = {k: at for k, at in self._touched_mono.items() if asked - at < _TOUCH_S}

    async def _keep_time(self) -> None:
        """Hear what time it is. When the clock was set, sessions keep the rest of their lives, here and in the table. Raises DatabaseUnavailable."""
        moved = await self._time.ask()
        if moved and moved <= CARRIED_AT_MOST:
            self._carry(moved)
        if self._are_carried:
            await self._session_store.carry(self._sessions.stamps())
            self._are_carried = False

    def _carry(self, moved: timedelta) -> None:
        """Move every stamp of a session in memory, at once with the clock."""
        self._are_carried = True
        self._sessions.carry(moved, self._clock.now())
        for waiting in (self._seen_sessions, self._proofs):
            waiting.update({key: at + moved for key, at in waiting.items()})
        for key, row in self._unwritten.items():
            self._unwritten[key] = row.carried(moved)

    def _end_what_is_over(self) -> None:
        """Let what is open under a session know that its life is over."""
        now = self._clock.now()
        for key in self._watchers:
            known = self._sessions.get(key)
            if known is not None and known.is_over(now):
                self._end_session(key)

    def _remember_use(self, key: str, used: dict[str, datetime]) -> None:
        """Note, at most once a minute for each key, when it was used; `run` writes it."""
        now = self._clock.monotonic()
        if now - self._touched_mono.get(key, -_TOUCH_S) >= _TOUCH_S:
            self._touched_mono[key] = now
            used[key] = self._clock.now()

    def _end_session(self, key: str) -> None:
        """Take a session out of memory for good."""
        self._sessions.end(key)
        self._watchers.tell(key)

    async def _proved(self, session_id: str) -> None:
        """Note it in memory at once; the table hears of it when it can."""
        now, known = self._clock.now(), self._sessions.get(session_id)
        if known is not None:
            known.principal = replace(known.principal, proved_at=now)
        if session_id in self._unwritten:
            self._unwritten[session_id] = replace(self._unwritten[session_id], proved_at=now)
        self._proofs[session_id] = now
        if self._is_reachable:
            try:
                await self._write_proofs()
            except DatabaseUnavailable:
                self.mark_database(reachable=False)

    async def _write_proofs(self) -> None:
        """Tell the table who has shown who they are. Raises DatabaseUnavailable."""
        for session_id, at in list(self._proofs.items()):
            await self._session_store.prove(session_id, at, CHECK_LIMIT_S)
            self._proofs.pop(session_id, None)

    def _session_over(self, key: str) -> None:
        """Take it out of memory, too."""
        self._end_session(key)
        self._unwritten.pop(key, None)

    async def _sign_out_everywhere(self, record: UserRecord) -> None:
        """End every session of the user, in memory first."""
        for key in self._sessions.of_user(record.user.id):
            self._end_session(key)
            self._unwritten.pop(key, None)
        await super()._sign_out_everywhere(record)

    def _user_changed(self, record: UserRecord) -> None:
        """Bring memory in step at once: what was asked before this change no longer counts."""
        self._sessions.generation += 1
        self._users[record.user.email.lower()] = record
        for key in self._sessions.of_user(record.user.id):
            known = self._sessions.get(key)
            if known is not None:
                known.principal = replace(known.principal, role=record.user.role)

    def _token_changed(self, record: TokenRecord) -> None:
        """A revoked token stops at once; a new one counts at once."""
        if record.revoked_at is not None:
            self._tokens.end(record.token_hash)
            self._watchers.tell(record.token_hash)
        else:
            self._tokens.put(self._known_token(record))
