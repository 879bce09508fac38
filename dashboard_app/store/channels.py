"""The channels that notifications go to, as they are kept: the address encrypted, how they fared, and what quiet hours keep back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import Conflict
from dashboard_app.model.notification import Channel, ChannelSettings, Notice, Outcome, QuietHours, Topic
from dashboard_app.store.database import Database
from dashboard_app.store.tables import notification_channels

CHANNELS_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel, its address as it is stored, and what else a restart takes over."""

    channel: Channel
    url_encrypted: bytes
    outcome: Outcome
    held: tuple[Notice, ...]


class ChannelStore:
    """Named queries on `notification_channels`, over the control pool. All raise DatabaseUnavailable when it does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def everything(self) -> list[StoredChannel]:
        """All channels by id."""

        async def work(connection: AsyncConnection) -> list[StoredChannel]:
            rows = await connection.execute(select(notification_channels).order_by(notification_channels.c.id))
            return [_stored(row) for row in rows]

        return await self._database.on_control(work)

    async def add(self, settings: ChannelSettings, service: str, url_encrypted: bytes) -> StoredChannel:
        """The new channel. Raises Conflict: the name is taken."""
        values = _values(settings) | {"service": service, "url_encrypted": url_encrypted}
        return _stored(await self._write(insert(notification_channels).values(**values).returning(notification_channels), settings.name))

    async def change(
        self, channel_id: int, settings: ChannelSettings, service: str | None = None, url_encrypted: bytes | None = None
    ) -> StoredChannel | None:
        """The channel after the change, None when there is none; without an address the stored one stays. Raises Conflict: the name is taken."""
        values = _values(settings)
        if url_encrypted is not None:
            values |= {"service": service, "url_encrypted": url_encrypted}
        statement = update(notification_channels).where(notification_channels.c.id == channel_id)
        row = await self._write(
            statement.values(**values, updated_at=func.clock_timestamp()).returning(notification_channels), settings.name
        )
        return None if row is None else _stored(row)

    async def remove(self, channel_id: int) -> bool:
        """True when it was there."""
        statement = delete(notification_channels).where(notification_channels.c.id == channel_id)
        return await self._write(statement.returning(notification_channels.c.id), "") is not None

    async def keep(self, channel_id: int, outcome: Outcome, held: Sequence[Notice]) -> None:
        """Keep how it fared and what it keeps back; a channel that is gone stays so."""
        values = {name: getattr(outcome, name) for name in _OUTCOME} | {"held": [_told(notice) for notice in held]}
        await self._write(update(notification_channels).where(notification_channels.c.id == channel_id).values(**values), "")

    async def _write(self, statement: Any, name: str) -> Any:
        """The row that a statement returns, or None."""

        async def work(connection: AsyncConnection) -> Any:
            result = await connection.execute(statement)
            return result.one_or_none() if result.returns_rows else None

        try:
            return await self._database.on_control(work)
        except IntegrityError as error:
            raise Conflict(f"There is another channel named {name}") from error


_OUTCOME = ("sent_total", "failed_total", "dropped_total", "last_sent_at", "last_error_at", "last_error")


def _values(settings: ChannelSettings) -> dict[str, object]:
    """The columns that an admin sets."""
    quiet = settings.quiet
    return {
        "name": settings.name,
        **{topic.value: topic in settings.topics for topic in Topic},
        "least_severity": settings.least.value,
        "enabled": settings.enabled,
        "quiet_from": quiet.begin if quiet else None,
        "quiet_to": quiet.end if quiet else None,
        "quiet_zone": quiet.zone if quiet else "UTC",
    }


def _stored(row: Row[Any]) -> StoredChannel:
    """A row as the model's words."""
    quiet = None if row.quiet_from is None or row.quiet_to is None else QuietHours(row.quiet_from, row.quiet_to, row.quiet_zone)
    topics = frozenset(topic for topic in Topic if getattr(row, topic.value))
    settings = ChannelSettings(row.name, topics, Severity(row.least_severity), row.enabled, quiet)
    channel = Channel(row.id, settings, row.service, row.created_at, row.updated_at)
    outcome = Outcome(**{name: getattr(row, name) for name in _OUTCOME})
    return StoredChannel(channel, row.url_encrypted, outcome, tuple(_notice(one) for one in row.held))


def _told(notice: Notice) -> dict[str, object]:
    """A notice as JSON."""
    return {
        "topic": notice.topic.value,
        "key": notice.key,
        "subject": notice.subject,
        "was": notice.was,
        "became": notice.became,
        "severity": notice.severity.value,
        "at": notice.at.isoformat(),
        "says": notice.says,
        "ref": notice.ref,
        "is_held": notice.is_held,
    }


def _notice(told: Mapping[str, Any]) -> Notice:
    """The notice again."""
    parts = {"topic": Topic(told["topic"]), "severity": Severity(told["severity"]), "at": datetime.fromisoformat(told["at"])}
    return Notice(**{**told, **parts})
