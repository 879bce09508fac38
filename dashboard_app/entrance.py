"""The entrance: the one ASGI app of the port, put together around Reflex."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard_app.access.audit import Audit
from dashboard_app.access.gate import Gate
from dashboard_app.access.identity import Identity
from dashboard_app.access.oidc_pages import OidcPages
from dashboard_app.access.oidc_provider import Provider
from dashboard_app.access.page_frames import PageFrames
from dashboard_app.access.permit import Permit
from dashboard_app.access.sign_in import Ping, SignIn
from dashboard_app.access.vault import Vault
from dashboard_app.access.visit import EVENTS_SOCKET, STREAM
from dashboard_app.backend.api.app import is_api_path
from dashboard_app.model.clock import Clock
from dashboard_app.runtime.memory import Shedding
from dashboard_app.settings import Settings

_STREAMS = frozenset({STREAM, EVENTS_SOCKET})


class Entrance:
    """Lets in by the gate, and sends calls of the API to `permit`. `around` comes first, then `in_front_of`."""

    def __init__(
        self,
        permit: Permit,
        settings: Settings,
        clock: Clock,
        *,
        identity: Identity,
        audit: Audit,
        vault: Vault,
        provider: Provider | None,
        ping: Ping,
        hint: Callable[[], str],
    ) -> None:
        """`ping` asks the database, as the sign-in page says; `hint` gives the value of `X-Throttle`; no I/O."""
        self._permit, self._settings, self._clock = permit, settings, clock
        self._identity, self._audit, self._vault, self._provider = identity, audit, vault, provider
        self._ping, self._hint = ping, hint
        self._gate: Gate | None = None

    def around(
        self,
        pages: ASGIApp,
        addresses: frozenset[str] = frozenset(),
        farewell: str = "",
        scripts: tuple[str, ...] = (),
        handlers: frozenset[str] = frozenset(),
    ) -> ASGIApp:
        """The one ASGI app of the port: the gate outermost, then the API by its paths, `pages` (Reflex) for all else.

        `addresses` are those of built pages, such as "/pool": each is a folder of the build, which would else redirect to "/pool/".
        `farewell` is the last that an open page hears when its session is over; `scripts` are the hashes of the scripts that stand in them;
        `handlers` are the full names of all handlers of events.
        """
        pages = PageFrames(pages, handlers)

        async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
            is_api_call = is_api_path(scope["path"]) if scope["type"] == "http" else scope.get("path") == EVENTS_SOCKET
            if is_api_call:
                await self._permit(scope, receive, send)  # the gate itself adds the hint to every answer
            elif scope["type"] == "http" and scope["path"] in addresses:
                await pages({**scope, "path": f"{scope['path']}/", "raw_path": f"{scope['path']}/".encode()}, receive, send)
            else:
                await pages(scope, receive, send)

        megabytes = self._settings.memory_limit_mb
        oidc = OidcPages(self._provider, self._identity, self._vault, self._clock) if self._provider is not None else None
        pages_without_session = SignIn(self._identity, self._audit, self._settings.environment, self._ping, oidc=oidc)
        self._gate = Gate(
            Shedding(by_path, megabytes * 2**20, self._clock, _STREAMS.__contains__),
            identity=self._identity,
            pages=pages_without_session,
            settings=self._settings,
            hint=self._hint,
            farewell=farewell,
            scripts=scripts,
        )
        return self._gate

    def in_front_of(self, whole: ASGIApp) -> ASGIApp:
        """`whole` (Reflex, with the gate inside) for pages, sockets and the lifespan; calls of the API reach the same gate without Reflex's layers."""
        gate = self._gate
        if gate is None:
            message = "there is no gate yet: `around` comes first"
            raise RuntimeError(message)

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            is_call = scope["type"] == "http" and is_api_path(scope["path"])
            await (gate if is_call else whole)(scope, receive, send)

        return front
