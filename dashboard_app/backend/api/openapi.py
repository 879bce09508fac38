"""The description of the API: what FastAPI reads off the routes, plus what every call shares: problems, rights, headers."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dashboard_app.backend.api.problem_schema import FieldError, Problem
from dashboard_app.policy.permission import least_role
from dashboard_app.policy.scopes import scope_of
from dashboard_app.runtime.routing import ACTION_KEY

COOKIE = "spillway_session"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth trying again."}}
_METHODS = ("get", "post", "put", "patch", "delete")
_ABOUT = """Errors are problem documents (RFC 9457). Times are ISO 8601 in UTC with `Z`. Every answer carries `X-Request-ID` and the hint
`X-Throttle: level=…; max=…; rpm=…; delay=…; version=…`, so that a client slows down with its very next request.
Every id in a path says its range; any other is 404. Bodies may have 1 MiB, those of jobs and events 16 MiB."""
_SHARED = {
    "X-Request-ID": {"schema": {"type": "string"}, "description": "The caller's, if it sent a sane one."},
    "X-Throttle": {"schema": {"type": "string"}, "description": "What a client may send now."},
}
_EVERYWHERE = {name: {"$ref": f"#/components/headers/{name}"} for name in _SHARED}
_TELLS_WHEN = frozenset({"429", "503"})
"""What says with `Retry-After` when it is worth trying again."""


def _problem(description: str) -> dict[str, Any]:
    """One problem response of an operation."""
    return {"description": description, "content": _PROBLEM}


def _scope_words(action: str) -> str:
    """What a narrowed token needs for `action`."""
    scope = scope_of(action)
    return f"; of a token that is narrowed the scope `{scope}`" if scope else ""


def describe(app: FastAPI, *, public_health: bool) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1. Built once and kept on `app`."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (FieldError, Problem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    components["headers"] = _SHARED
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer …`"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The cookie set by /login."},
    }
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(path, method, item[method], public_health=public_health)
    app.openapi_schema = document
    return document


def _complete(path: str, method: str, operation: dict[str, Any], *, public_health: bool) -> None:
    """Add to one operation who may call it and the problems it may answer."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and not parameter["required"]:
            parameter["allowEmptyValue"] = True  # the rule of `values.Parameters`
    needed = least_role(operation[ACTION_KEY], public_health=public_health)
    operation["security"] = [] if needed is None else [{"token": []}, {"session": []}]
    responses: dict[str, Any] = operation["responses"]
    if needed is not None:
        operation["description"] = (
            f"{operation.get('description', '')}\n\nNeeds the role {needed.value}{_scope_words(operation[ACTION_KEY])}.".strip()
        )
        responses["401"] = _problem("Nobody is signed in.")
        responses["403"] = _problem(
            "The role does not reach (`forbidden`), or the token is narrowed to other things (`insufficient_scope`)."
        )
        away = responses.setdefault("503", {})
        away.setdefault("description", "The pool has no place, or the database does not answer.")
    _add_refusals(path, method, operation, responses)
    for status, response in responses.items():
        response["headers"] = response.get("headers", {}) | (_RETRY if status in _TELLS_WHEN else {}) | _EVERYWHERE
        if status >= "400":
            response.setdefault("content", _PROBLEM)


def _add_refusals(path: str, method: str, operation: dict[str, Any], responses: dict[str, Any]) -> None:
    """Add the problems that follow from the path and from what the operation takes."""
    if "{" in path:
        responses["404"] = _problem("There is no such thing.")
    if any(parameter["in"] != "header" for parameter in operation.get("parameters", ())) or "requestBody" in operation:
        responses["422"] = _problem("A value is not acceptable; `errors` names each field.")
    else:
        responses.pop("422", None)
    if "requestBody" in operation:
        responses["413"] = _problem("The body is too large.")
        responses["415"] = _problem("The body is not application/json.")
    if path.startswith("/scan/") and method in {"post", "patch", "delete"}:
        responses.setdefault("409", _problem("The name is taken, or the built-in source does not allow this."))
    if path in {"/readyz", "/api/health"}:
        responses["503"] = _problem("Not now.")
