"""Settings are read once, checked all at once, and say what is wrong without giving a secret away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard_app.model.errors import StartRefused
from dashboard_app.model.secret import MASK
from dashboard_app.settings import PREFIX, Settings, is_built, load_settings, masked

ROOT = Path(__file__).parent.parent


def refused(**texts: str) -> list[str]:
    """The mistakes that these settings are refused with."""
    with pytest.raises(StartRefused) as failure:
        load_settings({f"{PREFIX}{name}": text for name, text in texts.items()}, None)
    return failure.value.detail.splitlines()


def test_with_nothing_set_every_value_is_its_default_and_every_default_is_allowed() -> None:
    loaded = load_settings({}, None)
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.values == Settings()
    for name, field in Settings.model_fields.items():
        if field.default is not None:
            load_settings({f"{PREFIX}{name.upper()}": str(field.default)}, None)


def test_a_constructor_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_PORT", "99")
    assert Settings().port == 8000
    assert Settings.model_validate({"port": 7}).port == 7
    assert load_settings(None, None).values.port == 99


def test_the_environment_wins_over_the_file_and_each_value_knows_its_origin(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPILLWAY_PORT=9000\nSPILLWAY_HOST='192.0.2.7'\nOTHER=1\n# SPILLWAY_PACE=no\nSPILLWAY_ADMIN_EMAIL=\n")
    loaded = load_settings({"SPILLWAY_PORT": "9001", "PATH": "/bin"}, tmp_path / ".env")
    assert (loaded.values.port, loaded.values.host, loaded.values.admin_email) == (9001, "192.0.2.7", None)
    assert (loaded.origins["port"], loaded.origins["host"], loaded.origins["pool_size"]) == ("environment", ".env", "default")


def test_a_dollar_in_a_file_is_a_dollar(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPILLWAY_ADMIN_EMAIL=a@b.example\nSPILLWAY_ADMIN_PASSWORD=ge${HOME}heim\n")
    password = load_settings({}, tmp_path / ".env").values.admin_password
    assert password is not None
    assert password.get_secret_value() == "ge${HOME}heim"


def test_every_mistake_has_a_line_with_name_value_and_what_is_allowed() -> None:
    lines = refused(PORT="70000", PACE="fast", POOL_PRE_PING="maybe", RATE_LIMIT_LOGIN="7", HEALTH_STALE_S="soon", BOGUS="1")
    assert lines == [
        "SPILLWAY_BOGUS: there is no such setting (environment)",
        "SPILLWAY_PORT='70000': must be less than or equal to 65535 (environment)",
        "SPILLWAY_POOL_PRE_PING='maybe': must be true or false (environment)",
        "SPILLWAY_HEALTH_STALE_S='soon': must be a valid number, unable to parse string as a number (environment)",
        "SPILLWAY_PACE='fast': must be 'batched' or 'adaptive' (environment)",
        "SPILLWAY_RATE_LIMIT_LOGIN='7': must be a rate such as 10/minute, per second, minute or hour (environment)",
    ]


@pytest.mark.parametrize("name", ["SPILLWAY_Port", "spillway_port", "SPILLWAY_", "SPILLWAY_POOL_SIZES"])
def test_a_name_that_is_not_exactly_one_of_ours_is_refused(name: str) -> None:
    with pytest.raises(StartRefused, match=f"^{name}: there is no such setting"):
        load_settings({name: "1"}, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "1.5"),
        ("POOL_SIZE", ""),
        ("POOL_MAX_OVERFLOW", "-1"),
        ("POOL_TIMEOUT_S", "0"),
        ("POOL_TIMEOUT_S", "nan"),
        ("POOL_TIMEOUT_S", "inf"),
        ("HEALTH_REFETCH_S", "0.5"),
        ("HEALTH_RETRIES", "-1"),
        ("HEALTH_STAGGER_MS", "-5"),
        ("WS_MAX_BYTES", "0"),
        ("RATE_LIMIT_LOGIN", "0/minute"),
        ("RATE_LIMIT_LOGIN", "5/day"),
        ("LOG_LEVEL", "loud"),
        ("DEMO", "2"),
        ("HOST", ""),
        ("DATA_DIR", ""),
        ("DATABASE_URL", "mysql://app@db/shop"),
        ("BACKEND_URL", "ftp://there"),
        ("PUBLIC_URL", "spillway.example"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, text: str) -> None:
    (line,) = refused(**{name: text})
    assert line.startswith(f"SPILLWAY_{name}=")


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("YES", True), (" on ", True), ("false", False), ("0", False), ("Off", False)]
)
def test_a_flag_takes_the_usual_words(text: str, value: bool) -> None:
    assert load_settings({"SPILLWAY_PUBLIC_HEALTH": text}, None).values.public_health is value


@pytest.mark.parametrize("lane", ["HEALTH", "METRICS"])
def test_stale_is_at_most_refetch(lane: str) -> None:
    (line,) = refused(**{f"{lane}_STALE_S": "400", f"{lane}_REFETCH_S": "300"})
    assert line == f"SPILLWAY_{lane}_STALE_S=400: must be at most SPILLWAY_{lane}_REFETCH_S, which is 300"
    assert load_settings({f"SPILLWAY_{lane}_STALE_S": "300", f"SPILLWAY_{lane}_REFETCH_S": "300"}, None)


def test_several_instances_are_refused_until_they_are_built() -> None:
    (line,) = refused(REDIS_URL="redis://:geheim@cache/0")
    assert line.startswith("SPILLWAY_REDIS_URL: several instances are not built yet")


def test_the_first_admin_needs_both_email_and_password() -> None:
    (line,) = refused(ADMIN_EMAIL="a@b.example")
    assert "set both or none" in line


def test_the_first_admin_can_be_made() -> None:
    assert refused(ADMIN_EMAIL="nobody", ADMIN_PASSWORD="1234567") == [
        "SPILLWAY_ADMIN_EMAIL='nobody': must look like name@example.org (environment)",
        f"SPILLWAY_ADMIN_PASSWORD='{MASK}': must have 8 to 1024 characters (environment)",
    ]
    assert len(refused(ADMIN_EMAIL="a@b.example", ADMIN_PASSWORD="x" * 1025)) == 1
    load_settings({"SPILLWAY_ADMIN_EMAIL": "a@b.example", "SPILLWAY_ADMIN_PASSWORD": "12345678"}, None)


@pytest.mark.parametrize(
    ("name", "url", "wrong"),
    [
        ("BACKEND_URL", "http://", "must name a host"),
        ("BACKEND_URL", "http://there:port", "the port must be a number from 1 to 65535"),
        ("PUBLIC_URL", "https:///here", "must name a host"),
        ("PUBLIC_URL", "here.example", "must start with http:// or https://"),
        ("DATABASE_URL", "postgresql://app@db:70000/x", "the port must be a number from 1 to 65535"),
        ("DATABASE_URL", "postgresql://app@db:0/x", "the port must be a number from 1 to 65535"),
        ("DATABASE_URL", "postgresql://app@[db/x", "is not a URL"),
    ],
)
def test_an_address_names_a_host_and_a_port(name: str, url: str, wrong: str) -> None:
    (line,) = refused(**{name: url})
    assert line.startswith(f"SPILLWAY_{name}=")
    assert line.endswith(f": {wrong}")


@pytest.mark.parametrize("text", [",", " ", " , ,"])
def test_a_secret_key_is_never_empty(text: str) -> None:
    (line,) = refused(SECRET_KEY=text)
    assert line == f"SPILLWAY_SECRET_KEY='{MASK}': must hold a key, or several with commas between them (environment)"


def test_mistakes_of_every_sort_are_told_at_once() -> None:
    lines = refused(
        PORT="x",
        HEALTH_STALE_S="300",
        METRICS_STALE_S="300",
        REDIS_URL="redis://r",
        DATABASE_URL="mysql://x",
        ADMIN_EMAIL="a@b.example",
        NO="1",
    )
    names = ["NO", "PORT", "HEALTH_STALE_S", "METRICS_STALE_S", "REDIS_URL", "ADMIN_EMAIL", "DATABASE_URL"]
    assert [line.removeprefix(PREFIX).partition(":")[0].partition("=")[0].partition(" ")[0] for line in lines] == names
    assert len(refused(HEALTH_STALE_S="x", HEALTH_REFETCH_S="30")) == 1
    assert len(refused(ADMIN_EMAIL="x")) == 1


def test_a_secret_is_never_printed() -> None:
    lines = refused(DATABASE_URL="mysql://app:geheim@db/x", BACKEND_URL="ftp://me:geheim@there", SECRET_KEY="", ADMIN_PASSWORD="geheim")
    assert "geheim" not in "\n".join(lines)
    loaded = load_settings({"SPILLWAY_DATABASE_URL": "postgresql://app:geheim@db/x", "SPILLWAY_SECRET_KEY": "geheim"}, None)
    assert "geheim" not in repr(loaded)
    shown = {
        field: masked(field, "https://me:geheim@there")
        for field in ("database_url", "redis_url", "secret_key", "backend_token", "backend_url")
    }
    assert "geheim" not in repr(shown)
    assert (masked("admin_password", "x"), masked("backend_url", "https://me:x@there"), masked("admin_password", None)) == (
        MASK,
        f"https://me:{MASK}@there",
        "",
    )


def test_the_demo_presets_cause_and_effect_but_what_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPILLWAY_LEAK_THRESHOLD_S=9\n")
    loaded = load_settings({"SPILLWAY_DEMO": "true", "SPILLWAY_AUTO_CLEANUP": "true"}, tmp_path / ".env")
    assert (loaded.values.leak_threshold_s, loaded.values.auto_cleanup, loaded.values.console_auto_cleanup) == (9.0, True, False)
    assert (loaded.origins["leak_threshold_s"], loaded.origins["auto_cleanup"], loaded.origins["console_auto_cleanup"]) == (
        ".env",
        "environment",
        "demo",
    )
    assert load_settings({"SPILLWAY_DEMO": "false"}, None).values.auto_cleanup


def test_settings_cannot_be_changed_after_they_were_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


def test_every_setting_says_what_it_means_and_the_page_says_it_too() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert not is_built(Settings.model_fields["redis_url"])
    done = subprocess.run(
        [sys.executable, "tools/settings_doc.py", "--check"], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_word_of_a_fixed_set_is_taken_in_any_case():
    loaded = load_settings({"SPILLWAY_LOG_LEVEL": "INFO", "SPILLWAY_LOG_FORMAT": "Json", "SPILLWAY_PACE": "BATCHED"}, None)
    assert (loaded.values.log_level, loaded.values.log_format, loaded.values.pace) == ("info", "json", "batched")


def test_the_address_past_a_pooler_needs_the_pooler_s_beside_it():
    direct = {"SPILLWAY_DATABASE_DIRECT_URL": "postgresql://app:quite-secret@db.example.org/app"}
    with pytest.raises(StartRefused, match="SPILLWAY_DATABASE_DIRECT_URL: needs SPILLWAY_DATABASE_URL") as refused:
        load_settings(direct, None)
    assert "quite-secret" not in refused.value.detail
    both = load_settings({**direct, "SPILLWAY_DATABASE_URL": "postgresql://app@pooler.example.org:6432/app"}, None).values
    assert both.database_direct_url is not None
    with pytest.raises(StartRefused, match=r"SPILLWAY_DATABASE_DIRECT_URL=.* must start with postgresql://"):
        load_settings({**direct, "SPILLWAY_DATABASE_DIRECT_URL": "mysql://x", "SPILLWAY_DATABASE_URL": "postgresql://a@b/c"}, None)


OIDC = {"SPILLWAY_OIDC_ISSUER": "https://id.example.org", "SPILLWAY_OIDC_CLIENT_ID": "spillway", "SPILLWAY_OIDC_DEFAULT_ROLE": "viewer"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OIDC_CLIENT_ID": ""}, "SPILLWAY_OIDC_ISSUER: needs SPILLWAY_OIDC_CLIENT_ID"),
        ({"OIDC_ISSUER": ""}, "SPILLWAY_OIDC_CLIENT_ID: needs SPILLWAY_OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://id.example.org"}, "must start with https://"),
        ({"OIDC_ISSUER": "ftp://id.example.org"}, "must start with http:// or https://"),
        ({"OIDC_SCOPES": "email"}, "must name openid"),
        ({"OIDC_ROLE_CLAIM": "groups"}, "SPILLWAY_OIDC_ROLE_CLAIM and SPILLWAY_OIDC_ROLE_MAP: set both or none"),
        ({"OIDC_ROLE_MAP": "sre=admin"}, "SPILLWAY_OIDC_ROLE_CLAIM and SPILLWAY_OIDC_ROLE_MAP: set both or none"),
        ({"OIDC_ROLE_MAP": "sre=king"}, "'sre=king' must be VALUE=ROLE"),
        ({"OIDC_DEFAULT_ROLE": "none"}, "nobody could come in"),
        ({"HOST": "::"}, "SPILLWAY_OIDC_ISSUER: needs SPILLWAY_PUBLIC_URL"),
    ],
)
def test_a_provider_that_nobody_could_sign_in_with_stops_the_start(more, said):
    with pytest.raises(StartRefused) as refused:
        load_settings(OIDC | {f"SPILLWAY_{name}": value for name, value in more.items()}, None)
    assert said in refused.value.detail


def test_a_provider_needs_an_issuer_a_client_and_who_may_come_in():
    claim = {"SPILLWAY_OIDC_ROLE_CLAIM": "groups", "SPILLWAY_OIDC_ROLE_MAP": "sre=admin", "SPILLWAY_OIDC_DEFAULT_ROLE": "None"}
    for more in ({}, claim, {"SPILLWAY_OIDC_ISSUER": "http://127.0.0.1:9000"}):
        assert load_settings(OIDC | more, None).values.oidc_client_id == "spillway"
