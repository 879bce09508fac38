"""The page of a PgBouncer: its pools, and what an admin tells it, in front of a real one with clients that wait."""

import asyncio
import re

import asyncpg
import pytest
from playwright.async_api import expect

from tests.bouncer import ADMIN, PASSWORD, BouncerForTests
from tests.browser.conftest import NARROW, eventually, fits
from tests.browser.conftest import PASSWORD as VERA_PASSWORD
from tests.conftest import program

pytestmark = pytest.mark.needs("pgbouncer")
NAME = "orders-pooler"


@pytest.fixture
async def pooler(backend):
    """A bouncer with one server connection, and three clients of which two wait; it is source `id`."""
    bouncer = BouncerForTests(program("pgbouncer"), backend.postgres.address(), {"default_pool_size": 1}, ("spillway",))
    bouncer.start()
    own = backend.postgres.address()
    to = bouncer.address(own.database, own.user)
    sessions = [
        await asyncpg.connect(
            host=to.host, port=to.port, user=to.user, password=to.password.reveal(), database=to.database, ssl=False, statement_cache_size=0
        )
        for _ in range(3)
    ]
    busy = [asyncio.create_task(session.execute("SELECT pg_sleep(600)")) for session in sessions]
    body = {"name": NAME, "kind": "pgbouncer", "host": "127.0.0.1", "port": bouncer.port, "username": ADMIN, "password": PASSWORD}
    with backend.client() as api:
        source_id = api.post("/scan/data-sources", json=body).json()["id"]
        path = f"/scan/data-sources/{source_id}/pgbouncer/pools"
        await eventually(lambda: sum(pool["clients_waiting"] for pool in api.get(path).json()["pools"]) == 2)
        bouncer.source_id, bouncer.sessions = source_id, sessions
        yield bouncer
        api.delete(f"/scan/data-sources/{source_id}")
    for session in sessions:
        session.terminate()
    await asyncio.gather(*busy, return_exceptions=True)
    bouncer.remove()


def paused(backend, pooler) -> bool:
    with backend.client() as api:
        found = api.get(f"/scan/data-sources/{pooler.source_id}/pgbouncer/pools").json()
    return any(one["paused"] for one in found["databases"])


async def resume(page, dialog) -> None:
    """Ask for the one database to go on."""
    await expect(dialog).to_have_count(0)
    await page.get_by_test_id("pooler-resume").click()
    await expect(dialog).to_contain_text("Resume PgBouncer")
    await dialog.get_by_label("Database").select_option("spillway")
    await expect(dialog.get_by_label("Database")).to_have_value("=spillway")
    await page.get_by_test_id("pooler-confirm").click()


async def test_who_waits_is_on_the_page_and_a_pause_is_confirmed_by_name(backend, visit, pooler):
    async with visit(backend) as v:
        await v.sign_in()
        await expect(v.page.get_by_text("orders-pooler").first).to_be_visible()
        await v.open(f"/sources/{pooler.source_id}")
        panel = v.page.get_by_test_id("pools")
        row = panel.get_by_role("row").last
        await expect(row).to_contain_text("spillway")
        await expect(row.get_by_role("cell").nth(2)).to_contain_text("2")
        await expect(row).to_contain_text("1 / 1")
        await expect(panel).to_contain_text(re.compile(r"PgBouncer 1\.\d+\.\d+ · 4 of 100 clients"))
        for session in pooler.sessions:
            session.terminate()
        await v.page.get_by_test_id("pooler-pause").click()
        dialog = v.page.get_by_role("alertdialog")
        await dialog.get_by_label("Database").select_option("spillway")
        confirm = v.page.get_by_test_id("pooler-confirm")
        await expect(confirm).to_be_disabled()
        await v.page.get_by_test_id("pooler-name").fill("orders")
        await expect(confirm).to_be_disabled()
        await v.page.get_by_test_id("pooler-name").fill(NAME)
        await confirm.click()
        await expect(panel.get_by_text(re.compile(r'PAUSE "spillway" done in'))).to_be_visible()
        await expect(panel.get_by_text("spillway is paused: clients wait until it is resumed.")).to_be_visible()
        assert paused(backend, pooler)
        await resume(v.page, dialog)
        await expect(panel.get_by_text(re.compile(r'RESUME "spillway" done in'))).to_be_visible()
        assert not paused(backend, pooler)
        await resume(v.page, dialog)
        await expect(dialog.get_by_text("Not done: It is not paused")).to_be_visible()


async def test_a_viewer_sees_the_pools_and_why_the_acts_are_off(backend, visit, pooler):
    async with visit(backend, NARROW) as v:
        await v.sign_in("vera@example.org", VERA_PASSWORD)
        await v.open(f"/sources/{pooler.source_id}")
        pause = v.page.get_by_test_id("pooler-pause")
        await expect(pause).to_be_disabled()
        await expect(pause).to_have_attribute("title", "This needs the admin role; you are a viewer.")
        await expect(v.page.get_by_test_id("pools").get_by_role("table").get_by_role("row").last).to_contain_text("2 waiting")
        await fits(v.page)


async def test_one_that_is_down_says_why_and_opens_no_breaker(backend, visit, pooler):
    async with visit(backend) as v:
        await v.sign_in()
        await v.open(f"/sources/{pooler.source_id}")
        panel = v.page.get_by_test_id("pools")
        await expect(panel.get_by_role("row").last).to_be_visible()
        pooler.stop()
        await expect(panel.get_by_text(re.compile("Connection refused"))).to_be_visible()
        await expect(v.page.get_by_test_id("breaker-indicator")).to_have_attribute("data-state", "closed")
        await expect(v.page.get_by_test_id("fallback-banner")).to_have_count(0)
