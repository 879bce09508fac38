"""What the calls about data sources take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictStr, model_validator

from dashboard_app.backend.api.values import (
    LARGEST_ID,
    Answer,
    Body,
    Host,
    Id,
    Moment,
    Name,
    OptionName,
    OptionValue,
    Parameters,
    Password,
    Port,
    Search,
    Tag,
    Text200,
    Truth,
    absent,
)
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.health import CheckStatus, HealthStatus
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import BUILT_KINDS, SourceKind, SourceSettings
from dashboard_app.store.sources import SORTS

MOST_IDS = 100
"""Sources that one bulk read names, at most."""


def _sort(value: str) -> str:
    """`value`, when the sources can be sorted by it."""
    if value not in SORTS:
        raise ValueError(f"must be one of {', '.join(sorted(SORTS))}")
    return value


Kind = Literal["postgresql", "pgbouncer", "mysql", "redis", "http", "service"]
TakenKind = Annotated[Kind, Field(json_schema_extra={"enum": sorted(BUILT_KINDS)})]
"""A kind as it may be asked for; the others are known by name and refused as not supported."""
Tags = Annotated[list[Tag], Field(max_length=50)]
Sort = Annotated[str, AfterValidator(_sort), Field(json_schema_extra={"enum": sorted(SORTS)})]
Options = Annotated[dict[OptionName, OptionValue], Field(max_length=20)]


class SourceIn(Body):
    """A source to create. `password` is write-only; null or left out: none."""

    name: Name
    kind: TakenKind
    host: Host
    port: Port
    database: Text200 = ""
    username: Text200 = ""
    password: Password | None = None
    options: Options = Field(default_factory=dict)
    environment: Text200 = ""
    tags: Tags = Field(default_factory=list)
    enabled: Truth = True

    def settings(self) -> SourceSettings:
        """The same as a value of the model."""
        return SourceSettings(
            name=self.name,
            kind=SourceKind(self.kind),
            host=self.host,
            port=self.port,
            database=self.database,
            username=self.username,
            password=None if self.password is None else Secret(self.password),
            options=dict(self.options),
            environment=self.environment,
            tags=tuple(dict.fromkeys(self.tags)),
            enabled=self.enabled,
        )


class SourceTrialIn(SourceIn):
    """Settings to try. With `id` and without a password the stored one is used, for the same host, port and user only."""

    name: Name = "trial"
    id: Id | None = None


class SourcePatch(Body):
    """What to change; what is left out stays. `password` null: keep the stored one."""

    name: Name = Field(default_factory=absent)
    kind: TakenKind = Field(default_factory=absent)
    host: Host = Field(default_factory=absent)
    port: Port = Field(default_factory=absent)
    database: Text200 = Field(default_factory=absent)
    username: Text200 = Field(default_factory=absent)
    password: Password | None = Field(default_factory=absent)
    options: Options = Field(default_factory=absent)
    environment: Text200 = Field(default_factory=absent)
    tags: Tags = Field(default_factory=absent)
    enabled: Truth = Field(default_factory=absent)

    def changes(self) -> dict[str, Any]:
        """Only what was given, as values of the model, by field name of `SourceSettings`."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if given.get("password") is None:
            given.pop("password", None)
        else:
            given["password"] = Secret(given["password"])
        if "kind" in given:
            given["kind"] = SourceKind(given["kind"])
        if "tags" in given:
            given["tags"] = tuple(dict.fromkeys(given["tags"]))
        return given


class ListQuery(Parameters):
    """Which sources, in which order."""

    search: Search = Field(default="", description="Part of a name, host, database or tag.")
    kind: Kind | None = None
    status: HealthStatus | None = Field(default=None, description="The last known status.")
    tag: Search | None = None
    sort: Sort = "name"
    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=LARGEST_ID)


class IdsQuery(Parameters):
    """Which sources, by id."""

    ids: str = Field(
        min_length=1,
        max_length=1200,
        pattern=r"^[0-9]{1,10}(,[0-9]{1,10})*$",
        description=f"Up to {MOST_IDS} ids, with commas between them. Ids that do not exist are left out of the answer.",
        examples=["1,2,3"],
    )

    def numbers(self) -> tuple[int, ...]:
        """The ids, each once, in order.

        Raises:
            InvalidInput: more than MOST_IDS, or one out of range.

        """
        numbers = tuple(dict.fromkeys(int(one) for one in self.ids.split(",")))
        if len(numbers) > MOST_IDS:
            raise InvalidInput("Too many ids.", ({"field": "ids", "message": f"at most {MOST_IDS} ids"},))
        if not all(1 <= number <= LARGEST_ID for number in numbers):
            raise InvalidInput("An id is out of range.", ({"field": "ids", "message": f"ids are 1 to {LARGEST_ID}"},))
        return numbers


class HistoryQuery(Parameters):
    """Which samples. Without `to`: until now; without `from`: one day."""

    metric: str = Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_.]+$", examples=["latency_ms"])
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    points: int = Field(default=300, ge=1, le=1000)

    @model_validator(mode="after")
    def _in_order(self) -> "HistoryQuery":
        """`from` is before `to`."""
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before to")
        return self


class TimelineQuery(Parameters):
    """Which span, in how many parts. Without `to`: until now; without `from`: one day."""

    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    buckets: int = Field(default=288, ge=1, le=1000)


class HealthCheckOut(Answer):
    """One check of a probe."""

    name: str
    status: CheckStatus
    observed: float | str | bool | None
    unit: str
    limit: str | None = None
    message: str | None = None
    since: datetime | None = Field(default=None, description="When the present verdict of this check began.")


class HealthOut(Answer):
    """The health of one source."""

    data_source_id: int
    status: HealthStatus
    since: datetime | None
    latency_ms: float | None
    checked_at: datetime | None
    message: str | None
    checks: list[HealthCheckOut]


class StatsOut(Answer):
    """The numbers of one source. A metric that could not be measured is absent; without an answer there are none."""

    data_source_id: int
    collected_at: datetime
    metrics: dict[str, float]
    units: dict[str, str]


class SourceOut(Answer):
    """A source, without any credential."""

    id: int
    name: str
    kind: Kind
    host: str
    port: int
    database: str
    username: str
    options: dict[str, str]
    environment: str
    tags: list[str]
    enabled: bool
    created_at: datetime
    updated_at: datetime


class ListedSource(SourceOut):
    """A source with what is known of it."""

    health: HealthOut | None
    recent: Annotated[StrictStr, Field(pattern="^[owbu]{0,30}$", description="The last outcomes, oldest first.")]


class SourcesOut(Answer):
    """One page of sources."""

    items: list[ListedSource]
    total: int


class HealthsOut(Answer):
    """Health of several sources."""

    items: list[HealthOut]


class StatsListOut(Answer):
    """Numbers of several sources."""

    items: list[StatsOut]


class TrialStep(Answer):
    """One step: name, TCP, TLS, sign in, query."""

    name: str
    ok: bool
    ms: float
    message: str


class TrialOut(Answer):
    """How a trial went; it stops at the first step that fails."""

    ok: bool
    steps: list[TrialStep]


class HistoryOut(Answer):
    """Samples, oldest first: `[epoch_ms, value]`."""

    points: list[tuple[float, float]]


class TimelineOut(Answer):
    """The worst outcome of each part of a span, oldest first."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    letters: Annotated[StrictStr, Field(pattern="^[owbu-]*$", description="o healthy, w degraded, b unhealthy, u unknown, - no sample.")]
