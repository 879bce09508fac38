"""People who sign in with an identity provider: which account is theirs, and which role they have from now on."""

import logging
from collections.abc import Mapping

from dashboard_app.access.audit import Audit
from dashboard_app.access.login_limit import LoginLimit
from dashboard_app.access.oidc_provider import LEEWAY_S, ProviderPerson
from dashboard_app.access.own_account import OwnAccount, person_id
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.second_factor import SecondFactor
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, ProviderRefused
from dashboard_app.model.role_map import RoleRules, parse_role_map
from dashboard_app.model.user import Principal, PrincipalKind, Role, is_email
from dashboard_app.policy.oidc_role import role_of
from dashboard_app.settings import Settings
from dashboard_app.store.database import Database
from dashboard_app.store.identities import IdentityStore
from dashboard_app.store.users import UserRecord

_LOG = logging.getLogger(__name__)


class Federated(OwnAccount):
    """Accounts are tied to (issuer, subject), never to an email alone. Raises DatabaseUnavailable while the database does not answer."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        passwords: Passwords,
        *,
        audit: Audit,
        limit: LoginLimit,
        factor: SecondFactor,
    ) -> None:
        """No I/O."""
        super().__init__(database, clock, passwords, audit=audit, limit=limit, factor=factor)
        self._identity_store = IdentityStore(database)
        default = Role(settings.oidc_default_role) if settings.oidc_default_role != "none" else None
        self._rules = RoleRules(settings.oidc_role_claim or "", parse_role_map(settings.oidc_role_map or ""), default)
        self._issuer = (settings.oidc_issuer or "").rstrip("/")
        self._links_by_email = settings.oidc_link_by_email

    async def account_of(self, person: ProviderPerson, *, request_id: str = "") -> UserRecord:
        """The account of somebody who signed in with the provider, with the role that its claims give; made when there is none.

        Raises:
            ProviderRefused: no role, a disabled account, or an email that is another account's.

        """
        record = await self._identity_store.find(person.issuer, person.subject)
        if record is not None and record.user.disabled:
            raise ProviderRefused("disabled", "the account is disabled")
        role = role_of(person.claims, self._rules, record.user.role if record is not None else None)
        if role is None:
            if record is not None:
                await self._shut_out(record, request_id)
            raise ProviderRefused("no_role", "no role is given to this person")
        if record is None:
            record = await self._tied_by_email(person, request_id) or await self._made(person, role, request_id)
            role = role if self._rules.claim else record.user.role
        return record if record.user.role is role else await self._with_role(record, role, request_id)

    async def prove_by_provider(self, by: Principal, person: ProviderPerson, asked_at: float, *, request_id: str = "") -> None:
        """Show again who one is, for the session that asks, with a sign-in that the provider made anew since `asked_at`.

        Raises:
            Forbidden: a token has nobody behind it.
            ProviderRefused: it is somebody else, or the provider asked for no credentials.

        """
        user_id = person_id(by)
        record = await self._identity_store.find(person.issuer, person.subject)
        if record is None or record.user.id != user_id:
            raise ProviderRefused("somebody_else", "another person came back")
        if person.auth_time is None or person.auth_time < asked_at - LEEWAY_S:
            raise ProviderRefused("not_fresh", "the provider did not ask for credentials anew")
        async with self._audit.act(by, "session.prove", by.name, request_id=request_id, details=_by(person)):
            await self._proved(by.session_id)

    async def ways_in(self, by: Principal) -> tuple[bool, bool]:
        """Whether this person has a password, and whether the provider of the settings knows them. Raises Forbidden for a token."""
        user_id = person_id(by)
        record = await self._user_store.by_id(user_id)
        is_known = self._issuer != "" and await self._identity_store.has_any(user_id, self._issuer)
        return bool(record.password_hash), is_known

    async def tied_users(self) -> frozenset[int]:
        """The accounts that the provider of the settings knows, by id."""
        return await self._identity_store.tied(self._issuer) if self._issuer else frozenset()

    async def _tied_by_email(self, person: ProviderPerson, request_id: str) -> UserRecord | None:
        """The account that has this person's email, tied to them from now on; None when nobody has it.

        Raises:
            ProviderRefused: it may not be tied: the setting is off, or the provider has not verified the email.

        """
        found = await self._user_store.by_email(person.email) if person.email else None
        if found is None:
            return None
        if not (self._links_by_email and person.is_email_verified is True):
            raise ProviderRefused("email_taken", "the email is another account's")
        if found.user.disabled:
            raise ProviderRefused("disabled", "the account is disabled")
        async with self._audit.act(_acting(found), "user.tie", found.user.email, request_id=request_id, details=_by(person)):
            try:
                await self._identity_store.tie(person.issuer, person.subject, found.user.id)
            except Conflict as error:
                raise ProviderRefused("email_taken", "this person was tied to an account at this moment") from error
        return found

    async def _made(self, person: ProviderPerson, role: Role, request_id: str) -> UserRecord:
        """A new account, without a password. Raises ProviderRefused."""
        if not is_email(person.email) or person.is_email_verified is False:
            raise ProviderRefused("no_email", "the provider tells no email, or one that is not verified")
        actor = Principal(PrincipalKind.USER, person.email, role)
        details = {"role": role.value, **_by(person)}
        async with self._audit.act(actor, "user.add", person.email, request_id=request_id, details=details):
            try:
                record = await self._identity_store.insert(person.issuer, person.subject, person.email, person.name[:200], role)
            except Conflict as error:
                raise ProviderRefused("email_taken", "the account was made at this moment") from error
            self._user_changed(record)
        return record

    async def _with_role(self, record: UserRecord, role: Role, request_id: str) -> UserRecord:
        """The account with the role that the provider gives; the last admin stays admin."""
        details = {"role": role.value, "by": "oidc"}
        try:
            async with self._audit.act(
                _acting(record), "user.set-role", record.user.email, request_id=request_id, details=details
            ) as noted:
                changed = await self._user_store.change(record.user.email, role=role)
                self._user_changed(changed)
                noted["before"], noted["after"] = {"role": record.user.role.value}, {"role": role.value}
        except Conflict:
            _LOG.warning("%s stays admin although the provider says %s: nobody else is", record.user.email, role.value)
            return record
        return changed

    async def _shut_out(self, record: UserRecord, request_id: str) -> None:
        """End the sessions of somebody to whom the provider gives no role any more."""
        async with self._audit.act(_acting(record), "user.sign-out", record.user.email, request_id=request_id, details={"by": "oidc"}):
            await self._sign_out_everywhere(record)


def _by(person: ProviderPerson) -> Mapping[str, object]:
    """What the audit says of a provider's word."""
    return {"by": "oidc", "issuer": person.issuer, "subject": person.subject}


def _acting(record: UserRecord) -> Principal:
    """The account as somebody who acts, in a sign-in that is under way."""
    return Principal(PrincipalKind.USER, record.user.email, record.user.role, record.user.id)
