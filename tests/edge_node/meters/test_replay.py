"""The recorder's output is the replay meter's input: readings as JSON lines, one per slot."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from edge_node.meters import conformance
from edge_node.meters.base import MeterError, Slot
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import build_meter
from edge_node.meters.replay import RecordingMeter, ReplayMeter
from protos.messages.terms import Stage
from tests.edge_node.meters.recordings import BOARD, CONTEXT, by_key, recorded_log

LINE = {"stage": "development", "component": "compute", "energy_uj": 1, "provenance": "measured"}
METERED = {
    "kind": "power",
    "energy_uj": 1,
    "half_width_uj": 1,
    "bias_uj": 0,
    "rate_hz": 10.0,
    "coverage_fraction": 1.0,
    "gaps": 0,
    "window_s": 0.5,
}


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
        json.dumps({"slot": 0, "lines": [LINE], "metered": {"kind": "power"}}),
        json.dumps({"slot": 0, "lines": [LINE], "metered": {**METERED, "half_width_uj": "much"}}),
    ],
)
def test_a_damaged_log_names_its_line(tmp_path: Path, row: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(row + "\n")
    with pytest.raises(MeterError, match=r"line [12]"):
        build_meter(f"replay:{log}", BOARD, 10.0)


@pytest.mark.usefixtures("slow_machine")
def test_the_interval_is_recorded_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "steady.csv").write_text("at_s,power_w\n0,3\n3600,0\n")
    log = tmp_path / "log.jsonl"
    live = build_meter(f"record:{log}=recording:{tmp_path}/steady.csv", BOARD, 1.0)
    assert isinstance(live, RecordingMeter)
    live.open(0)
    time.sleep(0.1)
    live.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    assert live.metered is not None
    replayed = build_meter(f"replay:{log}", BOARD, 1.0)
    assert isinstance(replayed, ReplayMeter)
    assert replayed.metered is None
    replayed.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    assert replayed.metered == live.metered


def test_a_log_without_intervals_is_still_replayed(tmp_path: Path) -> None:
    meter = build_meter(f"replay:{recorded_log(tmp_path)}", BOARD, 10.0)
    assert isinstance(meter, ReplayMeter)
    meter.close(Slot(2, Stage.DEVELOPMENT, awake=True, woke=False))
    assert meter.metered is None
