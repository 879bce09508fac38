"""A drill's form and its diary: what was asked for, and what was seen to happen, with times against promises. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard_app.console import words
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.pool import Level

LEVEL_WITHIN_S = 2.0
"""A change of level is on screen within this."""
BANNER_WITHIN_S = 15.0
"""The banner stands within this after the server goes away, at default settings."""
MOST_LINES = 40
HOLD_KINDS = ("leak", "idle_in_transaction", "query")
_STOPS: Mapping[str, Mapping[str, object]] = {"hold": {"connections": 0}, "fail": {"seconds": 0}}
_STATUS = {"200": "served", "503": "refused at once"}


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
    """One thing that happened. `verdict` is ok (in time), late, or "" (nothing was promised); `promised` says within what."""

    at: str
    text: str
    verdict: str = ""
    promised: str = ""


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
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
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


@dataclass(frozen=True, slots=True)
class Run:
    """The drill whose diary is written. `target`: connections a hold asked for; `is_on`: it has neither ended nor been stopped."""

    kind: str
    target: int = 0
    is_on: bool = True


def seen(before: Picture, now: Picture, elapsed_s: float, run: Run) -> list[DrillLine]:
    """The lines for what changed between two pictures, `elapsed_s` after the start of the drill."""
    at = stamp(elapsed_s)
    is_hold = run.kind == "hold" and run.is_on
    lines = []
    if now.checked_out != before.checked_out:
        is_there = is_hold and before.checked_out < run.target <= now.checked_out
        text = f"{now.checked_out} of {now.capacity} connections in use"
        lines.append(_judged(at, text, elapsed_s, LEVEL_WITHIN_S) if is_there else DrillLine(at, text))
    if now.level != before.level:
        is_rising = list(Level).index(Level(now.level)) > list(Level).index(Level(before.level))
        text = f"level {before.level} → {now.level}"
        lines.append(_judged(at, text, elapsed_s, LEVEL_WITHIN_S) if is_hold and is_rising else DrillLine(at, text))
    if now.breaker != before.breaker:
        lines.append(DrillLine(at, f"breaker api: {before.breaker.replace('_', ' ')} → {now.breaker.replace('_', ' ')}"))
    if now.fallback and not before.fallback:
        text = "banner stands, last known values are shown"
        is_judged = run.kind == "fail" and run.is_on
        lines.append(_judged(at, text, elapsed_s, BANNER_WITHIN_S) if is_judged else DrillLine(at, text))
    if before.fallback and not now.fallback:
        lines.append(DrillLine(at, "live again, the banner is gone"))
    return lines


def _judged(at: str, text: str, elapsed_s: float, promised_s: float) -> DrillLine:
    """A line with its verdict, in time or late, and what was promised."""
    return DrillLine(at, text, "ok" if elapsed_s <= promised_s else "late", f"promised {promised_s:g}{words.NB}s")


def stamp(elapsed_s: float) -> str:
    """Seconds since the start with one decimal: "0.1 s"."""
    return f"{elapsed_s:.1f}{words.NB}s"


def answered(kind: str, asked: Mapping[str, object], answer: Mapping[str, Any], at: str) -> DrillLine:
    """The line for the drill call's own answer."""
    if kind == "hold":
        held, wanted = int(answer.get("held") or 0), int(str(asked.get("connections", 0)))
        text = f"{held} connections are held" if held >= wanted else f"{held} of {wanted} connections were to be had; they are held"
        return DrillLine(at, text)
    if kind == "burst":
        return _burst(int(str(asked.get("requests", 0))), answer, at)
    return DrillLine(at, "this API answers 503 from now on")


def _burst(requests: int, answer: Mapping[str, Any], at: str) -> DrillLine:
    """How many requests got which status; promised is that none of them waits for ever."""
    answers: Mapping[str, int] = answer.get("answers") or {}
    told = words.listed([f"{count} {_STATUS.get(status, f'with {status}')}" for status, count in sorted(answers.items())])
    took = f" in {words.duration(float(answer['duration_ms']) / 1000)}" if "duration_ms" in answer else ""
    total = sum(answers.values())
    return DrillLine(at, f"{total} answers{took}: {told}", "ok" if total >= requests else "late", f"promised {requests}")


def stop_body(kind: str) -> dict[str, object]:
    """The drill call's body that ends a drill of `kind`.

    Raises:
        InvalidInput: this kind ends by itself.

    """
    if kind not in _STOPS:
        raise InvalidInput("This drill ends by itself.")
    return dict(_STOPS[kind])


def stopped(kind: str) -> str:
    """The line for a drill that was stopped."""
    return "stopped: every held connection is given back" if kind == "hold" else "stopped: this API answers again"


def ended(kind: str) -> str:
    """The line for a drill whose time is over."""
    return f"{kind} is over: its time has passed"
