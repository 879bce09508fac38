"""The values requests are made of: bounded, without control characters that PostgreSQL cannot keep, never coerced from other types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

LARGEST_ID = 2**31 - 1
"""Ids are 1..2^31-1; anything else in a path is an unknown id, so 404."""
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _printable(value: str) -> str:
    """`value`, when it holds no control character. NUL cannot be stored, the rest would forge log lines."""
    if any(ord(character) < ord(" ") or character == "\x7f" for character in value):
        raise ValueError("must not contain control characters")
    return value


def _named(value: str) -> str:
    """`value` without blanks at its ends, when something is left."""
    stripped = value.strip()
    if not stripped:
        raise ValueError("must not be blank")
    return stripped


def _sensible(moment: datetime) -> datetime:
    """`moment` in UTC, when it lies in this or the next century."""
    if not _EARLIEST.replace(tzinfo=None) <= moment.replace(tzinfo=None) <= _LATEST.replace(tzinfo=None):
        raise ValueError("must lie between 2000 and 2200")
    return moment.astimezone(UTC)


def absent() -> Any:
    """The value of a field that was left out of a PATCH; look at `model_fields_set` instead of it."""
    return None


PRINTABLE = {"pattern": r"^[^\x00-\x1f\x7f]*$"}
"""What `_printable` asks for, for the description."""
NAMED = {"pattern": r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"}
"""The same for what must not be blank."""
Text200 = Annotated[StrictStr, Field(max_length=200, json_schema_extra=PRINTABLE), AfterValidator(_printable)]
Name = Annotated[
    StrictStr, Field(min_length=1, max_length=200, json_schema_extra=NAMED), AfterValidator(_printable), AfterValidator(_named)
]
Host = Annotated[
    StrictStr, Field(min_length=1, max_length=253, json_schema_extra=NAMED), AfterValidator(_printable), AfterValidator(_named)
]
Password = Annotated[StrictStr, Field(max_length=1000, json_schema_extra=PRINTABLE), AfterValidator(_printable)]
Port = Annotated[StrictInt, Field(ge=1, le=65_535)]
Tag = Annotated[StrictStr, Field(min_length=1, max_length=60, json_schema_extra=NAMED), AfterValidator(_printable), AfterValidator(_named)]
OptionName = Annotated[StrictStr, Field(min_length=1, max_length=60, json_schema_extra=PRINTABLE), AfterValidator(_printable)]
OptionValue = Annotated[StrictStr, Field(max_length=500, json_schema_extra=PRINTABLE), AfterValidator(_printable)]
Truth = StrictBool
Id = Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)]
Search = Annotated[str, Field(max_length=200, json_schema_extra=PRINTABLE), AfterValidator(_printable)]
Moment = Annotated[AwareDatetime, AfterValidator(_sensible)]
PathId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the data source; one that does not exist is 404.")]


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Parameters(BaseModel):
    """Query parameters: unknown names are refused, so that a typo is not silently a request for everything.

    One that may be left out counts as left out when it is empty: `?kind=&limit=50` asks for every kind.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, given: Any) -> Any:
        """`given` without what is empty and may be left out."""
        if not isinstance(given, Mapping):
            return given
        needed = {field.alias or name for name, field in cls.model_fields.items() if field.is_required()}
        return {name: value for name, value in given.items() if value != "" or name in needed}


class Answer(BaseModel):
    """The shape of an answer, for OpenAPI. Handlers render it themselves; tests hold them to it."""

    model_config = ConfigDict(extra="forbid")
