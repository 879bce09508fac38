"""How the server that this console reads from is reached, as the settings say: calls and live feed, in process or over the network."""

from socket import gethostname

from starlette.types import ASGIApp

from dashboard_app.console.client.feed import FeedSource, InProcessFeed, Published, SocketFeed, SocketLimits
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.client.wire import Wire
from dashboard_app.model.clock import Clock
from dashboard_app.model.secret import Secret
from dashboard_app.settings import Settings


def wire_of(settings: Settings, app: ASGIApp | None, throttle: Throttle) -> Wire:
    """The wire that the settings ask for. A console of another machine calls itself by that machine and its port."""
    if settings.backend_url is not None:
        wire = Wire.remote(settings.backend_url, _token(settings), throttle.hear)
        host = "".join(letter for letter in gethostname() if letter.isascii() and (letter.isalnum() or letter in ".-"))[:32]
        wire.name = f"spillway-console@{host}:{settings.port}"
    elif app is None:
        message = "a console needs this instance's API or BACKEND_URL"
        raise ValueError(message)
    else:
        wire = Wire.in_process(app, throttle.hear)
    wire.acts_on = throttle.acts_on
    return wire


def feed_of(settings: Settings, events: Published | None, clock: Clock) -> FeedSource | None:
    """Where the live feed comes from; None: from nowhere."""
    if settings.backend_url is not None:
        limits = SocketLimits(settings.request_timeout_s, settings.ws_ping_s, settings.ws_ping_timeout_s, settings.ws_max_bytes)
        return SocketFeed(settings.backend_url, _token(settings), limits)
    return None if events is None else InProcessFeed(events, clock, open_s=settings.request_timeout_s)


def _token(settings: Settings) -> Secret | None:
    """BACKEND_TOKEN."""
    return None if settings.backend_token is None else Secret(settings.backend_token.get_secret_value())
