import errno
import ssl
import unicodedata

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import NOT_POSTGRESQL, TEXT_LIMIT, plain, reason
from dashboard_app.model.secret import Secret

TARGET = Target("db.example.org", 5432, "billing", "ana", Secret("geheim"), "prefer")


def server_error(sqlstate: str, text: str = "secret words of the server") -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": text, "S": "FATAL"})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (server_error("28P01"), "Password rejected for user ana"),
        (server_error("3D000"), "Database billing does not exist"),
        (server_error("53300"), "The server has no free connection slot"),
        (server_error("57P03"), "The server is starting up or shutting down"),
        (server_error("42501"), "User ana is not allowed to do this"),
        (server_error("XX000", "odd\x1b[31m\n\x00 thing"), "The server answered: odd[31m thing (XX000)"),
        (ConnectionRefusedError(), "Connection refused: nothing listens at db.example.org:5432"),
        (OSError(errno.EHOSTUNREACH, "No route"), "There is no way to db.example.org from here"),
        (OSError(errno.EMFILE, "Too many"), "The connection could not be made"),
        (ConnectionResetError(), "The server closed the connection"),
        (EOFError(), "The server closed the connection"),
        (asyncpg.ConnectionDoesNotExistError("raw"), "The server closed the connection"),
        (ssl.SSLError("raw"), "The TLS handshake failed"),
        (asyncpg.InterfaceError("raw"), NOT_POSTGRESQL),
        (KeyError("raw"), NOT_POSTGRESQL),
    ],
)
def test_every_failure_has_plain_words_and_never_the_drivers(error, words):
    assert reason(error, TARGET) == words


def test_a_certificate_that_is_refused_says_why():
    error = ssl.SSLCertVerificationError(1, "raw")
    error.verify_message = "self-signed certificate"
    assert reason(error, TARGET) == "The server's TLS certificate is not accepted: self-signed certificate"


@given(st.text(max_size=1000))
def test_a_strangers_text_is_one_short_line_without_control_characters(text):
    shown = plain(text)
    assert len(shown) <= TEXT_LIMIT
    assert not [c for c in shown if unicodedata.category(c).startswith("C")]
