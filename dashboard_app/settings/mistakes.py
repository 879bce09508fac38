"""What is wrong with given settings, said in lines that name the setting, the value (secrets masked) and what is allowed."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from dashboard_app.model.secret import MASK
from dashboard_app.settings.knobs import PREFIX, Settings

_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/]+(@)")
_SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "_URL")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def together(values: Settings) -> list[str]:
    """What is wrong although each value alone is right."""
    mistakes = []
    if values.redis_url is not None:
        mistakes.append(f"{PREFIX}REDIS_URL: several instances are not built yet; unset it to run one process")
    if (values.admin_email is None) != (values.admin_password is None):
        mistakes.append(f"{PREFIX}ADMIN_EMAIL and {PREFIX}ADMIN_PASSWORD: set both or none")
    if values.database_direct_url is not None and values.database_url is None:
        mistakes.append(f"{PREFIX}DATABASE_DIRECT_URL: needs {PREFIX}DATABASE_URL, the pooler's address, beside it")
    mistakes += _wrong_with_oidc(values)
    postgresql = ("postgresql", "postgres")
    schemes = {
        "database_url": postgresql,
        "database_direct_url": postgresql,
        "backend_url": ("http", "https"),
        "public_url": ("http", "https"),
        "oidc_issuer": ("http", "https"),
    }
    for field, allowed in schemes.items():
        value = getattr(values, field)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        wrong = "" if text is None else _wrong_with(text, allowed)
        if wrong:
            mistakes.append(f"{PREFIX}{field.upper()}={masked(field, text)!r}: {wrong}")
    return mistakes


def _wrong_with_oidc(values: Settings) -> list[str]:
    """What is wrong with the sign-in by a provider."""
    name = f"{PREFIX}OIDC_"
    if values.oidc_issuer is None:
        needs = ("oidc_client_id", "oidc_client_secret", "oidc_role_claim")
        return [f"{PREFIX}{field.upper()}: needs {name}ISSUER beside it" for field in needs if getattr(values, field) is not None]
    mistakes = []
    if values.oidc_client_id is None:
        mistakes.append(f"{name}ISSUER: needs {name}CLIENT_ID beside it")
    if values.oidc_issuer.startswith("http://") and (urlsplit(values.oidc_issuer).hostname or "") not in _THIS_MACHINE:
        mistakes.append(f"{name}ISSUER={values.oidc_issuer!r}: must start with https://; http:// is for a provider on this machine")
    secret = values.oidc_client_secret
    if secret is not None and not (secret.get_secret_value().isascii() and secret.get_secret_value().isprintable()):
        mistakes.append(f"{name}CLIENT_SECRET: must hold printable ASCII characters only")
    if "openid" not in values.oidc_scopes.split():
        mistakes.append(f"{name}SCOPES={values.oidc_scopes!r}: must name openid")
    if (values.oidc_role_claim is None) != (values.oidc_role_map is None):
        mistakes.append(f"{name}ROLE_CLAIM and {name}ROLE_MAP: set both or none")
    if values.oidc_role_claim is None and values.oidc_default_role == "none":
        mistakes.append(f"{name}ISSUER: nobody could come in; set {name}ROLE_CLAIM and {name}ROLE_MAP, or {name}DEFAULT_ROLE")
    if values.public_url is None and values.host in _EVERY_ADDRESS:
        mistakes.append(f"{name}ISSUER: needs {PREFIX}PUBLIC_URL, the address that people come back to")
    return mistakes


def _wrong_with(url: str, allowed: tuple[str, ...]) -> str:
    """What is wrong with `url`, whose scheme must be one of `allowed`; "" when nothing is."""
    if url.partition("://")[0].partition("+")[0] not in allowed:
        return f"must start with {' or '.join(f'{one}://' for one in allowed)}"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is not a URL"
    try:
        has_port = parts.port != 0
    except ValueError:
        has_port = False
    if not has_port:
        return "the port must be a number from 1 to 65535"
    return "" if parts.hostname else "must name a host"


_WORDS = {
    "bool_parsing": "must be true or false",
    "string_pattern_mismatch": "must be a rate such as 10/minute, per second, minute or hour",
}


def mistake(error: Any, given: Mapping[str, str], origins: Mapping[str, str]) -> str:
    """One line for one validation error: name, value, what is allowed."""
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    field = str(error["loc"][0])
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
    allowed = _WORDS.get(error["type"], said)
    value = masked(field, given.get(field, ""))
    return f"{PREFIX}{field.upper()}={value!r}: {allowed} ({origins.get(field, 'default')})"


def masked(field: str, value: object) -> str:
    """`value` as text, or dots when the setting holds a secret."""
    if value is None or value == "":
        return ""
    name = field.upper()
    if name == "SECRET_KEY" or (name.endswith(_SECRET_WORDS) and name not in {"PUBLIC_URL", "BACKEND_URL"}):
        return MASK
    return _URL_PASSWORD.sub(rf"\1{MASK}\2", str(value))


def field_errors(error: Any) -> list[dict[str, str]]:
    """One validation error as errors of fields; the rule across two settings names both."""
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
    if error["loc"]:
        return [{"field": str(error["loc"][0]), "message": _WORDS.get(error["type"], said)}]
    lines = [line.removeprefix(PREFIX) for line in said.splitlines()]
    return [{"field": line.partition("=")[0].lower(), "message": line.partition(": ")[2].replace(PREFIX, "")} for line in lines]
