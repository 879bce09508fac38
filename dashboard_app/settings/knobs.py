"""Every knob of Spillway, each with its default, its bounds and what it does."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dashboard_app.model.network import INSIDE
from dashboard_app.settings import kinds
from dashboard_app.settings.kinds import AnyCase, Count, Days, Flag, Millis, OptionalText, Percent, Rate, Seconds, empty_to_none, knob

PREFIX = "SPILLWAY_"


class Settings(BaseSettings):
    """All settings. Durations end in `_s` or `_ms`; a field's description says what it does.

    A constructor takes what it is given: only `load_settings` reads the environment.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = knob("127.0.0.1", "The address the one port listens on.", min_length=1)
    port: int = knob(8000, "The one port for pages, API and WebSocket.", ge=1, le=65_535)
    database_url: Annotated[SecretStr | None, BeforeValidator(empty_to_none)] = knob(
        None, "postgresql://… of Spillway's own database. Unset: an embedded PostgreSQL under DATA_DIR."
    )
    database_direct_url: Annotated[SecretStr | None, BeforeValidator(empty_to_none)] = knob(
        None, "Set when DATABASE_URL goes through a connection pooler: postgresql://… of the database itself, for migrations and its probe."
    )
    pg_bin: OptionalText = knob(None, "Folder with PostgreSQL >= 15 binaries for the embedded server, instead of the wheel's.")
    data_dir: Annotated[Path, BeforeValidator(kinds.folder)] = knob(
        Path(".data"), "Embedded database, journal, snapshot and generated secret key (mode 0600)."
    )
    backend_url: OptionalText = knob(None, "Where the console reads from: a server that speaks this API. Unset: this one, in process.")
    backend_token: Annotated[SecretStr | None, BeforeValidator(empty_to_none)] = knob(None, "The bearer token for BACKEND_URL.")
    public_url: OptionalText = knob(None, "The address people use, for the Host and Origin allow-list beside HOST:PORT and localhost.")
    trusted_proxy_hops: int = knob(0, "How many proxies in front are believed about the client's address.", ge=0, le=10)
    live_port: int = knob(
        0, "A port of its own on which a thread answers /livez even while the event loop stands still; 0: none.", ge=0, le=65_535
    )
    outbound_networks: Annotated[str, AfterValidator(kinds.networks)] = knob(
        INSIDE,
        "Networks that sources and notifications may point to beside public addresses: such as 10.20.0.0/16, and the words private and "
        "loopback. Empty: public addresses only. Link-local and metadata addresses never.",
    )
    redis_url: Annotated[SecretStr | None, BeforeValidator(empty_to_none)] = knob(
        None, "Several instances share state through Redis.", built=False
    )
    secret_key: Annotated[SecretStr | None, BeforeValidator(empty_to_none), AfterValidator(kinds.keys)] = knob(
        None, "Encrypts stored credentials; a comma-separated list rotates (first encrypts, all decrypt). Unset: generated in DATA_DIR."
    )
    admin_email: Annotated[OptionalText, AfterValidator(kinds.email)] = knob(None, "Creates the first admin without the one-time link.")
    admin_password: Annotated[SecretStr | None, BeforeValidator(empty_to_none), AfterValidator(kinds.password)] = knob(
        None, "The first admin's password (at least 8 characters)."
    )
    oidc_issuer: OptionalText = knob(
        None, "An OpenID Connect provider that people may sign in with: its issuer, https://… (http:// only on this machine)."
    )
    oidc_client_id: OptionalText = knob(
        None, "What the provider calls Spillway. The redirect address to register there: PUBLIC_URL/oidc/callback."
    )
    oidc_client_secret: Annotated[SecretStr | None, BeforeValidator(empty_to_none)] = knob(
        None, "Proves that to the provider. Unset: a public client, by PKCE alone."
    )
    oidc_name: str = knob("single sign-on", "Sign in with …: the words of the button.", min_length=1, max_length=40)
    oidc_scopes: str = knob(
        "openid email profile", "What is asked of the provider, with blanks between; openid is among it.", max_length=500
    )
    oidc_role_claim: OptionalText = knob(
        None,
        "The claim that tells the role, such as groups or realm_access.roles; read at every sign-in. Unset: roles are given on /users.",
    )
    oidc_role_map: Annotated[OptionalText, AfterValidator(kinds.role_map)] = knob(
        None, "What its values stand for: sre=admin, dev=operator. The highest counts."
    )
    oidc_default_role: Annotated[Literal["none", "viewer", "operator", "admin"], AnyCase] = knob(
        "none", "The role of whoever no value names. none: they stay out."
    )
    oidc_link_by_email: Flag = knob(
        False, "Ties an account that exists here to whoever the provider says has its email, and has verified it. False: never by email."
    )
    public_health: Flag = knob(True, "ping, status and throttling-config are readable without signing in.")
    environment: str = knob(
        "local", "The name of this installation, shown at the foot of the navigation and on the sign-in card.", max_length=40
    )

    pool_size: Count = knob(20, "Connections the pool keeps.")
    pool_max_overflow: int = knob(10, "Connections the pool opens beyond POOL_SIZE when needed.", ge=0, le=1_000_000)
    pool_timeout_s: Seconds = knob(30.0, "How long a checkout waits in the pool.")
    pool_recycle_s: Seconds = knob(3600.0, "Age at which a connection is replaced.")
    pool_pre_ping: Flag = knob(True, "Ask a connection whether it lives before it is handed out.")
    max_concurrent_requests: Count = knob(25, "Database work admitted at once.", live=True)
    admission_timeout_s: Seconds = knob(0.5, "How long a request waits for a place.", live=True)
    pool_monitor_interval_s: Seconds = knob(30.0, "How often the guard looks at what events cannot tell.", live=True)
    leak_threshold_s: Seconds = knob(60.0, "A checkout older than this that runs nothing is a suspected leak.", live=True)
    auto_cleanup: Flag = knob(True, "Clean up by itself at 90 % usage and more.", live=True)
    throttle_poll_s: Seconds = knob(30.0, "How often the dashboard polls throttling-config.", live=True)

    health_batch_size: Count = knob(3, "Health requests in flight, at most.", live=True)
    health_stagger_ms: Millis = knob(200, "Time between starts within a batch.", live=True)
    health_batch_delay_ms: Millis = knob(1000, "Pause between batches.", live=True)
    health_stale_s: Seconds = knob(60.0, "Age from which a health is read again when a round starts.", live=True)
    health_refetch_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = knob(
        120.0, "Time between two health reads of one source.", live=True
    )
    health_retries: int = knob(2, "Retries of a failed health request.", ge=0, le=10, live=True)
    health_retry_delay_s: Seconds = knob(3.0, "Pause before a retry (with jitter).", live=True)
    metrics_batch_size: Count = knob(2, "Metrics requests in flight, at most.", live=True)
    metrics_stagger_ms: Millis = knob(300, "Time between starts within a batch.", live=True)
    metrics_batch_delay_ms: Millis = knob(1500, "Pause between batches.", live=True)
    metrics_stale_s: Seconds = knob(30.0, "Age from which metrics are read again when a round starts.", live=True)
    metrics_refetch_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = knob(
        180.0, "Time between two metrics reads of one source.", live=True
    )
    metrics_retries: int = knob(1, "Retries of a failed metrics request.", ge=0, le=10, live=True)
    metrics_retry_delay_s: Seconds = knob(5.0, "Pause before a retry (with jitter).", live=True)
    pace: Annotated[Literal["batched", "adaptive"], AnyCase] = knob(
        "batched", "batched: exactly the plan above. adaptive: no idle waits, follows the backend's hint.", live=True
    )

    queue_concurrency: Count = knob(
        5, "Requests of the console in flight, at most (an operator's click has 2 places beside them).", live=True
    )
    queue_interval_ms: Millis = knob(100, "Time between two starts.", live=True)
    queue_timeout_s: Seconds = knob(30.0, "How long a request may wait and run.", live=True)
    queue_max: Count = knob(1000, "Requests that may wait.", live=True)
    request_timeout_s: Seconds = knob(8.0, "How long one request may take.", live=True)
    breaker_failure_threshold: Count = knob(5, "Consecutive failures that open the breaker.", live=True)
    breaker_recovery_s: Seconds = knob(30.0, "Wait before a trial.", live=True)
    breaker_half_open_calls: Count = knob(1, "Trial calls that must succeed; no more are under way at once.", live=True)
    breaker_half_open_max_s: Seconds = knob(60.0, "Trials that have not decided after so long open the breaker again.", live=True)
    breaker_recovery_factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = knob(
        1.0, "Each further opening without a recovery between waits so many times longer. 1: always BREAKER_RECOVERY_S.", live=True
    )
    breaker_recovery_max_s: Seconds = knob(600.0, "The longest wait that growing leads to (never below BREAKER_RECOVERY_S).", live=True)
    breaker_recovery_jitter_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = knob(
        0.0, "Up to this share of the wait is added to it by chance. 0: none.", live=True
    )
    breaker_window: Annotated[Literal["off", "count", "time"], AnyCase] = knob(
        "off",
        "A sliding window beside the threshold: over the last BREAKER_WINDOW_CALLS calls (count) or BREAKER_WINDOW_S seconds (time).",
        live=True,
    )
    breaker_window_calls: Count = knob(100, "Calls in a window by count.", live=True)
    breaker_window_s: Seconds = knob(60.0, "Seconds in a window by time (10,000 calls at most).", live=True)
    breaker_window_min_calls: Count = knob(20, "Fewer calls in the window than this open nothing.", live=True)
    breaker_failure_rate_percent: Percent = knob(50.0, "Failed calls in the window that open the breaker.", live=True)
    breaker_slow_rate_percent: Percent = knob(100.0, "Slow calls in the window that open the breaker.", live=True)
    breaker_slow_call_s: Seconds = knob(2.0, "A successful call that took longer is slow.", live=True)

    job_batching: Flag = knob(True, "Write job status updates in batches.", live=True)
    job_batch_size: Count = knob(50, "Updates that trigger a batch.", live=True)
    job_flush_s: Seconds = knob(2.0, "Age that triggers a batch.", live=True)
    job_batch_max: Count = knob(5000, "Updates one statement carries, at most.", live=True)
    job_queue_max: Count = knob(10_000, "Updates that may wait.", live=True)
    job_journal: Flag = knob(True, "Keep acknowledged updates on disk until they are written.")
    event_batching: Flag = knob(True, "Send events in batches.", live=True)
    event_batch_size: Count = knob(10, "Events that make a batch.", live=True)
    event_batch_timeout_s: Seconds = knob(0.5, "Age that makes a batch.", live=True)
    event_max_retries: int = knob(2, "Quick retries of events that cannot be kept; then slow ones.", live=True, ge=0, le=10)
    event_retry_delay_s: Seconds = knob(0.5, "Pause before a quick retry.", live=True)
    event_queue_max: Count = knob(100_000, "Events that may wait; further ones are refused.", live=True)
    event_retention_days: Days = knob(7.0, "How long events are kept in the database.", live=True)

    notify_batch_size: int = knob(50, "Notices that make a message at once.", live=True, ge=1, le=1000)
    notify_batch_timeout_s: Seconds = knob(2.0, "Age of the first notice that makes a message of all that came since.", live=True)
    notify_timeout_s: Seconds = knob(10.0, "The hard limit of one try to deliver a message.", live=True)
    notify_max_retries: int = knob(8, "Further tries of a message that was not delivered.", live=True, ge=0, le=20)
    notify_retry_delay_s: Seconds = knob(2.0, "Pause before the first further try; doubled each time, up to 60 s.", live=True)

    rate_limit_dashboard: Rate = knob("30/minute", "Snapshots for wall screens, per client address.")
    rate_limit_login: Rate = knob("10/minute", "Tries to sign in, per client address.")
    limit_concurrency: Count = knob(1000, "Requests served at once; beyond it the answer is 503.")
    memory_limit_mb: int = knob(
        0,
        "Resident memory of the process from whose 85 % on new streams, from whose 92 % on new pages are refused; 0: no limit.",
        ge=0,
        le=1_000_000,
    )
    keep_alive_s: Seconds = knob(30.0, "How long an idle connection is kept.")
    ws_max_bytes: int = knob(16_777_216, "The largest WebSocket message.", ge=1, le=1_073_741_824)
    ws_ping_s: Seconds = knob(20.0, "Time between WebSocket pings.")
    ws_ping_timeout_s: Seconds = knob(10.0, "How long a WebSocket peer may take to answer a ping.")
    console_auto_cleanup: Flag = knob(True, "The console asks for a cleanup after two polls at EMERGENCY.", live=True)
    samples_keep_days: Count = knob(14, "Days that samples of health and metrics are kept.", le=3650)
    probe_timeout_s: Seconds = knob(5.0, "The hard limit of one probe.")
    log_format: Annotated[Literal["console", "json"], AnyCase] = knob("console", "json for machines.")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = knob("info", "The least severe line that is written.")
    demo: Flag = knob(False, "The demo: a fleet of pretend sources and the drill page. Set by `make demo`.")

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
