"""How a door refuses: with a problem document, to a request and to the handshake of a WebSocket alike."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dashboard_app.access import visit
from dashboard_app.runtime.problem import ProblemResponse, problem


def not_signed_in(scope: Scope) -> ProblemResponse:
    """401; or 503 when credentials were given that nobody can judge now: the caller should come again, not sign in anew."""
    if scope.get(visit.IDENTITY_UNKNOWN):
        detail = "The database cannot be asked whether these credentials are good."
        return problem(503, "database_unavailable", detail, instance=scope["path"], headers=[("Retry-After", "2")])
    detail = "Sign in first, or send a bearer token."
    return problem(401, "not_signed_in", detail, instance=scope["path"], headers=[("WWW-Authenticate", "Bearer")])


async def refuse_socket(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a handshake with `refusal` instead of opening the socket; needs a server with the extension `websocket.http.response`."""
    await receive()
    await refusal(scope, receive, send)
