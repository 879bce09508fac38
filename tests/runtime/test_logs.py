"""No secret leaves in a log line, whoever wrote it and in whatever shape."""

import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from dashboard_app.model.secret import MASK, Secret
from dashboard_app.runtime import logs
from tests.timing import within

CANARY = "kan@rie/v0gel=7"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "line",
    [
        f"cannot connect to postgresql://app:{CANARY}@db.example:5432/shop",
        f"redis://:{CANARY}@cache.example/0 refused",
        f"Event(router_data={{'headers': {{'cookie': 'spillway_session={CANARY}'}}}})",
        f'{{"authorization": "{CANARY}"}}',
        f"GET /_event/?token={CANARY}&EIO=4",
        f"password={CANARY}",
        f"db_password='{CANARY}'",
        f"Authorization: Bearer {CANARY.replace('@', '')}",
        f"Error transforming event argument 'n' with value '{CANARY}\n{CANARY}' and type hint '<class 'int'>'",
        f"Error transforming event argument 'n' with value '{CANARY}",
        f"Received an invalid enum value ({CANARY}) for type Kind",
    ],
)
def test_a_secret_is_masked_by_where_it_stands(line: str) -> None:
    assert CANARY not in logs.redact(line)
    assert CANARY.replace("@", "") not in logs.redact(line)
    assert MASK in logs.redact(line)


@pytest.mark.parametrize(
    "line", ["13 of 30 connections in use", "postgresql://db.example:5432/shop", "http://127.0.0.1:8000 @noon", "tokens: 3 listed"]
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert logs.redact(line) == line


def test_a_live_secret_is_masked_wherever_it_appears() -> None:
    logs.protect(Secret("zeppelin-4711"))
    assert logs.redact("x zeppelin-4711 y") == f"x {MASK} y"
    logs.protect(Secret(CANARY))
    assert logs.redact("kan%40rie%2Fv0gel%3D7") == MASK


def test_a_short_secret_does_not_blank_ordinary_words() -> None:
    logs.protect(Secret("at"))
    assert logs.redact("what a day") == "what a day"


def test_a_chosen_password_is_masked_everywhere_unless_it_may_be_a_word() -> None:
    logs.protect_password(Secret("postgresql"))
    logs.protect_password(Secret("hunter22"))
    logs.protect_password(Secret("hunter22-hunter"))
    assert logs.redact("postgresql and hunter22") == "postgresql and hunter22"
    assert logs.redact("said hunter22-hunter twice") == f"said {MASK} twice"


@pytest.mark.parametrize("shape", ["console", "json"])
@pytest.mark.parametrize(
    "name",
    [
        "reflex.state",
        "sqlalchemy.engine",
        "asyncpg",
        "uvicorn.error",
        "socketio.server",
        "engineio",
        "granian",
        "apprise",
        "httpcore.http11",
        "starlette",
        "stranger",
        "",
    ],
)
def test_every_logger_is_redacted_with_its_trace(shape: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json" if shape == "json" else "console", "info")
    try:
        int(f"postgresql://app:{CANARY}@db/x")
    except ValueError:
        logging.getLogger(name).exception("it broke with password=%s", CANARY)
    said = capsys.readouterr().err
    assert "it broke" in said
    assert "ValueError" in said
    assert CANARY not in said


def test_what_nobody_caught_is_redacted_too_in_any_thread(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    logs.configure("console", "info")
    logs.hear_uncaught()

    def fail() -> None:
        raise ValueError(f"postgresql://app:{CANARY}@db/x")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(f"password={CANARY}"), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    said = capsys.readouterr().err
    assert said.count("nobody caught this") == 2
    assert CANARY not in said


def test_structlog_fields_are_redacted_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    structlog.get_logger("ours").warning("saved", password=CANARY, source={"name": "shop", "password": CANARY}, count=3)
    line = json.loads(capsys.readouterr().err)
    assert (line["password"], line["source"]["password"], line["source"]["name"], line["count"]) == (MASK, MASK, "shop", 3)
    assert (line["event"], line["level"], line["logger"]) == ("saved", "warning", "ours")
    assert line["timestamp"].endswith("Z")


def test_a_text_from_outside_cannot_forge_or_colour_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    logging.getLogger("ours").warning("name is %s", "\x1b[31mred\rGONE")
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\\x1b[31mred\\x0dGONE" in said


def test_the_level_holds_and_libraries_are_quiet_below_warning(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("ours").debug("hidden")
    logging.getLogger("httpx").info("hidden")
    logging.getLogger("ours").info("shown")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["shown"]


@pytest.mark.parametrize("word", ["x" * 20_000, "a-" * 10_000, "password" * 2_500, "token-" * 3_000])
def test_a_long_word_costs_no_time(word):
    with within(2):
        assert logs.redact(f"event {word} api-token='abcdef'").endswith(f"api-token='{MASK}'")
