"""Fault 12: two agents of Ray outlived a killed main process by more than 30 s. On the real Ray, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments.fleet.ray_reaper import left_over
from experiments.fleet.temporary import PREFIX

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]
ROOT = Path(__file__).parents[2]
MOST_S, GONE_S = 5.0, 25.0
"""Longest that anything of Ray may outlive its parent: on a machine that does nothing else (``--long``), and on any."""
CODE = """
import sys, time
from experiments.fleet.ray_fleet import RayFleet
with RayFleet(2, processes=2, preload=("json",)):
    print("ready", flush=True)
    time.sleep(600)
"""


def folder_of(main: subprocess.Popen[str]) -> Path:
    """The folder of its Ray, as its reaper was told it."""
    while main.poll() is None:
        for child in psutil.Process(main.pid).children():
            with contextlib.suppress(psutil.Error):
                for word in child.cmdline():
                    if Path(word).name.startswith(PREFIX) and (Path(word) / "token").exists():
                        return Path(word)
        time.sleep(0.01)
    raise AssertionError("it ended before it started Ray")


def outlived_s(moment_s: float | None, number: signal.Signals) -> tuple[int, float]:
    """Processes of Ray that a main process had ``moment_s`` after it began to start Ray (None: when it was ready), and
    how long the last of them and its folder outlived it, ended by ``number`` then."""
    with subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as main:
        assert main.stdout is not None
        folder = folder_of(main)
        if moment_s is None:
            assert main.stdout.readline() == "ready\n"
        else:
            time.sleep(moment_s)
        there = len(list(left_over(folder, 0)))
        main.send_signal(number)
        main.wait(60)
    ended = time.monotonic()
    while (list(left_over(folder, 0)) or folder.exists()) and time.monotonic() < ended + 60:
        time.sleep(0.02)
    return there, time.monotonic() - ended


MOMENTS = (0.0, 0.3, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


@pytest.mark.parametrize(
    ("moments", "signals"),
    [
        pytest.param((1.0,), (signal.SIGKILL, signal.SIGHUP), id="some"),
        pytest.param(
            MOMENTS,
            (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT),
            id="many",
            marks=pytest.mark.long,
        ),
    ],
)
def test_nothing_of_ray_outlives_its_parent_by_five_seconds(
    moments: tuple[float, ...], signals: tuple[signal.Signals, ...], request: pytest.FixtureRequest
) -> None:
    found = [outlived_s(moment, signal.SIGKILL) for moment in moments]
    found += [outlived_s(None, number) for number in signals]
    longest = max(seconds for _, seconds in found)
    most = max(there for there, _ in found)
    print(
        f"{len(found)} ends of a main process with up to {most} processes of Ray: the last gone after {longest:.1f} s"
    )
    assert most >= 4
    assert longest < (MOST_S if request.config.getoption("--long") else GONE_S)
