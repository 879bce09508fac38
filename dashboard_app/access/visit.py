"""What the gate reads off a request before anything else does: pure functions of its path and headers."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from posixpath import splitext
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlsplit

from dashboard_app.access.content_policy import NOTHING, page_policy

PRINCIPAL = "spillway.principal"
REQUEST_ID = "spillway.request_id"
ADDRESS = "spillway.address"
IDENTITY_UNKNOWN = "spillway.identity_unknown"
"""Scope key: True when credentials were given that cannot be judged while the database is away."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
GUARD_CALLS = frozenset(
    f"/api/v1/health/database/{name}" for name in ("status", "throttling-config", "holders", "connection-test", "force-cleanup")
)
LIVENESS_CALLS = frozenset({"/livez", "/readyz", "/api/health", "/api/v1/health/ping"})
SOCKET = "/_event"
STREAM = "/api/v1/events/stream"
"""The one answer that goes on for minutes, and ends with the session of its reader."""
EVENTS_SOCKET = "/api/v1/events/ws"
_API_PREFIXES = ("/api/", "/scan/", "/docs/")
_API_PATHS = frozenset({"/metrics", "/livez", "/readyz", "/openapi.json", "/docs"})
_REFLEX_ENDPOINTS = ("/ping", "/_health", "/_upload", "/_all_routes", "/auth-codespace")
_ASSET_SUFFIXES = frozenset(
    {".js", ".mjs", ".css", ".map", ".woff2", ".woff", ".svg", ".png", ".ico", ".webp", ".jpg", ".txt", ".webmanifest"}
)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_MAX_NEXT = 2000
_NO_FEATURES = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope"),
        *("magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "usb", "xr-spatial-tracking"),
    )
)
_OWN_PAGES = ("/login", "/logout", "/setup", "/password", "/oidc/start", "/oidc/callback")


def is_api(path: str) -> bool:
    """True when `path` is the API's to answer."""
    return path in _API_PATHS or path.startswith(_API_PREFIXES)


def is_closed(path: str) -> bool:
    """True for what Reflex would serve beside pages and socket; nobody needs it here."""
    return any(path == closed or path.startswith(f"{closed}/") for closed in _REFLEX_ENDPOINTS)


def is_asset(path: str) -> bool:
    """True for a file of the built console: it holds code and looks, never data."""
    return splitext(path)[1].lower() in _ASSET_SUFFIXES


def is_socket(path: str) -> bool:
    """True for the socket of the console's pages."""
    return path == SOCKET or path.startswith(f"{SOCKET}/")


def request_id(given: str) -> str:
    """The caller's id when it is sane (1 to 128 letters, digits and ._:/+=-), else a new one."""
    return given if given and _SANE_ID.fullmatch(given) else token_hex(16)


def client_address(peer: str, forwarded_for: str, hops: int) -> str:
    """The client's address: the peer's, or with `hops` proxies in front the one that the outermost of them saw.

    Each proxy appends whom it saw to X-Forwarded-For; what stands further left was sent by the client and is not believed.
    """
    seen = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    if hops <= 0 or not seen:
        return peer
    return _as_address(seen[max(len(seen) - hops, 0)]) or peer


def _as_address(text: str) -> str:
    """An IP address without port and brackets, "" for anything else."""
    for candidate in (text, text.removeprefix("[").partition("]")[0], text.partition(":")[0]):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return ""


def bearer_token(authorization: str) -> str | None:
    """The token of an Authorization header; "" when it is of another kind, None when there is no header."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def local_path(wanted: str) -> str:
    """`wanted` when it is a path of this site that is not a sign-in page, else "/": no redirect leads elsewhere."""
    parts = urlsplit(wanted) if wanted.isprintable() and "\\" not in wanted else None
    is_ours = parts is not None and not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith("//")
    if parts is None or not is_ours or len(wanted) > _MAX_NEXT or parts.path.rstrip("/") in _OWN_PAGES:
        return "/"
    return wanted


def login_location(path: str, query: str, *, expired: bool = False) -> str:
    """Where somebody without a session is sent, so as to come back to the page asked for."""
    back = local_path(quote(path, safe="/:@!$&'()*+,;=~-._") + (f"?{query}" if query else ""))
    marks = ["expired=1"] if expired else []
    marks += [f"next={quote(back, safe='/')}"] if back != "/" else []
    return "/login" + (f"?{'&'.join(marks)}" if marks else "")


def security_headers(host: str, *, is_https: bool, page: tuple[str, ...] | None = None) -> Mapping[str, str]:
    """What every answer carries unless it says otherwise. `host` is the checked Host header; `page`: for a page of the console, the hashes of its inline scripts.

    The referrer stays on the site rather than away: with no-referrer, browsers send `Origin: null` with a form.
    """
    headers = {
        "content-security-policy": NOTHING if page is None else page_policy(host, page),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": _NO_FEATURES,
    }
    return {**headers, "strict-transport-security": "max-age=31536000; includeSubDomains"} if is_https else headers


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """The first header `name` (lower case) of a scope, "" when there is none."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""


@lru_cache(maxsize=64)
def raw_security_headers(host: str, *, is_https: bool, page: tuple[str, ...] | None = None) -> tuple[tuple[bytes, bytes], ...]:
    """The same as they go over the wire; made once for each host that is allowed."""
    return tuple((name.encode(), value.encode("latin-1")) for name, value in security_headers(host, is_https=is_https, page=page).items())
