"""How a problem document looks, for OpenAPI."""

from pydantic import BaseModel, ConfigDict, Field


class FieldError(BaseModel):
    """Why one field was refused."""

    field: str = Field(description="The field, with dots for what is inside: `tags.2`; `body` for the body as a whole.")
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 spells it, plus `code`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="A sentence for a person.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="The machine's word for it.", examples=["not_found"])
    errors: list[FieldError] | None = Field(default=None, description="With `invalid_input`: a reason per field.")
    reference: str | None = Field(default=None, description="With `internal_error`: what to look for in the log.")
