"""Two programs: a process really stops and goes on, a governor really changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.command import CommandActuator
from tests.edge_node.actuators.workers import is_running, is_stopped, python, resume, stop, worker

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="states of processes are read in /proc"
)


def test_a_process_is_stopped_and_continued() -> None:
    with worker() as pid:
        actuator = CommandActuator(stop(pid), resume(pid), is_running(pid), 60.0)
        actuator.check()
        assert not is_stopped(pid)
        actuator.down()
        assert is_stopped(pid)
        actuator.up()
        assert not is_stopped(pid)
        actuator.up()  # awake already


def test_a_governor_of_a_tree_like_the_kernel_s(tmp_path: Path) -> None:
    governor = tmp_path / "scaling_governor"
    governor.write_text("schedutil\n")
    write = "import sys; open(sys.argv[1], 'r+').write(sys.argv[2] + '\\n')"
    actuator = CommandActuator(
        python(write, governor, "powersave"), python(write, governor, "schedutil"), (), 20.0
    )
    actuator.down()
    assert governor.read_text() == "powersave\n"
    actuator.up()
    assert governor.read_text() == "schedutil\n"
    governor.unlink()
    with pytest.raises(ActuatorError, match=r"down = .* ended with code 1: .*FileNotFoundError"):
        actuator.down()


def test_a_board_that_is_not_ready_in_time_is_not_awake() -> None:
    actuator = CommandActuator(("true",), ("true",), ("false",), 2.0)
    with pytest.raises(ActuatorError, match="not awake within 2 s"):
        actuator.up()


@pytest.mark.parametrize("lacking", ["down", "up", "ready"])
def test_a_program_that_is_not_there_is_found_before_anything_runs(lacking: str) -> None:
    there = {name: python("") for name in ("down", "up", "ready")}
    with pytest.raises(ActuatorError, match=f"{lacking} = `/no/such/program`: there is no program"):
        CommandActuator(**{**there, lacking: ("/no/such/program",)}, time_limit_s=20.0).check()
