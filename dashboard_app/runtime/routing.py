"""Routes that say which action they are, and read JSON strictly. Used by the API and by the console's own calls."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute, APIRouter

ACTION_KEY = "x-action"
"""The member of an operation in OpenAPI that names its action in `policy/permission.py`."""
TAGGED: dict[str, Any] = {"headers": {"ETag": {"schema": {"type": "string"}, "description": "Another one with each change."}}}
"""For a route's `responses`: this answer carries an ETag."""


def acts(action: str, **heeds: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that is `action`: `@router.get("/x", openapi_extra=acts("sources.read"))`.

    `heeds`: a request header that the route reads by itself, `_` for `-`, and what it does with it.
    """
    headers = [
        {"name": name.replace("_", "-"), "in": "header", "required": False, "schema": {"type": "string"}, "description": use}
        for name, use in heeds.items()
    ]
    return {ACTION_KEY: action, **({"parameters": headers} if headers else {})}


class StrictRequest(Request):
    """A request whose JSON is RFC 8259: no NaN, no lone surrogates, UTF-8 only, bounded depth."""

    async def json(self) -> Any:
        """The parsed body. Raises json.JSONDecodeError (a ValueError) for anything that is not JSON."""
        if not hasattr(self, "_strict_json"):
            self._strict_json = orjson.loads(await self.body())
        return self._strict_json


class StrictRoute(APIRoute):
    """A route that hands its handler a `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI behind the stricter reader."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def strict_router(tag: str) -> APIRouter:
    """An empty router of strict routes; `tag` groups them in the documentation."""
    return APIRouter(route_class=StrictRoute, tags=[tag], redirect_slashes=False)
