"""Numbers, ages and times as people read them; and the marks of a sentence.

Every number is joined to its unit by a no-break space. A sentence may carry marks for bold words, code and clock times; the browser
turns a time into the viewer's zone. The marks are characters of Unicode's private range, stripped from whatever is put between them.
"""

import re
from datetime import UTC, datetime

from dashboard_app.model.errors import BackendFailed, SpillwayError

NB = "\u00a0"
"""Joins a number and its unit."""
THIN = "\u202f"
"""Groups thousands."""
UNKNOWN = "\u2013"
"""A value that is not known. Zero is a measured zero."""

_BOLD, _BOLD_END = "\ue000", "\ue001"
_CODE, _CODE_END = "\ue002", "\ue003"
_TIME, _TIME_END = "\ue004", "\ue005"
_MARKS = re.compile("[\ue000-\ue005]")
_TIME_MARK = re.compile(f"{_TIME}([0-9]+){_TIME_END}")

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def span(seconds: float) -> str:
    """A length of time in one unit: 12 s · 8 min · 3 h · 2 d. Changes unit at 120 s, 120 min and 48 h; always rounded down."""
    if seconds < 2 * _MINUTE:
        return f"{int(max(seconds, 0))}{NB}s"
    if seconds < 2 * _HOUR:
        return f"{int(seconds // _MINUTE)}{NB}min"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)}{NB}h"
    return f"{int(seconds // _DAY)}{NB}d"


def age(seconds: float | None) -> str:
    """How old a reading is: now · 12 s ago · 8 min ago; a dash when there is none."""
    if seconds is None:
        return UNKNOWN
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def duration(seconds: float | None) -> str:
    """A measured duration in three digits: 0.9 ms · 18.4 ms · 240 ms · 1.25 s · 3 min 30 s · 6 h 12 min · 2 d 3 h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        milliseconds = seconds * 1000
        places = 1 if milliseconds < 100 else 0  # noqa: PLR2004 - three digits that matter
        return f"{milliseconds:.{places}f}{NB}ms"
    if seconds < _MINUTE:
        places = 2 if seconds < 10 else 1  # noqa: PLR2004 - three digits that matter
        return f"{_trimmed(f'{seconds:.{places}f}')}{NB}s"
    if seconds < _HOUR:
        return _pair(seconds, _MINUTE, "min", 1, "s")
    if seconds < _DAY:
        return _pair(seconds, _HOUR, "h", _MINUTE, "min")
    return _pair(seconds, _DAY, "d", _HOUR, "h")


def percent(value: float | None, places: int = 0) -> str:
    """A percentage with a space before the sign: 83 % in cells, 83.3 % with `places=1`."""
    return UNKNOWN if value is None else f"{value:.{places}f}{NB}%"


def count(value: float | None) -> str:
    """A whole number, thousands grouped by a narrow space: 18 402."""
    return UNKNOWN if value is None else f"{round(value):,}".replace(",", THIN)


def chip(value: int) -> str:
    """A count for a chip: exact below 1 000, then 1.2 k, 12.4 k, 3.1 M."""
    if value < 1000:  # noqa: PLR2004 - a thousand is a thousand
        return str(value)
    if value < 1_000_000:  # noqa: PLR2004 - a million is a million
        return f"{value / 1000:.1f}{NB}k"
    return f"{value / 1_000_000:.1f}{NB}M"


def number(value: float | None) -> str:
    """A number in at most three digits that matter: 0.02 · 4.8 · 99.6 · 640 · 1 204."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 100 or value == int(value):  # noqa: PLR2004 - three digits that matter
        return count(value)
    return _trimmed(f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}")


def size(value: float | None) -> str:
    """Bytes in the largest unit that keeps them above one: 512 B · 4.0 GiB."""
    if value is None:
        return UNKNOWN
    step = 1024.0
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < step or unit == "TiB":
            break
        value /= step
    return f"{value:.0f}{NB}B" if unit == "B" else f"{value:.1f}{NB}{unit}"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, in the format that unit asks for: %, s, ms, bytes, tx/s, or any other word behind the number."""
    if value is None:
        return UNKNOWN
    if unit == "%":
        return percent(value, 0 if value == int(value) else 1)
    if unit in ("s", "ms"):
        return duration(value if unit == "s" else value / 1000)
    if unit in ("bytes", "B"):
        return size(value)
    return f"{number(value)}{NB}{unit}" if unit else number(value)


def plural(amount: int, one: str, many: str = "") -> str:
    """`amount` with its noun: 1 source · 3 sources."""
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def bold(text: str) -> str:
    """Mark words as bold."""
    return f"{_BOLD}{_MARKS.sub('', text)}{_BOLD_END}"


def code(text: str) -> str:
    """Mark words as an identifier or code."""
    return f"{_CODE}{_MARKS.sub('', text)}{_CODE_END}"


def clock(at: datetime) -> str:
    """Mark a time: the browser shows it in the viewer's zone, 14:02:11 today and Nov 21 14:02 on other days."""
    return f"{_TIME}{int(at.timestamp())}{_TIME_END}"


def plain(sentence: str) -> str:
    """The sentence without marks, times in UTC: for logs, titles and tests."""
    timed = _TIME_MARK.sub(lambda mark: datetime.fromtimestamp(int(mark[1]), UTC).strftime("%H:%M:%S"), sentence)
    return _MARKS.sub("", timed)


def told(failure: SpillwayError) -> str:
    """What failed, for a person; a failure of the server with the reference that its log carries: … (ref 01JD7M2Q)."""
    reference = failure.reference if isinstance(failure, BackendFailed) else ""
    return f"{failure.detail} (ref{NB}{reference})" if reference else failure.detail


def listed(parts: list[str], last: str = "and") -> str:
    """Parts as prose: a · a and b · a, b and c."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _pair(seconds: float, big: int, big_unit: str, small: int, small_unit: str) -> str:
    """Two units, the second left out when it is zero."""
    whole, rest = divmod(int(seconds), big)
    tail = f" {rest // small}{NB}{small_unit}" if rest // small else ""
    return f"{whole}{NB}{big_unit}{tail}"


def _trimmed(text: str) -> str:
    """Without zeros that say nothing behind the point: 2.50 → 2.5, 3.00 → 3."""
    return text.rstrip("0").rstrip(".") if "." in text else text
