"""What is asked of the pool: when each checkout was wanted, how it was served, how long it was kept. Bounded; about 2 µs per checkout.

Served in one of three ways: `idle`, a connection lay ready; `opened`, one had to be connected first; `waited`, none was free, in the pool
or at the door of admission. `gave_up` counts waits in the pool that ended without a connection.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

from dashboard_app.policy.sizing import Demand

KEPT = 5000
KEPT_S = 3600.0
"""The sample for sizing: the last 5,000 checkouts that came back within the last hour; about 1 MB."""
WINDOW_MIN = 15
WAYS = ("idle", "opened", "waited", "gave_up")
_GATHERED = 50
"""Few, so that little memory waits with them."""
_MINUTE_S = 60.0
_NOTICED_S = 0.001
"""A shorter delay at the door is the cost of passing it, not a wait."""
_delay: ContextVar[list[float] | None] = ContextVar("spillway_guard_delay", default=None)
_Asked = tuple[float, float, str]
"""A checkout that is being served or is out: when it was wanted, when it had its place in the pool, the way it was served."""


class Demands:
    """A pool's doors call `took` and `gave_up`, its creator `opening` and `failed`, its ledger `returned`.

    What is over is gathered first and counted together: each costs its checkout next to nothing.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing was asked yet."""
        self._monotonic = monotonic
        self._lock = Lock()
        self._totals = dict.fromkeys(WAYS, 0)
        self._minutes: deque[tuple[int, dict[str, int]]] = deque(maxlen=WINDOW_MIN)
        self._out: dict[int, _Asked] = {}
        self._over: deque[tuple[_Asked, float, bool]] = deque()
        self._done: deque[tuple[float, float, float, float]] = deque(maxlen=KEPT)

    @contextmanager
    def delayed(self, delay_s: float) -> Iterator[None]:
        """Inside, the first checkout counts as wanted `delay_s` ago: it stood at the door of admission."""
        if delay_s < _NOTICED_S:
            yield
            return
        token = _delay.set([delay_s])
        try:
            yield
        finally:
            _delay.reset(token)

    def took(self, record: Any, asked: float, has_waited: bool) -> None:
        """The pool's queue gave `record` to a caller who had asked at `asked`."""
        delay = _delay.get()
        if delay or has_waited:
            arrived = asked - delay.pop() if delay else asked
            self._out[id(record)] = arrived, self._monotonic(), "waited"
        else:
            self._out[id(record)] = asked, asked, "idle"

    def opening(self, record: Any) -> None:
        """A connection is being opened for `record`."""
        if id(record) not in self._out:
            self.took(record, self._monotonic(), has_waited=False)
        arrived, got, way = self._out[id(record)]
        if way == "idle":
            self._out[id(record)] = arrived, got, "opened"

    def failed(self, record: Any) -> None:
        """It could not be opened."""
        self._out.pop(id(record), None)

    def gave_up(self) -> None:
        """A wait in the pool ended without a connection."""
        now = self._monotonic()
        self._over.append(((now, now, "gave_up"), now, True))
        self._add_up()

    def returned(self, record: Any, now: float, is_lost: bool) -> None:
        """The connection is back. One that was taken back, or was a suspected leak, says nothing about what the work needs."""
        asked = self._out.pop(id(record), None)
        if asked is not None:
            self._over.append((asked, now, is_lost))
            if len(self._over) >= _GATHERED:
                self._add_up()

    def totals(self) -> dict[str, int]:
        """Checkouts since the start by the way they were served, those that are out among them."""
        self._add_up()
        return self._with_those_out(dict(self._totals), 0.0)

    def window(self) -> dict[str, int]:
        """As `totals`, of those that came back within the last 15 minutes or are out since then."""
        self._add_up()
        oldest = int(self._monotonic() / _MINUTE_S) - WINDOW_MIN + 1
        minutes = [counts for number, counts in list(self._minutes) if number >= oldest]
        return self._with_those_out({way: sum(counts[way] for counts in minutes) for way in WAYS}, oldest * _MINUTE_S)

    def sample(self, alive: set[int]) -> tuple[list[Demand], list[float]]:
        """The recorded work and the waits it had; of what is still out only the records with these ids."""
        self._add_up()
        now = self._monotonic()
        done = [entry for entry in list(self._done) if now - entry[0] <= KEPT_S]
        out = [asked for number, asked in list(self._out.items()) if number in alive]
        work = [Demand(arrived, held_s) for _, arrived, held_s, _ in done] + [Demand(arrived, now - got) for arrived, got, _ in out]
        return work, [entry[3] for entry in done] + [got - arrived for arrived, got, _ in out]

    def _with_those_out(self, counts: dict[str, int], since: float) -> dict[str, int]:
        """`counts` and the checkouts that are out and began after `since`."""
        for _, got, way in list(self._out.values()):
            counts[way] += got >= since
        return counts

    def _add_up(self) -> None:
        """Count what was gathered, in its minute and in all; what is lost is no part of the sample."""
        with self._lock:
            while self._over:
                (arrived, got, way), now, is_lost = self._over.popleft()
                minute = int(now / _MINUTE_S)
                if not self._minutes or self._minutes[-1][0] < minute:
                    self._minutes.append((minute, dict.fromkeys(WAYS, 0)))
                self._minutes[-1][1][way] += 1
                self._totals[way] += 1
                if not is_lost:
                    self._done.append((now, arrived, now - got, got - arrived))


def efficiency_json(counts: dict[str, int]) -> dict[str, object]:
    """How checkouts were served, in numbers and shares; shares are None while there was none."""
    checkouts = counts["idle"] + counts["opened"] + counts["waited"]
    shares = {f"{way}_percent": round(100.0 * counts[way] / checkouts, 1) if checkouts else None for way in ("idle", "opened", "waited")}
    return {"checkouts": checkouts, **counts, **shares}
