"""Programs of the user's: to their end, within their time, without a shell."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.program import check_program, run_program, shown, wait_until_ready
from tests.edge_node.actuators.workers import python


def test_arguments_reach_the_program_as_they_are(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    run_program("down", python(code, tmp_path / "said", "$HOME; `ls` *"), 20.0)
    assert (tmp_path / "said").read_text() == "$HOME; `ls` *"


def test_a_program_that_fails_is_named_with_its_last_words() -> None:
    failing = python("import sys; print('no such governor'); sys.exit(3)")
    with pytest.raises(ActuatorError, match=r"^down = `.*` ended with code 3: no such governor$"):
        run_program("down", failing, 20.0)


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "doze").write_text("#!/bin/sh\n")
    for path in (tmp_path / "doze", tmp_path / "nothing"):
        with pytest.raises(ActuatorError, match=f"up = `{path} -x` cannot be run"):
            run_program("up", (str(path), "-x"), 20.0)
        with pytest.raises(
            ActuatorError, match=f"there is no program {path} on this machine; give its whole path"
        ):
            check_program("up", (str(path), "-x"))
    (tmp_path / "doze").chmod(0o755)
    check_program("up", (str(tmp_path / "doze"),))


def test_a_program_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    starting = f"sleep 3600 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(ActuatorError, match=r"took longer than 2 s \(sleep\.time_limit_s\)"):
        run_program("down", ("sh", "-c", starting), 2.0)
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 60.0
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_it_is_asked_until_it_is_ready(tmp_path: Path) -> None:
    """The first two answers are no."""
    code = (
        "import pathlib, sys\n"
        "asked = pathlib.Path(sys.argv[1])\n"
        "times = len(asked.read_text()) if asked.exists() else 0\n"
        "asked.write_text('x' * (times + 1))\n"
        "sys.exit(times < 2)\n"
    )
    wait_until_ready(python(code, tmp_path / "asked"), time.monotonic() + 60.0, 60.0)
    assert (tmp_path / "asked").read_text() == "xxx"


def test_what_is_never_ready_says_so() -> None:
    never = ("sh", "-c", "echo still booting; exit 1")
    with pytest.raises(ActuatorError, match=r"not awake within 2 s .*ended with code 1: still booting"):
        wait_until_ready(never, time.monotonic() + 2.0, 2.0)


def test_an_answer_cut_short_by_the_limit_does_not_hide_the_one_before(tmp_path: Path) -> None:
    once = f"test -e {tmp_path}/asked && exec sleep 3600; touch {tmp_path}/asked; echo still booting; exit 1"
    with pytest.raises(ActuatorError, match=r"not awake within 2 s .*ended with code 1: still booting"):
        wait_until_ready(("sh", "-c", once), time.monotonic() + 2.0, 2.0)


def test_programs_are_shown_as_one_would_type_them() -> None:
    assert shown(("a b", "c")) == "`'a b' c`"
