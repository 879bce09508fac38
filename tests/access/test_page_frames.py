"""What a page may say over its socket, and that anything else closes it before a parser sees it."""

import json
import logging

import pytest

from dashboard_app.access.page_frames import CLOSE_NOT_OF_A_PAGE, DEEPEST, PageFrames, read

EVENT = {"name": "a.b", "payload": {"x": 1}, "router_data": {"pathname": "/", "asPath": "/", "query": {"q": "1", "l": ["a"]}}}


def said(value: object) -> str:
    return "42/_event," + json.dumps(value)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "frame",
    [
        "3",
        "1",
        "40/_event,",
        "40/_event",
        '40/_event,{"token":"x"}',
        "41/_event,",
        said(["event", EVENT]),
        said(["event", {"name": "a.b"}]),
        said(["client_error", {"message": "x"}]),
        said(["event", {**EVENT, "payload": {"x": nested(DEEPEST - 5)}}]),
    ],
)
def test_what_a_page_sends_is_heard(frame: str) -> None:
    assert read(frame) is not False


@pytest.mark.parametrize(
    "frame",
    [
        None,
        "",
        "2",
        "7",
        "~",
        "b64",
        "40/nowhere,",
        "40/_event,[]",
        "42",
        "42[]",
        "42/_event,",
        "42/_event,{",
        "42/_event,null",
        '42/_event,["event",{"name":"a","payload":{"x":NaN}}]',
        '42/_event,["event",{"name":"\\ud800"}]',
        "42/_event,7" + json.dumps(["event", EVENT]),
        "42/_event," + "[" * 3000,
        "451-/_event," + json.dumps(["event", {"_placeholder": True, "num": 0}]),
        said(["event"]),
        said(["event", EVENT, EVENT]),
        said(["ping", {}]),
        said(["event", "text"]),
        said(["event", {**EVENT, "name": 1}]),
        said(["event", {"payload": {}}]),
        said(["event", {**EVENT, "payload": None}]),
        said(["event", {**EVENT, "payload": {"x": nested(DEEPEST)}}]),
        said(["event", {**EVENT, "router_data": []}]),
        said(["event", {**EVENT, "router_data": {"pathname": 1}}]),
        said(["event", {**EVENT, "router_data": {"query": {"x": 1}}}]),
        said(["event", {**EVENT, "router_data": {"query": {"x": [1]}}}]),
    ],
)
def test_anything_else_is_not(frame: str | None) -> None:
    assert read(frame) is False


@pytest.mark.parametrize(("path", "heard"), [("/_event/", "websocket.disconnect"), ("/api/v1/events/ws", "websocket.receive")])
async def test_a_frame_that_no_page_sends_closes_the_pages_socket_and_no_other(
    path: str, heard: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, sent = [], []

    async def app(scope, receive, send):
        found.append(await receive())

    async def receive():
        return {"type": "websocket.receive", "text": "a secret that nobody logs"}

    async def send(message):
        sent.append(message)

    with caplog.at_level(logging.WARNING):
        await PageFrames(app, {"a.b"})({"type": "websocket", "path": path}, receive, send)
    assert [message["type"] for message in found] == [heard]
    assert sent == ([{"type": "websocket.close", "code": CLOSE_NOT_OF_A_PAGE}] if heard == "websocket.disconnect" else [])
    assert "secret" not in caplog.text


async def test_an_event_for_a_handler_that_does_not_exist_is_left_out_and_the_socket_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    frames = iter([said(["event", {**EVENT, "name": "a.gone"}]), said(["event", {**EVENT, "name": ""}]), said(["event", EVENT]), "3"])
    found = []

    async def app(scope, receive, send):
        found.extend([(await receive())["text"], (await receive())["text"]])

    async def receive():
        return {"type": "websocket.receive", "text": next(frames)}

    with caplog.at_level(logging.WARNING):
        await PageFrames(app, {"a.b"})({"type": "websocket", "path": "/_event/"}, receive, receive)
    assert found == [said(["event", EVENT]), "3"]
    assert caplog.messages == ["an event that this version does not know came from an unknown address: it is left out"] * 2
