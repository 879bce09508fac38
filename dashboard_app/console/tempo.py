"""When a lane may start its next request: by the batched plan or by the adaptive window, which may change while requests are under way."""

from collections.abc import Callable
from dataclasses import replace

from dashboard_app.console.client.reading import ReadHow
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.policy.pacing import Pace, Plan
from dashboard_app.policy.window_control import Signal, Window

_SUSPECTS_SHARE = 3


class Tempo:
    """One lane's. `places` says how many requests the server allows the window."""

    def __init__(self, plan: Plan, clock: Clock, places: Callable[[], int]) -> None:
        """The batched plan, nothing under way."""
        self.plan, self._clock, self._places = plan, clock, places
        self._starts: dict[int, float] = {}
        self._state: Pace | Window = Pace()

    @property
    def is_adaptive(self) -> bool:
        """True while the window decides."""
        return isinstance(self._state, Window)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._starts)

    @property
    def at_once(self) -> int:
        """How many the window keeps under way; 0 by the plan, which needs no such word."""
        return self._state.at_once(self._places()) if isinstance(self._state, Window) else 0

    @property
    def suspects_at_most(self) -> int:
        """How many requests to sources that have just failed may be under way: a third of the window's places, so that the living go on."""
        return max(self._places() // _SUSPECTS_SHARE, 1) if self.is_adaptive else self.plan.batch_size

    @property
    def bulks_at_most(self) -> int:
        """Bulk reads at once: the batch size, whatever the window, for each of them is many probes at the server."""
        return self.plan.batch_size

    def retune(self, plan: Plan) -> None:
        """Go by another plan from the next start on."""
        self.plan = plan

    def set_adaptive(self, is_adaptive: bool) -> None:
        """Go on by the other pace; what is under way keeps its place."""
        if is_adaptive == self.is_adaptive:
            return
        if is_adaptive:
            self._state = Window.opened(self.plan.batch_size, tuple(self._starts.items()))
        else:
            self._state = Pace(in_flight=self.in_flight, last_start=max(self._starts.values(), default=None))

    def next_start(self, now: float) -> float | None:
        """The earliest moment for the next start, maybe in the past; None: not before another answer."""
        if isinstance(self._state, Window):
            return self._state.next_start(self._places(), now)
        return self._state.next_start(self.plan, now)

    def started(self, key: int, *, holds: bool) -> None:
        """Request `key` has left. One that holds no batch is a retry or the slow lane's."""
        now = self._starts[key] = self._clock.monotonic()
        if isinstance(self._state, Window):
            self._state = self._state.started(key, now)
        else:
            self._state = self._state.started(key, now, self.plan, holds=holds)

    def answered(self, key: int, signal: Signal, *, is_bulk: bool = False) -> None:
        """Request `key` has an outcome."""
        now = self._clock.monotonic()
        del self._starts[key]
        if isinstance(self._state, Window):
            self._state = self._state.answered(key, now, signal, self._places(), is_bulk=is_bulk)
        else:
            self._state = self._state.answered(key, now)


class Outing:
    """One request of a lane: its real start and its outcome, each told to the tempo once."""

    def __init__(self, tempo: Tempo, key: int, how: ReadHow, *, holds: bool, is_bulk: bool, on_left: Callable[[], None]) -> None:
        """Not started. `on_left` is called when it starts, or when it ends without a start."""
        self._tempo, self._key, self._holds, self._is_bulk, self._on_left = tempo, key, holds, is_bulk, on_left
        self._has_started = self._has_ended = False
        self.how = replace(how, on_start=self._start)

    def ended(self, signal: Signal) -> None:
        """It has an outcome; only the first one counts."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._has_started:
            self._tempo.answered(self._key, signal, is_bulk=self._is_bulk)
        else:
            self._on_left()

    def _start(self) -> None:
        """It has left."""
        if self._has_started or self._has_ended:
            return
        self._has_started = True
        self._tempo.started(self._key, holds=self._holds)
        self._on_left()


def signal_of(failure: BaseException | None) -> Signal:
    """What the end of a request says of the server; None: it was answered. A refusal of this very request was an answer, too."""
    if not isinstance(failure, BackendFailed):
        return Signal.GOOD
    return Signal.SILENT if failure.cause == "timeout" else Signal.REFUSED
