"""A small but true OpenID Connect provider, as a process of its own: discovery, keys, sign-in form, codes, tokens, userinfo.

It checks what a provider must: client, secret, redirect address, PKCE, single use of a code. `POST /quirks` makes its next
answers wrong in a named way, `POST /people` says who may sign in. Run as `python -m tests.oidc_provider PORT`.
"""

import base64
import contextlib
import hashlib
import html
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin

import httpx
import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.instance import PLAIN, ROOT, free_port

CLIENT_ID, CLIENT_SECRET, PASSWORD = "spillway", "a-secret-of-the-client", "of-the-provider"
SESSION = "provider_session"


class TrueProvider:
    """The provider and what it remembers."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.other = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.people: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, tuple[str, float]] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.access: dict[str, str] = {}
        self.quirks: dict[str, Any] = {}
        self.asked: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/authorize", self.sign_in, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
                Route("/people", self.set_people, methods=["POST"]),
                Route("/quirks", self.set_quirks, methods=["POST"]),
            ]
        )

    async def discovery(self, _request: Request) -> Response:
        self.asked.append("discovery")
        told = {
            "issuer": self.quirks.get("issuer", self.issuer),
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(told)

    async def keys(self, _request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse(KeySet([self.key]).as_dict())

    async def authorize(self, request: Request) -> Response:
        """The form; or straight back, for somebody who is signed in here and is not asked anew."""
        asked = dict(request.query_params)
        if asked.get("client_id") != CLIENT_ID or not asked.get("redirect_uri", "").endswith("/oidc/callback"):
            return Response("unknown client or redirect address", 400)
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256" or "openid" not in asked["scope"].split():
            return self.back(asked, {"error": "invalid_request"})
        found = self.sessions.get(request.cookies.get(SESSION, ""))
        if found is not None and (asked.get("prompt") != "login" or self.quirks.get("never_asks")):
            return self.back(asked, {"code": self.coded(asked, *found)})
        hidden = f'<input type="hidden" name="asked" value="{html.escape(urlencode(asked))}">'
        names = '<input name="who" aria-label="Who"><input name="password" type="password" aria-label="Password of the provider">'
        return HTMLResponse(
            f'<title>Provider</title><form method="post" action="/authorize">{hidden}{names}<button>Let me in</button></form>'
        )

    async def sign_in(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        asked, who = dict(parse_qsl(form["asked"])), form.get("who", "")
        if form.get("password") != PASSWORD or who not in self.people:
            return self.back(asked, {"error": "access_denied"})
        session, at = secrets.token_hex(8), time.time()
        self.sessions[session] = (who, at)
        answer = self.back(asked, {"code": self.coded(asked, who, at)})
        answer.set_cookie(SESSION, session, httponly=True)
        return answer

    def coded(self, asked: dict[str, str], who: str, at: float) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"asked": asked, "who": who, "auth_time": int(at)}
        return code

    def back(self, asked: dict[str, str], told: dict[str, str]) -> Response:
        told |= {"state": asked.get("state", ""), "iss": self.quirks.get("iss", self.issuer)}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(told)}", 303)

    async def token(self, request: Request) -> Response:
        self.asked.append("token")
        form = dict(parse_qsl((await request.body()).decode()))
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(given).decode() != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return JSONResponse({"error": "invalid_client"}, 401)
        found = self.codes.pop(form.get("code", ""), None)
        if found is None or form.get("grant_type") != "authorization_code" or form.get("redirect_uri") != found["asked"]["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != found["asked"]["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now, access = int(time.time()), secrets.token_urlsafe(16)
        self.access[access] = found["who"]
        standard = {"iss": self.issuer, "sub": f"id-of-{found['who']}", "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims = standard | {"auth_time": found["auth_time"], "nonce": found["asked"]["nonce"]} | self.people[found["who"]]
        claims |= self.quirks.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        return JSONResponse({"access_token": access, "token_type": "Bearer", "id_token": self.signed(claims)})

    def signed(self, claims: dict[str, Any]) -> str:
        how = self.quirks.get("signed", "")
        if how == "none":
            parts = ({"alg": "none"}, claims)
            return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
        key = self.other if how == "by another key" else self.key
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    async def userinfo(self, request: Request) -> Response:
        self.asked.append("userinfo")
        who = self.access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if who is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({"sub": f"id-of-{who}"} | self.quirks.get("userinfo", {}))

    async def set_people(self, request: Request) -> Response:
        self.people = json.loads(await request.body())
        self.sessions.clear()
        return Response(status_code=204)

    async def set_quirks(self, request: Request) -> Response:
        self.quirks = json.loads(await request.body())
        if self.quirks.get("new_key"):
            self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})
        asked, self.asked = self.asked, []
        return JSONResponse(asked)


@dataclass(frozen=True)
class RunningProvider:
    """The process, as a test sees it."""

    issuer: str
    process: subprocess.Popen[bytes]

    def people(self, **people: dict[str, Any]) -> None:
        """Who may sign in, each with claims; everybody is signed out there."""
        httpx.post(f"{self.issuer}/people", json=people, verify=PLAIN).raise_for_status()

    def quirks(self, **quirks: Any) -> list[str]:
        """Answer wrong from now on, in these ways; what was asked of it since the last call."""
        return list(httpx.post(f"{self.issuer}/quirks", content=json.dumps(quirks), verify=PLAIN).raise_for_status().json())

    def sign_in(self, address: str, who: str, password: str = PASSWORD) -> str:
        """What a person's browser does there: open `address`, fill the form, be sent back. Returns where to."""
        with httpx.Client(verify=PLAIN) as browser:
            form = browser.get(address)
            asked = html.unescape(form.text.partition('name="asked" value="')[2].partition('"')[0])
            answer = browser.post(urljoin(address, "/authorize"), data={"asked": asked, "who": who, "password": password})
            assert answer.status_code == 303, answer.text
            return answer.headers["location"]

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a Spillway that trusts it; roles come from the claim `groups`."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
            "oidc_name": "Example ID",
            "oidc_role_claim": "groups",
            "oidc_role_map": "sre=admin, dev=operator, staff=viewer",
        }


@contextlib.contextmanager
def running_provider() -> Iterator[RunningProvider]:
    """A provider on a port of loopback, ended afterwards."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.oidc_provider", str(port)], cwd=ROOT)
    provider = RunningProvider(f"http://127.0.0.1:{port}", process)
    try:
        _wait(provider)
        yield provider
    finally:
        process.terminate()
        process.wait(10)


def _wait(provider: RunningProvider, timeout_s: float = 30) -> None:
    """Return when it answers."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and provider.process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{provider.issuer}/keys", verify=PLAIN).status_code == httpx.codes.OK:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            provider.process.wait(0.05)
    raise AssertionError("the provider does not come up")


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(TrueProvider(f"http://127.0.0.1:{port}").app, host="127.0.0.1", port=port, log_level="warning")
