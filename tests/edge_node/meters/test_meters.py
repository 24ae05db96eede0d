"""Every meter passes the conformance suite; attributed and unallocated joules add up to the whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters import conformance
from edge_node.meters.base import Meter, MeterContext, MeterError, Slot, Work, spread
from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter
from edge_node.meters.hwmon import (
    EnergyCounter,
    HwmonMeter,
    PowerIntegrator,
    RaplMeter,
    SensorMeter,
    find_rapl,
)
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import METERS, build_meter
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage

BOARD = BoardConfig(
    name="test",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.5,
    wake_j=3.0,
    wake_s=0.25,
    effective_flop_per_s=1e6,
    tx_j_per_byte=1e-3,
    rx_j_per_byte=2e-3,
    storage_bytes=10**6,
)
CONTEXT = MeterContext(BOARD, slot_s=10.0)
LINE = {"stage": "development", "component": "compute", "energy_uj": 1, "provenance": "measured"}


def by_key(lines: tuple[EnergyLine, ...]) -> dict[tuple[Stage, Component], int]:
    return {(line.stage, line.component): line.energy_uj for line in lines}


def recorded_log(folder: Path) -> Path:
    log = folder / "readings.jsonl"
    meter = build_meter(f"record:{log}=modelled", BOARD, 10.0)
    for slot in range(conformance.SLOTS):
        conformance.one_slot(meter, slot, awake=slot != 1, flop=1e6 * slot)
    return log


def fake_sysfs(root: Path, kind: str) -> Path:
    if kind == "rapl":
        folder = root / "class" / "powercap" / "intel-rapl:0"
        folder.mkdir(parents=True)
        (folder / "max_energy_range_uj").write_text("999\n")
        (folder / "energy_uj").write_text("100\n")
    else:
        folder = root / "class" / "hwmon" / "hwmon1"
        folder.mkdir(parents=True)
        (folder / "name").write_text("ina226\n")
        (folder / "power1_input").write_text("4000000\n")
    return folder


class Rising:
    """An energy sensor that gains 7 J whenever it is read."""

    def __init__(self) -> None:
        self.total = 0

    def energy_uj(self) -> int:
        self.total += 7_000_000
        return self.total

    def stop(self) -> None:
        pass


@pytest.fixture
def makers(tmp_path: Path) -> dict[str, Callable[[], Meter]]:
    log = recorded_log(tmp_path)
    fake_sysfs(tmp_path, "hwmon")
    ticks = itertools.count()
    return {
        "modelled": lambda: ModelledMeter(CONTEXT),
        "cpu-time": lambda: CpuTimeMeter(CONTEXT),
        "process-cpu-time": lambda: ProcessCpuTimeMeter(CONTEXT),
        "replay": lambda: build_meter(f"replay:{log}", BOARD, 10.0),
        "rapl": lambda: SensorMeter(CONTEXT, Rising(), clock=lambda: float(next(ticks))),
        "hwmon": lambda: HwmonMeter(CONTEXT, root=tmp_path),
    }


@pytest.mark.parametrize("name", list(METERS))
def test_every_registered_meter_conforms(name: str, makers: dict[str, Callable[[], Meter]]) -> None:
    conformance.check(makers[name])


def test_the_suite_rejects_a_meter_that_carries_work_over() -> None:
    class Forgetful(ModelledMeter):
        def open(self, slot: int) -> None:
            self._window.work(Stage.DEVELOPMENT, 1.0, 1.0, False)

    with pytest.raises(AssertionError, match="idle slot computes nothing"):
        conformance.check(lambda: Forgetful(CONTEXT))


def test_modelled_joules_are_counted_work_times_power() -> None:
    meter = ModelledMeter(CONTEXT)
    meter.open(0)
    meter.begin()
    meter.add(Work(Stage.DEVELOPMENT, 3e6))
    meter.moved(Stage.DEVELOPMENT, tx_bytes=100, rx_bytes=10)
    lines = by_key(meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=True)))
    assert lines == {
        (Stage.DEVELOPMENT, Component.COMPUTE): 12_000_000,  # 3 s at 4 W above static
        (Stage.DEVELOPMENT, Component.STATIC): 6_000_000,  # 3 s at 2 W
        (Stage.DEVELOPMENT, Component.WAKE): 3_000_000,
        (Stage.DEVELOPMENT, Component.RADIO_TX): 100_000,
        (Stage.DEVELOPMENT, Component.RADIO_RX): 20_000,
        (Stage.UNALLOCATED, Component.STATIC): 14_000_000,  # the other 7 s
    }


def test_a_sleeping_slot_costs_sleep_power_and_a_silent_one_static() -> None:
    meter = ModelledMeter(CONTEXT)
    meter.open(0)
    asleep = meter.close(Slot(0, Stage.DEVELOPMENT, awake=False, woke=False))
    assert by_key(asleep) == {(Stage.UNALLOCATED, Component.SLEEP): 5_000_000}
    meter.open(1)
    silent = meter.close(Slot(1, Stage.DEVELOPMENT, awake=True, woke=False))
    assert by_key(silent) == {(Stage.UNALLOCATED, Component.STATIC): 20_000_000}


@given(
    st.lists(st.tuples(st.sampled_from(list(Stage)), st.floats(0, 3e7), st.booleans()), max_size=6),
    st.integers(0, 10**12),
    st.floats(0.001, 100),
    st.booleans(),
)
def test_attributed_and_unallocated_add_up_to_what_was_metered(
    works: list[tuple[Stage, float, bool]], total_uj: int, duration_s: float, woke: bool
) -> None:
    model, window = PowerModel(BOARD), Window()
    for stage, flop, wasted in works:
        window.work(stage, model.busy_s(flop), model.compute_j(flop), wasted)
    slot = Slot(0, Stage.DEVELOPMENT, awake=True, woke=woke)
    assert sum(window.measured_uj(total_uj, model, slot, duration_s).values()) == total_uj
    modelled = window.modelled_uj(model, slot, duration_s)
    static = sum(energy for (_, component), energy in modelled.items() if component is Component.STATIC)
    busy_s = sum(model.busy_s(flop) for _, flop, _ in works)
    assert static == pytest.approx(2e6 * max(duration_s, busy_s), abs=1)


@given(st.integers(0, 10**15), st.lists(st.floats(0, 1e9), min_size=1, max_size=8))
def test_spreading_loses_nothing(total_uj: int, weights: list[float]) -> None:
    parts = spread(total_uj, weights)
    assert sum(parts) == total_uj
    assert all(part >= 0 for part in parts)


def test_cpu_time_is_the_clock_of_this_work_and_no_other() -> None:
    cpu, wall = iter([10.0, 12.0, 50.0, 50.5]), iter([0.0, 4.0, 9.0, 9.25])
    meter = CpuTimeMeter(CONTEXT, cpu_clock=lambda: next(cpu), clock=lambda: next(wall), cores=4)
    meter.open(0)
    meter.begin()
    meter.add(Work(Stage.DEVELOPMENT, 1.0))
    meter.begin()
    meter.add(Work(Stage.APPLICATION, 1.0))
    lines = by_key(meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False)))
    assert lines[Stage.DEVELOPMENT, Component.COMPUTE] == 2_000_000  # 2 CPU-s of 1 W (4 W over 4 cores)
    assert lines[Stage.APPLICATION, Component.COMPUTE] == 500_000
    assert lines[Stage.DEVELOPMENT, Component.STATIC] == 4_000_000  # 2 s busy
    assert lines[Stage.APPLICATION, Component.STATIC] == 500_000  # never longer than the wall clock
    assert {line.provenance for line in _lines_of(meter)} == {"modelled"}


def _lines_of(meter: Meter) -> tuple[EnergyLine, ...]:
    meter.open(1)
    return meter.close(Slot(1, Stage.DEVELOPMENT, awake=True, woke=False))


def test_cpu_time_without_a_start_is_an_error() -> None:
    meter = CpuTimeMeter(CONTEXT)
    meter.open(0)
    with pytest.raises(MeterError, match="begin"):
        meter.add(Work(Stage.DEVELOPMENT, 1.0))


def test_what_was_recorded_is_replayed_and_labelled(tmp_path: Path) -> None:
    log = recorded_log(tmp_path)
    meter = build_meter(f"replay:{log}", BOARD, 10.0)
    lines = meter.close(Slot(2, Stage.DEVELOPMENT, awake=True, woke=False))
    live = conformance.one_slot(ModelledMeter(CONTEXT), 2, awake=True, flop=2e6)
    assert by_key(lines) == by_key(live)
    assert {line.provenance for line in lines} == {"replayed"}


def test_a_slot_that_was_not_recorded_is_missing_and_not_zero(tmp_path: Path) -> None:
    meter = build_meter(f"replay:{recorded_log(tmp_path)}", BOARD, 10.0)
    with pytest.raises(MeterError, match="no reading of slot 9"):
        meter.close(Slot(9, Stage.DEVELOPMENT, awake=True, woke=False))


@pytest.mark.parametrize(
    "row",
    [
        "not json",
        '{"slot": 0}',
        json.dumps({"slot": 0, "lines": [{**LINE, "energy_uj": -1}]}),
        json.dumps({"slot": 0, "lines": [{**LINE, "stage": "lunch"}]}),
        '{"slot": 0, "lines": []}\n{"slot": 0, "lines": []}',
    ],
)
def test_a_damaged_log_names_its_line(tmp_path: Path, row: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(row + "\n")
    with pytest.raises(MeterError, match=r"line [12]"):
        build_meter(f"replay:{log}", BOARD, 10.0)


def test_a_counter_that_wraps_loses_nothing(tmp_path: Path) -> None:
    folder = fake_sysfs(tmp_path, "rapl")
    counter = find_rapl("", root=tmp_path)
    meter = SensorMeter(CONTEXT, counter)
    meter.open(0)
    (folder / "energy_uj").write_text("990\n")
    assert counter.energy_uj() == 890
    (folder / "energy_uj").write_text("15\n")  # past 999 and round
    lines = meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    assert sum(line.energy_uj for line in lines) == 890 + 25
    assert {line.provenance for line in lines} == {str(Provenance.MEASURED)}


def test_a_counter_without_a_range_may_not_fall(tmp_path: Path) -> None:
    path = tmp_path / "energy1_input"
    path.write_text("100\n")
    counter = EnergyCounter(path, None)
    path.write_text("50\n")
    with pytest.raises(MeterError, match="fell from 100 to 50"):
        counter.energy_uj()


def test_power_is_integrated_by_trapezoids(tmp_path: Path) -> None:
    path = tmp_path / "power1_input"
    path.write_text("2000000\n")
    times = iter([0.0, 1.0, 3.0])
    sensor = PowerIntegrator(path, clock=lambda: next(times), threaded=False)
    path.write_text("4000000\n")
    sensor.sample()
    assert sensor.energy_uj() == 3_000_000 + 8_000_000


def test_a_sensor_that_fails_makes_a_gap(tmp_path: Path) -> None:
    folder = fake_sysfs(tmp_path, "rapl")
    meter = RaplMeter(CONTEXT, root=tmp_path)
    meter.open(0)
    (folder / "energy_uj").unlink()
    with pytest.raises(MeterError, match="cannot be read"):
        meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))


def test_without_a_sensor_the_meter_says_so(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="choose another meter"):
        RaplMeter(CONTEXT, root=tmp_path)
    with pytest.raises(MeterError, match="INA2xx"):
        HwmonMeter(CONTEXT, root=tmp_path)


def test_unknown_meters_are_refused_with_the_known_ones() -> None:
    with pytest.raises(MeterError, match="modelled, cpu-time"):
        build_meter("guess", BOARD, 1.0)
    with pytest.raises(MeterError, match="cannot be loaded"):
        build_meter("no_such_module:Meter", BOARD, 1.0)
    with pytest.raises(MeterError, match="record:PATH=METER"):
        build_meter("record:x.jsonl", BOARD, 1.0)


def test_a_meter_of_ones_own_needs_no_entry() -> None:
    meter = build_meter("edge_node.meters.modelled:ModelledMeter", BOARD, 1.0)
    assert isinstance(meter, ModelledMeter)
