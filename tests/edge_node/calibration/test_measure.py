"""The steps of a calibration, read by a sensor whose power follows the load."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.calibration.load import Done, core_numbers
from edge_node.calibration.measure import IDLE, IDLE_AGAIN, core_step, measure, planned_s, speed, step_names
from edge_node.calibration.reading import CalibrationError
from edge_node.meters.sampling.limits import Limits
from edge_node.meters.sampling.sampler import Sampler
from tests.edge_node.calibration.fake_board import IDLE_W, THREAD_W, FakeBoard
from tests.edge_node.meters.recordings import SteadySensor

ROOT = Path(__file__).parents[3]
LIMITS = Limits(low_uw=100_000, high_uw=200_000_000)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc here: what threads do is not known")
    made = FakeBoard(tmp_path / "hwmon3", itself=False)
    yield made
    made.stop()


def work() -> Done:
    """20 ms of one core, at 250 operations per second."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < 0.02:
        pass
    passed_s = time.perf_counter() - begun
    return Done(250.0 * passed_s, passed_s, passed_s)


def measured(spec: str) -> None:
    """All steps of a short calibration; prints what was told, and power and speed of each step, as JSON."""
    sampler, cores = Sampler(spec, LIMITS), core_numbers()[:2]
    told: dict[str, float] = defaultdict(float)

    def tell(step: str, passed_s: float) -> None:
        told[step] += passed_s

    try:
        powers = measure(sampler, cores, {"working": work}, 2.0, tell)
    finally:
        sampler.stop()
    found = {step: [power.power_w, power.flop_per_s] for step, power in powers.items()}
    print(json.dumps({"told": told, "powers": found, "cores": len(cores)}))


@pytest.mark.processes
def test_every_step_has_the_power_of_its_load(board: FakeBoard) -> None:
    """In a process of its own: threads that other tests have left in this one would be load too."""
    script = f"from {__name__} import measured; measured({board.spec!r})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    told, powers, cores = found["told"], found["powers"], range(found["cores"])
    assert list(powers) == list(told) == step_names(len(cores), ["working"])
    assert sum(told.values()) >= planned_s(len(cores), ["working"], 2.0)
    for step in (IDLE, IDLE_AGAIN):
        assert powers[step] == [pytest.approx(IDLE_W, rel=0.15), None]
    for count in range(1, len(cores) + 1):
        assert powers[core_step(count)][0] == pytest.approx(IDLE_W + count * THREAD_W, rel=0.15)
    assert powers["working"] == [pytest.approx(IDLE_W + THREAD_W, rel=0.15), pytest.approx(250.0)]


def test_a_meter_that_fails_names_the_step(tmp_path: Path) -> None:
    sensor = SteadySensor(tmp_path / "hwmon0")
    sampler = Sampler(sensor.spec, LIMITS)
    try:
        sensor.go(sampler)
        with pytest.raises(CalibrationError, match=r"^idle: .*cannot be read"):
            measure(sampler, [], {}, 1.0, lambda step, passed_s: None)
    finally:
        sampler.stop()


def test_speed_is_that_of_all_batches_with_their_spread() -> None:
    even = speed([Done(10.0, 2.0, 2.0)] * 5)
    assert even == (5.0, 0.0)
    mean, half = speed([Done(10.0, 1.0, 1.0), Done(10.0, 3.0, 1.0)] * 20)
    assert mean == pytest.approx(5.0)
    # Seconds with a deviation of 1 about 2: the mean's is 1/sqrt(40) of them.
    assert half == pytest.approx(2.02 * 5.0 / 2.0 / 40**0.5, rel=0.03)
    assert speed([Done(10.0, 2.0, 0.5)]) == (5.0, None)
