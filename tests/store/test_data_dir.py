"""One app owns a DATA_DIR; its files are its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard_app.model.errors import StartRefused
from dashboard_app.store import data_dir
from tests.conftest import wait_until


def test_a_second_app_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dashboard_app.store.data_dir import owned\n"
        "with owned(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"mine\n"
        with pytest.raises(StartRefused, match=f"in use by the Spillway with pid {first.pid}"), data_dir.owned(tmp_path):
            pass
        assert data_dir.owner(tmp_path) == first.pid
        first.kill()
    wait_until(lambda: data_dir.owner(tmp_path) is None)
    with data_dir.owned(tmp_path) as path:
        assert path == tmp_path
        assert data_dir.owner(tmp_path) == os.getpid()
    assert data_dir.owner(tmp_path) is None


def test_nobody_owns_a_folder_that_was_never_used(tmp_path: Path) -> None:
    assert data_dir.owner(tmp_path / "none") is None


def test_a_held_lock_without_a_name_is_somebody_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_dir, "_OWNER_NAME_WAIT_S", 0.01)
    with data_dir.exclusively(tmp_path / "app.lock"):
        assert data_dir.owner(tmp_path) is None
        with pytest.raises(StartRefused, match="pid unknown"), data_dir.owned(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartRefused, match="cannot be made"):
        data_dir.prepare(tmp_path / "file" / "data")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StartRefused, match="cannot be written"):
        data_dir.prepare(tmp_path)


def test_a_private_file_is_replaced_in_one_step_and_read_by_its_owner_only(tmp_path: Path) -> None:
    data_dir.write_private(tmp_path / "key", "one")
    data_dir.write_private(tmp_path / "key", "two")
    assert (tmp_path / "key").read_text() == "two"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
