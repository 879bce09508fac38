"""Real instances and a real Chromium. One browser for the session, a fresh context for each page."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from dashboard_app.demo.plan import FLEET
from tests.conftest import program
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, Instance, running
from tests.oidc_provider import RunningProvider, running_provider

BANNER_S = 30
PLAN = {f"{lane}_{pause}": ms for lane in ("health", "metrics") for pause, ms in (("stagger_ms", 20), ("batch_delay_ms", 100))}
QUICK = PLAN | {"breaker_recovery_s": 1, "auto_cleanup": "false", "console_auto_cleanup": "false", "leak_threshold_s": 3, "demo": "true"}
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
PASSWORD = "correct-horse-battery-8"
SETTLED = "document.fonts.status === 'loaded' && document.getAnimations().every((one) => one.playState !== 'running')"
FADED = "document.querySelector(':is([role=menu], [role=dialog], [role=alertdialog])[data-state=closed]') === null"
OVERFLOW = """[...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
.map((one) => `${one.tagName} ${one.className}: ${one.innerText?.slice(0, 40)}`).slice(0, 5)"""
TELL_OF_REFUSALS = """document.addEventListener("securitypolicyviolation",
(one) => console.error(`refused: ${one.effectiveDirective} ${one.blockedURI} ${one.sourceFile}:${one.lineNumber} ${one.sample}`))"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
expect.set_options(timeout=20_000)  # a condition ends the wait; the limit is for a machine with much else to do


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a browser test and needs Chromium."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.needs("chromium"))


@pytest_asyncio.fixture(scope="package")
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
    """A page of one instance, what it asked of other machines, and what its policy of content forbade it."""

    page: Page
    instance: Instance
    outside: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def sign_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD, path: str = "/") -> None:
        """Sign in through the form and arrive on `path`."""
        await self.page.goto(f"{self.instance.url}/login?next={path}")
        await self.page.get_by_test_id("sign-in-email").fill(email)
        await self.page.get_by_test_id("sign-in-password").fill(password)
        await self.page.get_by_test_id("sign-in-submit").click()
        await self.page.wait_for_url(f"{self.instance.url}{path}")

    def hear(self, line: ConsoleMessage) -> None:
        """Keep a line of the browser's console that tells of something wrong."""
        if "Content Security Policy" in line.text or line.text.startswith("refused: "):
            self.refused.append(line.text)
        elif line.type == "error":
            self.errors.append(line.text)

    async def open(self, path: str) -> None:
        """Go to a page of this instance."""
        await self.page.goto(f"{self.instance.url}{path}")


@pytest.fixture
def visit(chromium: Browser) -> Callable[..., contextlib.AbstractAsyncContextManager[Visit]]:
    """`async with visit(instance, width…) as v:` a fresh browser session; ends by asserting that nothing outside was asked and nothing refused."""

    @contextlib.asynccontextmanager
    async def start(instance: Instance, viewport: dict[str, int] | None = None, **options: object) -> AsyncIterator[Visit]:
        context = await chromium.new_context(viewport=viewport or WIDE, **options)
        page = await context.new_page()
        here = Visit(page, instance)
        await page.add_init_script(TELL_OF_REFUSALS)
        page.on("console", here.hear)
        page.on("pageerror", lambda error: here.errors.append(str(error)))
        page.on(
            "request", lambda asked: here.outside.append(asked.url) if urlsplit(asked.url).hostname not in {"127.0.0.1", None} else None
        )
        try:
            yield here
        finally:
            await context.close()
        assert here.outside == []
        assert here.refused == [], "\n".join(here.refused)

    return start


@pytest.fixture(scope="package")
def identity_provider() -> Iterator[RunningProvider]:
    """What `backend` lets people sign in with beside a password."""
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="package")
def backend(tmp_path_factory: pytest.TempPathFactory, identity_provider: RunningProvider) -> Iterator[Instance]:
    """One instance with its fleet and its drills, its own console in process; a viewer beside the admin."""
    with running(tmp_path_factory.mktemp("backend") / "data", **QUICK, **identity_provider.settings) as instance:
        instance.cli("user", "add", "vera@example.org", "--role", "viewer", stdin=PASSWORD)
        _wait_at_sea(instance)
        yield instance


def _wait_at_sea(instance: Instance) -> None:
    """Return when the demo has registered its fleet beside the dashboard's own database: it does so after the start, one by one."""
    end = time.monotonic() + 60
    with instance.client() as api:
        while api.get("/scan/data-sources").raise_for_status().json()["total"] <= len(FLEET):
            assert time.monotonic() < end, "the fleet is not at sea after a minute"
            with contextlib.suppress(subprocess.TimeoutExpired):
                instance.process.wait(0.1)


@pytest.fixture(scope="package")
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
    """What axe finds against WCAG 2.2 A and AA on the page as it stands: the rule and the first place of each.

    What is being closed still hides the page from readers until it has faded out: that is waited for.
    """
    await holds(page, FADED)
    found = await Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [(one["id"], one["nodes"][0]["target"]) for one in found.response["violations"]]


async def faces(page: Page, *sizes: dict[str, int]) -> AsyncIterator[str]:
    """One open page in each size and theme, settled: as a person turns a phone, and as the system's theme changes in the evening."""
    for size in sizes:
        await page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await expect(page.locator(f"html.{scheme}")).to_have_count(1)
            await holds(page, SETTLED)
            yield f"{size['width']} px, {scheme}"


async def holds(page: Page, claim: str, timeout_s: float = 20) -> None:
    """Return when the expression is true in the page. Not `wait_for_function`: it asks again by eval in the page, which our policy refuses."""
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(claim):  # noqa: ASYNC110 - the page is asked, it has no event to wait for
            await asyncio.sleep(0.05)


async def fits(page: Page) -> None:
    """Fail unless the page scrolls in one direction only; names what is too wide."""
    if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        pytest.fail(f"it scrolls sideways: {await page.evaluate(OVERFLOW)}")


def make_known(instance: Instance) -> None:
    """Sign the admin in once, so that the instance knows that person when its database does not answer."""
    answer = httpx.post(
        f"{instance.url}/login",
        data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD},
        headers={"Origin": instance.url},
        timeout=15,
        verify=PLAIN,
    )
    assert answer.status_code == httpx.codes.SEE_OTHER, answer.text


async def all_read(instance: Instance) -> None:
    """Return when the instance's console has read the health of every source."""

    def is_read() -> bool:
        with instance.client() as api:
            lane = api.get("/api/v1/loader").json()["lanes"]["health"]
        return lane["done"] == lane["total"] > 0 and not lane["in_flight"]

    await eventually(is_read, 60)


async def eventually(question: Callable[[], bool], timeout_s: float = 20) -> None:
    """Return when `question()` is true; fail after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.05)


def hold(instance: Instance, connections: int, kind: str = "leak") -> int:
    """Take so many connections of the instance's pool, until they are given back (0); how many there were to be had.

    Each is waited for a second only, so on a busy machine one call may get fewer; and the hold outlasts whatever a test does in it.
    """
    held = 0
    with instance.client() as api:
        for _ in range(5):
            body = {"connections": connections - held, "seconds": 600, "kind": kind}
            answer = api.post("/api/v1/drill/hold", json=body)
            assert answer.status_code == httpx.codes.OK, answer.text
            held += answer.json()["held"]
            if held >= connections:
                break
    return held


async def calm(instance: Instance) -> None:
    """Give back what is held; return when the instance's pool is at NORMAL and its database answers."""

    def says(**expected: str) -> bool:
        with instance.client() as api:
            status = api.get("/api/v1/health/database/status").json()
        return all(status[name] == value for name, value in expected.items())

    await eventually(lambda: not says(status="unavailable"), 40)
    hold(instance, 0)
    await eventually(lambda: says(throttling_level="NORMAL", status="healthy"), 40)
