"""A source's last 24 hours as one band: a drawn path per state, marks where it changed, and the sentence it is read out with. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from dashboard_app.console import words

HOURS = 24
BUCKETS = 288
"""Five minutes each."""
HEIGHT = 24
NO_SAMPLE = "-"
MOST_CHANGES = 6
_HEIGHTS = {"o": 10, "w": 16, "b": 24, "u": 5, NO_SAMPLE: 2}
_WORDS = {"o": "healthy", "w": "degraded", "b": "down", "u": "unknown", NO_SAMPLE: "not looked at"}
_TONES = {"o": "ok", "w": "warn", "b": "bad", "u": "off", NO_SAMPLE: "none"}
_HOURS_MARKED = (0, 6, 12, 18, 24)


@dataclass(frozen=True, slots=True)
class StatePath:
    """All stretches of one state as an SVG path; the view box is BUCKETS wide and HEIGHT high."""

    tone: str
    d: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state: its letter and place (0..100 % of the band), its marked time, what it became."""

    letter: str
    percent: float
    at: str
    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Band:
    """The band; without paths there is nothing to draw. `ticks` are marked times at even distances, oldest first."""

    paths: list[StatePath] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)
    label: str = ""
    note: str = ""


def since(until: datetime) -> datetime:
    """When a band that ends at `until` begins."""
    return until - timedelta(hours=HOURS)


def band(letters: str | None, until: datetime) -> Band:
    """The band for the letters of equal spans up to `until`; empty when the server has none to offer (None), or nobody looked."""
    if letters is None or not letters.strip(NO_SAMPLE):
        return Band()
    runs = _runs(letters)
    changes = _changes(runs, len(letters), until)
    hidden = len(changes) - MOST_CHANGES
    return Band(
        paths=[StatePath(_TONES[letter], _path(runs, letter, len(letters))) for letter in _HEIGHTS if letter in letters],
        changes=[_lettered(place, change) for place, change in enumerate(changes[-MOST_CHANGES:])],
        ticks=[words.clock(since(until) + timedelta(hours=hour)) for hour in _HOURS_MARKED],
        label=_spoken(letters, len(changes)),
        note=f"{words.plural(hidden, 'earlier change')} not listed" if hidden > 0 else "",
    )


def _runs(letters: str) -> list[tuple[int, int, str]]:
    """(from, to, letter) of each stretch of one state."""
    edges = [0, *(place + 1 for place, (left, right) in enumerate(pairwise(letters)) if left != right), len(letters)]
    return [(start, end, letters[start]) for start, end in pairwise(edges)]


def _path(runs: list[tuple[int, int, str]], letter: str, total: int) -> str:
    """The stretches of one state as bars that stand on the ground."""
    high, step = _HEIGHTS[letter], BUCKETS / total
    return "".join(f"M{start * step:g} {HEIGHT}v-{high}H{end * step:g}v{high}z" for start, end, state in runs if state == letter)


def _changes(runs: list[tuple[int, int, str]], total: int, until: datetime) -> list[Change]:
    """Where one known state became another, oldest first; a stretch that nobody looked at is no state."""
    known = [run for run in runs if run[2] != NO_SAMPLE]
    return [
        Change("", round(100 * start / total, 2), words.clock(_begin(start, total, until)), _WORDS[letter], _TONES[letter])
        for (_, _, before), (start, _, letter) in pairwise(known)
        if before != letter
    ]


def _begin(start: int, total: int, until: datetime) -> datetime:
    """When a bucket begins."""
    return since(until) + timedelta(hours=HOURS) * (start / total)


def _lettered(place: int, change: Change) -> Change:
    """`change` with the letter of its place in the list."""
    return Change("ABCDEFGH"[place], change.percent, change.at, change.word, change.tone)


def _spoken(letters: str, changes: int) -> str:
    """The band as one sentence: how much of the day was spent in which state."""
    spent = Counter(letters)
    each_s = HOURS * 3600 / len(letters)
    parts = [
        f"{_WORDS[letter]} for {words.duration(spent[letter] * each_s)}" for letter in ("b", "w", "u", "o", NO_SAMPLE) if spent[letter]
    ]
    moves = words.plural(changes, "change") if changes else "no change"
    return f"Last {HOURS} hours: {words.listed(parts)}; {moves} of state"
