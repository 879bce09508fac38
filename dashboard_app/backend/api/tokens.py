"""API tokens: made and shown once, listed without their secrets, revoked."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, Field, StrictInt, StrictStr

from dashboard_app.access.asking import request_id_of
from dashboard_app.access.identity import Identity
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.values import LARGEST_ID, Answer, Body, Name
from dashboard_app.model.user import Role
from dashboard_app.policy.scopes import SCOPES
from dashboard_app.runtime.routing import acts, strict_router
from dashboard_app.store.tokens import TokenRecord

_PATH = "/api/v1/tokens"
_DAY_S, _MOST_DAYS = 86_400, 3650
_SCOPES_ARE = "What it is narrowed to, any of: " + "; ".join(f"`{name}`: {scope.words}" for name, scope in SCOPES.items())


def _known_scope(name: str) -> str:
    """`name`, when there is such a scope."""
    if name not in SCOPES:
        raise ValueError(f"must be one of {', '.join(SCOPES)}")
    return name


ScopeName = Annotated[StrictStr, AfterValidator(_known_scope), Field(json_schema_extra={"enum": list(SCOPES)})]
TokenId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the token; one that does not exist is 404.")]


class TokenOut(Answer):
    """What is kept of a token."""

    id: int
    name: str
    begins: str = Field(description="Its first characters.")
    role: Role
    scopes: list[str] | None = Field(description="What it is narrowed to; null: it may do all that its role may.")
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokensOut(Answer):
    """Every token, newest first."""

    items: list[TokenOut]


class NewTokenOut(TokenOut):
    """A new token with its secret."""

    token: str = Field(description="Shown this once.")


class TokenIn(Body):
    """A token to make. `expires_in_days` null or left out: it is good until it is revoked; `scopes`: it may do all that its role may."""

    name: Name
    role: Role
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=len(SCOPES), description=_SCOPES_ARE)] | None = None
    expires_in_days: Annotated[StrictInt, Field(ge=1, le=_MOST_DAYS)] | None = None


def token_json(record: TokenRecord) -> dict[str, Any]:
    """A token as JSON, without its secret."""
    names = ("id", "name", "role", "created_by", "created_at", "expires_at", "last_used_at", "revoked_at")
    scopes = None if record.scopes is None else sorted(record.scopes)
    return {"begins": record.prefix, "scopes": scopes, **{name: getattr(record, name) for name in names}}


def token_routes(identity: Identity) -> APIRouter:
    """The routes under `/api/v1/tokens`."""
    router = strict_router("tokens")

    @router.get(_PATH, response_model=TokensOut, openapi_extra=acts("tokens.read"))
    async def list_tokens(request: Request) -> Response:
        """Every token, revoked and expired ones included."""
        signed_in(request, "tokens.read")
        return answer({"items": [token_json(record) for record in await identity.list_tokens()]})

    @router.post(_PATH, response_model=NewTokenOut, status_code=201, openapi_extra=acts("tokens.write"))
    async def create_token(request: Request, body: TokenIn) -> Response:
        """A new token; the answer is the only place where it is ever shown."""
        by = signed_in(request, "tokens.write")
        lives_s = None if body.expires_in_days is None else float(body.expires_in_days * _DAY_S)
        token, record = await identity.make_token(
            body.name, body.role, lives_s, scopes=body.scopes, by=by, request_id=request_id_of(request)
        )
        return answer({**token_json(record), "token": token}, 201, {"Cache-Control": "no-store"})

    @router.delete(f"{_PATH}/{{token_id}}", response_model=TokenOut, openapi_extra=acts("tokens.write"))
    async def revoke_token(request: Request, token_id: TokenId) -> Response:
        """Take its power, at once; again changes nothing."""
        record = await identity.revoke_token(token_id, by=signed_in(request, "tokens.write"), request_id=request_id_of(request))
        return answer(token_json(record))

    return router
