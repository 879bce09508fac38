"""Setting up: from a bare Python to an environment, once; and what a missing test program means."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from tests import conftest
from tests.tools import tool

FAKE_PYTHON = """#!/bin/sh
case "$1" in -c) echo {tag};; *) echo "$@" >> {log}; exit {code};; esac
"""


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, at work in an empty folder with two requirements files."""
    script = tool("bootstrap")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(script, "STAMP", tmp_path / ".venv" / "stamp.json")
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "requirements-dev.txt").write_text("")
    (tmp_path / "requirements-bench.txt").write_text("")
    for name in script.BESIDE:
        (tmp_path / name).write_text("")
    return script


@pytest.fixture
def pip_says(bootstrap: ModuleType, tmp_path: Path) -> Path:
    """An environment whose Python only notes what it is asked; returns the notes."""
    return environment(tmp_path, 0)


def environment(root: Path, code: int) -> Path:
    (root / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    python = root / ".venv" / "bin" / "python"
    python.write_text(FAKE_PYTHON.format(tag=sys.implementation.cache_tag, log=root / "asked", code=code))
    python.chmod(0o755)
    (root / "asked").write_text("")
    return root / "asked"


def test_a_bare_folder_gets_an_environment_and_the_next_start_does_nothing(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bootstrap.main(dev=False) == 0
    said = subprocess.run(
        [tmp_path / ".venv" / "bin" / "python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert Path(said.stdout.strip()).resolve() == (tmp_path / ".venv").resolve()
    monkeypatch.setattr(bootstrap, "subprocess", None)
    assert bootstrap.main(dev=False) == 0


def test_packages_are_installed_by_hash_from_the_locked_file(bootstrap: ModuleType, pip_says: Path) -> None:
    assert bootstrap.main(dev=False) == 0
    (pip, _compile) = pip_says.read_text().splitlines()
    assert pip.startswith("-m pip install ")
    assert "--require-hashes" in pip
    assert pip.endswith("-r requirements.txt")


def test_changed_requirements_are_installed_again(bootstrap: ModuleType, pip_says: Path, tmp_path: Path) -> None:
    bootstrap.main(dev=False)
    (tmp_path / "requirements.txt").write_text("# new")
    bootstrap.main(dev=False)
    assert pip_says.read_text().count("pip install") == 2


def test_what_is_there_for_tests_is_enough_to_run_but_not_the_other_way_round(
    bootstrap: ModuleType, pip_says: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_programs", lambda *_: None)
    bootstrap.main(dev=False)
    bootstrap.main(dev=True)
    bootstrap.main(dev=False)
    asked = [line.split()[-1] for line in pip_says.read_text().splitlines() if "pip install" in line]
    assert asked == ["requirements.txt", "requirements-dev.txt", "requirements-bench.txt", *bootstrap.BESIDE]


def test_a_package_beside_the_environment_is_installed_again_when_its_folder_is_gone(
    bootstrap: ModuleType, pip_says: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_programs", lambda *_: None)
    whole = 2 + len(bootstrap.BESIDE)
    name, folder = next(iter(bootstrap.BESIDE.items()))
    bootstrap.main(dev=True)
    assert pip_says.read_text().splitlines()[2].endswith(f"--require-hashes --target {folder} -r {name}")
    bootstrap.main(dev=True)
    assert pip_says.read_text().count("pip install") == whole
    (tmp_path / folder).rmdir()
    bootstrap.main(dev=True)
    assert pip_says.read_text().count("pip install") == 2 * whole


def test_an_install_that_fails_is_tried_again_by_the_next_start(
    bootstrap: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environment(tmp_path, 1)
    assert bootstrap.main(dev=False) == 1
    assert "could not be installed" in capfd.readouterr().err
    assert environment(tmp_path, 0).read_text() == ""
    assert bootstrap.main(dev=False) == 0


def test_an_old_python_is_told_what_is_needed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        bootstrap, "sys", SimpleNamespace(version_info=(3, 9, 2), executable="/usr/bin/python3", argv=[], stderr=sys.stderr)
    )
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    assert bootstrap.main(dev=False) == 1
    assert "Spillway needs Python 3.11 or later; /usr/bin/python3 is 3.9.2" in capsys.readouterr().err


def test_an_old_python_hands_over_to_a_newer_one(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def execv(_path: str, command: list[str]) -> None:
        ran.append(command)
        raise SystemExit

    monkeypatch.setattr(
        bootstrap, "sys", SimpleNamespace(version_info=(3, 10, 0), executable="python3", argv=["bootstrap.py", "--dev"], stderr=sys.stderr)
    )
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/opt/{name}" if name == "python3.12" else None)
    monkeypatch.setattr(bootstrap.os, "execv", execv)
    with pytest.raises(SystemExit):
        bootstrap.main(dev=True)
    assert ran == [["/opt/python3.12", "bootstrap.py", "--dev"]]


def test_a_missing_test_program_is_installed_by_root_and_named_to_others(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda command, **_options: ran.append(command))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name, path=None: name if name == "apt-get" or "install" in str(ran) else None)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    bootstrap._programs(bootstrap.TEST_PROGRAMS, "skipped")
    assert (ran, "Not installed: chromium" in capsys.readouterr().out) == ([], True)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0)
    bootstrap._programs(bootstrap.TEST_PROGRAMS, "skipped")
    assert [command[:2] for command in ran] == [["apt-get", "-qq"], ["apt-get", "-qq"]]
    assert "Not installed" not in capsys.readouterr().out


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_test_without_its_program_is_skipped_by_name_and_fails_under_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    item = SimpleNamespace(iter_markers=lambda name: [pytest.mark.needs("no-such-program").mark])
    with pytest.raises(outcome, match="needs no-such-program, which is not installed"):
        conftest.pytest_runtest_setup(cast("pytest.Item", item))


def test_a_program_is_found_where_the_system_keeps_it_even_when_path_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert conftest.program("sh") is not None
