"""Accounts: an admin adds, changes, locks out and lets in; a person sets the password by a link that works once."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StrictStr

from dashboard_app.access.accounts import Link
from dashboard_app.access.asking import request_id_of
from dashboard_app.access.identity import Identity
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.values import LARGEST_ID, Answer, Body, Text200, Truth, absent
from dashboard_app.model.user import EMAIL_PATTERN, Role, User
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/api/v1/users"
UserId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the account; one that does not exist is 404.")]
_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "The email is taken, or this is the last admin who can sign in."}}


class UserOut(Answer):
    """One account."""

    id: int
    email: str
    name: str
    role: Role
    disabled: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    has_second_factor: bool
    sessions: int = Field(description="How many are open.")


class UsersOut(Answer):
    """Every account, oldest first."""

    items: list[UserOut]


class LinkOut(Answer):
    """An account and the link by which its person sets a password. The link is shown this once."""

    user: UserOut
    link: str
    expires_at: datetime


class UserIn(Body):
    """An account to make."""

    email: Annotated[StrictStr, Field(max_length=254, json_schema_extra={"pattern": EMAIL_PATTERN})]
    role: Role = Role.VIEWER
    name: Text200 = ""


class UserPatch(Body):
    """What to change; what is left out stays."""

    role: Role = Field(default_factory=absent)
    disabled: Truth = Field(default_factory=absent)


def user_json(user: User, sessions: int = 0) -> dict[str, Any]:
    """An account as JSON."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "last_sign_in_at": user.last_sign_in_at,
        "has_second_factor": user.has_second_factor,
        "sessions": sessions,
    }


def user_routes(identity: Identity, base_url: str) -> APIRouter:
    """The routes under `/api/v1/users`. `base_url` is where the links lead."""
    router = strict_router("users")

    async def shown(user: User) -> dict[str, Any]:
        return user_json(user, (await identity.open_sessions()).get(user.id, 0))

    async def linked(user: User, link: Link, status: int) -> Response:
        return answer({"user": await shown(user), "link": f"{base_url}{link.path}", "expires_at": link.expires_at}, status)

    @router.get(_PATH, response_model=UsersOut, openapi_extra=acts("users.read"))
    async def list_users(request: Request) -> Response:
        """Every account with its last sign-in and how many sessions are open."""
        signed_in(request, "users.read")
        counted = await identity.open_sessions()
        return answer({"items": [user_json(user, counted.get(user.id, 0)) for user in await identity.list_users()]})

    @router.post(_PATH, response_model=LinkOut, status_code=201, responses=_TAKEN, openapi_extra=acts("users.write"))
    async def add_user(request: Request, body: UserIn) -> Response:
        """A new account without a password, and a link, good for 24 h, by which its person sets one."""
        by = signed_in(request, "users.write")
        return await linked(*await identity.invite(body.email, body.role, name=body.name, by=by, request_id=request_id_of(request)), 201)

    @router.patch(f"{_PATH}/{{user_id}}", response_model=UserOut, responses=_TAKEN, openapi_extra=acts("users.write"))
    async def change_user(request: Request, user_id: UserId, body: UserPatch) -> Response:
        """Change the role, lock the account out (it is signed out at once) or let it in again."""
        by, asked = signed_in(request, "users.write"), request_id_of(request)
        user = await identity.user(user_id)
        if "role" in body.model_fields_set and body.role is not user.role:
            user = await identity.set_role(user.email, body.role, by=by, request_id=asked)
        if "disabled" in body.model_fields_set and body.disabled is not user.disabled:
            user = await identity.disable(user.email, disabled=body.disabled, by=by, request_id=asked)
        return answer(await shown(user))

    @router.post(f"{_PATH}/{{user_id}}/password-link", response_model=LinkOut, responses=_TAKEN, openapi_extra=acts("users.write"))
    async def password_link(request: Request, user_id: UserId) -> Response:
        """A link, good for 24 h, by which the person sets a new password. Until it is used the old one counts."""
        by = signed_in(request, "users.write")
        return await linked(*await identity.password_link(user_id, by=by, request_id=request_id_of(request)), 200)

    _add_resets(router, identity)
    return router


def _add_resets(router: APIRouter, identity: Identity) -> None:
    """Signing an account out, and letting it in without its second factor."""

    @router.delete(f"{_PATH}/{{user_id}}/sessions", status_code=204, response_class=Response, openapi_extra=acts("users.write"))
    async def sign_out_user(request: Request, user_id: UserId) -> Response:
        """Sign the account out everywhere, at once."""
        await identity.sign_out_user(user_id, by=signed_in(request, "users.write"), request_id=request_id_of(request))
        return Response(status_code=204)

    @router.delete(f"{_PATH}/{{user_id}}/second-factor", status_code=204, response_class=Response, openapi_extra=acts("users.write"))
    async def reset_second_factor(request: Request, user_id: UserId) -> Response:
        """For somebody who lost app and recovery codes: the password alone is enough again."""
        by = signed_in(request, "users.write")
        user = await identity.user(user_id)
        await identity.reset_second_factor(user.email, by=by, request_id=request_id_of(request))
        return Response(status_code=204)
