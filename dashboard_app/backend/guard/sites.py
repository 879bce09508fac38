"""How long each call site holds connections: who uses the pool, in connection-seconds."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_SITES = 500
_RECENT = 256
_GATHERED = 50
"""Few, so that little memory waits with them."""
OTHER = "(other)"
S = TypeVar("S")


class _Site:
    """The totals of one call site."""

    __slots__ = ("checkouts", "held_s", "recent")

    def __init__(self) -> None:
        """No checkout yet."""
        self.checkouts = 0
        self.held_s = 0.0
        self.recent: deque[float] = deque(maxlen=_RECENT)


class Sites(Generic[S]):
    """Totals per call site since the start. At most 500 sites by name, the rest together as "(other)".

    Returns are gathered first, then named and added up together: each costs its checkout next to nothing.
    """

    def __init__(self, named: Callable[[S], str]) -> None:
        """No checkout yet. `named` gives the name of what `add` is told."""
        self._named = named
        self._gathered: deque[tuple[S, float]] = deque()
        self._sites: dict[str, _Site] = {}
        self._lock = Lock()

    def add(self, site: S, held_s: float) -> None:
        """One checkout of `site` is back after `held_s`."""
        self._gathered.append((site, held_s))
        if len(self._gathered) >= _GATHERED:
            self._add_up()

    def _add_up(self) -> None:
        """Add what was gathered to the totals."""
        with self._lock:
            while self._gathered:
                called, held_s = self._gathered.popleft()
                name = self._named(called)
                site = self._sites.get(name)
                if site is None:
                    site = self._sites.setdefault(name if len(self._sites) < _SITES else OTHER, _Site())
                site.checkouts += 1
                site.held_s += held_s
                site.recent.append(held_s)

    def rows(self) -> list[dict[str, object]]:
        """One object per site, most connection-seconds first; `held_s_p95` over its last 256 checkouts."""
        self._add_up()
        with self._lock:
            known = [(name, site.checkouts, site.held_s, sorted(site.recent)) for name, site in self._sites.items()]
        return [
            {
                "call_site": name,
                "checkouts": checkouts,
                "held_s_total": round(total_s, 3),
                "held_s_p95": round(held[(len(held) * 95 - 1) // 100], 4),
            }
            for name, checkouts, total_s, held in sorted(known, key=lambda row: -row[2])
        ]
