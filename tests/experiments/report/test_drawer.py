"""The drawing process alone, over its pipes."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.fleet.spawn import command
from experiments.report import drawer

pytestmark = pytest.mark.processes
PIPE_BYTES = 4096


def test_an_answer_is_whole_after_a_stop_in_the_middle(make_run: Callable[..., Path]) -> None:
    """A stop and a go end the write into a full pipe early; without a buffer Python then drops the rest."""
    question = json.dumps({"folder": str(make_run("deta", 0, nodes=3)), "section": "stages"})
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command(drawer.__name__), text=True, env=environment, **pipe) as process:
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        process.stdin.write(question + "\n")
        process.stdin.flush()
        while unread_bytes(process.stdout.fileno()) < PIPE_BYTES:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        answer = process.stdout.readline()
        process.stdin.close()
    assert len(answer) > PIPE_BYTES
    assert len(json.loads(answer)["drawn"]) == 3


def unread_bytes(pipe: int) -> int:
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
