"""The pages before a session: `/login`, `/logout`, `/setup`, `/password` and their two files. An ASGI app that the gate calls."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard_app.access import visit
from dashboard_app.access.audit import Audit
from dashboard_app.access.forms import PAGE_HEADERS, fields_of
from dashboard_app.access.gate import Receive, Scope, Send
from dashboard_app.access.identity import Identity
from dashboard_app.access.known import SESSION_LIFE
from dashboard_app.access.oidc_pages import CALLBACK, START, OidcPages
from dashboard_app.access.oidc_words import sentence_of
from dashboard_app.access.password_page import PasswordPage
from dashboard_app.access.sign_in_html import SignInView, code_page, message_page, setup_page, sign_in_page
from dashboard_app.model.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    NotSignedIn,
    RateLimited,
    Refused,
    SecondFactorNeeded,
    SpillwayError,
    TryLater,
)
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.problem import problem

_LOG = logging.getLogger(__name__)
_FOLDER = Path(__file__).resolve().parent
_FILES = {"/gate.css": "text/css", "/gate.js": "text/javascript"}
_PING_LIMIT_S = 0.25
NOBODY = Principal(PrincipalKind.SYSTEM, "nobody", Role.VIEWER)
"""Who acts when a sign-in fails."""

Ping = Callable[[float], Awaitable[float]]


class SignIn:
    """Answers the sign-in pages. `ping(limit_s)` gives the milliseconds of one round trip, or raises DatabaseUnavailable."""

    def __init__(self, identity: Identity, audit: Audit, environment: str, ping: Ping, *, oidc: OidcPages | None = None) -> None:
        """Reads the two files beside this module. `oidc`: the way by an identity provider, when there is one."""
        self._identity = identity
        self._audit = audit
        self._environment = environment
        self._ping = ping
        self._password = PasswordPage(identity, environment)
        self._oidc = oidc
        self._provider_name = oidc.name if oidc is not None else ""
        self._files = {path: (_FOLDER / path[1:]).read_bytes() for path in _FILES}

    def serves(self, path: str) -> bool:
        """True when this app answers `path`."""
        return path in {"/login", "/logout", "/setup", "/password", START, CALLBACK} or path in self._files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the gate has checked host and origin and says in the scope who asks."""
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """The answer by path and method."""
        path, method = request.url.path, "GET" if request.method == "HEAD" else request.method
        if path in self._files:
            return Response(self._files[path], media_type=_FILES[path], headers={"Cache-Control": "no-cache"})
        answers = {
            ("/login", "GET"): self._show_sign_in,
            ("/login", "POST"): self._sign_in,
            ("/logout", "POST"): self._sign_out,
            ("/setup", "GET"): self._show_setup,
            ("/setup", "POST"): self._set_up,
            ("/password", "GET"): self._password.show,
            ("/password", "POST"): self._password.take,
            (START, "GET"): self._to_provider,
            (CALLBACK, "GET"): self._from_provider,
        }
        found = answers.get((path, method))
        if found is None:
            detail = "This page does not take this method."
            return problem(405, "method_not_allowed", detail, instance=path, headers=[("Allow", _allowed(path))])
        return await found(request)

    async def _show_sign_in(self, request: Request) -> Response:
        """The form; or the page asked for, to somebody who is signed in."""
        next_path = visit.local_path(request.query_params.get("next", "/"))
        if request.scope[visit.PRINCIPAL] is not None:
            return _see_other(next_path)
        notice = ""
        if request.query_params.get("out"):
            notice = "You are signed out."
        elif request.query_params.get("set"):
            notice = "Your password is set. Sign in with it."
        elif request.query_params.get("expired"):
            notice = "You were signed out: a session lasts 12 h, or 2 h without use. Sign in to go on."
        error = sentence_of(request.query_params.get("oidc", ""), self._provider_name)
        return await self._form(200, SignInView(self._environment, None, next_path=next_path, notice=notice), error=error)

    async def _sign_in(self, request: Request) -> Response:
        """Sign in and go to the page asked for; or the form again with what is wrong."""
        fields = await fields_of(request)
        if isinstance(fields, Response):
            return fields
        return await (self._second_step if "ticket" in fields else self._first_step)(request, fields)

    async def _first_step(self, request: Request, fields: Mapping[str, str]) -> Response:
        """Email and password: sign in, or ask for a code, or show the form again."""
        email, next_path = fields.get("email", "")[:254], visit.local_path(fields.get("next", "/"))
        view = SignInView(self._environment, None, email, next_path)
        try:
            password, agent = Secret(fields.get("password", "")), request.headers.get("user-agent", "")
            cookie = await self._identity.sign_in(email, password, request.scope[visit.ADDRESS], agent)
        except SecondFactorNeeded as needed:
            return _html(200, code_page(self._environment, needed.ticket, next_path))
        except NotSignedIn as refused:
            await self._note(request, NOBODY, "session.begin", _shown(email), "refused")
            return await self._form(401, view, error=refused.detail)
        except RateLimited as limited:
            return await self._form(429, view, error=limited.detail, wait_s=math.ceil(limited.retry_after_s))
        except DatabaseUnavailable as away:
            return await self._form(503, view, error=away.detail, wait_s=math.ceil(away.retry_after_s))
        return await self._enter(request, cookie, next_path)

    async def _second_step(self, request: Request, fields: Mapping[str, str]) -> Response:
        """The code after the password: sign in, or the form again; the first form when the password must be entered anew."""
        ticket, next_path = fields["ticket"], visit.local_path(fields.get("next", "/"))
        agent = request.headers.get("user-agent", "")
        try:
            cookie = await self._identity.finish_sign_in(ticket, fields.get("code", "")[:100], request.scope[visit.ADDRESS], agent)
        except NotSignedIn as refused:
            found = self._identity.ticket_email(ticket)
            await self._note(request, NOBODY, "session.begin", found or "(no ticket)", "refused")
            if found is None:
                return await self._form(401, SignInView(self._environment, None, next_path=next_path), error=refused.detail)
            return _html(401, code_page(self._environment, ticket, next_path, refused.detail))
        except TryLater as later:
            status = 429 if isinstance(later, RateLimited) else 503
            answer = _html(status, code_page(self._environment, ticket, next_path, later.detail))
            answer.headers["Retry-After"] = str(math.ceil(later.retry_after_s))
            return answer
        return await self._enter(request, cookie, next_path)

    async def _enter(self, request: Request, cookie: str, next_path: str, *, by: str = "password") -> Response:
        """Off to the page asked for with a new session; the one that this browser had ends."""
        former: Principal | None = request.scope[visit.PRINCIPAL]
        if former is not None:
            await self._identity.sign_out(former.session_id)
            await self._note(request, former, "session.end", former.name, "ok")
        person = await self._identity.principal_for_cookie(f"{self._identity.cookie_name}={cookie}", guard_call=True)
        if person is not None:
            await self._note(request, person, "session.begin", person.name, "ok", by=by)
        return self._with_cookie(_see_other(next_path), cookie)

    async def _to_provider(self, request: Request) -> Response:
        """Off to the identity provider."""
        return await self._oidc.start(request) if self._oidc is not None else _no_provider(request)

    async def _from_provider(self, request: Request) -> Response:
        """Back from the identity provider."""
        if self._oidc is None:
            return _no_provider(request)

        async def entered(request: Request, cookie: str, next_path: str) -> Response:
            return await self._enter(request, cookie, next_path, by="oidc")

        async def refused(request: Request, why: str) -> None:
            await self._note(request, NOBODY, "session.begin", why, "refused", by="oidc")

        return await self._oidc.callback(
            request, entered, lambda ticket, path: _html(200, code_page(self._environment, ticket, path)), refused
        )

    async def _sign_out(self, request: Request) -> Response:
        """End the session, wherever the database is, and show the form."""
        person: Principal | None = request.scope[visit.PRINCIPAL]
        if person is not None:
            await self._identity.sign_out(person.session_id)
            await self._note(request, person, "session.end", person.name, "ok")
        return self._with_cookie(_see_other("/login?out=1"), "")

    async def _show_setup(self, request: Request) -> Response:
        """The form of the one-time link, or why it is of no use."""
        token = request.query_params.get("token", "")
        return await self._setup_refusal(token) or _html(200, setup_page(self._environment, token))

    async def _set_up(self, request: Request) -> Response:
        """Make the first admin, signed in."""
        fields = await fields_of(request)
        if isinstance(fields, Response):
            return fields
        token, email, password = fields.get("token", ""), fields.get("email", "")[:254], Secret(fields.get("password", ""))
        refusal = await self._setup_refusal(token)
        if refusal is not None:
            return refusal
        try:
            await self._identity.set_up(token, email, password)
            agent = request.headers.get("user-agent", "")
            cookie = await self._identity.sign_in(email, password, request.scope[visit.ADDRESS], agent)
        except InvalidInput as wrong:
            return _html(422, setup_page(self._environment, token, email, wrong.detail))
        except (Refused, Conflict):
            return await self._setup_refusal(token) or _see_other("/login")
        except SpillwayError as failed:
            return _html(503, setup_page(self._environment, token, email, failed.detail))
        return self._with_cookie(_see_other("/"), cookie)

    async def _setup_refusal(self, token: str) -> Response | None:
        """The page that says why a link is of no use; None for a good one."""
        try:
            state = await self._identity.setup_state(token)
        except DatabaseUnavailable:
            return _html(503, message_page(self._environment, "Not now", "The database does not answer. Open the link again in a moment."))
        if state.is_open:
            return None
        how = "Sign in, or run `make cli ARGS='user reset-password …'`."
        if state.used_at is not None:
            text = f"This link was used at {state.used_at:%H:%M} UTC. {how}"
            return _html(410, message_page(self._environment, "Link used", text))
        text = "This link is not good any more. Start Spillway again for a new one, or sign in if there is an account."
        return _html(410, message_page(self._environment, "Link too old", text))

    async def _form(self, status: int, view: SignInView, *, error: str = "", wait_s: int = 0) -> Response:
        """The sign-in page with a fresh ping."""
        shown = replace(view, ping_ms=await self._ping_ms(), error=error, wait_s=wait_s, provider=self._provider_name)
        answer = _html(status, sign_in_page(shown))
        if wait_s:
            answer.headers["Retry-After"] = str(wait_s)
        return answer

    async def _ping_ms(self) -> float | None:
        """Milliseconds, or None when the database is away or slow."""
        if not self._identity.is_database_reachable:
            return None
        try:
            return await self._ping(_PING_LIMIT_S)
        except DatabaseUnavailable:
            return None

    def _with_cookie(self, answer: Response, value: str) -> Response:
        """`answer` that sets the session cookie, or removes it when `value` is ""."""
        answer.set_cookie(
            self._identity.cookie_name,
            value,
            max_age=int(SESSION_LIFE.total_seconds()) if value else 0,
            path="/",
            secure=self._identity.cookie_is_secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _note(self, request: Request, who: Principal, action: str, target: str, result: str, *, by: str = "password") -> None:
        """Record a sign-in or sign-out. A full journal must not keep people out: then it is logged."""
        try:
            await self._audit.record(
                who,
                action,
                target,
                result,
                request_id=request.scope[visit.REQUEST_ID],
                details={"address": request.scope[visit.ADDRESS]} | ({"by": by} if action == "session.begin" else {}),
            )
        except DatabaseUnavailable:
            _LOG.warning("%s %s of %s could not be recorded", action, result, target)


def _allowed(path: str) -> str:
    """The methods of a path."""
    return {"/logout": "POST", START: "GET, HEAD", CALLBACK: "GET, HEAD"}.get(path, "GET, HEAD, POST")


def _no_provider(request: Request) -> Response:
    """What is said where no identity provider is set up."""
    return problem(404, "not_found", "There is no such page.", instance=request.url.path)


def _html(status: int, text: str) -> Response:
    """A page of the gate."""
    return HTMLResponse(text, status, dict(PAGE_HEADERS))


def _see_other(location: str) -> Response:
    """303: go there with a GET."""
    return RedirectResponse(quote(location, safe="/?&=%:@!$'()*+,;~#[]"), 303, {"Cache-Control": "no-store"})


def _shown(email: str) -> str:
    """What was typed as an email, unless it may be a password typed into the wrong field."""
    return email if "@" in email else "(not an email)"
