"""The segment log: what was acknowledged is read again, a torn end is left out, a failing disk spoils nothing."""

import errno
import os
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.model.errors import StartRefused
from dashboard_app.store.segments import Record, SegmentLog, read_records


def records(*numbers):
    return [Record(number, b"payload-%d" % number) for number in numbers]


def opened(folder, **options):
    log = SegmentLog(folder, **options)
    return log, log.open()


def reread(folder):
    log, found = opened(folder)
    log.close()
    return [record.number for record in found]


def test_what_was_appended_is_read_again_in_order(tmp_path):
    log, found = opened(tmp_path)
    assert found == []
    log.append(records(1, 2))
    log.append(records(3))
    log.close()
    log, found = opened(tmp_path)
    assert found == records(1, 2, 3)
    log.append(records(4))
    log.close()
    assert reread(tmp_path) == [1, 2, 3, 4]


def test_a_second_owner_is_refused(tmp_path):
    log, _ = opened(tmp_path)
    with pytest.raises(StartRefused):
        SegmentLog(tmp_path).open()
    log.close()
    assert reread(tmp_path) == []


def test_large_segments_are_followed_by_new_ones_and_settled_ones_go(tmp_path):
    log, _ = opened(tmp_path, segment_bytes=60)
    for number in range(1, 10):
        log.append(records(number))
    assert len(list(tmp_path.glob("*.seg"))) > 2
    log.trim(5)
    log.close()
    left = reread(tmp_path)
    assert left[-5:] == [5, 6, 7, 8, 9]
    assert len(left) < 9


def test_when_all_is_settled_nothing_is_left_on_disk_and_it_goes_on(tmp_path):
    log, _ = opened(tmp_path)
    log.append(records(1, 2))
    assert log.size_bytes > 0
    log.trim(3)
    assert log.size_bytes == 0
    log.append(records(3))
    log.close()
    assert reread(tmp_path) == [3]


def test_what_a_former_process_left_is_trimmed_once_it_is_settled(tmp_path):
    log, _ = opened(tmp_path)
    log.append(records(1))
    log.close()
    log, _ = opened(tmp_path)
    log.trim(2)
    assert list(tmp_path.glob("*.seg")) == []
    log.close()


@pytest.mark.parametrize("call", ["write", "fdatasync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_nothing_of_the_failed_append_and_heals(tmp_path, call, number):
    log, _ = opened(tmp_path)
    log.append(records(1))
    with mock.patch.object(os, call, side_effect=OSError(number, "the disk fails")), pytest.raises(OSError, match="the disk fails"):
        log.append(records(2))
    log.append(records(3))
    log.close()
    assert reread(tmp_path) == [1, 3]


def test_half_a_write_is_cut_off(tmp_path):
    log, _ = opened(tmp_path)
    log.append(records(1))
    real = os.write
    calls = []

    def half(descriptor, data):
        calls.append(1)
        if len(calls) == 1:
            return real(descriptor, bytes(data)[:7])
        raise OSError(errno.ENOSPC, "full")

    with mock.patch.object(os, "write", half), pytest.raises(OSError, match="full"):
        log.append(records(2))
    log.append(records(3))
    log.close()
    assert reread(tmp_path) == [1, 3]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
@settings(max_examples=200)
def test_a_torn_or_damaged_end_is_left_out_and_all_before_it_is_read(payloads, data):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        log, _ = opened(Path(name))
        ends = []
        for number, payload in enumerate(payloads, start=1):
            log.append([Record(number, payload)])
            ends.append(log.size_bytes)
        log.close()
        (path,) = Path(name).glob("*.seg")
        whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    assert [one.number for one in read_records(whole[:cut])] == [place for place, end in enumerate(ends, start=1) if end <= cut]
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= 0xFF
    assert [one.number for one in read_records(bytes(damaged))] == [place for place, end in enumerate(ends, start=1) if end <= at]
