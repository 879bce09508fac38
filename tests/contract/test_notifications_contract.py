"""Notifications end to end: a real database, real events, apprise in its process, a real listener; and that no address ever comes back."""

import logging

import pytest

from dashboard_app.backend.events.announce import Announcer
from dashboard_app.backend.events.assembly import build_events
from dashboard_app.backend.notify.assembly import build_channels
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.user import Role
from dashboard_app.store.channels import ChannelStore
from dashboard_app.store.events import EventStore
from tests.backend.api.test_bad_input import assert_problem
from tests.backend.notify.parts import CANARY, listening, soon
from tests.contract.conftest import served

PATH = "/api/v1/notifications"
BODY = {"name": "ops", "sources": True, "least_severity": "info"}


@pytest.fixture
async def api(fresh_database, settings_for):
    settings = settings_for(notify_batch_timeout_s=0.2, public_url="https://spillway.example.org", environment="test")
    async with served(fresh_database, settings, with_channels=True) as made:
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

        changed = await client.patch(path, json={"name": "night watch", "quiet_from": None, "quiet_to": None, "alerts": False})
        assert (changed.json()["name"], changed.json()["quiet_from"], changed.json()["alerts"]) == ("night watch", None, False)
        moved = await client.patch(path, json={"url": f"form://127.0.0.1:{listener.port}/{CANARY}"})
        assert moved.json()["service"] == "form"
        assert_problem(await client.post(PATH, json={**BODY, "name": "night watch", "url": listener.url(CANARY)}), 409, "conflict")

        await soon(lambda: not api.channels._unwritten)
        (stored,) = await ChannelStore(api.database).everything()
        assert stored.outcome == api.channels.view(made["id"]).outcome
        assert CANARY.encode() not in stored.url_encrypted

        assert (await client.delete(path)).status_code == 204
        for call in (client.patch(path, json={}), client.delete(path), client.post(f"{path}/test")):
            assert_problem(await call, 404, "not_found")
        told = (await client.get("/api/v1/audit")).text
        assert [told.count(f'"event":"{event}"') for event in ("create", "change", "delete", "test")] == [2, 3, 2, 3]
        assert '"address":"changed"' in told
        seen = [told, caplog.text, made, trial, shown, changed.text, moved.text]
        assert all(CANARY not in str(one) for one in seen)


async def test_what_happens_reaches_the_channel_grouped_with_a_link(api):
    async with listening() as listener, api.client() as client:
        await add(client, listener)
        made = [
            await client.post("/scan/data-sources", json={"name": f"db-{n}", "kind": "http", "host": "127.0.0.1", "port": 1})
            for n in range(1)
        ]
        del made
        for number, status in enumerate(("unhealthy", "degraded", "unhealthy")):
            api.announcer.source(1, "spillway", status, ("healthy", "unhealthy", "degraded")[number])
        api.announcer.breaker("api", "closed", "open", "threshold")
        api.announcer.alert("ALERT_OPENED", _forged())
        await soon(lambda: sum(str(one["message"]).count("\n") for one in listener.got) >= 2)
        told = "\n".join(str(one["message"]) for one in listener.got)
        assert "spillway is unhealthy" in told
        assert "Breaker api opened: failures in a row" in told
        assert "https://spillway.example.org/alerts" in told
        assert "forged" not in told


async def test_one_test_at_a_time(api):
    async with listening() as listener, api.client() as client:
        made = await add(client, listener)
        api.channels._is_testing = True
        answer = await client.post(f"{PATH}/{made['id']}/test")
        assert_problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("given", "field"),
    [
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
    ],
)
async def test_what_cannot_be_a_channel_is_422_with_its_field_and_without_the_address(api, given, field):
    async with api.client() as client:
        answer = await client.post(PATH, json={**BODY, "url": "json://127.0.0.1:1/x", **given})
        assert_problem(answer, 422, "invalid_input")
        assert [one["field"] for one in answer.json()["errors"]] == [field]
        assert CANARY not in answer.text
        assert (await client.get(PATH)).json() == {"items": []}


async def test_an_address_that_no_key_fits_any_more_is_said(api):
    async with listening() as listener, api.client() as client:
        made = await add(client, listener)
        api.channels._urls[made["id"]] = b"of another key"
        trial = (await client.post(f"{PATH}/{made['id']}/test")).json()
    assert trial["error"] == "The stored address cannot be read with the present SECRET_KEY. Enter it again."


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_channels_are_the_admins(api, role):
    async with api.client(role) as client:
        for method, path in (("GET", PATH), ("POST", PATH), ("PATCH", f"{PATH}/1"), ("DELETE", f"{PATH}/1"), ("POST", f"{PATH}/1/test")):
            assert_problem(await client.request(method, path), 403, "forbidden")
