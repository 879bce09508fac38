"""What an operator may enter for a source. Every mistake is named by its field, all of them at once."""

import ipaddress
import re
import ssl
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from dashboard_app.backend.sources.probes.target import CONSOLE, SSL_MODES
from dashboard_app.model.errors import InvalidInput, KindNotSupported
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.source import BUILT_KINDS, SourceKind, SourceSettings
from dashboard_app.store.sources import SORTS

NAME_LIMIT = 200
HOST_LIMIT = 253
IDENTIFIER_LIMIT_BYTES = 63
"""PostgreSQL cuts longer names (NAMEDATALEN - 1)."""
PASSWORD_LIMIT = 1_000
TAGS_LIMIT, TAG_LIMIT, ENVIRONMENT_LIMIT = 20, 50, 50
PATH_LIMIT = 1_000
PORT_LIMIT = 65_535
PAGE_LIMIT, OFFSET_LIMIT = 500, 2**31 - 1
FIELDS = frozenset(field.name for field in fields(SourceSettings))
"""What an operator may change of a source."""
SERVICE_SSL_MODES = tuple(mode for mode in SSL_MODES if mode != "prefer")
"""HTTP is plain or encrypted from its first byte: there is nothing to prefer."""
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def kind_of(value: object) -> SourceKind:
    """`value` as a kind that has a probe.

    Raises:
        KindNotSupported: there is no such kind, or it is not built yet.

    """
    if not isinstance(value, str) or value not in set(BUILT_KINDS):
        shown = _shown(str(value))
        raise KindNotSupported(f"Sources of kind {shown} are not supported yet", ({"field": "kind", "message": "not supported yet"},))
    return SourceKind(str(value))


def check_settings(settings: SourceSettings) -> None:
    """Return when every field is acceptable. Does no I/O; see `check_root_certificate`.

    Raises:
        KindNotSupported: its kind has no probe. InvalidInput: what is wrong with which field.

    """
    kind_of(settings.kind)
    rules = {**_RULES, **_RULES_OF_KIND.get(settings.kind, {})}
    mistakes = [{"field": field, "message": message} for field, rule in rules.items() if (message := rule(getattr(settings, field)))]
    if settings.kind is SourceKind.PGBOUNCER and settings.database not in ("", CONSOLE):
        mistakes.append({"field": "database", "message": f"must be empty or {CONSOLE}, which is the admin console"})
    if mistakes:
        raise InvalidInput(f"{mistakes[0]['field']}: {mistakes[0]['message']}", tuple(mistakes))


def check_changes(changes: Mapping[str, Any]) -> None:
    """Return when every change is one of a known field and only the password is None; raises InvalidInput."""
    mistakes = [{"field": name, "message": "there is no such field"} for name in changes if name not in FIELDS]
    mistakes += [{"field": name, "message": "needs a value"} for name, value in changes.items() if value is None and name != "password"]
    if mistakes:
        raise InvalidInput(f"{mistakes[0]['field']}: {mistakes[0]['message']}", tuple(mistakes))


def check_query(texts: Mapping[str, str], limit: int, offset: int) -> None:
    """Return when every filter of a page is within its range; raises InvalidInput."""
    mistakes = [{"field": name, "message": "must not hold control characters"} for name, value in texts.items() if has_control(value)]
    if texts["sort"] and texts["sort"] not in SORTS:
        mistakes.append({"field": "sort", "message": f"must be one of {', '.join(sorted(SORTS))}"})
    if texts["status"] and texts["status"] not in set(HealthStatus):
        mistakes.append({"field": "status", "message": f"must be one of {', '.join(HealthStatus)}"})
    if texts["kind"] and texts["kind"] not in set(SourceKind):
        mistakes.append({"field": "kind", "message": f"must be one of {', '.join(SourceKind)}"})
    if not 1 <= limit <= PAGE_LIMIT:
        mistakes.append({"field": "limit", "message": f"must be 1 to {PAGE_LIMIT}"})
    if not 0 <= offset <= OFFSET_LIMIT:
        mistakes.append({"field": "offset", "message": f"must be 0 to {OFFSET_LIMIT}"})
    if mistakes:
        raise InvalidInput(f"{mistakes[0]['field']}: {mistakes[0]['message']}", tuple(mistakes))


def check_root_certificate(options: Mapping[str, str]) -> None:
    """Return when `sslrootcert` is unset or a readable file of certificates. Reads the file: call it on a thread.

    Raises:
        InvalidInput: it is not.

    """
    path = options.get("sslrootcert")
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        message = "must be a file on the server that can be read and holds PEM certificates"
        raise InvalidInput(f"options.sslrootcert: {message}", ({"field": "options.sslrootcert", "message": message},)) from error


def has_control(text: str) -> bool:
    """True when `text` holds a control character, NUL, a lone surrogate or an invisible formatting character."""
    return any(unicodedata.category(character) in {"Cc", "Cs", "Cf"} for character in text)


def _text(limit: int, *, least: int = 0) -> Callable[[Any], str]:
    """A rule for one line of text."""

    def rule(value: Any) -> str:
        if not isinstance(value, str):
            return "must be text"
        if not least <= len(value) <= limit:
            return f"must have {least} to {limit} characters" if least else f"must have at most {limit} characters"
        return "must not hold control characters" if has_control(value) else ""

    return rule


def _name(value: Any) -> str:
    """1 to 200 characters that can be read."""
    return _text(NAME_LIMIT, least=1)(value) or ("" if value == value.strip() else "must not begin or end with a space")


def _host(value: Any) -> str:
    """A host name or an IP address: no list, no path, no URL."""
    if not isinstance(value, str) or not 1 <= len(value) <= HOST_LIMIT:
        return "must be a host name or an IP address"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        labels = value.removesuffix(".").split(".")
        looks_like_address = all(label.isdigit() for label in labels)
        good = not looks_like_address and all(_LABEL.fullmatch(label) for label in labels)
        return "" if good else "must be a host name or an IP address"
    return "" if "%" not in value else "must be a host name or an IP address"


def _port(value: Any) -> str:
    """A TCP port."""
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= PORT_LIMIT
    return "" if good else f"must be a number from 1 to {PORT_LIMIT}"


def _identifier(*, needed: bool) -> Callable[[Any], str]:
    """A rule for a name inside PostgreSQL."""

    def rule(value: Any) -> str:
        if message := _text(IDENTIFIER_LIMIT_BYTES, least=1 if needed else 0)(value):
            return message
        return "" if len(value.encode()) <= IDENTIFIER_LIMIT_BYTES else f"must have at most {IDENTIFIER_LIMIT_BYTES} bytes"

    return rule


def _password(value: Any) -> str:
    """None, or what a person could type."""
    if value is None:
        return ""
    text = value.reveal()
    if len(text) > PASSWORD_LIMIT:
        return f"must have at most {PASSWORD_LIMIT} characters"
    return "must not hold NUL or half characters" if any(c == "\0" or unicodedata.category(c) == "Cs" for c in text) else ""


def _options(value: Any) -> str:
    """Only what a PostgreSQL source knows, each a text."""
    return _known_options(value, ("sslmode", "sslrootcert"), SSL_MODES)


def _service_options(value: Any) -> str:
    """Only what a service knows: TLS from the first byte or none, and a path without dots, query or fragment."""
    if message := _known_options(value, ("base_path", "sslmode", "sslrootcert"), SERVICE_SSL_MODES):
        return message
    path = value.get("base_path", "")
    if len(path) > PATH_LIMIT or (path and not _BASE_PATH.fullmatch(path)):
        return "base_path must begin with a slash, end without one and hold letters, digits, - _ . ~ only"
    return "base_path must not hold . or .. as a part" if {".", ".."} & set(path.split("/")) else ""


def _known_options(value: Any, known: tuple[str, ...], modes: tuple[str, ...]) -> str:
    """Options of these names, TLS in one of these modes."""
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        return "must be names with texts"
    if unknown := sorted(set(value) - set(known)):
        return f"{_shown(unknown[0])} is not an option; {', '.join(known[:-1])} and {known[-1]} are"
    if "sslmode" in value and value["sslmode"] not in modes:
        return f"sslmode must be one of {', '.join(modes)}"
    return _text(PATH_LIMIT)(value.get("sslrootcert", ""))


def _nothing(instead: str) -> Callable[[Any], str]:
    """A rule for a field that this kind does not have."""
    return lambda value: "" if value == "" else f"must be empty: {instead}"


def _token(value: Any) -> str:
    """None, or a bearer token: what a header can carry."""
    if message := _password(value):
        return message
    good = value is None or all("!" <= character <= "~" for character in value.reveal())
    return "" if good else "must be a token of printable ASCII characters without blanks"


def _tags(value: Any) -> str:
    """At most 20 of at most 50 characters, each once."""
    if not isinstance(value, (tuple, list)) or len(value) > TAGS_LIMIT:
        return f"must be at most {TAGS_LIMIT} texts"
    message = next(filter(None, map(_text(TAG_LIMIT, least=1), value)), "")
    return message or ("" if len(set(value)) == len(value) else "must not repeat a tag")


def _flag(value: Any) -> str:
    """True or False."""
    return "" if isinstance(value, bool) else "must be true or false"


def _shown(text: str) -> str:
    """A stranger's word, short enough and clean enough for a sentence."""
    return "".join(character for character in text[:40] if character.isprintable())


_RULES: Mapping[str, Callable[[Any], str]] = {
    "name": _name,
    "host": _host,
    "port": _port,
    "database": _identifier(needed=False),
    "username": _identifier(needed=True),
    "password": _password,
    "options": _options,
    "environment": _text(ENVIRONMENT_LIMIT),
    "tags": _tags,
    "enabled": _flag,
}
_RULES_OF_KIND: Mapping[SourceKind, Mapping[str, Callable[[Any], str]]] = {
    SourceKind.SERVICE: {
        "database": _nothing("a service is named by host, port and base_path"),
        "username": _nothing("a service is asked with a token, which is its password"),
        "password": _token,
        "options": _service_options,
    },
}
