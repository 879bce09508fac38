"""Pictures of every page of a running Spillway, in both themes and three widths, with the accessibility findings of each.

Start the app (`make demo`), then: python tools/screenshots.py --email ana@example.org --password … [--url http://127.0.0.1:8000] [--out docs/screenshots]
Exit 1 when axe finds anything, a page scrolls sideways, or a request leaves the machine.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
PAGES = {"sources": "/", "pool": "/pool", "source": "/sources/1", "audit": "/audit", "settings": "/settings"}
SIZES = {1440: 1000, 1024: 800, 390: 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SETTLED_MS = 900
"""Time for the socket's first answer; nothing on the page tells more."""


@dataclass(slots=True)
class Shoot:
    """Where the pictures go, and what was found on the way."""

    url: str
    out: Path
    email: str
    password: str
    findings: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Take them all."""
        self.out.mkdir(parents=True, exist_ok=True)
        async with async_playwright() as player:
            browser = await player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            for theme in ("light", "dark"):
                await self._theme(browser, theme)
            await browser.close()

    async def _theme(self, browser: Browser, theme: str) -> None:
        """Every page and width in one theme."""
        context = await browser.new_context(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        page = await context.new_page()
        page.on("request", lambda request: self._note_request(request.url))
        await page.goto(f"{self.url}/login")
        await self._take(page, f"login-{theme}-1440")
        await self._sign_in(page)
        await self._pages(page, theme)
        await context.close()

    async def _sign_in(self, page: Page) -> None:
        """Through the form, as people do."""
        await page.fill("[data-testid=sign-in-email]", self.email)
        await page.fill("[data-testid=sign-in-password]", self.password)
        await page.click("[data-testid=sign-in-submit]")
        await page.wait_for_selector("[data-testid=throttling-level]")

    async def _pages(self, page: Page, theme: str) -> None:
        """Each page in each width."""
        for width, height in SIZES.items():
            await page.set_viewport_size({"width": width, "height": height})
            for name, path in PAGES.items():
                await page.goto(f"{self.url}{path}")
                await page.wait_for_selector("[data-testid=throttling-level]")
                await page.wait_for_timeout(SETTLED_MS)
                await self._take(page, f"{name}-{theme}-{width}")

    async def _take(self, page: Page, name: str) -> None:
        """One picture, and what is wrong with it."""
        await page.screenshot(path=self.out / f"{name}.png")
        found = await Axe().run(page, options={"runOnly": RULES})
        self.findings += [f"{name}: {one['id']}: {one['help']} {one['nodes'][0]['target']}" for one in found.response["violations"]]
        if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            self.findings.append(f"{name}: the page scrolls sideways")

    def _note_request(self, url: str) -> None:
        """A request to anywhere else is a finding."""
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.url).netloc:
            self.findings.append(f"a request left for {parts.netloc}")


def main() -> int:
    """Read the arguments, take the pictures, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--email", required=True)
    parser.add_argument("--password", required=True)
    given = parser.parse_args()
    shoot = Shoot(given.url.rstrip("/"), given.out, given.email, given.password)
    asyncio.run(shoot.run())
    for finding in shoot.findings:
        print(finding)
    print(f"{len(list(given.out.glob('*.png')))} pictures in {given.out}, {len(shoot.findings)} findings")
    return 1 if shoot.findings else 0


if __name__ == "__main__":
    sys.exit(main())
