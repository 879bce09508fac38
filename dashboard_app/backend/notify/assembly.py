"""Notifications, built from what they read. No I/O."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from dashboard_app.backend.events.publisher import Events
from dashboard_app.backend.notify.channels import Channels, Sealer
from dashboard_app.backend.notify.courier import CourierRule
from dashboard_app.backend.notify.intake import Intake
from dashboard_app.backend.notify.sender import Sender
from dashboard_app.model.alert import Alert
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import NotFound
from dashboard_app.model.notification import Notice, Topic
from dashboard_app.model.source import Source
from dashboard_app.policy.notify import OPENED
from dashboard_app.settings import Settings
from dashboard_app.store.channels import ChannelStore


class KnownAlerts(Protocol):
    """What is read of alerts."""

    def known(self, alert_id: int) -> Alert | None:
        """An alert that is open or was lately."""

    def covered(self) -> Mapping[int, int]:
        """Each open alert that a stricter one speaks for."""


class KnownSources(Protocol):
    """What is read of sources."""

    def known(self, source_id: int) -> Source:
        """One of them. Raises NotFound."""


def build_channels(
    store: ChannelStore, vault: Sealer, events: Events, alerts: KnownAlerts, sources: KnownSources, *, clock: Clock, settings: Settings
) -> Channels:
    """Everything about notifications."""

    def name_of(source_id: int) -> str | None:
        try:
            return sources.known(source_id).name
        except NotFound:
            return None

    return Channels(
        store,
        vault,
        Sender(settings.outbound_networks),
        events.hub,
        intake=Intake(clock, alerts.known, name_of),
        clock=clock,
        rule=courier_rule(settings),
        is_mute=lambda notice: is_mute(notice, alerts, clock.now()),
        opened=events.opened,
    )


def is_mute(notice: Notice, alerts: KnownAlerts, now: datetime) -> bool:
    """True for an alert that somebody has or has silenced, and for a new one that a stricter one speaks for."""
    alert = alerts.known(notice.ref) if notice.topic is Topic.ALERTS else None
    if alert is None:
        return False
    is_silent = alert.silenced_until is not None and alert.silenced_until > now
    return alert.acknowledged_by is not None or is_silent or (notice.became == OPENED and alert.id in alerts.covered())


def courier_rule(settings: Settings) -> CourierRule:
    """The couriers' numbers in the settings."""
    return CourierRule(
        settings.notify_batch_size,
        settings.notify_batch_timeout_s,
        settings.notify_timeout_s,
        settings.notify_max_retries,
        settings.notify_retry_delay_s,
        f"Spillway {settings.environment}".strip(),
        f"{settings.public_url.rstrip('/')}/alerts" if settings.public_url else "",
    )
