"""`/settings` in a real browser: what is typed counts until it is saved or discarded, and a save is all or none."""

import pytest
from playwright.async_api import expect

KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.sockets.push(this); } };
"""
CUT = """async () => {
  const ready = document.querySelector("[data-opens='palette']");
  const again = new Promise((done) => {
    let isGone = false;
    new MutationObserver(() => { isGone ||= ready.dataset.ready !== "true"; if (isGone && ready.dataset.ready === "true") done(true); })
      .observe(ready, { attributeFilter: ["data-ready"] });
  });
  window.sockets.forEach((one) => one.close());
  return again;
}"""


@pytest.fixture
async def v(backend, visit):
    async with visit(backend) as here:
        await here.page.add_init_script(KEEP_SOCKETS)
        await here.sign_in(path="/settings")
        yield here


def field(v, name):
    return v.page.get_by_role("textbox", name=name, exact=True)


async def test_what_is_typed_outlives_a_cut_socket_and_a_reload_until_it_is_discarded(v):
    typed, bar = field(v, "SPILLWAY_HEALTH_BATCH_SIZE"), v.page.get_by_role("region", name="Changes")
    before = await typed.input_value()
    await typed.fill("7")
    await expect(bar).to_contain_text("1 change")
    assert await v.page.evaluate(CUT)
    await expect(typed).to_have_value("7")
    await expect(bar).to_contain_text("1 change")
    await v.page.reload()
    await expect(typed).to_have_value("7")
    await expect(bar).to_contain_text("1 change")
    await bar.get_by_role("button", name="Discard").click()
    await expect(typed).to_have_value(before)
    await expect(bar).to_have_count(0)


async def test_changes_are_reviewed_saved_together_and_undone(v, backend):
    first, second = field(v, "SPILLWAY_HEALTH_BATCH_SIZE"), field(v, "SPILLWAY_JOB_BATCH_SIZE")
    before = [await one.input_value() for one in (first, second)]
    await first.fill("0")
    await expect(v.page.get_by_test_id("settings-review")).to_be_disabled()
    await first.fill("6")
    await second.fill("40")
    await expect(v.page.get_by_role("region", name="Changes")).to_contain_text("2 changes")
    await v.page.get_by_test_id("settings-review").click()
    await v.page.get_by_test_id("settings-save").click()
    await expect(v.page.get_by_text("2 settings saved.")).to_be_visible()
    with backend.client() as api:
        kept = {one["name"]: one["value"] for one in api.get("/api/v1/settings").raise_for_status().json()["items"]}
    assert (kept["SPILLWAY_HEALTH_BATCH_SIZE"], kept["SPILLWAY_JOB_BATCH_SIZE"]) == (6, 40)
    await v.page.get_by_role("button", name="Undo").click()
    await expect(v.page.get_by_text("2 settings put back.")).to_be_visible()
    assert [await one.input_value() for one in (first, second)] == before
