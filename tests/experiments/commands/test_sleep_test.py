"""``detabed sleep test``: a process really stops and goes on, and what that takes is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments.commands.sleep_test import board_figures, sleep_test, spread_of, target_of
from experiments.errors import UsageError
from tests.edge_node.actuators.workers import is_running, is_stopped, python, resume, stop, worker
from tests.experiments.commands.test_commands import documented
from tests.scenarios import TINY

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="states of processes are read in /proc"
)


def scenario(folder: Path, count: int = 2, **programs: tuple[str, ...]) -> str:
    text = TINY.replace(
        "count = 12", f'count = 1\n[nodes.sleep]\nkind = "none"\n[[nodes]]\nzone = "FR"\ncount = {count}'
    )
    sleep = "\n".join(f"{name} = {json.dumps(list(value))}" for name, value in programs.items())
    path = folder / "my.toml"
    path.write_text(f'{text}[nodes.sleep]\nkind = "command"\ntime_limit_s = 600\n{sleep}\n')
    return str(path)


@needs_proc
@pytest.mark.usefixtures("slow_machine")
def test_every_cycle_is_measured_with_its_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "steady.csv").write_text("at_s,power_w\n0,3\n3600,0\n")
    with worker() as pid:
        file = scenario(tmp_path, down=stop(pid), up=resume(pid), ready=is_running(pid))
        sleep_test(file, cycles=2, hold_s=0.3, meter=f"recording:{tmp_path}/steady.csv", as_json=True)
        assert not is_stopped(pid)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == documented("sleep test")
    assert (found["node"], found["actuator"], found["provenance"]) == ("n1", "command", "measured")
    assert len(found["cycles"]) == 2
    assert found["failed"] is None
    assert 0 < found["wake_s"]["low"] <= found["wake_s"]["mean"] <= found["wake_s"]["high"]
    assert found["wake_j"]["mean"] == pytest.approx(3.0 * found["wake_s"]["mean"], rel=0.1)
    assert found["asleep_w"]["mean"] == pytest.approx(3.0, rel=0.01)


def test_without_a_sensor_the_time_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sleep_test(scenario(tmp_path, down=python(""), up=python("")), node="n2", cycles=1, hold_s=0.0)
    shown = capsys.readouterr().out
    for words in ("n2, command, 1 cycles", "waking up", "not measured: no sensor", "wake_s ="):
        assert words in " ".join(shown.split())


def test_what_could_not_be_switched_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scenario(tmp_path, down=python("import sys; sys.exit('no such governor')"), up=python(""))
    with pytest.raises(typer.Exit) as ended:
        sleep_test(file, cycles=3, hold_s=0.0)
    assert ended.value.exit_code == 1
    assert "no such governor: in a run the node would count as awake" in capsys.readouterr().err


def test_a_board_s_own_file_is_a_target(tmp_path: Path) -> None:
    (tmp_path / "identity").mkdir()
    own: dict[str, Any] = {
        "node_id": "n7",
        "coordinator": "10.0.0.10:7740",
        "certificates": str(tmp_path / "identity"),
        "folder": str(tmp_path / "state"),
    }
    path = tmp_path / "board.json"
    path.write_text(json.dumps(own))
    with pytest.raises(UsageError, match="names no actuator: give it sleep"):
        target_of(str(path), None, None)
    path.write_text(json.dumps({**own, "sleep": {"kind": "command", "down": ["a"], "up": ["b"]}}))
    target = target_of(str(path), None, None)
    assert (target.node_id, target.sleep.down, target.meter) == ("n7", ("a",), "modelled")


def test_what_cannot_be_tested_is_refused(tmp_path: Path) -> None:
    file = scenario(tmp_path, down=("/no/such/doze",), up=python(""))
    with pytest.raises(UsageError, match="n1: down = `/no/such/doze`: there is no program"):
        sleep_test(file, cycles=1)
    with pytest.raises(UsageError, match="n0 names no actuator"):
        target_of(file, "n0", None)
    with pytest.raises(UsageError, match="no node is called n9; there are n0, n1, n2"):
        target_of(file, "n9", None)
    with pytest.raises(UsageError, match="demo names no actuator"):
        target_of("demo", None, None)
    with pytest.raises(UsageError, match="reads no sensor"):
        sleep_test(file, meter="modelled")


def test_spread_and_the_keys_of_a_board_by_hand() -> None:
    """Three values 1, 2, 3: standard deviation 1, t of two degrees of freedom 4.3027. Above 2 W: 9 J - 2 W * 2 s."""
    assert spread_of([]) is None
    assert spread_of([2.0]) == {"mean": 2.0, "low": 2.0, "high": 2.0}
    found = spread_of([1.0, 2.0, 3.0])
    assert found == {"mean": 2.0, "low": 1.0, "high": 3.0, "half_width": pytest.approx(4.3027 / 3**0.5)}
    measured = {"down_s": None, "wake_s": found, "wake_j": {"mean": 9.0}, "asleep_w": None, "static_w": 2.0}
    assert board_figures(measured) == {"wake_s": 2.0, "wake_j": 5.0, "sleep_w": None}


@pytest.mark.processes
def test_a_board_without_scipy_can_test_its_sleep() -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('scipy', 'highspy', 'ray', 'pandas', 'pyarrow')));"
        "import experiments.commands.sleep_test"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=600)
