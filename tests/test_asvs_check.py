"""What `make check` asks of docs/asvs.md: a row for every requirement, proof that is there, and counts that are those of the rows."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.tools import ROOT, tool

PROOF = "tests/test_asvs_check.py::test_a_page_that_keeps_its_word_passes"
GOOD = {
    "1.1.1": f"| 1.1.1 | L1 | in short | shown | {PROOF} |",
    "1.1.2": "| 1.1.2 | L2 | in short | page | docs/security.md#where-secrets-lie |",
    "1.2.1": "| 1.2.1 | L1 | in short | weaker | half of it only, since the rest is large |",
    "1.2.2": "| 1.2.2 | L2 | in short | elsewhere | There is no such thing here. |",
}
FIRST = "4 requirements, 3 apply: 1 shown by tests (33.3 %), 1 met by a page, 1 weaker; 1 do not apply."


@pytest.fixture
def asvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The check, over four requirements and a page of the test's own."""
    check = tool("asvs_check")
    monkeypatch.setattr(check, "IDS", tuple(GOOD))
    monkeypatch.setattr(check, "PAGE", tmp_path / "asvs.md")
    return check


def faults(asvs: ModuleType, rows: list[str], capsys: pytest.CaptureFixture[str], *, write: bool = True) -> list[str]:
    asvs.PAGE.write_text("<!-- counts -->\n<!-- end of counts -->\n" + "\n".join(rows) + "\n")
    code = asvs.main(["--write"] if write else [])
    said = capsys.readouterr().out.splitlines()
    return said if code else []


def test_a_page_that_keeps_its_word_passes(asvs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(asvs, list(GOOD.values()), capsys) == []
    text = asvs.PAGE.read_text()
    assert FIRST in text
    assert "| L1 | 1 | 0 | 1 | 0 |" in text
    assert asvs.main([]) == 0
    asvs.PAGE.write_text(text.replace("33.3", "99.9"))
    assert asvs.main([]) == 1
    assert "the counts at the top" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("id_", "row", "fault"),
    [
        ("1.1.1", "", "no row: 1.1.1"),
        ("1.1.1", GOOD["1.1.1"] + "\n" + GOOD["1.1.1"], "two rows: 1.1.1"),
        ("1.1.1", GOOD["1.1.1"] + "\n" + GOOD["1.1.1"].replace("1.1.1", "1.1.9"), "not a requirement of level 1 or 2: 1.1.9"),
        ("1.1.1", GOOD["1.1.1"].replace(PROOF, PROOF + "s"), f"1.1.1: there is no {PROOF}s"),
        ("1.1.1", GOOD["1.1.1"].replace(PROOF, "it works"), "1.1.1: says 'shown' and names no test"),
        ("1.1.1", GOOD["1.1.1"].replace(PROOF, "tests/conftest.py"), "1.1.1: says 'shown' and names no test"),
        ("1.1.1", GOOD["1.1.1"].replace("shown", "done"), "1.1.1: 'done' is none of shown, page, weaker, elsewhere"),
        ("1.1.2", GOOD["1.1.2"].replace("lie", "live"), "1.1.2: there is no docs/security.md#where-secrets-live"),
        (
            "1.1.2",
            GOOD["1.1.2"].replace("docs/security.md#where-secrets-lie", "the page"),
            "1.1.2: says 'page' and names no heading of one",
        ),
        ("1.2.1", GOOD["1.2.1"].replace("half of it only, since the rest is large", PROOF), "1.2.1: says 'weaker' and not why"),
        ("1.2.2", GOOD["1.2.2"].replace("There is no such thing here.", ""), "1.2.2: says 'elsewhere' and not why"),
    ],
)
def test_a_page_that_does_not_is_refused(asvs: ModuleType, id_: str, row: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(asvs, list((GOOD | {id_: row}).values()), capsys) == [fault]


def test_a_page_without_counts_and_a_missing_page_are_refused(asvs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert asvs.main([]) == 1
    assert faults(asvs, list(GOOD.values()), capsys, write=False)[-1].startswith("the counts at the top")


def test_the_page_in_docs_is_whole_and_every_level_has_its_number() -> None:
    check = tool("asvs_check")
    assert len(check.IDS) == 253
    assert check.main([]) == 0
    text = (ROOT / "docs" / "asvs.md").read_text()
    assert [
        sum(f"| {level} |" in line and line.count("|") == 6 and line[2].isdigit() for line in text.splitlines()) for level in ("L1", "L2")
    ] == [
        70,
        183,
    ]
