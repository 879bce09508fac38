"""From a full pool to a resolved alert, through the page: once, and by whom."""

import re

import pytest
from playwright.async_api import expect

from tests.backend.notify.parts import CANARY, listening
from tests.browser.conftest import NARROW, PASSWORD, calm, eventually, fits, hold

CRITICAL = "[data-testid=alert-row][data-severity=Critical]"


def _usage(backend, **params):
    """The alerts of 70, 80 and 90 % that are newer than `since`."""
    since = params.pop("since", 0)
    with backend.client() as api:
        items = api.get("/api/v1/alerts", params={"limit": 500, **params}).json()["items"]
    return [item for item in items if item["id"] > since and item["rule"].startswith("Pool usage")]


async def test_a_full_pool_is_an_alert_within_seconds_it_is_acknowledged_and_after_the_cleanup_it_is_over_once(console, backend, visit):
    await calm(backend)
    await eventually(lambda: not _usage(backend, state="open"), 20)
    since = max((item["id"] for item in _usage(backend)), default=0)
    async with visit(console) as v:
        await v.sign_in(path="/alerts")
        await expect(v.page.get_by_role("heading", level=1)).to_contain_text(re.compile("fire"))
        hold(backend, 28)
        row = v.page.locator(CRITICAL)
        await expect(row).to_contain_text("at or above 90 %")
        await expect(row).to_have_count(1)
        await expect(v.page.locator(".side nav a[href='/alerts'] .nchip")).to_be_visible()
        await row.get_by_role("button", name="Acknowledge").click()
        await expect(row).to_have_count(0)
        await v.page.get_by_role("link", name="Acknowledged").click()
        await expect(row).to_contain_text(re.compile("Acknowledged by .+: on it"))
        assert len(_usage(backend, since=since, state="acknowledged")) == 3
        with backend.client() as api:
            await eventually(lambda: all(one["suspected_leak"] for one in api.get("/api/v1/health/database/holders").json()["items"]), 20)
            api.post("/api/v1/health/database/force-cleanup")
        await expect(row).to_have_count(0)
        await eventually(lambda: not _usage(backend, state="open"), 20)
        await v.page.get_by_role("link", name="History").click()
        await expect(v.page.get_by_test_id("alert-row").filter(has_text="at or above 90 %").first).to_contain_text("over after")
    over = _usage(backend, since=since)
    assert sorted(item["severity"] for item in over) == ["critical", "info", "warning"], "opened once each"
    assert all(item["resolved_at"] and item["acknowledged_by"] for item in over)


async def test_undo_gives_it_back_and_a_silence_says_by_whom_and_why(backend, visit):
    await calm(backend)
    async with visit(backend) as v:
        await v.sign_in(path="/alerts")
        hold(backend, 28, "query")
        row = v.page.locator(CRITICAL)
        await expect(row).to_be_visible()
        await row.get_by_role("button", name="Acknowledge").click()
        await v.page.get_by_role("button", name="Undo").click()
        await expect(row.get_by_role("button", name="Acknowledge")).to_be_visible()
        await row.get_by_role("button", name="Silence…").click()
        await v.page.get_by_label("Why").fill("load test")
        await v.page.keyboard.press("Enter")
        await expect(row).to_have_count(0)
        await v.page.get_by_role("link", name="Silenced").click()
        await expect(row).to_contain_text(re.compile("Silenced by ana@example.org until .+: load test"))
        await row.get_by_role("button", name="End silence").click()
        await expect(row).to_have_count(0)
    await calm(backend)


async def test_an_admin_edits_a_rule_after_its_preview(backend, visit):
    async with visit(backend) as v:
        await v.sign_in(path="/alerts?tab=rules")
        await v.page.get_by_test_id("add-rule").click()
        await v.page.get_by_label("Name").fill("Slow checks")
        await v.page.get_by_label("Metric").select_option("source.latency_ms")
        await v.page.get_by_label("Limit").fill("0")
        await v.page.get_by_role("button", name="Preview").click()
        await expect(v.page.get_by_text(re.compile("In the last 24.h it would have fired"))).to_be_visible()
        await v.page.get_by_label("Recovers at").fill("5")
        await v.page.get_by_role("button", name="Save").click()
        await expect(v.page.get_by_text("Must not be above the limit")).to_be_visible()
        await v.page.get_by_label("Limit").fill("100000")
        await v.page.get_by_role("button", name="Save").click()
        await expect(v.page.get_by_text("Slow checks saved.")).to_be_visible()
        await v.page.get_by_role("button", name="Delete Slow checks").click()
        await v.page.get_by_role("button", name="Delete rule").click()
        await expect(v.page.get_by_text("Slow checks deleted.")).to_be_visible()
        await expect(v.page.get_by_role("button", name="Delete Slow checks")).to_have_count(0)


@pytest.mark.parametrize("width", [None, NARROW])
async def test_a_viewer_reads_what_fires_and_may_neither_act_nor_see_the_rules(width, backend, visit):
    async with visit(backend, width) as v:
        await v.sign_in("vera@example.org", PASSWORD, path="/alerts")
        await expect(v.page.get_by_test_id("alert-row").first).to_be_visible()  # the fleet has sources that are down
        await expect(v.page.get_by_role("button", name="Acknowledge").first).to_be_disabled()
        await fits(v.page)
        await v.page.get_by_role("link", name="Rules").click()
        await expect(v.page.get_by_text("Rules need the admin role.")).to_be_visible()


async def test_an_admin_adds_a_channel_tests_it_and_its_address_never_comes_back(backend, visit):
    async with listening() as listener, visit(backend) as v:
        frames = []
        v.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
        await v.sign_in(path="/alerts?tab=channels")
        await v.page.get_by_test_id("add-channel").click(timeout=10_000)
        await v.page.get_by_label("Name").fill("Ops chat")
        await v.page.get_by_label("Address").fill("syslog://")
        await v.page.get_by_role("button", name="Save").click()
        await expect(v.page.get_by_text("Cannot be used: This service needs files or programs")).to_be_visible(timeout=60_000)
        await v.page.get_by_label("Address").fill(listener.url(CANARY))
        await v.page.get_by_role("checkbox", name="Alerts").uncheck()
        await v.page.get_by_role("button", name="Save").click()
        row = v.page.get_by_test_id("channel-row").filter(has_text="Ops chat")
        await expect(row).to_contain_text("Breakers, warnings and worse", timeout=60_000)
        await row.get_by_role("button", name="Test").click()
        await expect(row).to_contain_text(re.compile(r"Sent\. It took [\d.]+.m?s"), timeout=60_000)
        assert listener.paths == [f"/{CANARY}"]
        listener.status = 500
        await row.get_by_role("button", name="Test").click()
        await expect(row).to_contain_text("Not sent: The receiver answered 500.", timeout=60_000)
        await expect(row).to_have_attribute("data-state", "Failing")
        await row.get_by_role("button", name="Edit").click()
        await expect(v.page.get_by_label("Address")).to_have_value("")
        await v.page.get_by_role("button", name="Cancel").click()
        assert frames
        assert CANARY not in "".join(frames) + await v.page.content() + backend.log.read_text(encoding="utf-8")
        await row.get_by_role("button", name="Delete").click()
        await v.page.get_by_role("button", name="Delete channel").click()
        await expect(v.page.get_by_text("Nobody is notified.")).to_be_visible(timeout=10_000)
