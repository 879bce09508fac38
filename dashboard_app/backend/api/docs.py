"""`/docs`: the API's documentation from files of this machine. Everything it loads lies under `/docs/`, no script is inline."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from starlette.responses import FileResponse, HTMLResponse

from dashboard_app.access.content_policy import DOCS
from dashboard_app.backend.api.answers import answer
from dashboard_app.runtime.routing import acts, strict_router

_FILES = Path(str(files("fastapi_offline"))) / "static"
_SERVED = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spillway API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def docs_routes(app: FastAPI) -> APIRouter:
    """`/openapi.json`, `/docs` and its files. Open to everyone: the same text is in the project's sources."""
    router = strict_router("docs")

    @router.get("/openapi.json", include_in_schema=False, openapi_extra=acts("docs.read"))
    async def openapi() -> Response:
        """The description of this API."""
        return answer(app.openapi())

    @router.get("/docs", include_in_schema=False, openapi_extra=acts("docs.read"))
    async def docs() -> Response:
        """The page."""
        return HTMLResponse(_PAGE, headers={"Cache-Control": "no-cache", "Content-Security-Policy": DOCS})

    @router.get("/docs/start.js", include_in_schema=False, openapi_extra=acts("docs.read"))
    async def start() -> Response:
        """The script that fills the page."""
        return Response(_START, media_type="text/javascript")

    for name, kind in _SERVED.items():
        router.get(f"/docs/{name}", include_in_schema=False, openapi_extra=acts("docs.read"))(_file(name, kind))
    return router


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    """A handler that serves one file."""

    async def serve() -> Response:
        return FileResponse(_FILES / name, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    return serve
