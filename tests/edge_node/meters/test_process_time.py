"""CPU time of another process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from edge_node.meters.process_time import process_cpu_s


def test_it_is_what_the_process_says_itself_also_once_it_has_ended() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint(time.process_time(), flush=True)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said_s = float(process.stdout.readline())
    process.stdout.read()  # it is ending, and nobody has asked for its exit code
    time.sleep(0)
    assert said_s <= process_cpu_s(process.pid) < said_s + 1.0
    process.wait()
    with pytest.raises(OSError):  # the kernel says which
        process_cpu_s(process.pid)
