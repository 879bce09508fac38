"""A pretended outage: while it lasts, every call about data sources is answered 503."""

import math

from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard_app.model.clock import Clock
from dashboard_app.runtime.problem import problem

_PREFIX = "/scan/"


class Outage:
    """Until when the drill `fail` lasts."""

    def __init__(self, clock: Clock) -> None:
        """No outage."""
        self._clock = clock
        self._until = -math.inf

    def begin(self, seconds: float) -> None:
        """Fail from now on for `seconds`; 0 ends an outage."""
        self._until = self._clock.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left of it; 0: none."""
        return max(0.0, self._until - self._clock.monotonic())


class Failing:
    """Pure ASGI: answers 503, code `drill`, to every `/scan/` call during an outage, whoever asks. All else goes on."""

    def __init__(self, app: ASGIApp, outage: Outage) -> None:
        """Wrap `app`."""
        self._app = app
        self._outage = outage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fail, or pass on."""
        left_s = self._outage.left_s
        if scope["type"] == "http" and left_s > 0 and scope["path"].startswith(_PREFIX):
            headers = [("Retry-After", str(math.ceil(left_s)))]
            refusal = problem(503, "drill", "A drill makes this call fail.", instance=scope["path"], headers=headers)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
