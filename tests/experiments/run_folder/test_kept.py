"""Interrupted at any moment, a run says what is kept and how to go on, and what it says is true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.kept import kept
from tests.scenarios import SMALL


def test_what_a_folder_holds(tmp_path: Path, small_comparison: Path) -> None:
    assert kept(tmp_path / "none") == "nothing was booked"
    assert "detabed report" in kept(small_comparison / "local-s0")
    (tmp_path / "scenario.toml").write_text("")
    assert "run its scenario.toml again" in kept(tmp_path)


HELD = """
import time
from experiments.cli import main
from experiments.runs.recording import Recording

booked, slots = Recording.booked, []


def held(self, what):
    booked(self, what)
    slots.append(what)
    if len(slots) == 6:
        time.sleep(600)


Recording.booked = held
main()
"""
"""The command, which goes no further after six slots: it could be over before it is sent a signal."""


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "small.toml").write_text(SMALL)
    command = [
        sys.executable,
        "-P",
        "-c",
        HELD,
        *arguments,
        "small.toml",
        "-o",
        "run",
        "--no-report",
    ]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(("run",), "run"), (("compare", "--policies", "local,deta", "--seeds", "1"), "run/local-s0")],
)
def test_ctrl_c_says_what_is_kept_and_resume_goes_on(
    arguments: tuple[str, ...], place: str, tmp_path: Path
) -> None:
    process = started(tmp_path, *arguments)
    end = time.monotonic() + 300
    while len(read_lines(tmp_path / place)) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    sentence = " ".join(said.partition("interrupted:")[2].split())
    assert "kept in run; `detabed resume run` goes on" in sentence
    assert re.match(r"\d+ (slots|finished runs)", sentence)
    resume = [sys.executable, "-P", "-m", "experiments.cli", "resume", "run", "--no-report"]
    done = subprocess.run(
        resume, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
