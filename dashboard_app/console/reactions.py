"""What the console does with the news of the live feed: it reads what has changed at once, instead of at its next turn.

Whatever comes and how often: each kind of news is acted upon a few times a second at most, and a source's news asks for the list of sources
once, not for each source. The plan of the loader stays as it is.
"""

from collections.abc import Callable

from dashboard_app.console.client.feed import FeedMessage
from dashboard_app.model.clock import Clock
from dashboard_app.model.event import RESET
from dashboard_app.runtime.wake import Wake

GAP_S = 0.25
JOBS_GAP_S = 2.0
"""Between two signs to pages of jobs: each of them makes four requests."""
_SOURCES_KEPT = 10_000
_ANY = -1
_KINDS = {
    "LEVEL": ("LEVEL_", "LEVELS_BATCH_", "POOL_", "POOLS_BATCH_"),
    "ALERT": ("ALERT_", "ALERTS_BATCH_"),
    "SOURCE": ("SOURCE_", "SOURCES_BATCH_"),
    "JOB": ("JOB_", "JOBS_BATCH_"),
}


def kind_of(event_type: str) -> str:
    """LEVEL, ALERT, SOURCE or JOB; "" for news that change nothing here."""
    return next((kind for kind, starts in _KINDS.items() if event_type.startswith(starts)), "")


def told_sources(message: FeedMessage) -> list[tuple[int, str]]:
    """The sources that a message is about, each with its new status; what is no such thing is left out."""
    data = message.data()
    ids = data.get("source_ids", [data.get("source_id")])
    items = data.get("items")
    found = []
    for place, source_id in enumerate(ids if isinstance(ids, list) else ()):
        item = items[place] if isinstance(items, list) and place < len(items) and isinstance(items[place], dict) else {}
        if type(source_id) is int:
            found.append((source_id, str(item.get("status", data.get("status", "")))))
    return found


class Reactions:
    """One loop for the supervisor: `acts` are called when there is news of their kind."""

    def __init__(self, clock: Clock) -> None:
        """Nothing has happened."""
        self._clock, self._bell = clock, Wake(clock)
        self._due: set[str] = set()
        self._jobs_at = clock.monotonic() - JOBS_GAP_S
        self._sources: dict[int, str] = {}
        self.acts: dict[str, Callable[[], None]] = {}
        """Kind of news → what to do."""
        self.knows: Callable[[int, str], bool] = lambda _source_id, _status: False
        """True when a source is known to have this status: who asked for its health knows it before it is told."""

    def hear(self, message: FeedMessage) -> None:
        """Take one message; after a gap everything may have changed."""
        kinds = set(_KINDS) if message.type == RESET else {kind_of(message.type)} - {""}
        if kinds == {"SOURCE"} and len(self._sources) < _SOURCES_KEPT:
            self._sources |= dict(told_sources(message))
        elif "SOURCE" in kinds:
            self._sources[_ANY] = ""
        if kinds - self._due:
            self._due |= kinds
            self._bell.ring()

    async def run(self) -> None:
        """Act for ever."""
        while True:
            await self._bell.wait(self._jobs_at + JOBS_GAP_S if "JOB" in self._due else None)
            now = self._clock.monotonic()
            ready = {kind for kind in self._due if kind != "JOB" or now - self._jobs_at >= JOBS_GAP_S}
            self._due -= ready
            if "JOB" in ready:
                self._jobs_at = now
            if "SOURCE" in ready and not self._has_news_of_sources():
                ready.discard("SOURCE")
            for kind in _KINDS:
                if kind in ready and kind in self.acts:
                    self.acts[kind]()
            await self._clock.sleep(GAP_S)

    def _has_news_of_sources(self) -> bool:
        """True when a source that was told of has a status that is not known here."""
        told, self._sources = self._sources, {}
        return any(not self.knows(source_id, status) for source_id, status in told.items())
