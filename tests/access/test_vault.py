import stat

import pytest

from dashboard_app.access.vault import Vault, generated_key
from dashboard_app.model.errors import Failed, StartRefused
from dashboard_app.model.secret import Secret


def test_what_is_encrypted_is_read_again_and_never_looks_alike(settings_for):
    vault = Vault(settings_for())
    stored = vault.encrypt(Secret("hunter22"))
    assert vault.decrypt(stored) == Secret("hunter22")
    assert b"hunter22" not in stored
    assert vault.encrypt(Secret("hunter22")) != stored


def test_the_generated_key_is_for_its_owner_only_and_stays(settings_for):
    settings = settings_for()
    stored = Vault(settings).encrypt(Secret("x"))
    path = settings.data_dir / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(settings.data_dir.iterdir()) == [path]
    assert Vault(settings).decrypt(stored) == Secret("x")


def test_a_new_first_key_still_reads_what_the_older_wrote(settings_for):
    stored, signature = Vault(settings_for(secret_key="old")).encrypt(Secret("x")), Vault(settings_for(secret_key="old")).sign("s")
    rotated = Vault(settings_for(secret_key="new, old"))
    assert rotated.decrypt(stored) == Secret("x")
    assert rotated.is_signed("s", signature)
    assert rotated.sign("s") != signature
    with pytest.raises(Failed):
        Vault(settings_for(secret_key="new")).decrypt(rotated.encrypt(Secret("x"))[:-1])
    with pytest.raises(Failed):
        Vault(settings_for(secret_key="new")).decrypt(stored)


def test_a_signature_fits_one_text_only(settings_for):
    vault = Vault(settings_for(secret_key="k"))
    assert vault.is_signed("a", vault.sign("a"))
    assert not vault.is_signed("b", vault.sign("a"))
    assert not vault.is_signed("a", "")


def test_a_key_file_that_holds_none_stops_the_start(tmp_path):
    (tmp_path / "empty.key").write_text("\n")
    with pytest.raises(StartRefused):
        generated_key(tmp_path / "empty.key")
    (tmp_path / "binary.key").write_bytes(b"\xff\xfe")
    with pytest.raises(StartRefused):
        generated_key(tmp_path / "binary.key")


def test_of_two_processes_that_make_the_key_at_once_one_wins(tmp_path, monkeypatch):
    path = tmp_path / "secret.key"
    path.write_text("the other's\n")
    monkeypatch.setattr(type(path), "exists", lambda self: False)
    assert generated_key(path) == "the other's"
