import re
from pathlib import Path

import dashboard_app
from dashboard_app.access.content_policy import DOCS, NOTHING, inline_scripts, page_policy

ALERT = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
SENDS_SCRIPTS = re.compile(
    r"\brx\.(call_script|call_function|run_script|toast|window_alert|console_log|scroll_to|set_clipboard|html)\b|dangerously"
)


def test_what_stands_inline_in_a_page_is_named_by_its_hash_once_and_what_has_an_address_is_not():
    page = '<script src="/a.js"></script><script id="x">alert(1)</script><style data-emotion="css a"></style>'
    assert inline_scripts([page, page]) == (ALERT,)
    assert inline_scripts([]) == ()


def test_a_script_that_holds_markup_is_one_text():
    whole = "a = '<b></b>'\n<!-- & -->"
    assert len(inline_scripts([f"<script>{whole}</script>"])) == 1
    assert inline_scripts([f"<script>{whole}</script>"]) != inline_scripts([f"<script>{whole} </script>"])


def test_a_page_may_run_what_the_build_wrote_into_it_and_nothing_else():
    policy = dict(part.strip().split(" ", 1) for part in page_policy("spillway.example:8000", (ALERT,)).split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'self' {ALERT}"
    assert policy["style-src-attr"] == "'none'"
    assert policy["connect-src"] == "'self' ws://spillway.example:8000 wss://spillway.example:8000"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"


def test_no_policy_allows_eval_or_inline_scripts():
    for policy in (page_policy("localhost", ()), DOCS, NOTHING):
        assert "unsafe-eval" not in policy
        assert not re.search(r"script-src[^;]*unsafe", policy)


def test_nothing_of_ours_sends_a_script_to_a_page():
    ours = Path(dashboard_app.__file__).parent
    assert [path.name for path in ours.rglob("*.py") if SENDS_SCRIPTS.search(path.read_text(encoding="utf-8"))] == []
