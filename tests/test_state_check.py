"""What `make check` refuses: a page of promises without proof, marks of unfinished work, packages with known faults."""

from pathlib import Path
from types import ModuleType

import pytest

from dashboard_app.settings import Settings
from tests.tools import ROOT, tool

HEAD = "| row | proof |\n| --- | --- |\n"
PROOF = "tests/test_state_check.py::test_a_page_that_keeps_its_word_passes"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The check, over two rows and a page of the test's own."""
    check = tool("state_check")
    monkeypatch.setattr(check, "ROWS", ("make run", "make bench"))
    monkeypatch.setattr(check, "PAGE", tmp_path / "state.md")
    return check


def faults(state: ModuleType, rows: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    state.PAGE.write_text(HEAD + rows)
    code = state.main()
    said = capsys.readouterr().out.splitlines()
    return said if code else []


def test_a_page_that_keeps_its_word_passes(state: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(state, f"| `make run` | {PROOF}, tests/conftest.py |\n| `make bench` | not built: later |\n", capsys) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (f"| make run | {PROOF} |\n", "no row: make bench"),
        (f"| make run | {PROOF} |\n| make bench | it works |\n", "make bench: names no test and does not say 'not built'"),
        (f"| make run | {PROOF}s |\n| make bench | not built |\n", f"make run: there is no {PROOF}s"),
        ("| make run | tests/none.py |\n| make bench | not built |\n", "make run: there is no tests/none.py"),
        (f"| make run | {PROOF} |\n| make bench | not built |\n| make tea | not built |\n", "not a row of the contract: make tea"),
    ],
)
def test_a_page_that_does_not_is_refused(state: ModuleType, rows: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(state, rows, capsys) == [fault]


def test_a_missing_page_is_refused(state: ModuleType) -> None:
    assert state.main() == 1


def test_every_setting_stands_in_a_row_of_the_contract_or_on_its_own_page() -> None:
    rows = {name for row in tool("state_check").ROWS for name in row.split(", ")}
    page = (ROOT / "docs" / "settings.md").read_text()
    own = {"DATABASE_DIRECT_URL", "DEMO", "ENVIRONMENT", "SAMPLES_KEEP_DAYS", "PROBE_TIMEOUT_S", "LIVE_PORT", "MEMORY_LIMIT_MB"}
    own |= {
        f"BREAKER_{name}" for name in ("HALF_OPEN_MAX_S", "RECOVERY_FACTOR", "RECOVERY_MAX_S", "RECOVERY_JITTER_PERCENT", "SLOW_CALL_S")
    }
    own |= {
        f"BREAKER_{name}"
        for name in ("WINDOW", "WINDOW_CALLS", "WINDOW_S", "WINDOW_MIN_CALLS", "FAILURE_RATE_PERCENT", "SLOW_RATE_PERCENT")
    }
    own |= {"EVENT_QUEUE_MAX", "EVENT_RETENTION_DAYS", "OUTBOUND_NETWORKS"}
    own |= {f"OIDC_{name}" for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPES", "NAME")}
    own |= {f"OIDC_{name}" for name in ("ROLE_CLAIM", "ROLE_MAP", "DEFAULT_ROLE", "LINK_BY_EMAIL")}
    own |= {f"NOTIFY_{name}" for name in ("BATCH_SIZE", "BATCH_TIMEOUT_S", "TIMEOUT_S", "MAX_RETRIES", "RETRY_DELAY_S")}
    assert {name.upper() for name in Settings.model_fields} - rows <= own
    assert all(f"`{name.upper()}`" in page for name in Settings.model_fields)


def test_a_mark_of_unfinished_work_is_found_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = tool("marks")
    (tmp_path / "a.py").write_text("x = 1\n# TO" + "DO: y\n")
    (tmp_path / "b.png").write_text("FIX" + "ME")
    marks.subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(marks, "ROOT", tmp_path)
    assert marks.main() == 1
    assert capsys.readouterr().out.splitlines()[0] == "a.py:2: # TO" + "DO: y"
    (tmp_path / "a.py").write_text("x = 1\n")
    assert marks.main() == 0
