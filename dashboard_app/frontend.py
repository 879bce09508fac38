"""The built console: made once under `.web`, made again only when what it is made from has changed."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dashboard_app.access.content_policy import inline_scripts
from dashboard_app.model.errors import StartRefused

ROOT = Path(__file__).resolve().parent.parent
_SOURCES = (
    "dashboard_app/console",
    "dashboard_app/model",
    "dashboard_app/dashboard_app.py",
    "assets",
    "rxconfig.py",
    "bunfig.toml",
    "requirements.txt",
)
_LOCK = "reflex.lock"  # written by a build, so counted as it stands after it
_BUILD_LIMIT_S = 900
_TAIL = 25


def build_if_needed(root: Path = ROOT) -> bool:
    """Build the console unless the one under `.web` is of these very sources; returns whether it was built. The first time takes about 10 s.

    Raises:
        StartRefused: the build failed; the message ends with what it said.

    """
    if is_fresh(root):
        return False
    (root / ".cache").mkdir(exist_ok=True)
    with (root / ".cache" / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once, the second finds the work done
        if is_fresh(root):
            return False
        first = " (first time, about 10 s)" if not (root / ".web").is_dir() else ""
        sys.stderr.write(f"Building the console{first}…\n")
        _build(root)
        if not _output(root).is_dir():
            raise StartRefused("the build of the console ended well but left nothing")
        _stamp(root).write_text(fingerprint(root))
    return True


def is_fresh(root: Path = ROOT) -> bool:
    """Whether the build under `.web` was made from what is there now."""
    return _output(root).is_dir() and _stamp(root).is_file() and _stamp(root).read_text() == fingerprint(root)


def scripts_of_build(root: Path = ROOT) -> tuple[str, ...]:
    """The hashes of the scripts that stand in the built pages; none while there is no build."""
    return inline_scripts(path.read_text(encoding="utf-8") for path in sorted(_output(root).rglob("*.html")))


def fingerprint(root: Path = ROOT) -> str:
    """A hash over names and contents of all that the console is built from."""
    found = hashlib.sha256()
    for path in _files(root):
        found.update(str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _output(root: Path) -> Path:
    return root / ".web" / "build" / "client"


def _stamp(root: Path) -> Path:
    return root / ".web" / "spillway-build"


def _files(root: Path) -> Iterator[Path]:
    for name in (*_SOURCES, _LOCK):
        path = root / name
        inner = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (one for one in inner if one.is_file() and "__pycache__" not in one.parts and "external" not in one.parts)


def _build(root: Path) -> None:
    """Run Reflex's export with the JavaScript runtime of this environment; the machine's own npm settings hold (~/.npmrc, proxies)."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StartRefused(f"the console was not built within {_BUILD_LIMIT_S} s") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-_TAIL:]
        raise StartRefused("\n".join(["the console could not be built:", *said]))


def main() -> int:
    """Build when needed; 0 when a build is there."""
    try:
        build_if_needed()
    except StartRefused as refused:
        sys.stderr.write(f"{refused.detail}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
