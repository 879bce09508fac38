"""Log lines for people or machines, without secrets whoever wrote them: ours and those of every library.

All records of the process leave through the root logger's one handler, and its formatter redacts the finished line, traces included.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

import structlog

from dashboard_app.model.secret import MASK, Secret

_LIBRARIES = (
    *(
        "reflex",
        "reflex_base",
        "sqlalchemy",
        "asyncpg",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "granian",
        "_granian",
        "wsproto",
        "h11",
    ),
    *(
        "socketio",
        "engineio",
        "alembic",
        "httpx",
        "httpcore",
        "starlette",
        "fastapi",
        "apprise",
        "authlib",
        "asyncio",
        "concurrent.futures",
    ),
)
_CHATTY = (
    "uvicorn",
    "sqlalchemy",
    "socketio",
    "engineio",
    "alembic",
    "httpx",
    "httpcore",
    "asyncio",
    "multipart",
    "python_multipart",
    "watchfiles",
)
_FACTS = ("from", "to", "source", "source_id", "rule", "severity")
"""What a change is told with beside its sentence: fields of their own for machines."""
_SHORTEST = 6  # a live secret shorter than this would blank ordinary words
_MOST = 1000  # more of them would cost each line a millisecond
_NO_WORD = 10
_NAMES = r"password|passwd|passphrase|secret|secret_key|token|api_key|apikey|authorization|proxy-authorization|cookie|set-cookie|dsn|client_token"
_SECRET_KEY = re.compile(rf"(?:^|[_-])(?:{_NAMES})$", re.IGNORECASE)
_PATTERNS = (  # a name is tried at its beginning only: at each of its characters a word of 5,000 held the loop for 7 s (measured)
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]{0,60}://[^\s:/@'\"]*:)[^\s'\"]+(?P<after>@)", re.IGNORECASE),  # scheme://user:secret@
    re.compile(
        rf"(?P<before>[\"']?(?<![\w-])[\w-]*(?:{_NAMES})[\"']?\s*[:=]\s*(?P<quote>[\"'])).*?(?P<after>(?P=quote))", re.IGNORECASE
    ),  # "cookie": "…"
    re.compile(rf"(?P<before>(?<![\w-])[\w-]*(?:{_NAMES})=)[^\s&,;'\"]+(?P<after>)", re.IGNORECASE),  # token=…
    re.compile(r"(?P<before>\b(?:Bearer|Basic) )[\w.~+/=-]+(?P<after>)", re.IGNORECASE),
    re.compile(r"(?P<before>' with value )[\s\S]*?(?P<after> and type hint |\Z)"),  # Reflex, of what it could not convert
    re.compile(r"(?P<before>\binvalid enum value \()[\s\S]*?(?P<after>\) for type |\Z)"),  # as above
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127, *range(128, 160))}
_CONTROLS |= {
    code: f"\\u{code:04x}" for code in (0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069)
}  # text that runs backwards


class _LiveSecrets:
    """The values that must not appear in a line, and one expression that finds them all."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        if len(value) >= _SHORTEST and value not in self._values and len(self._values) < _MOST:
            self._values |= {value, quote(value, safe="")}
            self._pattern = None

    def masked(self, text: str) -> str:
        if self._pattern is None:
            self._pattern = re.compile("|".join(re.escape(one) for one in sorted(self._values, key=len, reverse=True)) or r"(?!)")
        return self._pattern.sub(MASK, text)


_LIVE = _LiveSecrets()


def protect(secret: Secret) -> None:
    """From now on `secret` prints as dots in every line, wherever it comes from. Secrets under 6 characters are left to their key's name."""
    _LIVE.add(secret.reveal())


def protect_password(secret: Secret) -> None:
    """The same for a password that somebody chose: one that is short or all letters may be a word of ordinary lines, and is left to its key's name."""
    value = secret.reveal()
    if len(value) >= _NO_WORD and not value.isalpha():
        _LIVE.add(value)


def redact(text: str) -> str:
    """`text` without live secrets, passwords in URLs, and values that stand behind a secret's name."""
    text = _LIVE.masked(text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<before>{MASK}\g<after>", text)
    return text


def redact_keys(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: values whose key names a secret become dots; control characters in texts become visible."""
    return {key: MASK if _SECRET_KEY.search(key) else _clean(value) for key, value in fields.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: MASK if isinstance(key, str) and _SECRET_KEY.search(key) else _clean(inner) for key, inner in value.items()}
    return value.translate(_CONTROLS) if isinstance(value, str) else value


def _indented(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the later lines of a message stand in, so that no text from outside looks like a record of its own."""
    fields["event"] = str(fields.get("event", "")).replace("\n", "\n    ")
    return fields


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record of any logger, then redacts the whole line."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure(log_format: Literal["console", "json"], log_level: str) -> None:
    """Send every record of this process to stderr in one shape; call it once, before anything is built. May be called again in tests."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact_keys,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _RedactingFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(_FACTS), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING) if root.level > logging.DEBUG else logging.INFO)
    logging.captureWarnings(capture=True)


def hear_uncaught() -> None:
    """Let the log have what nobody catches, in any thread: Python's own word for it would go past the redaction."""
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda said: _log_uncaught(said.exc_type, said.exc_value, said.exc_traceback)
    sys.unraisablehook = lambda said: _log_uncaught(said.exc_type, said.exc_value, said.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """One error that nobody caught."""
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger(__name__).critical("nobody caught this", exc_info=(kind, error or kind(), trace))


def _renderer(log_format: str) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_indented, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
