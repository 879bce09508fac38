"""A handful of fuzzed frames in every run of the tests; `make fuzz` sends ten thousand, and as many calls."""

import subprocess
import sys

import pytest

from tests.fuzz import alone
from tests.instance import ROOT


@pytest.mark.needs("unshare")
def test_frames_that_no_page_sends_leave_no_trace_in_the_log_and_a_server_that_is_ready() -> None:
    if subprocess.run(alone.command([sys.executable, "-c", ""]), capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to a network of its own, which this machine does not give: fuzzed hosts must lead nowhere")
    line = [sys.executable, "-m", "tests.fuzz", "--cases", "0", "--frames", "240", "--seed", "3"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "/readyz 200, 0 lines of trouble in the log" in done.stdout
