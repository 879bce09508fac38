"""An OpenID Connect provider: where it sends people, and who it says came back. What it signs is checked before it is believed.

Authorization code with PKCE (RFC 7636), state, nonce and the issuer of the answer (RFC 9207).
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dashboard_app.access.oidc_wire import OidcWire, checked_url
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import ProviderAway, ProviderRefused
from dashboard_app.model.secret import Secret
from dashboard_app.settings import Settings

_LOG = logging.getLogger(__name__)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a public key only: `none` and those with a shared secret are refused."""
GOOD_S = 3600.0
"""How long what the provider says of itself is used before it is asked again."""
STALE_S = 86_400.0
"""While it does not answer, so long."""
REST_S = 5.0
"""After a failed reading, and between two looks for a new key, nobody asks again for so long."""
LEEWAY_S = 60
_MOST_SUBJECT, _MOST_TEXT = 255, 254


@dataclass(frozen=True, slots=True)
class ProviderPerson:
    """Who the provider says came back. `auth_time`: when it last asked for their credentials, in seconds since 1970."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool | None
    name: str
    auth_time: float | None
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flow:
    """One way there and back: what makes sure that the answer is to our question."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class _About:
    """What the provider says of itself, and when that was read."""

    issuer: str
    authorize: str
    token: str
    keys_at: str
    userinfo: str
    auth_methods: tuple[str, ...]
    names_itself: bool
    keys: KeySet
    read_mono: float


class Provider:
    """One provider, as the settings name it. No I/O before the first sign-in; then discovery and keys are kept for an hour."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Needs OIDC_ISSUER and OIDC_CLIENT_ID."""
        self.issuer = settings.oidc_issuer or ""
        self.name = settings.oidc_name
        self._client_id = settings.oidc_client_id or ""
        secret = settings.oidc_client_secret
        self._secret = Secret(secret.get_secret_value()) if secret is not None else None
        self._scopes = settings.oidc_scopes
        self._role_claim = settings.oidc_role_claim or ""
        self.redirect_uri = f"{settings.base_url}/oidc/callback"
        self._clock = clock
        self._wire = OidcWire()
        self._known: _About | None = None
        self._reading: asyncio.Task[_About] | None = None
        self._failed_mono: float | None = None

    async def address(self, flow: Flow, *, asks_again: bool) -> str:
        """Where a person is sent. `asks_again`: their credentials are asked for even when the provider knows them. Raises ProviderAway."""
        about = await self._about()
        more = {"prompt": "login", "max_age": "0"} if asks_again else {}
        return str(
            prepare_grant_uri(
                about.authorize,
                client_id=self._client_id,
                response_type="code",
                redirect_uri=self.redirect_uri,
                scope=self._scopes,
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
                **more,
            )
        )

    async def person(self, flow: Flow, code: str, issuer: str | None) -> ProviderPerson:
        """Who came back with `code`; `issuer` as the answer names it.

        Raises:
            ProviderAway: it does not answer, or not as a provider.
            ProviderRefused: the code is not good, or what it is worth is not for us: wrong issuer, audience, nonce, time, signature.

        """
        about = await self._about()
        if issuer != about.issuer and (issuer is not None or about.names_itself):
            raise ProviderRefused("not_ours", "the answer is of another issuer")
        answer = await self._redeemed(about, flow, code)
        access_token = str(answer.get("access_token", ""))
        claims = await self._checked(about, flow, answer.get("id_token"), access_token)
        if about.userinfo and access_token and (not claims.get("email") or (self._role_claim and not self._has_role_claim(claims))):
            told = await self._wire.get(about.userinfo, access_token)
            claims = {**told, **claims} if told.get("sub") == claims["sub"] else claims
        return _person(about.issuer, claims)

    async def close(self) -> None:
        """Let connections and a reading go."""
        if self._reading is not None:
            self._reading.cancel()
        await self._wire.close()

    def _has_role_claim(self, claims: Mapping[str, Any]) -> bool:
        """True when the token itself tells of roles, so that nobody else has to be asked."""
        return self._role_claim in claims or self._role_claim.partition(".")[0] in claims

    async def _redeemed(self, about: _About, flow: Flow, code: str) -> Mapping[str, Any]:
        """The tokens that `code` is worth."""
        told = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": flow.verifier}
        if self._secret is None:
            method = "none"
        else:
            by_body = "client_secret_basic" not in about.auth_methods and "client_secret_post" in about.auth_methods
            method = "client_secret_post" if by_body else "client_secret_basic"
        form = prepare_token_request("authorization_code", **told)
        auth = ClientAuth(self._client_id, self._secret.reveal() if self._secret else "", method)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url, headers, body = auth.prepare("POST", about.token, kind, form)
        status, answer = await self._wire.post(url, headers, body)
        if status >= 400:  # noqa: PLR2004 - errors begin there
            raise ProviderRefused("code_refused", f"the provider refuses the code: {str(answer.get('error', status))[:60]}")
        return answer

    async def _checked(self, about: _About, flow: Flow, id_token: object, access_token: str) -> dict[str, Any]:
        """The claims of an ID token that is signed by the provider and made for this sign-in."""
        if not isinstance(id_token, str):
            raise ProviderRefused("not_ours", "the provider gave no ID token")
        try:
            token = await self._verified(about, id_token)
            options = {
                "iss": {"essential": True, "value": about.issuer},
                "aud": {"essential": True, "value": self._client_id},
            }
            params = {"nonce": flow.nonce, "client_id": self._client_id, "access_token": access_token}
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderRefused("not_ours", f"the ID token is not good: {type(error).__name__} {str(error)[:100]}") from error
        return dict(claims)

    async def _verified(self, about: _About, id_token: str) -> jwt.Token:
        """The token, its signature checked; with keys read anew when it names one that is not known."""
        try:
            return jwt.decode(id_token, about.keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            if self._clock.monotonic() - about.read_mono < REST_S:
                raise
            return jwt.decode(id_token, (await self._read_again()).keys, algorithms=ALGORITHMS)

    async def _about(self) -> _About:
        """What the provider says of itself: kept, or read now. Raises ProviderAway."""
        known, now = self._known, self._clock.monotonic()
        age = now - known.read_mono if known is not None else STALE_S
        if known is not None and age < GOOD_S:
            return known
        rests = self._failed_mono is not None and now - self._failed_mono < REST_S
        if known is not None and age < STALE_S and rests:
            return known
        if rests:
            raise ProviderAway("The provider did not answer a moment ago.")
        try:
            return await self._read_again()
        except ProviderAway:
            if known is None or age >= STALE_S:
                raise
            return known

    async def _read_again(self) -> _About:
        """One reading for all who wait for it; who leaves does not end it for the others."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="oidc-discovery")
            self._reading.add_done_callback(self._was_read)
        return await asyncio.shield(self._reading)

    def _was_read(self, reading: asyncio.Task[_About]) -> None:
        """Keep what came of a reading."""
        self._reading = None
        error = None if reading.cancelled() else reading.exception()
        if error is None and not reading.cancelled():
            self._known, self._failed_mono = reading.result(), None
        elif error is not None:
            self._failed_mono = self._clock.monotonic()
            _LOG.warning("the identity provider cannot be read: %s", error)

    async def _read(self) -> _About:
        """Discovery, then the keys."""
        said = await self._wire.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        issuer = said.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != self.issuer.rstrip("/"):
            raise ProviderAway("The provider calls itself something else than OIDC_ISSUER.")
        keys_at = checked_url(said.get("jwks_uri"), "jwks_uri")
        found = await self._wire.get(keys_at)
        try:
            keys = KeySet.import_key_set({"keys": [key for key in found["keys"] if key.get("use", "sig") == "sig"]})
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderAway("The provider has no keys that can be read.") from error
        methods = said.get("token_endpoint_auth_methods_supported")
        return _About(
            issuer=issuer,
            authorize=checked_url(said.get("authorization_endpoint"), "authorization_endpoint"),
            token=checked_url(said.get("token_endpoint"), "token_endpoint"),
            keys_at=keys_at,
            userinfo=checked_url(said["userinfo_endpoint"], "userinfo_endpoint") if said.get("userinfo_endpoint") else "",
            auth_methods=tuple(methods) if isinstance(methods, list) else ("client_secret_basic",),
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            keys=keys,
            read_mono=self._clock.monotonic(),
        )


def _person(issuer: str, claims: Mapping[str, Any]) -> ProviderPerson:
    """The claims as a person. Raises ProviderRefused when the subject can be nobody's."""
    subject, verified, auth_time = claims.get("sub"), claims.get("email_verified"), claims.get("auth_time")
    if not isinstance(subject, str) or not (0 < len(subject) <= _MOST_SUBJECT and subject.isascii() and subject.isprintable()):
        raise ProviderRefused("not_ours", "the subject is not a short ASCII text")
    return ProviderPerson(
        issuer=issuer.rstrip("/"),
        subject=subject,
        email=_text(claims.get("email")),
        is_email_verified=verified if isinstance(verified, bool) else None,
        name=_text(claims.get("name")),
        auth_time=float(auth_time) if isinstance(auth_time, int | float) and not isinstance(auth_time, bool) else None,
        claims=claims,
    )


def _text(value: object) -> str:
    """A short text that can be stored and shown, "" for anything else."""
    is_good = isinstance(value, str) and len(value) <= _MOST_TEXT and value.isprintable()
    return value if is_good and isinstance(value, str) else ""
