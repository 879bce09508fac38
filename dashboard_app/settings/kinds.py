"""What sorts of values settings have: their words, bounds and the check of each alone."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.network import networks_of
from dashboard_app.model.role_map import parse_role_map
from dashboard_app.model.user import PASSWORD_LENGTHS, is_email


def words_to_bool(value: object) -> object:
    """Accept the usual words for true and false and nothing else."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def empty_to_none(value: object) -> object:
    """An empty value in the environment means unset."""
    return None if value == "" else value


def folder(value: object) -> object:
    """`value`, when it names a folder: an empty path would be the current one."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("must name a folder")
    return value


def email(value: str | None) -> str | None:
    """`value`, when it is an email."""
    if value is not None and not is_email(value.strip()):
        raise ValueError("must look like name@example.org")
    return value


def password(value: SecretStr | None) -> SecretStr | None:
    """`value`, when it may be a password."""
    least, most = PASSWORD_LENGTHS
    if value is not None and not least <= len(value.get_secret_value()) <= most:
        raise ValueError(f"must have {least} to {most} characters")
    return value


def keys(value: SecretStr | None) -> SecretStr | None:
    """`value`, when it holds a key."""
    if value is not None and not value.get_secret_value().strip(", "):
        raise ValueError("must hold a key, or several with commas between them")
    return value


def role_map(value: str | None) -> str | None:
    """`value`, when it is a map of roles."""
    try:
        parse_role_map(value or "")
    except InvalidInput as wrong:
        raise ValueError(wrong.detail) from wrong
    return value


def networks(value: str) -> str:
    """`value`, when it lists networks; raises ValueError."""
    networks_of(value)
    return value


AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Flag = Annotated[bool, BeforeValidator(words_to_bool)]
Seconds = Annotated[float, Field(ge=0.01, le=86_400 * 365, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0.01, le=3650, allow_inf_nan=False)]
Millis = Annotated[int, Field(ge=0, le=3_600_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour)$")]
Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
OptionalText = Annotated[str | None, BeforeValidator(empty_to_none)]


def knob(default: Any, meaning: str, *, built: bool = True, live: bool = False, **bounds: Any) -> Any:
    """A setting: its default, what it does, whether its feature is built yet, whether it can change while running, and its bounds."""
    return Field(default=default, description=meaning, json_schema_extra={"built": built, "live": live}, **bounds)
