"""What is checked about the packages we ship: known faults, licences, the bill of materials; and that no key lies in the repository."""

import datetime as dt
import json
from pathlib import Path

import pytest

from tests.tools import tool

LISTED = {"as_of": dt.datetime.now(dt.UTC).date(), "looked_up": ["pytest"], "unchecked": ["ruff"]}
FAULT = {"package": "PyTest", "id": "X-1", "fixed": "999", "what": "it bites"}
NAMES = ["pytest", "ruff"]


def test_an_installed_version_with_a_known_fault_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    advisories = tool("advisories")
    assert advisories.from_list({**LISTED, "advisory": [FAULT]}, NAMES) == 1
    assert "X-1, it bites; fixed in 999" in capsys.readouterr().out
    assert advisories.from_list({**LISTED, "advisory": [{**FAULT, "fixed": "0.1"}]}, NAMES) == 0
    assert "1 of 2 Python packages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"as_of": dt.date(2020, 1, 1)}, "days old, more than 180"),
        ({"unchecked": []}, "ruff is locked, and neither looked up nor named as unchecked"),
        ({"unchecked": ["ruff", "gone"]}, "gone is listed, and not locked any more"),
    ],
)
def test_an_old_list_and_a_package_nobody_thought_of_are_refused(changed, said, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool("advisories").from_list({**LISTED, "advisory": [], **changed}, NAMES) == 1
    assert said in capsys.readouterr().out


def test_a_package_that_could_not_be_checked_is_a_failure_and_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    advisories = tool("advisories")
    skipped = {"name": "b", "skip_reason": "not found"}
    clean = {"name": "A", "version": "1", "vulns": []}
    assert advisories.read_pip_audit(json.dumps({"dependencies": [clean, skipped]}), ["a", "b"]).unchecked == ["b"]
    assert advisories.read_pip_audit(json.dumps({"dependencies": [clean]}), ["a", "b"]).unchecked == ["b"]
    assert advisories.read_pip_audit("", ["a", "b"]).unchecked == ["a", "b"]
    assert advisories.read_bun("error: 405").unchecked
    assert advisories.told({"Python": advisories.Answer([], ["b"])}) == 1
    assert "not checked: b" in capsys.readouterr().out


def test_what_the_databases_find_is_told_and_fails() -> None:
    advisories = tool("advisories")
    found = {"name": "a", "version": "1", "vulns": [{"id": "X-2", "fix_versions": ["2"]}]}
    answer = advisories.read_pip_audit(json.dumps({"dependencies": [found]}), ["a"])
    assert answer == (["a 1: X-2, fixed in 2"], [])
    assert advisories.told({"Python": answer}) == 1
    assert advisories.read_bun(json.dumps({"x": [{"title": "bad", "url": "u"}]})) == (["x: bad u"], [])
    assert advisories.told({"Python": advisories.Answer([], []), "JavaScript": advisories.read_bun("{}")}) == 0


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (GPL-2.0-only OR MIT)", True),
        ("(GPL-2.0-only OR MIT) AND AGPL-3.0-only", False),
        ("", False),
    ],
)
def test_of_alternatives_one_licence_must_be_allowed_and_of_licences_that_hold_together_all(licence: str, is_allowed: bool) -> None:
    said = tool("licences").judged(licence, {"allowed": ["MIT", "MPL-2.0"]})
    assert (not said) is is_allowed


def test_the_page_of_licences_names_what_is_locked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    licences = tool("licences")
    assert licences.main([]) == 0, capsys.readouterr().out
    page = tmp_path / "licences.md"
    page.write_text(licences.PAGE.read_text(encoding="utf-8").replace("| asyncpg |", "| asyncpq |"), encoding="utf-8")
    monkeypatch.setattr(licences, "PAGE", page)
    assert licences.main([]) == 1
    assert "not current" in capsys.readouterr().out


def test_a_package_of_the_console_is_a_component_with_hash_and_licence() -> None:
    sbom = tool("sbom")
    one = next(one for one in sbom.locked.javascript() if one.name == "@emotion/react")
    component = sbom.javascript_component(one, "MIT")
    assert component["purl"] == f"pkg:npm/%40emotion/react@{one.version}"
    assert len(component["hashes"][0]["content"]) == 128
    assert component["licenses"] == [{"expression": "MIT"}]
    assert sbom.licence_of("BSD") == [{"license": {"name": "BSD"}}]


def test_keys_and_tokens_are_found_by_their_shape_and_values_by_their_name() -> None:
    scan = tool("secret_scan")
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    assert list(scan.found_in(f"x = '{key}'", is_playground=True)) == ["an AWS key"]
    literal = 'api_token = "' + "q8Zr3Vw7Lk2Xp9Tn4Bc6" + '"'
    assert list(scan.found_in(literal)) == ["a literal secret"]
    assert list(scan.found_in(literal, is_playground=True)) == []
    assert list(scan.found_in('password = "correct-horse-battery"')) == []
    address = "postgresql://app:" + "a-long-password" + "@db.example.org/x"
    assert list(scan.found_in(address)) == ["a URL with a password"]


def test_the_repository_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool("secret_scan").main() == 0, capsys.readouterr().out
