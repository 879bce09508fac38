"""A real service with a leak, watched by a demo: added through the form, seen on its page, given back by a cleanup."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, PASSWORD, eventually, fits
from tests.examples.running import TOKEN, Example, example

NAME = "orders-api"


@pytest.fixture
def orders(backend, tmp_path) -> Iterator[Example]:
    """The FastAPI example on the instance's own server, and no source of its name afterwards."""
    with example(
        "fastapi_service", replace(backend.postgres.address(), database="postgres"), tmp_path / "log", leak_threshold_s=1
    ) as service:
        yield service
    with backend.client() as api:
        for item in api.get("/scan/data-sources", params={"search": NAME}).json()["items"]:
            api.delete(f"/scan/data-sources/{item['id']}")


async def _add(page, service: Example) -> None:
    """Add it through the form, tried first."""
    await page.get_by_test_id("add-source").click()
    await page.get_by_text("Service", exact=True).click()
    await expect(page.get_by_label("Database")).to_have_count(0)
    await expect(page.get_by_label("Port")).to_have_value("443")
    await page.get_by_label("Name").fill(NAME)
    await page.get_by_label("Host").fill("127.0.0.1")
    await page.get_by_label("Port").fill(str(service.port))
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.get_by_text("Every step passed.")).to_be_visible()
    await expect(page.get_by_text("9 of 10 in use, EMERGENCY").first).to_be_visible()
    await page.get_by_role("button", name="Save").click()


def _place(instance) -> str:
    with instance.client() as api:
        (found,) = api.get("/scan/data-sources", params={"search": NAME}).json()["items"]
    return f"/sources/{found['id']}"


def _in_use(service: Example) -> int:
    return service.guard("status").json()["pool"]["checked_out"]


async def test_a_leak_of_a_watched_service_is_seen_and_given_back(console, backend, orders, visit):
    orders.leak(9)
    async with visit(console) as v:
        await v.sign_in()
        await _add(v.page, orders)
        row = v.page.get_by_test_id("source-card").filter(
            has_text=f"127.0.0.1:{orders.port}"
        )  # one that was deleted stays until the list is read anew
        await expect(row).to_contain_text("9 of 10 in use, EMERGENCY", timeout=30_000)
        await v.open(_place(backend))
        panel = v.page.get_by_test_id("service-pool")
        await expect(panel).to_contain_text("The pool is 90.0")
        await expect(panel).to_contain_text("9 connections are held by request")
        await expect(panel).to_contain_text("POST /export")
        await eventually(lambda: sum(item["suspected_leak"] for item in orders.guard("holders").json()["items"]) == 9)
        await panel.get_by_test_id("force-cleanup").click()
        confirm = v.page.get_by_test_id("confirm-cleanup")
        await expect(confirm).to_have_text("Win back 9 connections")
        assert _in_use(orders) == 9
        await confirm.click()
        await expect(v.page.get_by_test_id("cleanup-result")).to_contain_text("Won back 9 of 9")
        assert _in_use(orders) == 0
        await expect(panel).to_contain_text("The pool is 0.0")
        await expect(panel).to_contain_text("Nobody holds a connection.")
        await expect(v.page.get_by_role("heading", level=1)).to_contain_text("is healthy")
        await v.open("/audit")
        await expect(v.page.get_by_text(NAME if console is backend else "pool.cleanup").first).to_be_visible()
    with backend.client() as api:
        (row,) = api.get("/api/v1/audit", params={"action": "pool.cleanup", "limit": 1}).json()["items"]
    assert row["target"].startswith(f"{NAME} (source ")
    assert row["details"]["terminated_backends"] == 9
    if console is backend:
        assert (row["actor"], row["actor_kind"]) == ("ana@example.org", "user")


async def test_a_service_that_dies_is_told_in_its_own_words_and_nothing_else_suffers(backend, orders, visit):
    with backend.client() as api:
        body = {"name": NAME, "kind": "service", "host": "127.0.0.1", "port": orders.port, "password": TOKEN}
        place = f"/sources/{api.post('/scan/data-sources', json=body).json()['id']}"
    async with visit(backend) as v:
        await v.sign_in("vera@example.org", PASSWORD, path=place)
        panel = v.page.get_by_test_id("service-pool")
        await expect(panel).to_contain_text("The pool is 0.0")
        await expect(panel.get_by_text("Holders need the operator role.")).to_be_visible()
        await expect(panel.get_by_test_id("force-cleanup")).to_be_disabled()
        orders.process.terminate()
        await expect(panel).to_contain_text("Connection refused: nothing listens at")
        await expect(panel).to_contain_text("The pool was 0.0")
        await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0)
        await expect(v.page.get_by_test_id("breaker-indicator")).to_contain_text("Closed")


async def test_a_service_is_added_and_tried_by_command_and_its_panel_fits_a_phone(backend, orders, visit):
    orders.leak(7)
    where = ("--kind", "service", "--host", "127.0.0.1", "--port", str(orders.port))
    assert NAME in backend.cli("sources", "add", NAME, *where, stdin=f"{TOKEN}\n")
    tried = backend.cli("sources", "test", NAME)
    assert [line.split()[:2] for line in tried.splitlines()] == [["ok", step] for step in ("name", "TCP", "status", "holders")]
    assert "7 of 10 in use, MODERATE" in tried
    with backend.client() as api:
        await eventually(lambda: api.get("/scan/data-sources", params={"search": NAME}).json()["total"] == 1)
    place = _place(backend)
    async with visit(backend, NARROW) as v:
        await v.sign_in(path=place)
        await expect(v.page.get_by_test_id("service-pool")).to_contain_text("The pool is 70.0")
        await expect(v.page.get_by_role("table", name="Connection holders")).to_be_visible()
        await fits(v.page)
