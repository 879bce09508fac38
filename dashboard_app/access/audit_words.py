"""What an audit row may say: values without secrets, of bounded length, that every table and every file takes."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from dashboard_app.model.secret import MASK, Secret
from dashboard_app.store.audit import AuditRow

_MAX_TEXT = 500
_MAX_DETAILS = 8_000
_SECRET_NAME = re.compile(r"password|secret|token|credential|cookie|authorization", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")


def masked_details(details: Mapping[str, object]) -> dict[str, object]:
    """`details` as JSON values without secrets, cut to 8,000 characters."""
    clean = {clean_text(str(key)): MASK if _SECRET_NAME.search(str(key)) else _clean(value) for key, value in details.items()}
    if len(json.dumps(clean)) > _MAX_DETAILS:
        return {"cut": json.dumps(clean)[:_MAX_DETAILS]}
    return clean


def clean_text(value: str, limit: int = _MAX_TEXT) -> str:
    """`value` without NUL, lone surrogates and passwords in URLs, cut to `limit` characters."""
    clean = value.replace("\x00", "").encode("utf-8", "replace").decode()
    return _URL_PASSWORD.sub(rf"\1{MASK}@", clean)[:limit]


def payload_of(row: AuditRow) -> bytes:
    """A row as one line of the journal."""
    return json.dumps(asdict(row), default=str, separators=(",", ":")).encode()


def row_of(payload: bytes) -> AuditRow:
    """A line of the journal as a row."""
    values = json.loads(payload)
    return AuditRow(**{**values, "uuid": UUID(values["uuid"]), "at": datetime.fromisoformat(values["at"]), "id": None})


def _clean(value: object) -> object:
    """One value for JSON."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return masked_details(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return clean_text(str(value), _MAX_DETAILS)
