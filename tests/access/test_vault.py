import stat

import pytest

from dashboard_app.access.vault import Vault, add_key, generated_key
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


def test_what_is_stored_names_its_key_and_not_what_the_key_is(settings_for):
    old, both = Vault(settings_for(secret_key="old key")), Vault(settings_for(secret_key="new key,old key"))
    stored = old.encrypt(Secret("x"))
    assert stored.startswith(f"k1.{old.key_ids[0]}.".encode())
    assert both.key_ids == (both.key_ids[0], old.key_ids[0])
    assert [old.is_current(stored), both.is_current(stored), both.is_current(both.encrypt(both.decrypt(stored)))] == [True, False, True]
    with pytest.raises(Failed, match=f"written with key {old.key_ids[0]}"):
        Vault(settings_for(secret_key="new key")).decrypt(stored)


def test_what_was_stored_before_keys_had_names_is_still_read_and_counts_as_old(settings_for):
    vault = Vault(settings_for(secret_key="new,old"))
    before = vault.encrypt(Secret("x")).rpartition(b".")[2]
    assert vault.decrypt(before) == Secret("x")
    assert not vault.is_current(before)


def test_a_new_generated_key_stands_in_front_of_the_old_ones(settings_for):
    settings = settings_for()
    stored = Vault(settings).encrypt(Secret("x"))
    made = add_key(settings.data_dir / "secret.key")
    vault = Vault(settings)
    assert vault.key_ids[0] == made
    assert vault.decrypt(stored) == Secret("x")
    assert not vault.is_current(stored)
    assert stat.S_IMODE((settings.data_dir / "secret.key").stat().st_mode) == 0o600


def test_a_key_file_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    def full(_path, _content):
        raise OSError

    monkeypatch.setattr("dashboard_app.access.vault.replace_file", full)
    with pytest.raises(StartRefused, match="cannot be written"):
        add_key(tmp_path / "secret.key")
