"""Readings of a board, recorded and as a sensor shows them."""

from __future__ import annotations

from pathlib import Path

from edge_node.config import BoardConfig
from edge_node.meters import conformance
from edge_node.meters.base import MeterContext
from edge_node.meters.registry import build_meter
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
