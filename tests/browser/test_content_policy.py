"""What the browser itself says of our pages: nothing refused by their policy of content, no error in its console, no map of the sources.

That nothing is refused is asserted at the end of every visit, and that there is no error on every page of the frame, in `test_every_page`.
"""

import re

import pytest
from playwright.async_api import expect

from dashboard_app.frontend import ROOT
from tests.browser.conftest import eventually

INJECTED = """() => { const it = document.createElement("script"); it.textContent = "window.injected = 1"; document.body.append(it);
const box = document.createElement("div"); box.innerHTML = "<p style='color: red'></p>"; document.body.append(box);
const button = document.createElement("button"); button.setAttribute("onclick", "window.injected = 2"); button.click();
const later = (done) => setTimeout(() => { try { eval("window.injected = 3"); } catch (error) { done([window.injected ?? 0, error.name]); } });
return new Promise(later); }"""
"""A later turn of the loop tries eval: to what the debugger itself runs, browsers allow it."""

FORBIDDEN = {"script-src-elem", "script-src-attr", "script-src", "style-src-attr"}


@pytest.mark.parametrize(
    ("path", "shows"), [("/wall", "Breaker"), ("/login", "Sign in"), ("/docs", "/scan/data-sources"), ("/no-such-page", "no page")]
)
async def test_a_page_without_the_frame_runs_nothing_that_its_policy_forbids(backend, visit, path, shows):
    async with visit(backend) as v:
        await v.sign_in()
        if path == "/login":
            await v.page.context.clear_cookies()
        await v.open(path)
        await expect(v.page.locator("body")).to_contain_text(shows)
        await v.page.wait_for_load_state("networkidle")
        assert [line for line in v.errors if "status of 404" not in line] == []


async def test_what_is_put_into_a_page_does_not_run(backend, visit):
    async with visit(backend) as v:
        await v.sign_in()
        assert await v.page.evaluate(INJECTED) == [0, "EvalError"]
        await eventually(lambda: {line.split()[1] for line in v.refused if line.startswith("refused: ")} == FORBIDDEN)
        v.refused.clear()


def test_every_page_names_its_inline_scripts_and_allows_no_other(backend, visit):
    with backend.client(None) as client:
        policy = client.get("/no-such-page", headers={"Accept": "text/html"}).headers["content-security-policy"]
        assert client.get("/livez").headers["content-security-policy"].startswith("default-src 'none'; base-uri")
    assert "eval" not in policy
    assert policy.count("unsafe") == policy.count("style-src 'self' 'unsafe-inline'") == 1
    assert len(re.findall("'sha256-", policy)) > 10


def test_the_build_holds_no_map_of_its_sources():
    built = ROOT / ".web" / "build" / "client"
    assert list(built.rglob("*.map")) == []
    assert [path.name for path in built.rglob("*.js") if "sourceMappingURL=" in path.read_text(encoding="utf-8")] == []
