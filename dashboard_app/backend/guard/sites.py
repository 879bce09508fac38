"""How long each call site holds connections: who uses the pool, in connection-seconds."""

from collections import deque
from threading import Lock

_SITES = 500
_RECENT = 256
OTHER = "(other)"


class Sites:
    """Totals per call site since the start. At most 500 sites by name, the rest together as "(other)"."""

    def __init__(self) -> None:
        """No checkout yet."""
        self._totals: dict[str, tuple[int, float]] = {}
        self._recent: dict[str, deque[float]] = {}
        self._lock = Lock()

    def add(self, site: str, held_s: float) -> None:
        """One checkout of `site` is back after `held_s`."""
        with self._lock:
            name = site if site in self._totals or len(self._totals) < _SITES else OTHER
            checkouts, total_s = self._totals.get(name, (0, 0.0))
            self._totals[name] = (checkouts + 1, total_s + held_s)
            self._recent.setdefault(name, deque(maxlen=_RECENT)).append(held_s)

    def rows(self) -> list[dict[str, object]]:
        """One object per site, most connection-seconds first; `held_s_p95` over its last 256 checkouts."""
        with self._lock:
            totals = sorted(self._totals.items(), key=lambda item: -item[1][1])
            recent = {site: sorted(held) for site, held in self._recent.items()}
        return [
            {
                "call_site": site,
                "checkouts": checkouts,
                "held_s_total": round(total_s, 3),
                "held_s_p95": round(recent[site][(len(recent[site]) * 95 - 1) // 100], 4),
            }
            for site, (checkouts, total_s) in totals
        ]
