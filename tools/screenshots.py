"""Pictures of the pages of a running demo, in both themes, with the accessibility findings of each.

Start the app (`SPILLWAY_LEAK_THRESHOLD_S=5 SPILLWAY_AUTO_CLEANUP=false SPILLWAY_CONSOLE_AUTO_CLEANUP=false make demo`), then: python tools/screenshots.py --email ana@example.org --password … [--url http://127.0.0.1:8000] [--out docs/screenshots]
Exit 1 when axe finds anything, a page scrolls sideways, or a request leaves the machine.
The pool is put into trouble by drills for its pictures, and the fallback is one by a drill, too: run it against a demo only.
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
PAGES = {
    "sources": "/",
    "source": "/sources/2",
    "breakers": "/breakers",
    "jobs": "/jobs",
    "events": "/events",
    "alerts": "/alerts",
    "channels": "/alerts?tab=channels",
    "audit": "/audit",
    "users": "/users",
    "tokens": "/tokens",
    "account": "/account",
    "settings": "/settings",
    "drill": "/drill",
}
WIDE, NARROW = 1440, 390
SIZES = {WIDE: 1000, NARROW: 844}
NARROW_PAGES = ("sources", "breakers", "jobs", "events")
HOLDS = {"leak": 20, "idle_in_transaction": 6, "query": 2}
HELD_S, FAIL_S = 45, 25
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SETTLED_MS = 900
"""Time for the socket's first answer; nothing on the page tells more."""
LEAKS_SEEN_MS = 15_000
"""Until the guard calls a held connection a leak and its curve has a shape."""
POST = """async ([path, body]) => {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return answer.status;
}"""


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
        for width in SIZES:
            await self._resize(page, width)
            await page.goto(f"{self.url}/login")
            await self._take(page, f"login-{theme}-{width}")
        await self._resize(page, WIDE)
        await self._sign_in(page)
        for name, path in PAGES.items():
            await self._open(page, path, f"{name}-{theme}-{WIDE}")
        for name in NARROW_PAGES:
            await self._resize(page, NARROW)
            await self._open(page, PAGES[name], f"{name}-{theme}-{NARROW}")
        await self._resize(page, WIDE)
        await self._palette(page, theme)
        await self._trouble(page, theme)
        await self._fallback(page, theme)
        await context.close()

    async def _resize(self, page: Page, width: int) -> None:
        """A window of one of SIZES."""
        await page.set_viewport_size({"width": width, "height": SIZES[width]})

    async def _sign_in(self, page: Page) -> None:
        """Through the form, as people do."""
        await page.fill("[data-testid=sign-in-email]", self.email)
        await page.fill("[data-testid=sign-in-password]", self.password)
        await page.click("[data-testid=sign-in-submit]")
        await page.wait_for_selector("[data-testid=throttling-level]")

    async def _open(self, page: Page, path: str, name: str) -> None:
        """Go to a page and take it."""
        await page.goto(f"{self.url}{path}")
        await page.wait_for_selector("[data-testid=throttling-level]")
        await page.wait_for_timeout(SETTLED_MS)
        await self._take(page, name)

    async def _palette(self, page: Page, theme: str) -> None:
        """The palette over the list."""
        await page.goto(f"{self.url}/")
        await page.wait_for_selector("[data-testid=source-card]")
        await page.keyboard.press("Control+k")
        await page.wait_for_selector("#palette [role=option][aria-selected=true]")
        await page.wait_for_timeout(SETTLED_MS)
        await self._take(page, f"palette-{theme}-{WIDE}")
        await page.keyboard.press("Escape")

    async def _trouble(self, page: Page, theme: str) -> None:
        """The pool when leaks and open transactions hold most of it, and the dialog that would win them back."""
        await page.goto(f"{self.url}/pool")
        for kind, connections in HOLDS.items():
            await self._drill(page, "hold", {"connections": connections, "seconds": HELD_S, "kind": kind})
        await page.wait_for_timeout(LEAKS_SEEN_MS)
        await self._take(page, f"pool-{theme}-{WIDE}")
        await self._resize(page, NARROW)
        await self._take(page, f"pool-{theme}-{NARROW}")
        await self._resize(page, WIDE)
        await page.click("[data-testid=force-cleanup]")
        await page.wait_for_selector("[role=alertdialog]")
        await page.wait_for_timeout(SETTLED_MS)
        await self._take(page, f"pool-dialog-{theme}-{WIDE}")
        await page.keyboard.press("Escape")
        await self._drill(page, "hold", {"connections": 0})

    async def _fallback(self, page: Page, theme: str) -> None:
        """The list while the server fails."""
        await page.goto(f"{self.url}/")
        await self._drill(page, "fail", {"seconds": FAIL_S})
        await page.wait_for_selector("[data-testid=fallback-banner]", timeout=60_000)
        await page.wait_for_timeout(SETTLED_MS)
        await self._take(page, f"fallback-{theme}-{WIDE}")
        await page.wait_for_selector("[data-testid=fallback-banner]", state="detached", timeout=120_000)

    async def _drill(self, page: Page, kind: str, body: dict[str, object]) -> None:
        """Start a drill as the person who is signed in; a refusal is a finding."""
        status = await page.evaluate(POST, [f"/api/v1/drill/{kind}", body])
        if status != 200:  # noqa: PLR2004 - HTTP's own number
            self.findings.append(f"drill {kind} was answered {status}")

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
