"""The ``modelled`` meter: joules from counted work and the board's power model. Deterministic."""

from __future__ import annotations

from edge_node.meters.base import Slot, Work
from edge_node.meters.modelled import ModelledMeter
from protos.messages.terms import Component, Stage
from tests.edge_node.meters.recordings import CONTEXT, by_key


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
