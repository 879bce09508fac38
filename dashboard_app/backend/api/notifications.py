"""Where notifications go: channels, how each fares, and a test message. Addresses hold tokens: they are taken, never given."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.notification_schemas import ChannelIn, ChannelOut, ChannelPatch, ChannelsOut, TrialOut
from dashboard_app.backend.api.values import LARGEST_ID
from dashboard_app.backend.notify.channels import Channels
from dashboard_app.model.notification import Channel, ChannelView, Topic
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/api/v1/notifications"
ChannelId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the channel; one that does not exist is 404.")]

_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "The name is taken, or there are as many channels as there may be."}}


def notification_routes(deps: ApiDeps, channels: Channels) -> APIRouter:
    """The routes under `/api/v1/notifications`."""
    router = strict_router("notifications")

    @router.get(_PATH, response_model=ChannelsOut, openapi_extra=acts("notifications.read"))
    async def list_channels() -> Response:
        """Every channel by id, with what it is doing and how its last message went."""
        return answer({"items": [_channel(view) for view in channels.views()]})

    @router.post(_PATH, response_model=ChannelOut, status_code=201, responses=_TAKEN, openapi_extra=acts("notifications.write"))
    async def create_channel(request: Request, body: ChannelIn) -> Response:
        """A new channel; it is told from the next event on. Nothing is sent yet: use its test."""
        async with audited(deps, request, "notifications.write", body.name, {"event": "create"}) as noted:
            view = await channels.add(body.settings(), Secret(body.url))
            noted.update(target=_named(view.channel), after=_shown(view.channel))
        return answer(_channel(view), 201, {"Location": f"{_PATH}/{view.channel.id}"})

    @router.patch(f"{_PATH}/{{channel_id}}", response_model=ChannelOut, responses=_TAKEN, openapi_extra=acts("notifications.write"))
    async def change_channel(request: Request, channel_id: ChannelId, body: ChannelPatch) -> Response:
        """Change what the body names; the rest stays, the address too."""
        async with audited(deps, request, "notifications.write", f"channel {channel_id}", {"event": "change"}) as noted:
            before, url = channels.view(channel_id).channel, body.secret()
            view = await channels.change(channel_id, body.changes(before.settings), url)
            old, new = _shown(before), _shown(view.channel)
            changed = [name for name in new if old[name] != new[name]]
            noted.update(
                target=_named(view.channel), before={name: old[name] for name in changed}, after={name: new[name] for name in changed}
            )
            if url is not None:
                noted["address"] = "changed"
        return answer(_channel(view))

    @router.delete(f"{_PATH}/{{channel_id}}", status_code=204, response_class=Response, openapi_extra=acts("notifications.write"))
    async def delete_channel(request: Request, channel_id: ChannelId) -> Response:
        """Remove the channel; what it had waiting is not sent any more."""
        async with audited(deps, request, "notifications.write", f"channel {channel_id}", {"event": "delete"}, needs_proof=True) as noted:
            channel = await channels.remove(channel_id)
            noted.update(target=_named(channel), before=_shown(channel))
        return Response(status_code=204)

    @router.post(
        f"{_PATH}/{{channel_id}}/test",
        response_model=TrialOut,
        openapi_extra=acts("notifications.write"),
        responses={429: {"description": "Another test is under way."}},
    )
    async def test_channel(request: Request, channel_id: ChannelId) -> Response:
        """Send a test message now. It worked or it did not: both are 200. One at a time: 429 while another test is under way."""
        async with audited(deps, request, "notifications.write", f"channel {channel_id}", {"event": "test"}) as noted:
            noted["target"] = _named(channels.view(channel_id).channel)
            trial = await channels.test(channel_id, signed_in(request, "notifications.write").name)
            noted["sent"] = not trial.error
        return answer({"ok": not trial.error, "took_s": round(trial.took_s, 3), "error": trial.error or None})

    return router


def _named(channel: Channel) -> str:
    """How the audit names a channel."""
    return f"{channel.settings.name} (channel {channel.id})"


def _shown(channel: Channel) -> dict[str, Any]:
    """What an admin set of a channel, its address apart."""
    settings, quiet = channel.settings, channel.settings.quiet
    return {
        "name": settings.name,
        "service": channel.service,
        **{topic.value: topic in settings.topics for topic in Topic},
        "least_severity": settings.least.value,
        "enabled": settings.enabled,
        "quiet_from": f"{quiet.begin:%H:%M}" if quiet else None,
        "quiet_to": f"{quiet.end:%H:%M}" if quiet else None,
        "quiet_zone": quiet.zone if quiet else "UTC",
    }


def _channel(view: ChannelView) -> dict[str, Any]:
    """A channel as JSON."""
    outcome = view.outcome
    return {
        "id": view.channel.id,
        **_shown(view.channel),
        "state": view.state,
        "waiting": view.waiting,
        "held": view.held,
        "quiet_until": view.quiet_until,
        "sent_total": outcome.sent_total,
        "failed_total": outcome.failed_total,
        "dropped_total": outcome.dropped_total,
        "last_sent_at": outcome.last_sent_at,
        "last_error": outcome.last_error or None,
        "last_error_at": outcome.last_error_at,
        "created_at": view.channel.created_at,
        "updated_at": view.channel.updated_at,
    }
