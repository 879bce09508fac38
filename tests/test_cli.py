"""The commands, as a person types them, on a server of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dashboard_app.cli import app
from dashboard_app.store.address import DatabaseAddress

COMMANDS = (
    ["serve"],
    ["migrate"],
    ["doctor"],
    ["user", "add"],
    ["user", "list"],
    ["user", "disable"],
    ["user", "set-role"],
    ["user", "reset-password"],
    ["user", "reset-second-factor"],
    ["token", "create"],
    ["token", "list"],
    ["token", "revoke"],
    ["sources", "add"],
    ["sources", "list"],
    ["sources", "import"],
    ["sources", "export"],
    ["sources", "test"],
    ["audit", "verify"],
    ["vault", "new-key"],
    ["vault", "rotate"],
)
Run = Callable[..., Result]


def url_of(address: DatabaseAddress) -> str:
    return f"postgresql://{address.user}:{address.password.reveal()}@{address.host}:{address.port}/{address.database}?sslmode=disable"


@pytest.fixture
def spillway(fresh_database: DatabaseAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder of its own, on an empty database."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPILLWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SPILLWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SPILLWAY_DATABASE_URL", url_of(fresh_database))

    def run(*words: str, given: str | bytes = "") -> Result:
        return CliRunner().invoke(app, list(words), input=given, prog_name="spillway")

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_explains_each_command_with_an_example(command):
    said = CliRunner().invoke(app, [*command, "--help"], prog_name="spillway")
    assert said.exit_code == 0
    assert f"Example: {' '.join(command)}" in said.output


@pytest.mark.parametrize("group", [[], ["user"], ["token"], ["sources"], ["jobs"], ["audit"], ["vault"]])
def test_a_group_shows_an_example_too(group):
    assert "Example: " in " ".join(CliRunner().invoke(app, [*group, "--help"], prog_name="spillway").output.split())


def test_an_account_is_added_changed_locked_out_and_let_in_again(spillway):
    assert (
        spillway("user", "add", "ada@example.org", "--role", "operator", given="correct horse\n").stdout
        == "Added ada@example.org as operator.\n"
    )
    assert "admin" in spillway("user", "set-role", "ada@example.org", "admin").stdout
    assert spillway("user", "add", "bob@example.org", "--role", "admin", given="correct horse\n").exit_code == 0
    assert "disabled" in spillway("user", "disable", "ada@example.org").stdout
    listed = spillway("user", "list").stdout
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        ["ada@example.org", "admin", "disabled"],
        ["bob@example.org", "admin", "active"],
    ]
    assert "active" in spillway("user", "disable", "ada@example.org", "--undo").stdout
    assert spillway("user", "reset-password", "ada@example.org", given="battery staple\n").exit_code == 0


@pytest.mark.parametrize(
    ("words", "given", "code"),
    [
        (("user", "add", "no-email"), "correct horse\n", 1),
        (("user", "add", "a@example.org"), "short\n", 1),
        (("user", "add", "a@example.org"), "", 2),
        (("user", "add", "a@example.org", "--role", "king"), "correct horse\n", 2),
        (("user", "add"), "", 2),
        (("user", "set-role", "nobody@example.org", "admin"), "", 1),
        (("user", "disable", "nobody@example.org"), "", 1),
        (("user", "reset-second-factor", "nobody@example.org"), "", 1),
        (("token", "create", "--name", "x"), "", 2),
        (("token", "create", "--name", "x", "--role", "viewer", "--expires", "soon"), "", 2),
        (("token", "create", "--name", "", "--role", "viewer"), "", 1),
        (("token", "create", "--name", "x", "--role", "viewer", "--expires", "9999999w"), "", 1),
        (("token", "create", "--name", "x", "--role", "viewer", "--scope", "everything"), "", 1),
        (("token", "revoke", "nothing"), "", 1),
        (("sources", "add", "x", "--username", "u"), "", 2),
        (("sources", "add", "x", "--host", "h", "--username", "u", "--port", "0"), "", 2),
        (("sources", "add", "x", "--host", "h", "--username", "u", "--option", "sslmode"), "p\n", 2),
        (("sources", "add", "x", "--host", "h", "--username", "u", "--kind", "mysql"), "p\n", 1),
        (("sources", "add", " ", "--host", "h", "--username", "u"), "p\n", 1),
        (("sources", "test", "nothing"), "", 1),
        (("sources", "import", "nowhere.yaml"), "", 2),
        (("sources", "import", "-"), "- [", 1),
        (("sources", "export", "no/such/folder/x.yaml"), "", 1),
        (("dance",), "", 2),
        (("doctor", "--hard"), "", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_on_stderr_without_a_trace(spillway, words, given, code):
    said = spillway(*words, given=given)
    assert said.exit_code == code, said.output
    assert said.stdout == ""
    assert said.stderr.strip()
    assert "Traceback" not in said.stderr
    if code == 1:
        assert len(said.stderr.splitlines()) == 1


def test_a_file_of_bytes_is_no_list_of_sources(spillway):
    said = spillway("sources", "import", "-", given=b"\xff\xfe\0sources")
    assert (said.exit_code, said.stdout, said.stderr) == (1, "", "-: this is not text in UTF-8\n")


def test_a_token_is_alone_on_stdout_and_loses_its_power_by_name(spillway):
    made = spillway("token", "create", "--name", "ci", "--role", "viewer", "--expires", "90d", "--scope", "read", "--scope", "metrics")
    assert made.exit_code == 0
    token = made.stdout.removesuffix("\n")
    assert token.startswith("spw_")
    assert len(token.split()) == 1
    listed = spillway("token", "list").stdout
    assert token not in listed
    assert "metrics,read" in listed
    assert "Revoked" in spillway("token", "revoke", "ci").stdout
    assert "revoked" in spillway("token", "list").stdout


def test_a_source_is_added_tried_and_carried_to_another_installation(spillway, fresh_database, tmp_path):
    there = ("--host", fresh_database.host, "--port", str(fresh_database.port), "--database", fresh_database.database)
    added = spillway(
        "sources",
        "add",
        "orders",
        *there,
        "--username",
        fresh_database.user,
        "--tag",
        "a",
        "--tag",
        "b",
        given=f"{fresh_database.password.reveal()}\n",
    )
    assert added.exit_code == 0, added.output
    tried = spillway("sources", "test", "orders")
    assert tried.exit_code == 0, tried.output
    assert all(line.startswith("ok") for line in tried.stdout.splitlines())
    assert spillway("sources", "export", "out.yaml").exit_code == 0
    text = (tmp_path / "out.yaml").read_text()
    assert "orders" in text
    assert fresh_database.password.reveal() not in text
    (tmp_path / "in.yaml").write_text(text + "- {name: more, kind: postgresql, host: 127.0.0.1, port: 1, username: u}\n")
    assert spillway("sources", "import", "in.yaml", "--dry-run").stdout.startswith("1 new, 0 changed, 0 removed")
    assert "more" not in spillway("sources", "list").stdout
    assert spillway("sources", "import", "in.yaml").stdout == "1 new, 0 changed, 0 removed\n"
    assert "more" in spillway("sources", "list").stdout
    failed = spillway("sources", "test", "more")
    assert failed.exit_code == 1
    assert "FAIL" in failed.stdout


def test_a_simulation_shows_what_batching_wins_and_leaves_no_job_behind(spillway, postgres, fresh_database):
    said = spillway("jobs", "simulate", "--jobs", "60", "--workers", "4")
    assert said.exit_code == 0, said.output
    before, after = (line.split() for line in said.output.splitlines()[1:3])
    assert (before[:5], before[-1]) == (["one", "by", "one", "180", "180"], "60")
    assert (after[0], after[1], after[-1]) == ("batched", "180", "60")
    assert int(after[2]) <= 30
    assert postgres.execute("SELECT id FROM jobs", database=fresh_database.database) == []


def test_the_log_of_what_was_done_is_verified_and_a_cut_off_end_is_noticed(spillway, postgres, fresh_database):
    for name in ("one", "two"):
        spillway("token", "create", "--name", name, "--role", "viewer")
    said = spillway("audit", "verify")
    assert (said.exit_code, said.stdout.startswith("2 rows, each as it was written. The newest: 2:")) == (0, True)
    head = said.stdout.split()[-1]
    assert spillway("audit", "verify", "--head", head).exit_code == 0
    assert spillway("audit", "verify", "--head", "2:abc").exit_code == 2
    cut = "DO $$ BEGIN SET LOCAL session_replication_role = replica; DELETE FROM audit WHERE id = 2; END $$"
    postgres.execute(cut, database=fresh_database.database)
    for words in (("audit", "verify"), ("audit", "verify", "--head", head)):
        said = spillway(*words)
        assert (said.exit_code, said.stdout) == (1, "")
        assert "Row 2 was there before and is gone" in said.stderr


def test_migrate_says_the_revision(spillway):
    assert spillway("migrate").stdout.startswith("The database is at revision ")


def test_the_help_of_a_kind_names_those_that_can_be_added(spillway):
    told = " ".join(spillway("sources", "add", "--help").stdout.split())
    assert "Supported today: pgbouncer, postgresql, service." in told


def test_doctor_names_the_version_as_the_server_does(spillway, postgres):
    version = postgres.execute("SHOW server_version")[0][0].split()[0]
    assert f"answers, PostgreSQL {version}\n" in spillway("doctor").stdout


def test_doctor_shows_every_setting_with_its_origin_and_no_secret(spillway, fresh_database, monkeypatch):
    monkeypatch.setenv("SPILLWAY_SECRET_KEY", "top-secret-key")
    said = spillway("doctor")
    assert said.exit_code == 0, said.output
    lines = {line.split()[0]: line for line in said.stdout.splitlines() if line.startswith("SPILLWAY_")}
    assert lines["SPILLWAY_DATABASE_URL"].split()[-1] == "environment"
    assert lines["SPILLWAY_PORT"].split()[1:] == ["8000", "default"]
    assert lines["SPILLWAY_REDIS_URL"].endswith("not built yet")
    assert "top-secret-key" not in said.output
    assert fresh_database.password.reveal() not in said.output
    for check in ("database", "data folder", "console", "clock", "tables", "versions"):
        assert f"ok    {check}" in said.stdout


def test_doctor_fails_when_the_database_is_away(spillway, monkeypatch):
    monkeypatch.setenv("SPILLWAY_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/d")
    said = spillway("doctor")
    assert said.exit_code == 1
    assert "FAIL  database" in said.stdout
    assert "geheim" not in said.output


@pytest.mark.parametrize("command", [["doctor"], ["user", "list"], ["serve"]], ids=" ".join)
def test_wrong_settings_are_one_line_each_and_exit_2(spillway, monkeypatch, command):
    monkeypatch.setenv("SPILLWAY_PORT", "x")
    monkeypatch.setenv("SPILLWAY_COLOUR", "red")
    said = spillway(*command)
    assert said.exit_code == 2
    assert len(said.stderr.splitlines()) == 2
    assert "SPILLWAY_PORT" in said.stderr
    assert "SPILLWAY_COLOUR" in said.stderr


def test_a_database_that_is_away_is_one_plain_line(spillway, monkeypatch):
    monkeypatch.setenv("SPILLWAY_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/d")
    said = spillway("user", "list")
    assert said.exit_code == 1
    assert said.stderr.splitlines() == ["The database does not answer."]


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder that the account of the embedded server can pass through; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-cli-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def test_without_an_app_a_command_starts_the_embedded_server_and_stops_it(reachable_folder):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPILLWAY_")}
    environment["SPILLWAY_DATA_DIR"] = str(reachable_folder / "data")
    command = [sys.executable, "-m", "dashboard_app", "token", "create", "--name", "x", "--role", "viewer"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("spw_")
    assert (reachable_folder / "data" / "embedded" / "cluster" / "PG_VERSION").exists()
    assert not (reachable_folder / "data" / "embedded" / "cluster" / "postmaster.pid").exists()


def test_a_new_key_takes_over_what_the_generated_one_wrote(spillway, fresh_database):
    assert spillway("sources", "add", "orders", "--host", "127.0.0.1", "--username", "u", given="geheim-1234\n").exit_code == 0
    made = spillway("vault", "new-key").stdout.split()[1]
    assert spillway("vault", "rotate").stdout == f"1 values were given to key {made}, 0 had it already.\n"
    assert spillway("vault", "rotate").stdout == f"0 values were given to key {made}, 1 had it already.\n"


def test_a_rotation_without_the_old_key_names_what_it_cannot_read_and_a_key_from_the_settings_is_left_to_them(spillway, monkeypatch):
    monkeypatch.setenv("SPILLWAY_SECRET_KEY", "old")
    assert spillway("sources", "add", "orders", "--host", "127.0.0.1", "--username", "u", given="geheim-1234\n").exit_code == 0
    monkeypatch.setenv("SPILLWAY_SECRET_KEY", "new")
    done = spillway("vault", "rotate")
    assert (done.exit_code, "data_sources.password_encrypted 2 cannot be read with any key" in done.stderr) == (1, True)
    told = spillway("vault", "new-key")
    assert (told.exit_code, "SPILLWAY_SECRET_KEY is set" in told.stderr) == (1, True)
