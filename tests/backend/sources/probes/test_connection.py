"""TLS: which certificate is accepted for which mode, on a listener that upgrades as PostgreSQL does."""

import ssl

import pytest

from dashboard_app.backend.sources.probes.connection import tls_context
from dashboard_app.backend.sources.probes.target import Target, default_sslmode
from dashboard_app.model.secret import Secret
from dashboard_app.store.database import _context


@pytest.fixture
async def tls_port(listener, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def upgrade(reader, writer):
        await reader.readexactly(8)
        writer.write(b"S")
        await writer.start_tls(context)
        await reader.read(1)

    return await listener(upgrade)


async def last_step(probe_on, address, **over):
    report = await probe_on(address, **over).test(2)
    return report.steps[-1].name, report.steps[-1].message


async def test_a_self_signed_certificate_is_refused_where_the_mode_verifies(fresh_database, probe_on, tls_port):
    name, message = await last_step(probe_on, fresh_database, port=tls_port, sslmode="verify-full")
    assert name == "TLS"
    assert message.startswith("The server's TLS certificate is not accepted: self")


@pytest.mark.parametrize("sslmode", ["prefer", "require"])
async def test_it_is_taken_where_the_mode_only_encrypts(fresh_database, probe_on, tls_port, sslmode):
    assert (await last_step(probe_on, fresh_database, port=tls_port, sslmode=sslmode))[0] == "sign in"


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
async def test_it_is_taken_when_it_is_given_as_root(fresh_database, probe_on, tls_port, sslmode, certificate):
    over = {"port": tls_port, "sslmode": sslmode, "sslrootcert": str(certificate)}
    assert (await last_step(probe_on, fresh_database, **over))[0] == "sign in"


async def test_verify_full_checks_the_name_that_was_entered_not_the_address(fresh_database, probe_on, tls_port, certificate):
    over = {"port": tls_port, "host": "localhost", "sslrootcert": str(certificate)}
    assert (await last_step(probe_on, fresh_database, sslmode="verify-ca", **over))[0] == "sign in"
    name, message = await last_step(probe_on, fresh_database, sslmode="verify-full", **over)
    assert name == "TLS"
    assert "localhost" in message


def test_the_context_of_verify_full_trusts_the_machine_when_no_root_is_given():
    context = tls_context(Target("db", 5432, "d", "u", Secret(""), "verify-full"))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("127.0.0.1", "prefer"),
        ("::1", "prefer"),
        ("LOCALHOST", "prefer"),
        ("/run/postgresql", "prefer"),
        ("10.0.0.1", "verify-full"),
        ("db.example.org", "verify-full"),
    ],
)
def test_the_default_mode_is_safe_everywhere_but_on_loopback(host, mode):
    assert default_sslmode(host) == mode


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_nothing_older_than_tls_1_2_is_spoken_to_anybody(mode):
    target = Target("db.example", 5432, "postgres", "app", Secret(""), mode)
    for context in (tls_context(target), _context(mode), ssl.create_default_context()):
        assert context.minimum_version in {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_every_cipher_that_is_offered_is_a_sound_one(mode):
    target = Target("db.example", 5432, "postgres", "app", Secret(""), mode)
    for context in (tls_context(target), _context(mode), ssl.create_default_context()):
        for cipher in context.get_ciphers():
            assert cipher["strength_bits"] >= 128, cipher
            assert not any(word in cipher["name"] for word in ("RC4", "DES", "NULL", "EXP", "MD5", "ADH", "AECDH")), cipher
            assert cipher["protocol"] == "TLSv1.3" or cipher["kea"] in {"kx-ecdhe", "kx-dhe"}, cipher  # forward secrecy
