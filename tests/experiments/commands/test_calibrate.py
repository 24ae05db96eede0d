"""``detabed calibrate``: from a board's sensor to a profile in a scenario."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest

from edge_node.energy.boards import load_board
from experiments.cli import invoke
from experiments.commands.calibrate import works_of
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from tests.edge_node.actuators.workers import python
from tests.edge_node.calibration.fake_board import ASLEEP_W, IDLE_W, THREAD_W, FakeBoard
from tests.experiments.commands.test_commands import ROOT, documented
from tests.scenarios import SMALL, TINY

BASE = "raspberry-pi-4b"
PATIENT = """from edge_node.meters.sampling import limits, sampler
from experiments.cli import main

# A busy machine keeps the sampler waiting.
limits.MIN_COVERAGE = 0.0
sampler.START_S = sampler.LATE_S = 120.0
main()
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc here: what threads do is not known")
    made = FakeBoard(tmp_path / "hwmon3", itself=False)
    yield made
    made.stop()


@pytest.mark.processes
def test_a_profile_comes_out_that_a_scenario_names(board: FakeBoard, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    output = tmp_path / "mine.toml"
    arguments = ["calibrate", board.spec, "--output", str(output), "--seconds", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", PATIENT, *arguments, "--scenario", str(tmp_path / "small.toml")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == documented("calibrate SPEC")
    assert found["profile"] == str(output)
    profile = load_board(str(output))
    assert profile.name == "mine"
    assert profile.figures["static_w"].value == pytest.approx(IDLE_W, rel=0.2)
    assert profile.figures["busy_w"].value == pytest.approx(IDLE_W + THREAD_W, rel=0.2)
    busy = profile.figures["busy_w"].range
    assert busy is not None
    assert busy.low < busy.high
    assert profile.figures["effective_flop_per_s"].value > 1e6
    radio = ["tx_j_per_byte", "rx_j_per_byte", "storage_bytes"]
    assert found["not_measured"] == ["sleep_w", "wake_j", "wake_s", *radio]
    assert all(profile.figures[name].source.startswith("not measured") for name in found["not_measured"])
    (tmp_path / "own.toml").write_text(f'{SMALL}[board]\nprofile = "mine.toml"\n')
    resolved = resolve(open_scenario(str(tmp_path / "own.toml")))
    assert {board.name for board in resolved.boards} == {"mine"}


WAKE_S = 0.7
DOZE = """name = "dozes"
[task]
data = "digits"
[[nodes]]
zone = "DE"
[nodes.sleep]
kind = "command"
down = {down}
up = {up}
"""


def dozing(folder: Path, board: FakeBoard) -> str:
    """A scenario whose node sleeps while a file is there, and the sensor shows it; waking up takes a while."""
    power = board.asleep.with_name("power1_input")
    down = python(
        "import pathlib, sys, time; asleep, power = map(pathlib.Path, sys.argv[1:]); asleep.touch()\n"
        "while int(power.read_text()) > 1e6: time.sleep(0.01)",
        board.asleep,
        power,
    )
    up = python(
        "import pathlib, sys, time; asleep, power = map(pathlib.Path, sys.argv[1:]); asleep.unlink(missing_ok=True)\n"
        f"time.sleep({WAKE_S})\n"
        "while int(power.read_text()) < 1e6: time.sleep(0.01)",
        board.asleep,
        power,
    )
    path = folder / "dozes.toml"
    path.write_text(DOZE.format(down=json.dumps(list(down)), up=json.dumps(list(up))))
    return str(path)


@pytest.mark.processes
@pytest.mark.usefixtures("slow_machine")
def test_sleep_and_wake_are_measured_into_a_profile_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight seconds: sensors are read in real time."""
    # On a busy machine a wake-up differs from the next.
    monkeypatch.setattr("edge_node.calibration.sleep.WIDEST_WAKE_FRACTION", 100.0)
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc here: what threads do is not known")
    board = FakeBoard(tmp_path / "hwmon3", itself=False)
    asked = ["calibrate", board.spec, "--only-sleep", "--sleep", dozing(tmp_path, board), "--json"]
    asked += ["--seconds", "1", "--cycles", "3", "--hold", "1", "-o", str(tmp_path / "slept.toml")]
    text = (ROOT / "edge_node" / "energy" / "boards" / "raspberry_pi_4b.toml").read_text()
    (tmp_path / "mine.toml").write_text(_with(text, "static_w", IDLE_W))
    try:
        assert invoke([*asked, "--board", str(tmp_path / "mine.toml")]) == 0
        assert not board.asleep.exists()
    finally:
        board.stop()
    found = json.loads(capsys.readouterr().out)
    assert set(found["figures"]) == {"sleep_w", "wake_s", "wake_j"}
    assert len(found["cycles"]) == 3
    profile, before = load_board(str(tmp_path / "slept.toml")), load_board(str(tmp_path / "mine.toml"))
    figures = profile.figures
    assert figures["sleep_w"].value == pytest.approx(ASLEEP_W, rel=0.1)
    assert figures["sleep_w"].range is not None
    whole_s, whole_j = (fmean(cycle[name] for cycle in found["cycles"]) for name in ("wake_s", "wake_j"))
    assert figures["wake_s"].value == pytest.approx(whole_s, rel=1e-3)
    assert whole_s >= WAKE_S
    assert figures["wake_j"].value < 0.5 * whole_j, "a board that wakes at idle power needs little above it"
    assert figures["wake_j"].source.endswith("3 cycles of 1 s by its actuator")
    assert figures["busy_w"].value == before.figures["busy_w"].value
    assert "# sleep: down in " in (tmp_path / "slept.toml").read_text()


def _with(text: str, figure: str, value: float) -> str:
    """The profile ``text`` with another value of ``figure``, which then has no ends."""
    head, _, rest = text.partition(f"[{figure}]\n")
    own, bracket, after = rest.partition("\n[")
    lines = [line for line in own.splitlines() if not line.startswith(("value", "low", "high"))]
    return f"{head}[{figure}]\nvalue = {value}\n" + "\n".join(lines) + bracket + after


def test_works_are_the_scenarios_task_and_services() -> None:
    works, training = works_of(open_scenario("demo"))
    assert training == "training mnist-mlp"
    assert list(works) == ["training mnist-mlp", "serving mnist-mlp", "serving tiny-gpt"]
    for work in works.values():
        assert all(figure > 0 for figure in work())


def test_a_scenario_that_learns_nothing_gives_no_work(tmp_path: Path) -> None:
    (tmp_path / "idle.toml").write_text(TINY.replace('data = "digits"', 'name = "none"'))
    assert works_of(open_scenario(str(tmp_path / "idle.toml"))) == ({}, None)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["modelled"], "reads no sensor"),
        (["recording:x.csv", "--output", "board.json"], "ends in .toml"),
        (["recording:x.csv", "--output", "there.toml"], "exists"),
        (["recording:x.csv", "--output", "no/such/board.toml"], "make it first"),
        (["recording:x.csv", "--name", "my board"], "allowed are 1 to 64 letters"),
        (["recording:/no/such.csv"], "cannot be read"),
        (["recording:x.csv", "--board", "no-such-board"], "unknown board"),
        (["recording:x.csv", "--only-sleep"], "--only-sleep needs --sleep FILE"),
        (["recording:x.csv", "--node", "n0"], "--node needs --sleep FILE"),
        (["recording:x.csv", "--sleep", "demo"], "demo names no actuator"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("")
    assert invoke(["calibrate", *arguments]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert sorted(os.listdir(tmp_path)) == ["there.toml"]


@pytest.mark.processes
def test_a_board_whose_power_does_not_follow_its_load_is_refused_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wave.csv").write_text("at_s,power_w\n0,4.0\n0.013,4.6\n0.031,3.9\n0.047,5.2\n0.08,0\n")
    (tmp_path / "idle.toml").write_text(TINY.replace('data = "digits"', 'name = "none"'))
    output = tmp_path / "mine.toml"
    arguments = ["calibrate", f"recording:{tmp_path}/wave.csv,repeat", "--seconds", "0.5", "-o", str(output)]
    assert invoke([*arguments, "--scenario", str(tmp_path / "idle.toml")]) == 2
    assert "not calibrated: busy_w: " in " ".join(capsys.readouterr().err.split())
    assert not output.exists()


def test_a_board_needs_no_package_of_the_coordinator_for_it() -> None:
    heavy = ("pandas", "scipy", "ray", "pvlib", "pyarrow", "highspy", "matplotlib", "sklearn")
    code = f"import sys, experiments.commands.calibrate; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
