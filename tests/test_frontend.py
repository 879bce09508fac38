"""The console is built once, and again only when what it is made from has changed; the build runs on any host and port."""

import sys
from pathlib import Path

import pytest

from dashboard_app import frontend
from dashboard_app.console.same_origin import SameOriginPlugin
from dashboard_app.model.errors import StartRefused

BAKED = "var e={PING:`http://localhost:3000/ping`,EVENT:\"ws://localhost:3000/_event\",UPLOAD:'https://localhost:3000/_upload',TRANSPORT:`websocket`};"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small work tree."""
    for name in (
        "dashboard_app/console/pages/pool.py",
        "dashboard_app/dashboard_app.py",
        "assets/a.css",
        "rxconfig.py",
        "requirements.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The builds that were made, in the place of the real one."""
    made: list[Path] = []

    def build(root: Path) -> None:
        (root / ".web" / "build" / "client").mkdir(parents=True, exist_ok=True)
        (root / "reflex.lock").mkdir(exist_ok=True)
        (root / "reflex.lock" / "bun.lock").write_text("written by the build")
        made.append(root)

    monkeypatch.setattr(frontend, "_build", build)
    return made


def test_the_first_start_builds_and_the_second_does_not(root: Path, builds: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert frontend.build_if_needed(root)
    assert capsys.readouterr().err == "Building the console (first time, about 10 s)…\n"
    assert not frontend.build_if_needed(root)
    assert (len(builds), capsys.readouterr().err) == (1, "")


@pytest.mark.parametrize(
    "name", ["dashboard_app/console/pages/pool.py", "dashboard_app/console/new.py", "assets/a.css", "rxconfig.py", "reflex.lock/bun.lock"]
)
def test_a_changed_source_is_built_again(root: Path, builds: list[Path], name: str) -> None:
    frontend.build_if_needed(root)
    (root / name).write_text("changed")
    assert frontend.build_if_needed(root)
    assert len(builds) == 2


@pytest.mark.parametrize("name", ["dashboard_app/backend.py", "assets/external/linked.js", "dashboard_app/console/__pycache__/pool.pyc"])
def test_what_the_build_does_not_depend_on_does_not_build_again(root: Path, builds: list[Path], name: str) -> None:
    frontend.build_if_needed(root)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("changed")
    assert not frontend.build_if_needed(root)


def test_a_build_that_was_removed_is_made_again(root: Path, builds: list[Path]) -> None:
    frontend.build_if_needed(root)
    (root / ".web" / "build" / "client").rmdir()
    assert frontend.build_if_needed(root)


def test_a_build_that_fails_says_what_it_said_and_is_not_taken_for_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "reflex.py").write_text("import sys; print('rollup failed to resolve x'); sys.exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(root))
    with pytest.raises(StartRefused, match="rollup failed to resolve x"):
        frontend.build_if_needed(root)
    assert not frontend.is_fresh(root)


def test_a_build_that_hangs_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "reflex.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setattr(frontend, "_BUILD_LIMIT_S", 0.3)
    with pytest.raises(StartRefused, match="not built within"):
        frontend.build_if_needed(root)


def test_the_build_finds_the_runtime_of_this_environment_and_phones_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "reflex.py").write_text(
        "import json, os; os.makedirs('.web/build/client'); open('seen.json', 'w').write(json.dumps(dict(os.environ)))"
    )
    monkeypatch.setenv("PYTHONPATH", str(root))
    frontend.build_if_needed(root)
    seen = (root / "seen.json").read_text()
    assert f'"PATH": "{Path(sys.executable).parent}:' in seen
    assert '"REFLEX_TELEMETRY_ENABLED": "false"' in seen
    assert '"REFLEX_CHECK_LATEST_VERSION": "false"' in seen


def test_the_command_exits_1_when_the_build_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> bool:
        raise StartRefused("no disk left")

    monkeypatch.setattr(frontend, "build_if_needed", refuse)
    assert frontend.main() == 1
    assert "no disk left" in capsys.readouterr().err
    monkeypatch.setattr(frontend, "build_if_needed", lambda: False)
    assert frontend.main() == 0


def test_baked_addresses_become_the_page_s_own(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    chunk = tmp_path / "assets" / "reflex-env-x1.js"
    chunk.write_text(BAKED)
    SameOriginPlugin().post_build(static_dir=tmp_path)
    assert chunk.read_text() == (
        "var e={PING:location.origin+`/ping`,EVENT:(location.protocol===`https:`?`wss://`:`ws://`)+location.host+`/_event`,"
        "UPLOAD:location.origin+`/_upload`,TRANSPORT:`websocket`};"
    )


def test_a_reflex_that_bakes_differently_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no address found"):
        SameOriginPlugin().post_build(static_dir=tmp_path)
