import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.store import journal as journal_module
from dashboard_app.store.journal import Journal, read_entries


def files(folder):
    return sorted(folder.glob("*.log"))


def test_what_was_appended_is_there_for_the_next_process(tmp_path):
    first = Journal(tmp_path / "j")
    assert first.open() == {}
    first.append("a", b'{"n": 1}')
    first.append("b", b'{"n": 2}')
    first.close()
    second = Journal(tmp_path / "j")
    assert second.open() == {"a": b'{"n": 1}', "b": b'{"n": 2}'}
    assert len(files(tmp_path / "j")) == 1
    assert stat.S_IMODE(files(tmp_path / "j")[0].stat().st_mode) == 0o600
    second.close()


def test_what_was_forgotten_is_gone_and_an_empty_file_goes_along(tmp_path):
    journal = Journal(tmp_path)
    journal.open()
    journal.append("a", b"1")
    journal.append("b", b"2")
    journal.forget(["a", "never there"])
    assert journal.open() == {"b": b"2"}
    journal.forget(["b"])
    assert files(tmp_path)[0].stat().st_size == 0
    journal.close()
    assert files(tmp_path) == []


def test_the_file_of_a_living_process_is_left_alone(tmp_path):
    living = Journal(tmp_path)
    living.open()
    living.append("a", b"1")
    other = Journal(tmp_path)
    assert other.open() == {}
    living.close()
    assert other.open() == {"a": b"1"}
    other.close()


def test_a_torn_or_damaged_line_costs_only_itself(tmp_path):
    journal = Journal(tmp_path)
    journal.open()
    for key in "abc":
        journal.append(key, key.encode() * 20)
    journal.close()
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"bb", b"xx") + lines[2] + lines[0][:10])
    assert list(dict(read_entries(path.read_bytes()))) == ["a", "c"]


def test_a_long_journal_is_written_anew_with_what_still_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "COMPACT_AFTER", 3)
    journal = Journal(tmp_path)
    journal.open()
    for key in "abcde":
        journal.append(key, b"x" * 100)
    before = files(tmp_path)[0].stat().st_size
    journal.forget("abc")
    assert len(files(tmp_path)) == 1
    assert files(tmp_path)[0].stat().st_size * 5 == before * 2
    journal.append("f", b"y")
    journal.close()
    again = Journal(tmp_path)
    assert list(again.open()) == ["d", "e", "f"]
    again.close()


def test_a_disk_that_refuses_leaves_no_half_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    journal.open()
    journal.append("a", b"1")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        journal.append("b", b"2")
    monkeypatch.undo()
    journal.append("c", b"3")
    assert list(dict(read_entries(files(tmp_path)[0].read_bytes()))) == ["a", "c"]
    journal.close()


def test_a_journal_that_is_not_open_takes_nothing(tmp_path):
    with pytest.raises(OSError, match="not open"):
        Journal(tmp_path).append("a", b"1")
    Journal(tmp_path).close()


@given(st.lists(st.binary(max_size=50).filter(lambda payload: b"\n" not in payload), max_size=20), st.integers(0, 2000))
def test_any_cut_leaves_a_prefix_of_what_was_written(payloads, cut):
    data = b"".join(journal_module._line(f"k{number}", payload) for number, payload in enumerate(payloads))
    read = read_entries(data[:cut])
    assert read == [(f"k{number}", payload) for number, payload in enumerate(payloads)][: len(read)]
