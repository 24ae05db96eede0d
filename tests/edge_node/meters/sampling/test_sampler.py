"""A node's own sampler, with its process."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import Limits
from edge_node.meters.sampling.sampler import Sampler
from protos.messages.terms import MeterKind
from tests.edge_node.meters.recordings import replaced

LIMITS = Limits(low_uw=100_000, high_uw=50_000_000)


def wave(folder: Path) -> str:
    """2.2 W and 4.6 W for 25 ms each: 3.4 W."""
    (path := folder / "wave.csv").write_text("at_s,power_w\n0,2.2\n0.025,4.6\n0.05,0\n")
    return f"recording:{path},repeat"


@pytest.mark.usefixtures("slow_machine")
@pytest.mark.parametrize("rate_hz", [1000.0, 20.0])
def test_the_interval_covers_the_mean_of_a_wave(tmp_path: Path, rate_hz: float) -> None:
    """At 20 Hz every read at equal distances would see the same phase. Of its random moments one window in 400 lies
    beyond 1.5 half widths, and none in ten thousand beyond 2.5."""
    sampler = Sampler(wave(tmp_path), LIMITS, rate_hz)
    begin = sampler.edge()
    time.sleep(2.0)
    middle = sampler.edge()
    time.sleep(0.5)
    first, second = sampler.window(begin, middle), sampler.window(middle, sampler.edge())
    for reading in (first, second):
        truth_uj = 3.4e-3 * reading.duration_ns
        assert abs(reading.energy_uj - truth_uj) <= 2.5 * reading.half_width_uj
        assert 1.5 * reading.half_width_uj < truth_uj
        assert reading.kind is MeterKind.POWER
    assert begin.at_ns + first.duration_ns == middle.at_ns
    sampler.stop()


def test_a_slow_sensor_is_read_at_the_edges(tmp_path: Path) -> None:
    sampler = Sampler(wave(tmp_path), LIMITS, rate_hz=1.0)
    took_s, rates_hz = [], []
    for _ in range(9):  # some of them may come late on a busy machine
        begun = time.monotonic()
        begin = sampler.edge()
        time.sleep(0.05)
        reading = sampler.window(begin, sampler.edge())
        took_s.append(time.monotonic() - begun)
        rates_hz.append(reading.rate_hz)
    assert statistics.median(took_s) < 0.5  # not the next second's reads
    assert statistics.median(rates_hz) > 1.0
    sampler.stop()


def test_samples_that_no_board_draws_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliwatts taken for microwatts, and a sensor wired in reverse, from the first window on."""
    folder = tmp_path / "hwmon0"
    folder.mkdir()
    monkeypatch.setattr("edge_node.meters.sampling.sampler.REFUSED_S", 0.3)
    replaced(folder / "power1_input", 4_000_000_000)
    with pytest.raises(MeterError, match=r"in 0\.3 s; .*4000 W is more than 50 W"):
        Sampler(f"hwmon:{folder}", LIMITS)
    replaced(folder / "power1_input", -4_000_000)
    with pytest.raises(MeterError, match="in reverse"):
        Sampler(f"hwmon:{folder}", LIMITS)


def test_a_sensor_that_disappears_is_missing_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    replaced(folder / "max_energy_range_uj", 10**9)
    replaced(folder / "energy_uj", 5)
    sampler = Sampler(f"rapl:{folder}", LIMITS)
    begin = sampler.edge()
    (folder / "energy_uj").unlink()
    time.sleep(0.05)
    with pytest.raises(MeterError, match=r"not enclosed by reads.*cannot be read"):
        sampler.window(begin, end := sampler.edge())
    replaced(folder / "energy_uj", 400_000)
    time.sleep(0.1)
    later = sampler.edge()
    replaced(folder / "energy_uj", 500_000)
    assert sampler.window(end, later).energy_uj > 0
    sampler.stop()


def test_a_process_that_ends_leaves_the_window_missing(tmp_path: Path) -> None:
    sampler = Sampler(wave(tmp_path), LIMITS)
    begin = sampler.edge()
    os.kill(sampler.pid, signal.SIGKILL)
    sampler._process.wait(60)
    with pytest.raises(MeterError, match=r"its process ended \(-9\)"):
        sampler.window(begin, sampler.edge())
    sampler.stop()


def test_a_sampler_that_is_dropped_ends_its_process(tmp_path: Path) -> None:
    sampler = Sampler(wave(tmp_path), LIMITS)
    pid = sampler.pid
    assert Path(f"/proc/{pid}").exists()
    del sampler
    assert not Path(f"/proc/{pid}").exists()
