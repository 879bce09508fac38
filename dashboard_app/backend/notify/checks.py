"""What a channel may be: its settings, and its address as far as it can be judged without apprise."""

import re
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.notification import ChannelSettings
from dashboard_app.model.secret import Secret
from dashboard_app.policy.notify import zone_of
from dashboard_app.policy.outbound import is_never

URL_LONGEST = 2000
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}")
_FILES = frozenset({"template", "keyfile", "subfile", "pgp", "pgpkey", "pgpprivkey", "attach"})
"""Parameters of apprise that name a file of this machine, or make one."""


class Checker(Protocol):
    """Who knows what apprise understands."""

    async def check(self, url: Secret) -> None:
        """Return when it does and the service may be used. Raises NotDelivered."""


def check_settings(settings: ChannelSettings) -> None:
    """Return when they are acceptable. Raises InvalidInput with a reason per field."""
    errors = []
    if not settings.name.strip():
        errors.append({"field": "name", "message": "must not be blank"})
    if not settings.topics:
        errors.append({"field": "alerts", "message": "choose at least one of alerts, breakers and sources"})
    if settings.quiet is not None:
        if settings.quiet.begin == settings.quiet.end:
            errors.append({"field": "quiet_to", "message": "must differ from quiet_from"})
        try:
            zone_of(settings.quiet.zone)
        except ValueError:
            errors.append({"field": "quiet_zone", "message": "is not a time zone that this server knows, such as Europe/Madrid"})
    if errors:
        raise InvalidInput("; ".join(f"{one['field']}: {one['message']}" for one in errors), tuple(errors))


def service_of(url: Secret) -> str:
    """The scheme of an address that may be used. Raises InvalidInput; the reason never repeats a part of the address."""
    text = url.reveal()
    scheme = text.partition("://")[0].lower()
    if "://" not in text or not _SCHEME.fullmatch(scheme) or len(text) > URL_LONGEST or not text.isprintable() or " " in text:
        raise wrong("must be one address such as slack://… or json://host:port/path")
    try:
        parts = urlsplit(text)
        host, asked = parts.hostname or "", parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise wrong("is not an address") from None
    if any(name.lower().strip() in _FILES for name, _ in asked):
        raise wrong("must not name files of this server (template, keyfile, pgp, attach)")
    if is_never(host) or any(is_never(value) for _, value in asked):
        raise wrong("must not be link-local, multicast or a metadata address")
    return scheme


def wrong(message: str) -> InvalidInput:
    """The address is not acceptable."""
    return InvalidInput(f"url: {message}", ({"field": "url", "message": message},))
