import hashlib
import json
import subprocess
import sys

import pytest

from tests.tools import tool


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """The tool in a tree of its own; `calls` are the programs it would have started."""
    module = tool("bootstrap")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text(f"{name}==1\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    module.calls = []

    def run(command, **_options):
        module.calls.append([str(word) for word in command])
        if "venv" in module.calls[-1]:
            (tmp_path / ".venv" / "bin").mkdir(parents=True)
            (tmp_path / ".venv" / "bin" / "python").touch()
        return subprocess.CompletedProcess(command, module.exit_code, "", "")

    module.exit_code = 0
    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module, "_test_programs", lambda: module.calls.append(["programs"]))
    return module


def _installs(module) -> list[list[str]]:
    return [call for call in module.calls if "install" in call]


def test_the_first_time_makes_the_environment_and_installs_by_hash(bootstrap):
    assert bootstrap.main(dev=False) == 0
    (install,) = _installs(bootstrap)
    assert {"--require-hashes", "requirements.txt"} <= set(install)


def test_the_second_time_starts_nothing(bootstrap):
    bootstrap.main(dev=False)
    bootstrap.calls.clear()
    assert bootstrap.main(dev=False) == 0
    assert bootstrap.calls == []


def test_changed_requirements_are_installed_again(bootstrap):
    bootstrap.main(dev=False)
    bootstrap.calls.clear()
    (bootstrap.ROOT / "requirements.txt").write_text("requirements.txt==2\n")
    bootstrap.main(dev=False)
    assert len(_installs(bootstrap)) == 1


def test_testing_needs_more_and_brings_the_programs(bootstrap):
    bootstrap.main(dev=False)
    bootstrap.calls.clear()
    bootstrap.main(dev=True)
    assert "requirements-dev.txt" in _installs(bootstrap)[0]
    assert bootstrap.calls[-1] == ["programs"]
    bootstrap.calls.clear()
    bootstrap.main(dev=False)
    assert bootstrap.calls == []


def test_packages_that_do_not_install_fail_and_are_tried_again(bootstrap, capsys):
    bootstrap.exit_code = 1
    assert bootstrap.main(dev=False) == 1
    assert "venv" in capsys.readouterr().err
    assert not bootstrap.STAMP.exists()


def test_the_stamp_is_the_hash_of_the_file_and_the_python(bootstrap):
    bootstrap.main(dev=False)
    content = sys.implementation.cache_tag.encode() + (bootstrap.ROOT / "requirements.txt").read_bytes()
    assert json.loads(bootstrap.STAMP.read_text()) == {"requirements.txt": hashlib.sha256(content).hexdigest()}
