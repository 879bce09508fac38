"""The own account: who one is, where one is signed in, the password."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StrictStr

from dashboard_app.access.asking import request_id_of
from dashboard_app.access.identity import Identity
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.values import Answer, Body, Password
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import PrincipalKind, Role
from dashboard_app.runtime.routing import acts, strict_router
from dashboard_app.store.sessions import SessionRecord

_PATH = "/api/v1/account"
_LIMITED: dict[int | str, dict[str, Any]] = {429: {"description": "Too many wrong passwords; Retry-After says when again."}}
SessionHandle = Annotated[str, Path(max_length=64, description="As listed.")]


class AccountOut(Answer):
    """Who asks."""

    kind: PrincipalKind
    name: str
    role: Role
    proved_at: datetime | None = Field(description="When this session last showed who is behind it; null for a program.")


class SessionOut(Answer):
    """One sign-in."""

    id: str
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_this: bool = Field(description="The session that asks.")


class SessionsOut(Answer):
    """The sign-ins that are not over, the one last seen first."""

    items: list[SessionOut]


class EndedOut(Answer):
    """How many sessions were ended."""

    ended: int


class ProofIn(Body):
    """The password, once more."""

    password: Password


class FactorOut(Answer):
    """Whether a code is asked for at sign-in."""

    is_on: bool
    recovery_codes_left: int


class BegunOut(Answer):
    """A key for an authenticator app. Send `pending` back with a code of it."""

    key: str
    address: str = Field(description="otpauth://…, what a QR code holds")
    pending: str


class CodeIn(Body):
    """What the app shows."""

    pending: Annotated[StrictStr, Field(max_length=1000)]
    code: Annotated[StrictStr, Field(max_length=20)]


class RecoveryOut(Answer):
    """Codes for when the app is lost; each works once. Shown this once."""

    recovery_codes: list[str]


class PasswordIn(Body):
    """The present password and the new one."""

    present: Password
    new: Password


def session_json(one: SessionRecord, this: str = "") -> dict[str, Any]:
    """A session as JSON; `this` is the id of the one that asks."""
    return {
        "id": one.handle,
        "address": one.address,
        "user_agent": one.user_agent,
        "created_at": one.created_at,
        "last_seen_at": one.last_seen_at,
        "expires_at": one.expires_at,
        "is_this": one.id_hash == this,
    }


def account_routes(identity: Identity) -> APIRouter:
    """The routes under `/api/v1/account`."""
    router = strict_router("account")

    @router.get(_PATH, response_model=AccountOut, openapi_extra=acts("account.read"))
    async def read_account(request: Request) -> Response:
        """Who asks, person or program."""
        principal = signed_in(request, "account.read")
        return answer({"kind": principal.kind, "name": principal.name, "role": principal.role, "proved_at": principal.proved_at})

    @router.get(f"{_PATH}/sessions", response_model=SessionsOut, openapi_extra=acts("account.read"))
    async def list_own_sessions(request: Request) -> Response:
        """Where this person is signed in. A token has no sessions: 403."""
        principal = signed_in(request, "account.read")
        found = await identity.own_sessions(principal)
        return answer({"items": [session_json(one, principal.session_id) for one in found]})

    @router.post(f"{_PATH}/sessions/end-others", response_model=EndedOut, openapi_extra=acts("account.write"))
    async def end_other_sessions(request: Request) -> Response:
        """End every session of this person but the one that asks; open pages of the others are closed at once."""
        principal = signed_in(request, "account.write")
        return answer({"ended": await identity.end_other_sessions(principal, request_id=request_id_of(request))})

    @router.delete(f"{_PATH}/sessions/{{session_id}}", status_code=204, response_class=Response, openapi_extra=acts("account.write"))
    async def end_own_session(request: Request, session_id: SessionHandle) -> Response:
        """End one of them."""
        await identity.end_own_session(signed_in(request, "account.write"), session_id, request_id=request_id_of(request))
        return Response(status_code=204)

    @router.post(f"{_PATH}/password", response_model=EndedOut, responses=_LIMITED, openapi_extra=acts("account.write"))
    async def change_password(request: Request, body: PasswordIn) -> Response:
        """Set a new password; every other session ends. A wrong present one counts as a try to sign in."""
        principal = signed_in(request, "account.write")
        present, new = Secret(body.present), Secret(body.new)
        ended = await identity.change_password(principal, present, new, request_id=request_id_of(request))
        return answer({"ended": ended})

    _add_second_factor(router, identity)

    @router.post(f"{_PATH}/prove", status_code=204, response_class=Response, responses=_LIMITED, openapi_extra=acts("account.write"))
    async def prove(request: Request, body: ProofIn) -> Response:
        """Show again who one is: what cannot be undone asks a session for that when its last proof is more than 15 minutes old."""
        principal = signed_in(request, "account.write")
        await identity.prove(principal, Secret(body.password), request_id=request_id_of(request))
        return Response(status_code=204)

    return router


def _add_second_factor(router: APIRouter, identity: Identity) -> None:
    """The second factor of the own account."""
    path = f"{_PATH}/second-factor"

    @router.get(path, response_model=FactorOut, openapi_extra=acts("account.read"))
    async def read_second_factor(request: Request) -> Response:
        """Is a code asked for at sign-in, and how many recovery codes are unused?"""
        left = await identity.own_second_factor(signed_in(request, "account.read"))
        return answer({"is_on": left is not None, "recovery_codes_left": left or 0})

    @router.post(path, response_model=BegunOut, openapi_extra=acts("account.write"))
    async def begin_second_factor(request: Request) -> Response:
        """A fresh key. It counts from its confirmation on; until then nothing changes. Needs a fresh proof."""
        begun = await identity.begin_second_factor(signed_in(request, "account.write"))
        told = {"key": begun.key.reveal(), "address": begun.address, "pending": begun.pending}
        return answer(told, headers={"Cache-Control": "no-store"})

    @router.post(f"{path}/confirm", response_model=RecoveryOut, openapi_extra=acts("account.write"))
    async def confirm_second_factor(request: Request, body: CodeIn) -> Response:
        """Confirm the key with a code of the app. The answer holds the recovery codes."""
        by = signed_in(request, "account.write")
        recovery = await identity.confirm_second_factor(by, body.pending, body.code, request_id=request_id_of(request))
        return answer({"recovery_codes": recovery}, headers={"Cache-Control": "no-store"})

    @router.delete(path, status_code=204, response_class=Response, openapi_extra=acts("account.write"))
    async def end_second_factor(request: Request) -> Response:
        """No code is asked for any more. Needs a fresh proof."""
        await identity.end_second_factor(signed_in(request, "account.write"), request_id=request_id_of(request))
        return Response(status_code=204)
