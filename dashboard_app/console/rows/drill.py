"""A drill's form and its diary: what was asked for, and what was seen to happen, with times against promises. Pure."""

from dataclasses import dataclass

from dashboard_app.console import words
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.pool import Level

LEVEL_WITHIN_S = 2.0
"""A change of level is on screen within this."""
BANNER_WITHIN_S = 15.0
"""The banner stands within this after the server goes away, at default settings."""
MOST_LINES = 40
HOLD_KINDS = ("leak", "idle_in_transaction", "query")


@dataclass(frozen=True, slots=True)
class Picture:
    """What the console sees at one moment. `fallback` is true while the banner stands."""

    checked_out: int = 0
    capacity: int = 0
    level: str = Level.NORMAL.value
    breaker: str = "closed"
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class DrillLine:
    """One thing that happened. `verdict` is ok (in time), late, or "" (nothing was promised)."""

    at: str
    text: str
    verdict: str = ""


def body(kind: str, fields: dict[str, str]) -> dict[str, object]:
    """The drill call's body from the form's fields.

    Raises:
        InvalidInput: a number is missing or out of range; the sentence names it.

    """
    if kind == "hold":
        how = fields.get("kind", "leak")
        if how not in HOLD_KINDS:
            raise InvalidInput("Choose how the connections are held.")
        return {"connections": _whole(fields, "connections", 1, 1000), "seconds": _whole(fields, "seconds", 1, 600), "kind": how}
    if kind == "burst":
        return {"requests": _whole(fields, "requests", 1, 1000)}
    return {"seconds": _whole(fields, "seconds", 1, 600)}


def _whole(fields: dict[str, str], name: str, low: int, high: int) -> int:
    """A whole number from the form."""
    text = str(fields.get(name, "")).strip()
    if not text.isdigit() or not low <= int(text) <= high:
        raise InvalidInput(f"{name.capitalize()} must be a whole number from {low} to {high}.")
    return int(text)


def started(kind: str, asked: dict[str, object]) -> str:
    """The first line of a drill's diary."""
    if kind == "hold":
        return (
            f"hold started: {asked['connections']} connections for {asked['seconds']}{words.NB}s ({str(asked['kind']).replace('_', ' ')})"
        )
    if kind == "burst":
        return f"burst started: {asked['requests']} requests at once"
    return f"fail started: this API answers 503 to the console for {asked['seconds']}{words.NB}s"


def seen(before: Picture, now: Picture, elapsed_s: float, kind: str) -> list[DrillLine]:
    """The lines for what changed between two pictures, `elapsed_s` after the start of the drill."""
    at = stamp(elapsed_s)
    lines = []
    if now.checked_out != before.checked_out:
        lines.append(DrillLine(at, f"{now.checked_out} of {now.capacity} connections in use"))
    if now.level != before.level:
        rising = list(Level).index(Level(now.level)) > list(Level).index(Level(before.level))
        lines.append(
            DrillLine(at, f"level {before.level} → {now.level}", _judge(elapsed_s, LEVEL_WITHIN_S) if kind == "hold" and rising else "")
        )
    if now.breaker != before.breaker:
        lines.append(DrillLine(at, f"breaker api: {before.breaker.replace('_', ' ')} → {now.breaker.replace('_', ' ')}"))
    if now.fallback and not before.fallback:
        lines.append(DrillLine(at, "banner stands, last known values are shown", _judge(elapsed_s, BANNER_WITHIN_S)))
    if before.fallback and not now.fallback:
        lines.append(DrillLine(at, "live again, the banner is gone"))
    return lines


def _judge(elapsed_s: float, promised_s: float) -> str:
    """In time or late."""
    return "ok" if elapsed_s <= promised_s else "late"


def stamp(elapsed_s: float) -> str:
    """Seconds since the start with one decimal: "0.1 s"."""
    return f"{elapsed_s:.1f}{words.NB}s"


def answered(kind: str, answer: dict[str, object]) -> str:
    """The line for the drill call's own answer."""
    if kind == "hold":
        return f"{answer.get('held', 0)} connections are held"
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in answer.items() if isinstance(value, int | float | str))
    return f"{kind} answered" + (f": {told}" if told else "")
