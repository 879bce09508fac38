"""The circuit breakers of this process by name; they come and go with what they guard."""

from collections.abc import Callable, Iterator

from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import NotFound
from dashboard_app.runtime.named_breaker import NamedBreaker


class Breakers:
    """The breakers by name: `api` for the server this console reads from, `websocket` for its live feed, and one per watched service."""

    def __init__(self, limits: BreakerLimits, clock: Clock, names: tuple[str, ...] = ("api", "websocket")) -> None:
        """Make one closed breaker per name."""
        self._limits, self._clock = limits, clock
        self._by_name = {name: NamedBreaker(name, limits, clock) for name in names}
        self._newcomers: list[Callable[[NamedBreaker], None]] = []
        self._leavers: list[Callable[[str], None]] = []

    def __getitem__(self, name: str) -> NamedBreaker:
        """The breaker called `name`.

        Raises:
            NotFound: there is none.

        """
        try:
            return self._by_name[name]
        except KeyError:
            raise NotFound("There is no breaker of this name.") from None

    def named(self, name: str, about: str = "") -> NamedBreaker:
        """The breaker called `name`, made when there is none yet."""
        breaker = self._by_name.get(name)
        if breaker is None:
            breaker = self._by_name[name] = NamedBreaker(name, self._limits, self._clock, about=about)
            for hear in self._newcomers:
                hear(breaker)
        return breaker

    def remove(self, name: str) -> None:
        """Let a breaker go whose service is gone."""
        if self._by_name.pop(name, None) is not None:
            for hear in self._leavers:
                hear(name)

    def on_new(self, hear: Callable[[NamedBreaker], None]) -> None:
        """Call `hear` with every breaker there is, and with each that is made later."""
        self._newcomers.append(hear)
        for breaker in self:
            hear(breaker)

    def on_gone(self, hear: Callable[[str], None]) -> None:
        """Call `hear` with the name of each breaker that goes."""
        self._leavers.append(hear)

    def retune(self, limits: BreakerLimits) -> None:
        """Go by other limits from now on."""
        self._limits = limits
        for breaker in self:
            breaker.retune(limits)

    def __iter__(self) -> Iterator[NamedBreaker]:
        """All breakers, `api` first, as they are at this moment."""
        return iter(tuple(self._by_name.values()))
