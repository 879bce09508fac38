"""Where in the application a connection was asked for: the frames outside libraries and outside the guard, the innermost first.

A walk is made for each checkout, so it keeps code objects and offsets only, in two or three microseconds; names and line numbers are
worked out when somebody reads them.
"""

import asyncio.events
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType

import sqlalchemy

try:
    from greenlet import getcurrent  # type: ignore[import-untyped]
except ImportError:  # pragma: no cover - SQLAlchemy without its asyncio part needs no greenlet
    getcurrent = None

Trace = Sequence[tuple[CodeType, int]]
"""Own frames, the innermost first: the code and the offset of the instruction that was under way."""

UNKNOWN = "(unknown)"
FRAMES = 8
"""How many frames of the application are kept."""
_BETWEEN = 6
"""How many frames of libraries may lie between two of the application: beyond that comes the server's machinery."""
_GUARD = str(Path(__file__).parent)
_SQLALCHEMY = str(Path(sqlalchemy.__file__).parent)
"""Said by itself: it may be installed where no folder is called site-packages."""
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _GUARD, _SQLALCHEMY, "<"})
_LOOP = asyncio.events.__file__
_BOTTOM = "(event loop)"
"""Stands for the module of the loop's own machinery: below it nobody asked for anything."""
_PACKAGES = ("site-packages", "dist-packages")
_KNOWN = 10_000
_modules: dict[str, str] = {}
"""The module of each file that was met; "" for those of libraries."""
_rendered: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""Frames by id and offset as text; the code is kept beside it, so that its id names nothing else."""


def trace(depth: int = 1) -> Trace:
    """The application's frames that led here, looked for from `depth` calls above this one.

    SQLAlchemy's asyncio part runs in a greenlet with a stack of its own: the walk goes on in the stack that switched to it.
    """
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - inspect.stack() reads source files and costs a thousand times more
    switched = getcurrent() if getcurrent is not None else None
    found: list[tuple[CodeType, int]] = []
    left = -1
    while left:
        if frame is None:
            switched = switched.parent if switched is not None else None
            if switched is None:
                break
            frame = switched.gr_frame
            continue
        code = frame.f_code
        module = _modules.get(code.co_filename)
        if module is None:
            module = _learn(frame)
        if module is _BOTTOM:
            break
        if module:
            left = _BETWEEN
            found.append((code, frame.f_lasti))
            if len(found) == FRAMES:
                break
        left -= 1
        frame = frame.f_back
    return found


def call_site(trace: Trace) -> str:
    """`module.function:line` of the innermost frame of the application, or "(unknown)" when every frame was a library's."""
    return called(trace[0] if trace else None)


def called(frame: tuple[CodeType, int] | None) -> str:
    """One frame of a trace as `module.function:line`, "(unknown)" for None."""
    return UNKNOWN if frame is None else _text(*frame)


def stack(trace: Trace) -> tuple[str, ...]:
    """Every kept frame as `module.function:line`, the innermost first."""
    return tuple(_text(code, offset) for code, offset in trace)


def _text(code: CodeType, offset: int) -> str:
    """One frame; worked out once."""
    key = (id(code), offset)
    known = _rendered.get(key)
    if known is None:
        if len(_rendered) >= _KNOWN:
            _rendered.clear()
        line = next((line for start, end, line in code.co_lines() if start <= offset < end), None) or code.co_firstlineno
        known = _rendered[key] = code, f"{_modules.get(code.co_filename) or '?'}.{code.co_qualname}:{line}"
    return known[1]


def _learn(frame: FrameType) -> str:
    """The module of a frame that is the application's own, "" for one of the standard library, of an installed package or the guard."""
    filename = frame.f_code.co_filename
    if len(_modules) >= _KNOWN:
        _modules.clear()
    if filename == _LOOP:
        _modules[filename] = _BOTTOM
        return _BOTTOM
    is_own = not filename.startswith(_STANDARD) and not any(name in filename for name in _PACKAGES)
    _modules[filename] = module = str(frame.f_globals.get("__name__", "?")) if is_own else ""
    return module
