"""The reaper ends what has the token of its folder, and nothing else. With Ray: reliability/test_fault_12_ray.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.fleet import ray_reaper
from experiments.fleet.ray_reaper import (
    OVER,
    RAYLET,
    SENTENCE,
    START_SENTENCE,
    TOKEN,
    UP,
    VARIABLE,
    left_over,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
WAITS = [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"]


@contextmanager
def process(folder: Path | None, program: str = sys.executable) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    with subprocess.Popen(
        [program, *WAITS[1:]],
        env=environment | ({} if folder is None else {VARIABLE: str(folder / TOKEN)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()


def reap(folder: Path, parent: int, said: bytes) -> str:
    """What it says."""
    script = str(Path(ray_reaper.__file__))
    command = [sys.executable, "-I", "-S", script, str(folder), str(parent)]
    done = subprocess.run(command, input=said, check=True, timeout=300, stderr=subprocess.PIPE)
    return done.stderr.decode()


def folder_of(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    (folder / TOKEN).write_text("secret")
    return folder


def test_what_has_the_token_ends_with_a_parent_that_was_killed_and_nothing_else_does(tmp_path: Path) -> None:
    ours, others = folder_of(tmp_path, "detabed-1"), folder_of(tmp_path, "detabed-12")
    with process(ours) as one, process(ours) as two, process(others) as other, process(None) as stranger:
        assert set(left_over(ours, 0)) == {one.pid, two.pid}
        reap(ours, os.getpid(), said=b"")
        assert (one.wait(60), two.wait(60)) == (-9, -9)
        assert (other.poll(), stranger.poll()) == (None, None)
    assert not ours.exists()
    assert others.exists()


def test_children_of_a_parent_that_goes_on_are_its_own_matter(tmp_path: Path) -> None:
    ours = folder_of(tmp_path, "detabed-1")
    with process(ours) as child:
        assert list(left_over(ours, os.getpid())) == []
        assert list(left_over(ours, 0)) == [child.pid]
        reap(ours, os.getpid(), said=OVER)
        assert child.poll() is None
    assert not ours.exists()


def test_that_ray_ended_first_is_said_and_only_then(tmp_path: Path) -> None:
    assert SENTENCE in reap(folder_of(tmp_path, "gone"), os.getpid(), said=UP)
    assert reap(folder_of(tmp_path, "not up yet"), os.getpid(), said=b"") == ""
    started = folder_of(tmp_path, "started")
    logs = started / "r" / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.out").touch()
    assert START_SENTENCE in reap(started, os.getpid(), said=b"")
    assert reap(folder_of(tmp_path, "in order"), os.getpid(), said=UP + OVER) == ""
    living = folder_of(tmp_path, "detabed-1")
    raylet = tmp_path / RAYLET
    raylet.symlink_to(sys.executable)
    with process(living, str(raylet)):
        assert reap(living, os.getpid(), said=UP) == ""  # the parent was killed, and Ray lives
