"""Notifications end to end: a real database, real events, apprise in its process, a real listener; and that no address ever comes back."""

import logging

import pytest

from dashboard_app.backend.events.announce import Announcer
from dashboard_app.model.notification import CourierState
from dashboard_app.store.channels import ChannelStore
from tests.backend.api.test_bad_input import assert_problem
from tests.backend.notify.parts import CANARY, listening, soon
from tests.contract.conftest import fill, served

PATH = "/api/v1/notifications"
BODY = {"name": "ops", "sources": True, "least_severity": "info"}


@pytest.fixture
async def api(fresh_database, settings_for):
    settings = settings_for(notify_batch_timeout_s=0.2, public_url="https://spillway.example.org", environment="test")
    async with served(fresh_database, settings) as made:
        yield made


async def add(client, listener, **more):
    answer = await client.post(PATH, json={**BODY, "url": listener.url(CANARY), **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_channel_lives_its_life_and_its_address_never_comes_back(api, caplog):
    caplog.set_level(logging.DEBUG)
    async with listening() as listener, api.client() as client:
        made = await add(client, listener, quiet_from="22:00", quiet_to="07:00", quiet_zone="Europe/Madrid")
        assert (made["service"], made["state"], made["quiet_from"], made["sent_total"]) == ("json", made["state"], "22:00", 0)
        assert listener.got == [], "nothing is sent until it is asked for"
        path = f"{PATH}/{made['id']}"

        trial = (await client.post(f"{path}/test")).json()
        assert (trial["ok"], trial["error"]) == (True, None)
        assert listener.paths == [f"/{CANARY}"]
        assert listener.got[0]["title"] == "[Spillway test] This is a test"
        assert listener.got[0]["message"].startswith("test admin asked for it.")

        listener.status = 500
        trial = (await client.post(f"{path}/test")).json()
        assert (trial["ok"], trial["error"]) == (False, "The receiver answered 500.")
        (shown,) = (await client.get(PATH)).json()["items"]
        assert (shown["sent_total"], shown["last_error"], shown["last_sent_at"] is None) == (1, "The receiver answered 500.", False)

        api.channels._is_testing = True
        answer = await client.post(f"{path}/test")
        assert_problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "2"
        api.channels._is_testing = False

        changed = await client.patch(path, json={"name": "night watch", "quiet_from": None, "quiet_to": None, "alerts": False})
        assert (changed.json()["name"], changed.json()["quiet_from"], changed.json()["alerts"]) == ("night watch", None, False)
        moved = await client.patch(path, json={"url": f"form://127.0.0.1:{listener.port}/{CANARY}"})
        assert moved.json()["service"] == "form"
        assert_problem(await client.post(PATH, json={**BODY, "name": "night watch", "url": listener.url(CANARY)}), 409, "conflict")

        await soon(lambda: not api.channels._unwritten)
        (stored,) = await ChannelStore(api.database).everything()
        assert stored.outcome == api.channels.view(made["id"]).outcome
        assert CANARY.encode() not in stored.url_encrypted

        api.channels._urls[made["id"]] = b"of another key"
        trial = (await client.post(f"{path}/test")).json()
        assert trial["error"] == "The stored address cannot be read with the present SECRET_KEY. Enter it again."

        assert (await client.delete(path)).status_code == 204
        for call in (client.patch(path, json={}), client.delete(path), client.post(f"{path}/test")):
            assert_problem(await call, 404, "not_found")
        told = (await client.get("/api/v1/audit")).text
        assert [told.count(f'"event":"{event}"') for event in ("create", "change", "delete", "test")] == [2, 3, 2, 5]
        assert '"address":"changed"' in told
        seen = [told, caplog.text, made, trial, shown, changed.text, moved.text]
        assert all(CANARY not in str(one) for one in seen)


async def test_what_happens_reaches_the_channel_grouped_with_a_link(api):
    async with listening() as listener, api.client() as client:
        await add(client, listener)
        events = [
            {"type": "SOURCE_CHANGED", "data": {"source_id": number, "name": "told", "status": "unhealthy", "previous": "healthy"}}
            for number in (1, 1, 99)
        ]
        forged = {"type": "ALERT_OPENED", "data": {"alert_id": 77, "message": "forged"}}
        assert (await client.post("/api/v1/events", json=[*events, forged])).status_code == 202
        Announcer(api.events.events).breaker("api", "closed", "open", "threshold")
        await soon(lambda: {"spillway is unhealthy", "Breaker api opened: failures in a row"} <= set(_lines(listener)))
        assert "https://spillway.example.org/alerts" in _lines(listener)
        assert len(listener.got) <= 2
        assert "forged" not in str(listener.got)
        await soon(lambda: api.channels.views()[0].state is CourierState.IDLE)


async def test_a_full_pool_is_told_once_for_its_three_steps(demo_api):
    async with listening() as listener, demo_api.client() as client:
        demo_api.alerts.book.on_news = Announcer(demo_api.events.events).alert
        await add(client, listener, sources=False)
        await fill(demo_api, client, "query")
        await soon(lambda: listener.got)
        assert _lines(listener) == ["Critical: Pool usage 100 %, at or above 90 %"]


BAD = [
    ({"url": f"file:///etc/passwd?x={CANARY}"}, "url"),
    ({"url": f"syslog://{CANARY}"}, "url"),
    ({"url": f"json://169.254.169.254/{CANARY}"}, "url"),
    ({"url": f"mailto://u:{CANARY}@x.org?smtp=169.254.169.254"}, "url"),
    ({"url": f"slack://a/b/{CANARY}?template=/etc/passwd"}, "url"),
    ({"url": f"json://x y/{CANARY}"}, "url"),
    ({"url": f"json://[::1/{CANARY}"}, "url"),
    ({"url": CANARY}, "url"),
    ({"alerts": False, "breakers": False, "sources": False}, "alerts"),
    ({"quiet_from": "22:00"}, "quiet_to"),
    ({"quiet_to": "22:00"}, "quiet_from"),
    ({"quiet_from": "22:00", "quiet_to": "22:00"}, "quiet_to"),
    ({"quiet_from": "22:00", "quiet_to": "07:00", "quiet_zone": "No/Where"}, "quiet_zone"),
]


async def test_what_cannot_be_a_channel_is_422_with_its_field_and_without_the_address(api):
    async with api.client() as client:
        for given, field in BAD:
            answer = await client.post(PATH, json={**BODY, "url": "json://127.0.0.1:1/x", **given})
            assert_problem(answer, 422, "invalid_input")
            assert [one["field"] for one in answer.json()["errors"]] == [field], given
            assert CANARY not in answer.text
        assert (await client.get(PATH)).json() == {"items": []}


def _lines(listener):
    """Every line of every message."""
    return [line for one in listener.got for line in str(one["message"]).splitlines()]
