"""Every kind of sensor that is absent, stuck, negative or implausible: the window is missing, and never zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.process import sample
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.ring import Ring, Sample, Status
from edge_node.meters.sampling.samples import Samples
from edge_node.meters.sources.registry import SOURCES
from edge_node.meters.sources.source import Source
from protos.messages.terms import MeterKind
from tests.edge_node.meters.recordings import BOARD
from tests.edge_node.meters.sensors import SENSORS, World

READS, BEGIN = 1300, 650
"""Reads of a sensor, and the one after which the window begins."""
Happens = Callable[[World, int, float], None]
"""What the board and its sensor do before a read: the world, the read's number, the seconds since the one before."""


def healthy(world: World, read: int, passed_s: float) -> None:
    world.power_w = 4.0 + 0.01 * (read % 7)
    world.energy_j += world.power_w * passed_s


def absent(world: World, read: int, passed_s: float) -> None:
    healthy(world, read, passed_s)
    world.gone = read > BEGIN + 20


def stuck(world: World, read: int, passed_s: float) -> None:
    if read < 20:
        healthy(world, read, passed_s)


def negative(world: World, read: int, passed_s: float) -> None:
    healthy(world, read, passed_s)
    if read > BEGIN + 20:
        world.power_w, world.energy_j = -world.power_w, -1_000_000.0


def implausible(world: World, read: int, passed_s: float) -> None:
    healthy(world, read, 1_000 * passed_s)
    world.power_w *= 1_000


def window(source: Source, world: World, happens: Happens) -> Reading:
    """The sensor read as its process does, on stamps that keep its rate."""
    steady = bool(getattr(source, "steady", False))
    samples = Samples("fake", source.kind, source.rate_hz, source.resolution, limits_of(BOARD), steady)
    step_ns = round(1e9 / source.rate_hz)
    begin, end = None, None
    with TemporaryFile() as file:
        ring = Ring(file.fileno())
        for read in range(READS):
            if read == BEGIN:
                begin = samples.mark(read * step_ns - 1)
            if read == READS - 1:
                end = samples.mark(read * step_ns - 1)
            happens(world, read, step_ns / 1e9)
            sample(source, ring)
            samples.take([replace(found, at_ns=read * step_ns) for found in ring.samples()])
        said = ring.said
        ring.close()
    assert begin is not None
    assert end is not None
    return samples.close(begin, end, said)


@pytest.fixture(params=list(SENSORS))
def sensor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Source, World]:
    world = World()
    return request.param, SENSORS[request.param](world, tmp_path, monkeypatch), world


def test_there_is_a_fake_of_every_sensor() -> None:
    assert set(SENSORS) == set(SOURCES)


def test_a_healthy_sensor_is_read(sensor: tuple[str, Source, World]) -> None:
    _, source, world = sensor
    reading = window(source, world, healthy)
    assert abs(reading.energy_uj - 4.03e-3 * reading.duration_ns) <= max(
        reading.half_width_uj, 0.005 * reading.energy_uj
    )
    assert reading.half_width_uj < 0.05 * reading.energy_uj
    assert reading.coverage_fraction == 1.0


@pytest.mark.parametrize("happens", [absent, stuck, negative, implausible])
def test_what_cannot_be_true_is_missing_and_never_zero(
    sensor: tuple[str, Source, World], happens: Happens
) -> None:
    name, source, world = sensor
    if happens is stuck and name == "recording":
        pytest.skip("a recording shows what was recorded: a power that holds is no fault of it")
    with pytest.raises(MeterError, match=r"^meter fake: "):
        window(source, world, happens)


def test_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    source = SENSORS["hwmon"](world, tmp_path, monkeypatch)
    with pytest.raises(MeterError, match=r"last refused: .* is negative: is the sensor wired in reverse"):
        window(source, world, negative)


def test_a_sensor_whose_step_is_coarse_may_show_the_same_for_long() -> None:
    """26 W in steps of a watt, as a plug shows them: a steady load and a stuck plug look alike."""
    samples = Samples("plug", MeterKind.POWER, 1.0, 1_000_000, limits_of(BOARD))
    begin = None
    for read in range(READS):
        if read == BEGIN:
            begin = samples.mark(read * 10**9 - 1)
        if read == READS - 1:
            end = samples.mark(read * 10**9 - 1)
        samples.take([Sample(read * 10**9, 26_000_000, Status.OK)])
    assert begin is not None
    assert samples.close(begin, end).energy_uj == pytest.approx(26e6 * (READS - 1 - BEGIN), rel=1e-6)


def test_since_when_a_sensor_is_refused() -> None:
    """From the first refused sample on, until one is taken."""
    samples = Samples("fake", MeterKind.POWER, 100.0, 0, limits_of(BOARD))
    too_much_uw = limits_of(BOARD).high_uw + 1

    def take(at_ns: int, power_uw: int) -> int | None:
        samples.take([Sample(at_ns, power_uw, Status.OK)])
        return samples.refused_since_ns

    assert samples.refused_since_ns is None
    assert take(10, too_much_uw) == 10
    assert take(20, -1) == 10
    assert take(30, 4_000_000) is None
    assert take(30, 4_000_000) == 30, "its stamp does not rise"
    assert take(40, 4_000_000) is None
