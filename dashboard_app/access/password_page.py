"""`/password`: where a link from an admin leads. A plain form like the sign-in; setting the password signs nobody in."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard_app.access.forms import PAGE_HEADERS, fields_of
from dashboard_app.access.identity import Identity
from dashboard_app.access.sign_in_html import message_page, password_page
from dashboard_app.access.visit import REQUEST_ID
from dashboard_app.model.errors import DatabaseUnavailable, InvalidInput, Refused, SpillwayError
from dashboard_app.model.secret import Secret


class PasswordPage:
    """Shows and takes the form of one link."""

    def __init__(self, identity: Identity, environment: str) -> None:
        """No I/O."""
        self._identity = identity
        self._environment = environment

    async def show(self, request: Request) -> Response:
        """The form, or why the link is of no use."""
        token = request.query_params.get("token", "")
        refusal, email = await self._judged(token)
        return refusal or _html(200, password_page(self._environment, token, email))

    async def take(self, request: Request) -> Response:
        """Set the password; then its person signs in with it."""
        fields = await fields_of(request)
        if isinstance(fields, Response):
            return fields
        token = fields.get("token", "")
        refusal, email = await self._judged(token)
        if refusal is not None:
            return refusal
        try:
            await self._identity.use_link(token, Secret(fields.get("password", "")), request_id=request.scope[REQUEST_ID])
        except InvalidInput as wrong:
            return _html(422, password_page(self._environment, token, email, wrong.detail))
        except Refused:
            return (await self._judged(token))[0] or _html(410, self._too_old())
        except SpillwayError as failed:
            return _html(503, password_page(self._environment, token, email, failed.detail))
        return RedirectResponse("/login?set=1", 303, {"Cache-Control": "no-store"})

    async def _judged(self, token: str) -> tuple[Response | None, str]:
        """The page that says why a link is of no use, None for a good one; and whose it is."""
        try:
            state, email = await self._identity.link_state(token)
        except DatabaseUnavailable:
            text = "The database does not answer. Open the link again in a moment."
            return _html(503, message_page(self._environment, "Not now", text)), ""
        if state.is_open:
            return None, email
        if state.used_at is not None:
            text = f"This link was used at {state.used_at:%H:%M} UTC. Sign in, or ask an admin for a new one."
            return _html(410, message_page(self._environment, "Link used", text)), email
        return _html(410, self._too_old()), ""

    def _too_old(self) -> str:
        """What is said of a link that is unknown or past its time."""
        return message_page(self._environment, "Link too old", "This link is not good any more. Ask an admin for a new one.")


def _html(status: int, text: str) -> Response:
    """A page of the gate."""
    return HTMLResponse(text, status, dict(PAGE_HEADERS))
