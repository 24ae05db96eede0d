"""Process helpers: a process ends when its parent ends; cycles are searched for seldom, within a block."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from coordinator.process import OBJECTS_BETWEEN_SEARCHES, cycles_seldom_searched

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_coordinator_dies_with_its_parent(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "c.json"
    path.write_text(kit.make_config(tmp_path).model_dump_json())
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            f"command = [sys.executable, '-m', 'coordinator', {str(path)!r}]\n"
            "p = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
            "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush(); p.wait()",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(2400):
        if not _runs(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the coordinator outlived its parent")


def _runs(pid: int) -> bool:
    """Whether a process is alive; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it went away after the file was opened
        return False


def test_cycles_are_searched_for_as_before_once_the_block_ends() -> None:
    before = gc.get_threshold()

    def fails() -> None:
        with cycles_seldom_searched():
            assert gc.get_threshold()[0] == OBJECTS_BETWEEN_SEARCHES
            assert gc.get_freeze_count() > 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
