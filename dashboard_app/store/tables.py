"""Every table of Spillway, as SQLAlchemy Core tables. `alembic/versions` builds them; a test holds both together."""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Time,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import CHAR, JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

_NOW = func.now()


def _at(name: str, *, nullable: bool = False, stamped: bool = False) -> Column[object]:
    """A column of aware time; `stamped` fills it with the moment of the insert."""
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=_NOW if stamped else None)


data_sources = Table(
    "data_sources",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("database", Text, nullable=False, server_default=""),
    Column("username", Text, nullable=False, server_default=""),
    Column("password_encrypted", LargeBinary),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("environment", Text, nullable=False, server_default=""),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    _at("created_at", stamped=True),
    _at("updated_at", stamped=True),
)

health_samples = Table(
    "health_samples",
    metadata,
    Column("source_id", BigInteger, ForeignKey("data_sources.id", ondelete="CASCADE"), primary_key=True),
    Column("checked_at", DateTime(timezone=True), primary_key=True),
    Column("status", CHAR(1), CheckConstraint("status IN ('o', 'w', 'b', 'u')", name="status"), nullable=False),
    Column("latency_ms", REAL),
    Column("message", Text),
    Index(None, "checked_at", postgresql_using="brin"),
)

metric_samples = Table(
    "metric_samples",
    metadata,
    Column("source_id", BigInteger, ForeignKey("data_sources.id", ondelete="CASCADE"), primary_key=True),
    Column("collected_at", DateTime(timezone=True), primary_key=True),
    Column("metrics", JSONB, nullable=False),
    Column("units", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Index(None, "collected_at", postgresql_using="brin"),
)

_ROLE_RULE = "role IN ('viewer', 'operator', 'admin')"

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("name", String(200), nullable=False, server_default=""),
    Column("role", Text, CheckConstraint(_ROLE_RULE, name="role"), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", stamped=True),
    _at("updated_at", stamped=True),
    _at("last_sign_in_at", nullable=True),
    Column("totp_encrypted", LargeBinary),
    Column("totp_step", BigInteger, nullable=False, server_default=text("0")),
)
Index("users_email_lower_key", func.lower(users.c.email), unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False, server_default=""),
    _at("created_at", stamped=True),
    _at("last_seen_at", stamped=True),
    _at("expires_at"),
    Column("user_agent", Text, nullable=False, server_default=""),
    _at("proved_at", stamped=True),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("role", Text, CheckConstraint(_ROLE_RULE, name="role"), nullable=False),
    Column("created_by", Text, nullable=False, server_default=""),
    _at("created_at", stamped=True),
    _at("expires_at", nullable=True),
    _at("last_used_at", nullable=True),
    _at("revoked_at", nullable=True),
    Column("scopes", ARRAY(Text)),
)

setup_links = Table(
    "setup_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _at("created_at", stamped=True),
    _at("expires_at"),
    _at("used_at", nullable=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    _at("used_at", nullable=True),
)

user_identities = Table(
    "user_identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    _at("created_at", stamped=True),
)

account_links = Table(
    "account_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_by", Text, nullable=False, server_default=""),
    _at("created_at", stamped=True),
    _at("expires_at"),
    _at("used_at", nullable=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False, server_default=""),
    Column("result", Text, nullable=False),
    Column("request_id", Text, nullable=False, server_default=""),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("hash", LargeBinary, nullable=False, server_default=FetchedValue()),
    Index(None, "actor", "id"),
    Index(None, "action", "id"),
)

setting_overrides = Table(
    "setting_overrides",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("changed_by", Text, nullable=False),
    _at("changed_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "status",
        Text,
        CheckConstraint("status IN ('pending', 'processing', 'completed', 'error', 'cancelled')", name="status"),
        nullable=False,
        server_default="pending",
    ),
    Column("error_message", Text),
    Column("payload", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("status_seq", BigInteger, nullable=False, server_default=text("0")),
    _at("left_pending_at", nullable=True),
    _at("created_at", stamped=True),
    _at("updated_at", stamped=True),
    Column("failed_as", Text),
    Index("jobs_failed_idx", "failed_as", "id", postgresql_where=text("failed_as IS NOT NULL")),
    Index("jobs_pending_idx", "kind", "id", postgresql_where=text("left_pending_at IS NULL")),
    Index(None, "kind", "id"),
)

job_dead_letters = Table(
    "job_dead_letters",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_message", Text),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _at("created_at", stamped=True),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("follows", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("count", Integer, nullable=False),
    _at("created_at", stamped=True),
    Index(None, "created_at", postgresql_using="brin"),
)

_SEVERITY_RULE = "severity IN ('info', 'warning', 'critical')"

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("metric", Text, nullable=False),
    Column("operator", Text, CheckConstraint("operator IN ('>', '>=', '<', '<=')", name="operator"), nullable=False),
    Column("limit", Double, nullable=False),
    Column("recovers_at", Double, nullable=False),
    Column("for_s", Double, nullable=False, server_default=text("0")),
    Column("severity", Text, CheckConstraint(_SEVERITY_RULE, name="severity"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("is_builtin", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", stamped=True),
    _at("updated_at", stamped=True),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("rule_id", BigInteger, nullable=False),
    Column("rule", Text, nullable=False),
    Column("severity", Text, CheckConstraint(_SEVERITY_RULE, name="severity"), nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Double, nullable=False),
    _at("opened_at"),
    Column("resolved_at", DateTime(timezone=True), index=True),
    Column("acknowledged_by", Text),
    _at("acknowledged_at", nullable=True),
    _at("silenced_until", nullable=True),
    Column("silenced_by", Text),
    Column("silence_reason", Text),
    Index("alerts_open_key", "rule_id", "source_id", unique=True, postgresql_where=text("resolved_at IS NULL")),
)

notification_channels = Table(
    "notification_channels",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("service", Text, nullable=False),
    Column("url_encrypted", LargeBinary, nullable=False),
    Column("alerts", Boolean, nullable=False),
    Column("breakers", Boolean, nullable=False),
    Column("sources", Boolean, nullable=False),
    Column("least_severity", Text, CheckConstraint(f"least_{_SEVERITY_RULE}", name="severity"), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("quiet_from", Time),
    Column("quiet_to", Time),
    Column("quiet_zone", Text, nullable=False, server_default=text("'UTC'::text")),
    Column("held", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("sent_total", BigInteger, nullable=False, server_default=text("0")),
    Column("failed_total", BigInteger, nullable=False, server_default=text("0")),
    Column("dropped_total", BigInteger, nullable=False, server_default=text("0")),
    _at("last_sent_at", nullable=True),
    _at("last_error_at", nullable=True),
    Column("last_error", Text, nullable=False, server_default=text("''::text")),
    _at("created_at", stamped=True),
    _at("updated_at", stamped=True),
)
