"""The page of events on a real instance, in process and with a second one in front that reads the feed over the network."""

import asyncio
import contextlib
import re

import httpx
from playwright.async_api import expect

from tests.browser.conftest import NARROW, PASSWORD, calm, fits, holds, violations
from tests.instance import PLAIN

MARKS = """() => {
  window.seen = { updates: 0, rows: 0, shift: 0, last: 0, moved: [] };
  new MutationObserver((changes) => {
    // what one answer of the server changes comes in one frame or two
    const now = performance.now();
    if (now - seen.last > 60) seen.updates += 1;
    seen.last = now;
    for (const change of changes) for (const node of change.addedNodes) if (node.matches?.("[data-event-type]")) seen.rows += 1;
  }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
  new PerformanceObserver((list) => {
    // a message in the corner moves those above it: that is no part of the page
    for (const entry of list.getEntries()) {
      const moved = entry.sources.map((one) => one.node).filter((node) => node && !node.closest?.(".toasts"));
      if (entry.hadRecentInput || !moved.length) continue;
      seen.shift += entry.value;
      seen.moved.push(...moved.map((node) => node.className || node.nodeName));
    }
  }).observe({ type: "layout-shift", buffered: false });
  seen.began = performance.now();
}"""
MEASURE_S = 6


def publish(instance, *events):
    with instance.client("operator") as api:
        assert api.post("/api/v1/events", json=list(events)).status_code == 202


@contextlib.asynccontextmanager
async def hundred_a_second(instance):
    """Events of four types, a hundred a second, for the length of the block."""
    headers = {"Authorization": f"Bearer {instance.token('operator')}"}

    async def run():
        async with httpx.AsyncClient(base_url=instance.url, headers=headers, timeout=15, verify=PLAIN) as api:
            number = 0
            while True:
                kinds = ("JOB_STARTED", "PAGE_DRAWN", "CACHE_CLEARED", "IMPORT_DONE")
                events = [{"type": kinds[at % 4], "data": {"n": number + at, "worker": f"w{at % 3}"}} for at in range(10)]
                await api.post("/api/v1/events", json=events)
                number += 10
                await asyncio.sleep(0.1)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_come_in_live_open_to_their_parts_are_filtered_and_paused(console, backend, visit):
    await calm(backend)
    async with visit(console) as v:
        await v.sign_in(path="/events")
        page = v.page
        await expect(page.locator("[data-feed='on']")).to_contain_text("Connected")
        publish(backend, *({"type": "PARCEL_SENT", "data": {"parcel_id": number, "to": f"street {number}"}} for number in range(3)))
        row = page.locator("[data-event-type='PARCELS_BATCH_SENT']").first
        await expect(row).to_contain_text("parcel_ids 0, 1, 2")
        await row.get_by_role("button").click()
        await expect(row.get_by_role("listitem")).to_have_text(["0to street 0", "1to street 1", "2to street 2"])
        await expect(page.get_by_test_id("events-state")).to_contain_text("Paused while a row is open")
        publish(backend, {"type": "PARCEL_LOST", "data": {"parcel_id": console.port}})
        await expect(page.get_by_test_id("events-state")).to_have_text(re.compile(r"row is open. \d+ new"))
        lost = page.locator("[data-event-type='PARCEL_LOST']", has_text=f"parcel_id {console.port}")
        assert await lost.count() == 0
        await page.get_by_test_id("events-pause").click()
        await expect(lost).to_be_visible()
        await page.keyboard.press("Escape")
        await page.locator("main").focus()
        await page.keyboard.press("Space")
        await expect(page.get_by_test_id("events-pause")).to_contain_text("Resume")
        await page.keyboard.press("Space")
        await expect(page.get_by_test_id("events-pause")).to_contain_text("Pause")
        await page.get_by_role("button", name="Type: any").click()
        await page.get_by_role("menuitem", name="PARCEL_LOST").click()
        await expect(page).to_have_url(f"{console.url}/events?type=PARCEL_LOST")
        await expect(page.locator("[data-event-type='PARCELS_BATCH_SENT']")).to_have_count(0)
        await expect(lost).to_be_visible()
        assert await violations(page) == []


async def test_a_viewer_sees_types_and_ids_but_no_payload(backend, visit):
    async with visit(backend, NARROW) as v:
        await v.sign_in("vera@example.org", PASSWORD, path="/events")
        await expect(v.page.get_by_test_id("events-state")).to_be_visible(timeout=20_000)
        publish(backend, {"type": "LETTER_SENT", "data": {"letter_id": 7, "secret": "hunter2"}})
        row = v.page.locator("[data-event-type='LETTER_SENT']").first
        await expect(row).to_contain_text("letter_id 7")
        assert await row.get_by_role("button").count() == 0
        assert "hunter2" not in await v.page.content()
        await fits(v.page)


async def test_at_a_hundred_events_a_second_the_page_changes_four_times_a_second_at_most_and_nothing_shifts(backend, visit):
    await calm(backend)
    async with visit(backend) as v, hundred_a_second(backend):
        await v.sign_in(path="/events")
        page = v.page
        await expect(page.locator("[data-event-type]").nth(60)).to_be_attached(timeout=20_000)
        await page.evaluate(MARKS)
        await holds(page, f"performance.now() - seen.began > {MEASURE_S * 1000}")
        seen = await page.evaluate("({ ...seen, took: (performance.now() - seen.began) / 1000 })")
        assert seen["rows"] > 20, seen
        assert seen["updates"] <= 4 * seen["took"] + 1, seen
        assert seen["shift"] == 0, seen
        await page.mouse.wheel(0, 900)
        await expect(page.get_by_test_id("events-state")).to_contain_text("Paused while scrolled")
        await page.get_by_test_id("events-pause").click()
        await expect(page.get_by_test_id("events-state")).to_have_text("Newest on top")
        assert await page.locator("[data-event-type]").count() <= 500


async def test_a_page_out_of_sight_is_sent_nothing(backend, visit):
    async with visit(backend) as v:
        await v.sign_in(path="/events")
        page = v.page
        await expect(page.get_by_test_id("events-state")).to_be_visible(timeout=20_000)
        await page.evaluate(
            """() => {
              Object.defineProperty(document, "hidden", { configurable: true, get: () => window.away === true });
              window.away = true;
              document.dispatchEvent(new Event("visibilitychange"));
            }"""
        )
        other = await page.context.new_page()
        await other.goto(f"{backend.url}/events")
        for name in ("UNSEEN_SENT", "UNSEEN_TOO"):  # when another page shows the second, this one would long have shown the first
            publish(backend, {"type": name, "data": {}})
            await expect(other.locator(f"[data-event-type='{name}']").first).to_be_visible(timeout=20_000)
        assert await page.locator("[data-event-type='UNSEEN_SENT']").count() == 0
        await page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
        await expect(page.locator("[data-event-type='UNSEEN_SENT']").first).to_be_visible(timeout=10_000)
