"""apprise in its own process, against a real listener: what arrives, what is refused, and that a hanging receiver is left in time."""

import asyncio
import logging
import sys

import pytest
from apprise.manager_plugins import NotificationManager

from dashboard_app.backend.notify import sender as module
from dashboard_app.backend.notify.child import is_remote
from dashboard_app.backend.notify.codes import Reason, is_final, sentence
from dashboard_app.backend.notify.sender import Sender
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import NotDelivered
from dashboard_app.model.notification import Letter
from dashboard_app.model.secret import Secret
from tests.backend.notify.parts import CANARY, listening

LETTER = Letter("3 sources are unhealthy", "a, b and <c>\nhttps://x/alerts", Severity.CRITICAL)
LOCAL = {
    *("amqp", "amqps", "aprs", "blink1", "dbus", "gio", "glib", "gnome", "growl", "irc", "ircs", "kde", "macosx", "mqtt", "mqtts", "qt"),
    *("rsyslog", "smpp", "smpps", "syslog", "windows", "xmpp", "xmpps"),
}


async def refusal(url, limit_s=20.0):
    with pytest.raises(NotDelivered) as failure:
        await Sender().send(Secret(url), LETTER, limit_s)
    assert CANARY not in failure.value.detail
    return failure.value.detail, failure.value.is_final


async def test_a_letter_arrives_as_it_was_written(caplog):
    caplog.set_level(logging.DEBUG)
    async with listening() as listener:
        took_s = await Sender().send(Secret(listener.url(CANARY)), LETTER, 20.0)
    assert took_s < 20
    assert listener.paths == [f"/{CANARY}"]
    assert (listener.got[0]["title"], listener.got[0]["message"], listener.got[0]["type"]) == (LETTER.title, LETTER.body, "failure")
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("status", "said", "is_over"),
    [
        (404, "The receiver answered 404: there is no such receiver.", True),
        (302, "The receiver answered 302.", False),  # a redirect is not followed, whatever the address asks for
    ],
)
async def test_what_the_receiver_answers_is_said(status, said, is_over):
    async with listening() as listener:
        listener.status = status
        assert await refusal(f"{listener.url(CANARY)}?redirect=yes") == (said, is_over)
        assert len(listener.got) == 1


async def test_a_receiver_that_hangs_is_left_when_the_time_is_over_even_if_the_address_asks_for_more():
    async with listening() as listener:
        listener.stall = True
        said, is_over = await refusal(f"{listener.url()}?rto=500&cto=500&retry=5", 0.5)
    assert (said, is_over) == ("The receiver did not answer within 0.5 s.", False)


@pytest.mark.parametrize(
    ("url", "said", "is_over"),
    [
        (f"json://127.0.0.1:1/{CANARY}", "Nothing listens at the receiver's address.", False),
        (f"json://[::ffff:169.254.169.254]/{CANARY}", "The receiver's name leads to an address that nothing is sent to.", True),
        (f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd&x={CANARY}", "This service needs files", True),
    ],
)
async def test_a_receiver_that_cannot_be_or_may_not_be_spoken_to_is_said(url, said, is_over):
    found, is_final_one = await refusal(url)
    assert found.startswith(said)
    assert is_final_one is is_over


async def test_a_receiver_inside_needs_the_operators_list():
    async with listening() as listener:
        with pytest.raises(NotDelivered, match="leads to an address that nothing is sent to"):
            await Sender("10.0.0.0/8").send(Secret(listener.url(CANARY)), LETTER, 20.0)
        assert listener.got == []
        await Sender("127.0.0.1").send(Secret(listener.url(CANARY)), LETTER, 20.0)
        assert len(listener.got) == 1


async def test_an_address_is_judged_without_sending_anything():
    async with listening() as listener:
        await Sender().check(Secret(listener.url()))
        assert listener.got == []
    for url, said in (("syslog://", "needs files or programs"), ("nosuchservice://x/y", "is not understood")):
        with pytest.raises(NotDelivered, match=said):
            await Sender().check(Secret(url))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own import
async def test_of_the_services_of_apprise_all_are_offered_but_those_of_this_machine_and_of_other_wires():
    manager = NotificationManager()
    manager.load_modules()
    refused = {scheme for scheme, plugin in manager._schema_map.items() if not is_remote(plugin)}
    assert refused == LOCAL, "a new release brings new services: judge them"
    assert len(manager._schema_map) - len(refused) > 100


async def test_a_process_that_cannot_start_or_ends_early_is_a_failure_like_another(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert await refusal("json://127.0.0.1:1/") == ("The process that sends could not be started.", False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert await refusal("json://127.0.0.1:1/") == ("The process that sends ended before it was done.", False)


async def test_receivers_that_hang_never_hold_up_one_that_lives():
    sender = Sender()
    async with listening() as dead, listening() as living:
        dead.stall = True
        hanging = [asyncio.create_task(sender.send(Secret(dead.url()), LETTER, 600.0, is_failing=True)) for _ in range(6)]
        await sender.send(Secret(living.url()), LETTER, 20.0)
        assert len(living.got) == 1
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


def test_the_process_sees_none_of_our_settings(monkeypatch):
    monkeypatch.setenv("SPILLWAY_SECRET_KEY", "k")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    seen = module._environment()
    assert "SPILLWAY_SECRET_KEY" not in seen
    assert seen["https_proxy"] == "http://proxy:1"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_sentence(reason):
    assert sentence(reason, None, 10.0).endswith(".")


@pytest.mark.parametrize(("status", "is_over"), [(401, True), (404, True), (408, False), (429, False), (500, False), (None, False)])
def test_what_a_receiver_refuses_for_good_is_not_tried_again(status, is_over):
    assert is_final(Reason.ANSWERED, status) is is_over
