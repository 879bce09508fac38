"""The add and edit form of a source: from a source to fields, from fields to settings, from errors to the fields they belong to. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dashboard_app.console import words
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import BUILT_KINDS, Source, SourceKind, SourceSettings

SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""What PostgreSQL clients call their modes; none chosen: prefer on loopback, verify-full elsewhere."""
SERVICE_SSL_MODES = tuple(mode for mode in SSL_MODES if mode != "prefer")
"""HTTP is plain or encrypted from its first byte."""
DEFAULT_PORTS = {SourceKind.POSTGRESQL.value: "5432", SourceKind.PGBOUNCER.value: "6432", SourceKind.SERVICE.value: "443"}
"""The port that a new source of a kind most likely has."""
_LARGEST_PORT = 65_535
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class SourceFields:
    """What stands in the form. Never a password: `has_password` says whether one is kept."""

    id: int = 0
    name: str = ""
    kind: str = SourceKind.POSTGRESQL.value
    host: str = ""
    port: str = "5432"
    database: str = ""
    username: str = ""
    sslmode: str = ""
    base_path: str = ""
    environment: str = ""
    tags: str = ""
    has_password: bool = False


@dataclass(frozen=True, slots=True)
class FieldErrors:
    """The message under each field; empty: none."""

    name: str = ""
    kind: str = ""
    host: str = ""
    port: str = ""
    database: str = ""
    username: str = ""
    password: str = ""
    sslmode: str = ""
    environment: str = ""
    tags: str = ""

    def __bool__(self) -> bool:
        """True when any field is wrong."""
        return any(asdict(self).values())


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a trial: what was tried, how long it took, what came of it."""

    name: str
    took: str
    tone: str
    icon: str
    message: str


def fields_of(source: Source) -> SourceFields:
    """The form filled with a registered source."""
    return SourceFields(
        id=source.id,
        name=source.name,
        kind=source.kind.value,
        host=source.host,
        port=str(source.port),
        database=source.database,
        username=source.username,
        sslmode=source.options.get("sslmode", ""),
        base_path=source.options.get("base_path", ""),
        environment=source.environment,
        tags=", ".join(source.tags),
        has_password=True,
    )


def check(form: Mapping[str, Any]) -> FieldErrors:
    """What can be seen to be wrong before the server is asked."""
    found = FieldErrors()
    if not _text(form, "name"):
        found = replace(found, name="Give it a name people will recognise")
    elif len(_text(form, "name")) > _LONGEST:
        found = replace(found, name=f"At most {_LONGEST} characters")
    if not _text(form, "host"):
        found = replace(found, host="A host name or an address")
    port = _text(form, "port")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= _LARGEST_PORT):  # noqa: PLR2004 - 65535 has five digits
        found = replace(found, port=f"A whole number from 1 to {_LARGEST_PORT}")
    if _text(form, "kind") not in BUILT_KINDS:
        found = replace(found, kind="Choose a kind")
    return found


def settings_of(form: Mapping[str, Any], before: Source | None = None) -> SourceSettings:
    """The settings a checked form stands for; options the form does not show are kept from `before`."""
    shown = ("sslmode", "base_path")
    options = {name: value for name, value in (before.options if before else {}).items() if name not in shown}
    options |= {name: value for name in shown if (value := _text(form, name))}
    password = str(form.get("password") or "")
    return SourceSettings(
        name=_text(form, "name"),
        kind=SourceKind(_text(form, "kind")),
        host=_text(form, "host"),
        port=int(_text(form, "port")),
        database=_text(form, "database"),
        username=_text(form, "username"),
        password=Secret(password) if password else None,
        options=options,
        environment=_text(form, "environment"),
        tags=tuple(dict.fromkeys(tag.strip() for tag in _text(form, "tags").split(",") if tag.strip())),
        enabled=before.enabled if before else True,
    )


def changes_of(settings: SourceSettings) -> dict[str, object]:
    """The body of a PATCH for `settings`; a password only when one was entered."""
    changes: dict[str, object] = {
        "name": settings.name,
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "username": settings.username,
        "options": dict(settings.options),
        "environment": settings.environment,
        "tags": list(settings.tags),
    }
    if settings.password is not None:
        changes["password"] = settings.password.reveal()
    return changes


def errors_of(found: Iterable[Mapping[str, str]], detail: str) -> tuple[FieldErrors, str]:
    """The server's reasons under the fields they name; what names no field of the form stays a sentence for the whole form."""
    known = {field.name for field in fields(FieldErrors)}
    placed = {}
    rest = []
    for error in found:
        name = error.get("field", "").rpartition(".")[2] if error.get("field", "").startswith("options.") else error.get("field", "")
        if name in known:
            placed[name] = error.get("message", detail)
        else:
            rest.append(error.get("message", ""))
    return FieldErrors(**placed), "" if placed and not rest else " ".join(text for text in rest if text) or detail


def steps_of(report: Mapping[str, Any]) -> list[StepRow]:
    """The steps of a trial in order; the first that failed is the last."""
    return [
        StepRow(
            str(step["name"]),
            words.duration(float(step["ms"]) / 1000),
            "ok" if step["ok"] else "bad",
            "circle-check" if step["ok"] else "octagon-x",
            str(step.get("message") or ""),
        )
        for step in report.get("steps", ())
    ]


def _text(form: Mapping[str, Any], name: str) -> str:
    """A field's text without blanks at its ends."""
    return str(form.get(name) or "").strip()
