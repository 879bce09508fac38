"""What `/breakers` shows: cards, moves, the queue, the round as a picture, and the words of the dialogs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dashboard_app.console import theme, words
from dashboard_app.model.breaker import BreakerLimits, BreakerState, Cause, Outcome
from dashboard_app.runtime.named_breaker import BreakerReading, Transition
from dashboard_app.runtime.queue_ledger import QueueFigures

MOVES_SHOWN = 5
KEPT_SHOWN = 60
SOURCES_NAMED = 4
PLACES_DRAWN = 1000
NEEDS_NAME = "api"
"""Holding this breaker open stops the console for everyone: its name is typed before."""
LETTERS = {Outcome.SUCCEEDED: "o", Outcome.SLOW: "w", Outcome.FAILED: "b", Outcome.REJECTED: "u"}
"""An outcome as a letter of the strip."""
_CALLS = (
    (Outcome.SUCCEEDED, "Succeeded", "ok"),
    (Outcome.SLOW, "Slow", "warn"),
    (Outcome.FAILED, "Failed", "bad"),
    (Outcome.REJECTED, "Rejected", "off"),
)
_PURPOSE = {"api": "every call to the server this console reads from", "websocket": "the live feed of events"}
_MOVED = {
    Cause.FAILURE_RATE: "Opened: too many of the last calls failed",
    Cause.SLOW_RATE: "Opened: too many of the last calls were slow",
    Cause.WAITED: "Let a trial through: the wait was over",
    Cause.TRIAL: "Opened again: the trial failed",
    Cause.TRIALS_TOO_LONG: "Opened again: the trials decided nothing in time",
    Cause.RECOVERED: "Closed: the trials succeeded",
    Cause.EXPIRED: "Closed: its time was over",
}
_DID = {
    BreakerState.FORCED_OPEN: "held it open",
    BreakerState.CLOSED: "closed it",
    BreakerState.DISABLED: "switched it off",
    BreakerState.METRICS_ONLY: "lets it only watch",
}


@dataclass(frozen=True, slots=True)
class Move:
    """One transition: when, in words."""

    id: str
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of one outcome in the last 15 minutes, and since the start."""

    word: str
    recent: str
    total: str
    tone: str


@dataclass(frozen=True, slots=True)
class Card:
    """One breaker. `counts`: a trial is due in `trial_s`; `strip` is the last 60 outcomes as letters, oldest first."""

    name: str = ""
    purpose: str = ""
    state: str = ""
    word: str = ""
    tone: str = "off"
    icon: str = ""
    sentence: str = ""
    counts: bool = False
    stamp: str = ""
    failures: str = ""
    failed_percent: int = 0
    rate: str = ""
    calls: list[CallCount] = field(default_factory=list)
    strip: str = ""
    has_calls: bool = False
    moves: list[Move] = field(default_factory=list)
    trial_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class QueueFact:
    """One figure of the queue."""

    label: str
    value: str
    note: str = ""
    tone: str = "n"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One lane of the loader: `places` is one letter per source (d done, r asked now, w waiting, s slow lane, f failed)."""

    name: str
    places: str
    told: str
    asked: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dialog:
    """What a dialog asks and says."""

    name: str = ""
    state: str = ""
    title: str = ""
    effect: str = ""
    confirm: str = ""
    typed: str = ""
    """What must be typed; empty: nothing."""
    lasts: bool = False
    """True when it can end by itself: the dialog then asks until when."""


def verdict(readings: Sequence[BreakerReading]) -> tuple[str, str]:
    """The title and the line under it."""
    shut = [one for one in readings if one.state in (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.FORCED_OPEN)]
    held = [one for one in shut if one.state is BreakerState.FORCED_OPEN]
    refused = sum(one.recent.get(Outcome.REJECTED, 0) for one in readings)
    told = (
        f"{words.plural(refused, 'call was', 'calls were')} refused in the last 15 minutes." if refused else "Nothing was refused lately."
    )
    if held:
        return f"Breaker {words.listed([one.name for one in held])} is held open", f"A person stopped these calls. {told}"
    if shut:
        word = "is open" if all(one.state is BreakerState.OPEN for one in shut) else "is being tried"
        return f"Breaker {words.listed([one.name for one in shut])} {word}", told
    odd = [one.name for one in readings if one.state is not BreakerState.CLOSED]
    if odd:
        return "Every call goes through", f"{words.listed(odd).capitalize()} {'does' if len(odd) == 1 else 'do'} not protect. {told}"
    return "Every breaker is closed", f"Calls go through. {told}"


def card(reading: BreakerReading, moves: Sequence[Transition], outcomes: Sequence[Outcome], limits: BreakerLimits) -> Card:
    """One breaker as it stands."""
    look = theme.BREAKER[reading.state]
    counts = reading.state is BreakerState.OPEN and reading.retry_in_s is not None
    made = sum(reading.totals.values())
    shown = min(reading.failure_count, limits.failure_threshold)
    return Card(
        name=reading.name,
        purpose=_PURPOSE.get(reading.name) or f"what people ask of the service {reading.about}",
        state=reading.state.value,
        word=look.word,
        tone=look.tone,
        icon=look.icon,
        sentence=_sentence(reading, limits),
        counts=counts,
        stamp=reading.retry_at.isoformat(timespec="seconds") if counts and reading.retry_at else "",
        failures=f"{words.count(shown)} of {words.count(limits.failure_threshold)}",
        failed_percent=round(100 * shown / limits.failure_threshold),
        rate=f"{words.percent(100 * reading.failure_rate)} of the last {words.plural(len(outcomes), 'call')} failed" if outcomes else "",
        calls=[
            CallCount(word, words.count(reading.recent.get(outcome, 0)), words.count(reading.totals.get(outcome, 0)), tone)
            for outcome, word, tone in _CALLS
        ],
        strip="".join(LETTERS[outcome] for outcome in outcomes),
        has_calls=made > 0,
        moves=[_move(one, place, limits) for place, one in reversed(list(enumerate(moves))[-MOVES_SHOWN:])],
        trial_s=round(reading.retry_in_s or 0.0, 1),
    )


def _sentence(reading: BreakerReading, limits: BreakerLimits) -> str:
    """Where it stands, since when and why."""
    move, held = reading.last_transition, reading.hold
    since = f"since {words.clock(move.at)}" if move else "since the start"
    if held is not None:
        who = f"by {words.bold(held.by)} since {words.clock(held.at)}: {held.reason}."
        until = f" Closes by itself at {words.clock(held.until)}." if held.until else ""
        return {
            BreakerState.FORCED_OPEN: f"Held open {who}{until or ' No further try until the breaker is closed.'}",
            BreakerState.DISABLED: f"Switched off {who} It never opens.{until}",
            BreakerState.METRICS_ONLY: f"Only watches, set {who} It would have opened {words.count(reading.would_open_count)}\u00d7.{until}",
        }[held.state]
    if reading.state is BreakerState.OPEN:
        return f"Open {since} {_why(move, limits)}"
    if reading.state is BreakerState.HALF_OPEN:
        needed = words.plural(limits.half_open_calls, "trial")
        return f"Trying {since}: {needed} must succeed to close it"
    if reading.failure_count and reading.failing_since:
        failed = words.plural(reading.failure_count, "failure")
        return f"Closed {since}; {failed} in a row since {words.clock(reading.failing_since)}"
    return f"Closed {since}"


def _why(move: Transition | None, limits: BreakerLimits) -> str:
    """Why it is open."""
    told: dict[str, str] = {
        Cause.THRESHOLD: f"after {words.plural(limits.failure_threshold, 'failure')} in a row",
        Cause.TRIAL: "because the trial failed",
        Cause.TRIALS_TOO_LONG: "because the trials decided nothing in time",
        Cause.FAILURE_RATE: "because too many of the last calls failed",
        Cause.SLOW_RATE: "because too many of the last calls were slow",
    }
    return told.get(move.cause if move else "", "")


def _move(one: Transition, place: int, limits: BreakerLimits) -> Move:
    """One transition in words."""
    if one.cause == Cause.PERSON:
        until = f", until {words.clock(one.until)}" if one.until else ""
        text = f"{words.bold(one.by or 'Someone')} {_DID.get(one.target, 'moved it')}{until}" + (f": {one.reason}" if one.reason else "")
    elif one.cause == Cause.THRESHOLD:
        text = f"Opened: {words.plural(limits.failure_threshold, 'failure')} in a row"
    else:
        text = _MOVED[Cause(one.cause)]
    return Move(f"{one.at.timestamp():.3f}-{place}", words.clock(one.at), text)


def queue(figures: QueueFigures) -> list[QueueFact]:
    """The queue in figures, as `/api/v1/queue` tells them."""
    waiting = figures.waiting_by_priority
    return [
        QueueFact("Running", words.count(figures.running)),
        QueueFact(
            "Waiting",
            words.count(figures.waiting),
            f"{words.count(waiting['click'])} click · {words.count(waiting['view'])} in view · {words.count(waiting['background'])} background",
        ),
        QueueFact("Wait, p95", words.duration(figures.wait_ms_p95 / 1000), "of the last 200 starts"),
        QueueFact("Started", words.count(figures.started_total)),
        QueueFact("Timed out", words.count(figures.timed_out_total), tone="warn" if figures.timed_out_total else "n"),
        QueueFact(
            "Rejected",
            words.count(figures.rejected_total),
            f"{words.count(figures.shed_total)} made room" if figures.shed_total else "",
            "warn" if figures.rejected_total else "n",
        ),
        QueueFact("Left early", words.count(figures.cancelled_total)),
    ]


def round_row(name: str, places: Mapping[int, str], names: Mapping[int, str], reason: str, batch_size: int) -> RoundRow:
    """One lane as a picture: a letter per source in the order of their ids, and the names of those that are asked now."""
    letters = "".join(places[key] for key in sorted(places))
    asked = [names.get(key, f"source {key}") for key in sorted(places) if places[key] == "r"]
    rest = len(asked) - SOURCES_NAMED
    told = words.listed([*asked[:SOURCES_NAMED], *([f"{rest} more"] if rest > 0 else [])])
    done = letters.count("d") + letters.count("f") + letters.count("s")
    return RoundRow(
        name,
        letters[:PLACES_DRAWN],
        f"{words.count(done)} of {words.count(len(letters))} done, {words.count(len(asked))} of at most {words.count(batch_size)} asked at once",
        f"Asked now: {told}" if asked else "Nobody is asked right now",
        reason,
    )


def dialog(name: str, state: BreakerState, reading: BreakerReading, outcomes: Sequence[Outcome]) -> Dialog:
    """What is asked before `name` is put into `state`, and what that does."""
    bold = words.bold(name)
    if state is BreakerState.FORCED_OPEN:
        effect = (
            "The console stops asking the server for everyone; all pages show last known values until someone closes it."
            if name == NEEDS_NAME
            else "Calls through it are refused for everyone until someone closes it; the console reads by polling instead."
            if name == "websocket"
            else f"The service {words.bold(reading.about)} is not asked at all until someone closes it; its health is unknown meanwhile."
        )
        typed = name if name == NEEDS_NAME else ""
        return Dialog(name, state.value, f"Hold {bold} open?", effect, f"Hold {name} open", typed, lasts=True)
    if state is BreakerState.CLOSED:
        made = [one for one in outcomes if one is not Outcome.REJECTED][-5:]
        failed = made.count(Outcome.FAILED)
        history = f"{failed} of the last {words.plural(len(made), 'call')} failed; " if made else ""
        effect = f"{history}the next failures open it again.".capitalize()
        return Dialog(name, state.value, f"Close {bold} now?", effect, f"Close {name}")
    if state is BreakerState.METRICS_ONLY:
        now = " It is not closed now: calls go through again at once." if reading.state in theme.SHUT else ""
        effect = f"It goes on counting and says how often it would have opened, but never opens.{now}"
        return Dialog(name, state.value, f"Let {bold} only watch?", effect, f"Let {name} only watch", lasts=True)
    effect = "It will never open; a dead server is then asked on every call."
    return Dialog(name, state.value, f"Switch {bold} off?", effect, f"Switch {name} off", lasts=True)
