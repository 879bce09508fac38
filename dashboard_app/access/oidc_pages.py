"""`/oidc/start` and `/oidc/callback`: to the identity provider and back. What comes of it is a session, a fresh proof, or a sentence.

What we asked for is kept in a cookie of ten minutes, encrypted; its state counts once. Nothing but a GET of the callback is let in.
"""

import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard_app.access import visit
from dashboard_app.access.identity import Identity, cookie_value
from dashboard_app.access.oidc_provider import Flow, Provider, ProviderPerson
from dashboard_app.access.vault import Vault
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import (
    DatabaseUnavailable,
    Failed,
    NotSignedIn,
    ProviderAway,
    ProviderRefused,
    RateLimited,
    SecondFactorNeeded,
)
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal

START, CALLBACK = "/oidc/start", "/oidc/callback"
FLOW_LIFE = timedelta(minutes=10)
_MOST_USED = 10_000
_MOST_NEXT = 1000
_MOST_COOKIE = 4000
_MOST_CODE = 2000

Entered = Callable[[Request, str, str], Awaitable[Response]]
"""Answers a sign-in that ended well: `entered(request, cookie, next_path)`."""
AskForCode = Callable[[str, str], Response]
"""Asks for the code of an app: `ask(ticket, next_path)`."""
Note = Callable[[Request, str], Awaitable[None]]
"""Records a sign-in that was refused: `note(request, why)`."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What this browser went to the provider for. `session` is that of whoever shows again who they are, "" for a sign-in."""

    state: str
    nonce: str
    verifier: str
    next_path: str
    session: str
    at: float

    @property
    def flow(self) -> Flow:
        """The part that the provider's answer is checked with."""
        return Flow(self.state, self.nonce, self.verifier)


class OidcPages:
    """Answers both paths. Refusals lead to `/login?oidc=…`, or `/account?oidc=…` for a proof; the words stand there."""

    def __init__(self, provider: Provider, identity: Identity, vault: Vault, clock: Clock) -> None:
        """No I/O."""
        self.name = provider.name
        self._provider = provider
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._cookie = "__Host-spillway_oidc" if identity.cookie_is_secure else "spillway_oidc"
        self._used: OrderedDict[str, None] = OrderedDict()
        self._home = urlsplit(provider.redirect_uri)

    async def start(self, request: Request) -> Response:
        """Off to the provider; to its own host first, when the request came by another name of this server: cookies are per host."""
        next_path = _bounded(visit.local_path(request.query_params.get("next", "/")))
        proves = bool(request.query_params.get("prove"))
        if not self._is_at_home(request.headers.get("host", "")):
            return _see_other(
                f"{self._home.scheme}://{self._home.netloc}{START}?{'prove=1&' if proves else ''}next={quote(next_path, safe='/')}"
            )
        person: Principal | None = request.scope[visit.PRINCIPAL]
        if proves and person is None:
            return _see_other(visit.login_location("/account", ""))
        if person is not None and not proves:
            return _see_other(next_path)
        session = person.session_id if person is not None else ""
        now = self._clock.now().timestamp()
        asked = _Asked(_random(), _random(), _random(), next_path, session, now)
        try:
            address = await self._provider.address(asked.flow, asks_again=proves)
        except ProviderAway:
            return _refusal("away", asked)
        answer = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
        self._set_cookie(answer, self._vault.encrypt(Secret(json.dumps(asdict(asked)))).decode())
        return answer

    async def callback(self, request: Request, entered: Entered, ask_for_code: AskForCode, note: Note) -> Response:
        """Back from the provider: signed in, proved, or told why not."""
        asked = self._asked(request)
        if asked is None:
            answer = _refusal("lost", None)
        else:
            try:
                answer = await self._judged(request, asked, entered, ask_for_code, note)
            except RateLimited:
                answer = _refusal("limited", asked)
            except ProviderAway:
                answer = _refusal("away", asked)
            except DatabaseUnavailable:
                answer = _refusal("database", asked)
        self._set_cookie(answer, "")
        return answer

    async def _judged(self, request: Request, asked: _Asked, entered: Entered, ask_for_code: AskForCode, note: Note) -> Response:
        """The answer to an answer of the provider that is one to our question. Raises TryLater."""
        try:
            with self._identity.one_try(request.scope[visit.ADDRESS]):
                return await self._taken(request, asked, entered, ask_for_code)
        except NotSignedIn as refused:
            reason = refused.__cause__.reason if isinstance(refused.__cause__, ProviderRefused) else "not_ours"
            await note(request, f"{reason}: {refused.__cause__}")
            return _refusal(reason, asked)

    async def _taken(self, request: Request, asked: _Asked, entered: Entered, ask_for_code: AskForCode) -> Response:
        """Redeem the code and let in whoever came back. Raises ProviderRefused, TryLater."""
        code, given = request.query_params.get("code", ""), request.query_params.get("iss")
        if not code or len(code) > _MOST_CODE:
            said = request.query_params.get("error", "")
            denied = said in {"access_denied", "login_required", "interaction_required", "consent_required"}
            raise ProviderRefused("denied" if denied else "not_ours", f"the provider says {said[:60]!r}")
        person = await self._provider.person(asked.flow, code, given)
        if asked.session:
            return await self._proved(request, asked, person)
        agent, address = request.headers.get("user-agent", ""), request.scope[visit.ADDRESS]
        try:
            cookie = await self._identity.sign_in_by_provider(person, address, agent, request_id=request.scope[visit.REQUEST_ID])
        except SecondFactorNeeded as needed:
            return ask_for_code(needed.ticket, asked.next_path)
        return await entered(request, cookie, asked.next_path)

    async def _proved(self, request: Request, asked: _Asked, person: ProviderPerson) -> Response:
        """Note the proof for the session that asked for it."""
        by: Principal | None = request.scope[visit.PRINCIPAL]
        if by is None or by.session_id != asked.session:
            raise ProviderRefused("somebody_else", "the session is another one now")
        await self._identity.prove_by_provider(by, person, asked.at, request_id=request.scope[visit.REQUEST_ID])
        return _see_other(asked.next_path)

    def _is_at_home(self, host: str) -> bool:
        """True for the host that the provider sends people back to; browsers leave a port out that goes without saying."""
        usual = ":443" if self._home.scheme == "https" else ":80"
        return host.lower().removesuffix(usual) == self._home.netloc.lower().removesuffix(usual)

    def _asked(self, request: Request) -> _Asked | None:
        """What this browser asked for, when the answer's state is that of its cookie, for the first time and in time."""
        value = cookie_value(request.headers.get("cookie", ""), self._cookie)
        state = request.query_params.get("state", "")
        if not value.isascii() or not 0 < len(value) <= _MOST_COOKIE:
            return None
        try:
            asked = _Asked(**json.loads(self._vault.decrypt(value.encode()).reveal()))
        except (Failed, ValueError, TypeError):
            return None
        is_ours = hmac.compare_digest(asked.state.encode(), state.encode("utf-8", "replace"))
        if not is_ours or asked.state in self._used or self._clock.now().timestamp() > asked.at + FLOW_LIFE.total_seconds():
            return None
        self._used[asked.state] = None
        while len(self._used) > _MOST_USED:
            self._used.popitem(last=False)
        return asked

    def _set_cookie(self, answer: Response, value: str) -> None:
        """Keep what was asked for, or forget it when `value` is ""."""
        answer.set_cookie(
            self._cookie,
            value,
            max_age=int(FLOW_LIFE.total_seconds()) if value else 0,
            path="/",
            secure=self._identity.cookie_is_secure,
            httponly=True,
            samesite="lax",
        )


def _refusal(reason: str, asked: _Asked | None) -> Response:
    """To the page that says why."""
    if asked is not None and asked.session:
        return _see_other(f"/account?oidc={reason}")
    back = "" if asked is None or asked.next_path == "/" else f"&next={quote(asked.next_path, safe='/')}"
    return _see_other(f"/login?oidc={reason}{back}")


def _random() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def _bounded(path: str) -> str:
    """A path that fits into a cookie."""
    return path if len(json.dumps(path)) <= _MOST_NEXT else "/"


def _see_other(location: str) -> Response:
    """303: go there with a GET."""
    return RedirectResponse(quote(location, safe="/?&=%:@!$'()*+,;~#[]"), 303, {"Cache-Control": "no-store"})
