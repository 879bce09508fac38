"""The cleanup's dry run, confirmation and result as sentences. Pure; from the contract's force-cleanup answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words

GOOD_FOR_S = 30.0
"""A dry run older than this is done again before anything is touched."""
_NAMED = 3
_LONGEST_NAME = 60
_ROUTE = re.compile(r"\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|WEBSOCKET) /\S*")
_NUMBER = re.compile(r" #\d+$")
_WHERE = re.compile(r"(?<!\S)[\w.<>/]+:\d+(?!\S)")


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One kind of thing the cleanup would do: title, consequence, and the names that found no place in it."""

    tone: str
    icon: str
    title: str
    detail: str
    more: list[str] = field(default_factory=list)
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The dialog. `confirm` is "" when there is nothing to do."""

    found: str = ""
    steps: list[PlanItem] = field(default_factory=list)
    usage: str = ""
    level: str = ""
    confirm: str = ""
    wins: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What was done, in one sentence; `usage` before and after."""

    tone: str = "ok"
    icon: str = "circle-check"
    sentence: str = ""
    usage: str = ""


def plan(dry_run: Mapping[str, Any], *, at: str, level_now: str) -> Plan:
    """The dialog for one dry run. `at` is its marked clock time, `level_now` the level before."""
    victims: Sequence[Mapping[str, Any]] = dry_run.get("victims") or ()
    ended, taken, closed = (_of(victims, action) for action in ("terminate", "reclaim", "close_idle"))
    idle = max(len(closed), int(dry_run.get("closed_idle") or 0))
    won, left = len(ended) + len(taken), int(dry_run.get("left_alone") or 0)
    items = [_end_sessions(ended), _take_back(taken), _close_idle(idle), _leave(left)]
    before, after = _usage(dry_run, "before"), dry_run.get("usage_after_percent")
    level_after = str(dry_run.get("level_after") or level_now)
    return Plan(
        found=_noted(_found(at, won, idle, dry_run), dry_run),
        steps=[item for item in items if item is not None] if won or idle else [],
        usage=f"{words.percent(before, 1)} → about {words.percent(after, 1)}" if won and before is not None and after is not None else "",
        level=f"{level_now} → {level_after}" if won and level_after != level_now else "",
        confirm=_confirm(won, idle),
        wins=won,
    )


def _of(victims: Sequence[Mapping[str, Any]], action: str) -> list[Mapping[str, Any]]:
    """The victims of one action, oldest first."""
    return sorted((victim for victim in victims if victim["action"] == action), key=lambda victim: -float(victim["age_s"]))


def _found(at: str, won: int, idle: int, dry_run: Mapping[str, Any]) -> str:
    """What the dry run found, in one sentence or two."""
    if won:
        return f"A dry run at {at} found {words.bold(words.plural(won, 'connection') + ' to win back')}. Running queries are never touched."
    if idle:
        return f"A dry run at {at} found nothing lost, and {words.bold(words.plural(idle, 'idle connection') + ' to close')}. Running queries are never touched."
    out = (dry_run.get("before") or {}).get("checked_out") or 0
    if not out:
        return "Nothing to win back. No connection is in use and none is idle."
    are = "1 connection is" if out == 1 else f"{words.count(out)} connections are"
    return f"Nothing to win back. {words.bold(are + ' in use')} and none looks lost. Look at the longest holders below."


def _confirm(won: int, idle: int) -> str:
    """The button that repeats the count; "" when nothing would be done."""
    if won:
        return f"Win back {words.plural(won, 'connection')}"
    return f"Close {words.plural(idle, 'idle connection')}" if idle else ""


def _names(victims: Sequence[Mapping[str, Any]], verb: str) -> tuple[str, list[str]]:
    """The first few victims in prose with their ages, and the rest as a list; many of one name are summed up, each in the list."""
    told = [f"{_who(victim)} · {verb} {words.span(float(victim['age_s']))}" for victim in victims]
    if len(told) <= _NAMED:
        return words.listed(told), []
    names = {_NUMBER.sub("", _who(victim)) for victim in victims}
    if len(names) == 1:
        return f"{len(told)} \u00d7 {names.pop()} · {verb} up to {words.span(float(victims[0]['age_s']))}", told
    return f"{', '.join(told[:_NAMED])} and {len(told) - _NAMED} more", told[_NAMED:]


def _who(victim: Mapping[str, Any]) -> str:
    """A victim's task (or else its route) and number; where in the code it was taken stands in the holders' table."""
    told = _WHERE.sub("", str(victim.get("holder") or "")).strip()
    name = _ROUTE.sub("", told).strip() or told or "unnamed task"
    name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    number = f"#{victim['id']}"
    return name if number in name else f"{name} {number}"


def _end_sessions(victims: Sequence[Mapping[str, Any]]) -> PlanItem | None:
    """Sessions on the server that sit idle in a transaction."""
    if not victims:
        return None
    told, more = _names(victims, "idle in transaction for")
    whose = "Its open transaction is" if len(victims) == 1 else "Their open transactions are"
    return PlanItem("bad", "unplug", f"End {words.plural(len(victims), 'server session')}", f"{told}. {whose} rolled back.", more)


def _take_back(victims: Sequence[Mapping[str, Any]]) -> PlanItem | None:
    """Checkouts past the leak threshold that run nothing."""
    if not victims:
        return None
    told, more = _names(victims, "held")
    where = "it; its" if len(victims) == 1 else "them; their"
    return PlanItem(
        "warn",
        "hourglass",
        f"Take back {words.plural(len(victims), 'checkout')}",
        f"{told}. Nothing runs in {where} next statement fails.",
        more,
    )


def _close_idle(idle: int) -> PlanItem:
    """Connections that wait in the pool."""
    note = "None is idle." if not idle else "It is opened again when needed." if idle == 1 else "They are opened again when needed."
    return PlanItem("off", "circle-dashed", f"Close {words.plural(idle, 'idle connection')}", note)


def _leave(left: int) -> PlanItem:
    """What is not touched."""
    note = "A query runs in each, or it is held for less than the leak threshold." if left else "Nothing else is in use."
    return PlanItem("ok", "shield-check", f"Leave {words.count(left)} alone", note, keep=True)


def _usage(answer: Mapping[str, Any], when: str) -> float | None:
    """Usage in percent from a pool object; None when it is not given."""
    pool = answer.get(when) or {}
    capacity = pool.get("capacity") or 0
    return round(100.0 * pool["checked_out"] / capacity, 1) if capacity else None


def result(answer: Mapping[str, Any], *, planned: int) -> Result:
    """What a cleanup did. `planned` is how many connections the confirmation promised to win back."""
    ended, taken, closed = (int(answer.get(name) or 0) for name in ("terminated_backends", "reclaimed", "closed_idle"))
    won = ended + taken
    parts = [text for text, number in _deeds(ended, taken, closed) if number]
    took = words.duration(float(answer.get("duration_ms") or 0.0) / 1000)
    head = f"Won back {words.bold(f'{won} of {max(planned, won)}')} in {took}" if planned or won else f"Done in {took}"
    tail = f": {words.listed(parts)}." if parts else ": nothing needed doing any more."
    spared = planned - won
    rest = _spared(answer.get("skipped") or (), spared)
    before, after = _usage(answer, "before"), _usage(answer, "after")
    usage = f"{words.percent(before, 1)} → {words.percent(after, 1)}" if before is not None and after is not None else ""
    tone, icon = ("warn", "triangle-alert") if spared > 0 or answer.get("skipped") else ("ok", "circle-check")
    return Result(tone, icon, _noted(f"{head}{tail}{rest}", answer), usage)


def _noted(sentence: str, answer: Mapping[str, Any]) -> str:
    """`sentence`, and what the guard says of the whole."""
    note = str(answer.get("note") or "").strip().rstrip(".")
    return f"{sentence} {note}." if note else sentence


def _spared(skipped: Sequence[Mapping[str, Any]], number: int) -> str:
    """What was promised and not done, each by its number where the guard says so; "" when all was done."""
    told = [f"#{each['id']} {each['reason']}" for each in skipped[:_NAMED]]
    if told:
        more = f"; and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        return f" {'; '.join(told)}{more}."
    return f" {words.plural(number, 'connection was', 'connections were')} left alone: given back or in use again." if number > 0 else ""


def _deeds(ended: int, taken: int, closed: int) -> list[tuple[str, int]]:
    """The three things a cleanup does, each in words with its number."""
    return [
        (f"{words.plural(ended, 'session')} ended", ended),
        (f"{words.plural(taken, 'checkout')} taken back", taken),
        (f"{words.plural(closed, 'idle connection')} closed", closed),
    ]
