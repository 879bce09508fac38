"""Real instances and a real Chromium. One browser for the session, a fresh context for each page."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from tests.conftest import program
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, Instance, running

BANNER_S = 15
QUICK = {"breaker_recovery_s": 3, "auto_cleanup": "false", "console_auto_cleanup": "false", "leak_threshold_s": 5, "demo": "true"}
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
PASSWORD = "correct-horse-battery-8"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a browser test and needs Chromium."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.needs("chromium"))


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@dataclass
class Visit:
    """A page of one instance, and what it asked of other machines."""

    page: Page
    instance: Instance
    outside: list[str] = field(default_factory=list)

    async def sign_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD, path: str = "/") -> None:
        """Sign in through the form and arrive on `path`."""
        await self.page.goto(f"{self.instance.url}/login?next={path}")
        await self.page.get_by_test_id("sign-in-email").fill(email)
        await self.page.get_by_test_id("sign-in-password").fill(password)
        await self.page.get_by_test_id("sign-in-submit").click()
        await self.page.wait_for_url(f"{self.instance.url}{path}", timeout=15_000)

    async def open(self, path: str) -> None:
        """Go to a page of this instance."""
        await self.page.goto(f"{self.instance.url}{path}")


@pytest.fixture
def visit(chromium: Browser) -> Callable[..., contextlib.AbstractAsyncContextManager[Visit]]:
    """`async with visit(instance, width…) as v:` a fresh browser session; ends by asserting that nothing outside was asked."""

    @contextlib.asynccontextmanager
    async def start(instance: Instance, viewport: dict[str, int] | None = None, **options: object) -> AsyncIterator[Visit]:
        context = await chromium.new_context(viewport=viewport or WIDE, **options)
        page = await context.new_page()
        here = Visit(page, instance)
        page.on(
            "request", lambda asked: here.outside.append(asked.url) if urlsplit(asked.url).hostname not in {"127.0.0.1", None} else None
        )
        try:
            yield here
        finally:
            await context.close()
        assert here.outside == []

    return start


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance with its fleet and its drills, its own console in process; a viewer beside the admin."""
    with running(tmp_path_factory.mktemp("backend") / "data", **QUICK) as instance:
        instance.cli("user", "add", "vera@example.org", "--role", "viewer", stdin=PASSWORD)
        yield instance


@pytest.fixture(scope="session")
def remote(backend: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A second instance whose console reads from `backend` over the network."""
    settings = QUICK | {"demo": "false", "backend_url": backend.url, "backend_token": backend.token("admin")}
    with running(tmp_path_factory.mktemp("remote") / "data", **settings) as instance:
        instance.cli("user", "add", "vera@example.org", "--role", "viewer", stdin=PASSWORD)
        yield instance


@pytest.fixture(params=["in_process", "remote"])
def console(request: pytest.FixtureRequest, backend: Instance) -> Instance:
    """The instance whose pages are looked at: `backend` itself, or `remote` in front of it."""
    return backend if request.param == "in_process" else request.getfixturevalue("remote")


async def violations(page: Page) -> list[object]:
    """What axe finds against WCAG 2.2 A and AA on the page as it stands: the rule and the first place of each."""
    found = await Axe().run(page, options={"runOnly": RULES})
    return [(one["id"], one["nodes"][0]["target"]) for one in found.response["violations"]]


async def eventually(question: Callable[[], bool], timeout_s: float = 10) -> None:
    """Return when `question()` is true; fail after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.05)


async def calm(instance: Instance) -> None:
    """Return when the instance's pool is at NORMAL and its database answers."""

    def is_calm() -> bool:
        with instance.client() as api:
            status = api.get("/api/v1/health/database/status").json()
        return status["throttling_level"] == "NORMAL" and status["status"] == "healthy"

    await eventually(is_calm, 40)
