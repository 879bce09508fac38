"""Where in the application a connection was asked for: the first frame outside libraries and outside the guard.

A walk costs one or two microseconds: about twenty frames and one dictionary look-up for each.
"""

import sys
import sysconfig
from pathlib import Path
from types import FrameType

try:
    from greenlet import getcurrent  # type: ignore[import-untyped]
except ImportError:  # pragma: no cover - SQLAlchemy without its asyncio part needs no greenlet
    getcurrent = None

UNKNOWN = "(unknown)"
_GUARD = str(Path(__file__).parent)
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _GUARD, "<"})
_PACKAGES = ("site-packages", "dist-packages")
_KNOWN_FILES = 10_000
_is_own: dict[str, bool] = {}


def call_site() -> str:
    """`module.function:line` of the innermost frame of the application, or "(unknown)" when every frame is a library's.

    SQLAlchemy's asyncio part runs in a greenlet with a stack of its own: the walk goes on in the stack that switched to it.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads source files and costs a thousand times more
    switched = getcurrent() if getcurrent is not None else None
    while True:
        while frame is not None:
            if _owns(frame.f_code.co_filename):
                return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}:{frame.f_lineno}"
            frame = frame.f_back
        switched = switched.parent if switched is not None else None
        if switched is None:
            return UNKNOWN
        frame = switched.gr_frame


def _owns(filename: str) -> bool:
    """True for a file of the application: neither the standard library, nor an installed package, nor the guard."""
    known = _is_own.get(filename)
    if known is None:
        if len(_is_own) >= _KNOWN_FILES:
            _is_own.clear()
        known = _is_own[filename] = not filename.startswith(_STANDARD) and not any(name in filename for name in _PACKAGES)
    return known
