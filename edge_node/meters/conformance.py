"""What every meter must do, also one of your own: ``check(make)`` raises AssertionError saying what it does not.

``make()`` gives a fresh meter on a board with distinct figures, able to read slot 0 to 2 (``SLOTS``).
"""

from __future__ import annotations

from collections.abc import Callable

from carbon_data.types import Provenance
from edge_node.meters.base import Meter, Slot, Work
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage

SLOTS = 3
SHARED = frozenset({Component.NETWORK, Component.COORDINATOR, Component.ROUTER})
"""Lines that belong to others than a node."""


def check(make: Callable[[], Meter]) -> None:
    """Run the suite."""
    meter = make()
    assert isinstance(meter, Meter), f"{type(meter).__name__} lacks a method of edge_node.meters.base.Meter"
    assert meter.name, "a meter has a name"
    assert Provenance(meter.provenance) is not Provenance.MISSING, "a meter that reads nothing is no meter"
    for slot in range(SLOTS):
        _check_lines(one_slot(meter, slot, awake=slot != 1, flop=1e6 * slot))
    _check_idle(make())


def one_slot(meter: Meter, slot: int, awake: bool, flop: float) -> tuple[EnergyLine, ...]:
    """A slot with work, traffic and waste; what the meter reads of it."""
    meter.open(slot)
    if awake and flop:
        meter.begin()
        meter.add(Work(Stage.DEVELOPMENT, flop))
        meter.moved(Stage.DEVELOPMENT, tx_bytes=1_000, rx_bytes=2_000)
        meter.begin()
        meter.add(Work(Stage.DEVELOPMENT, flop, wasted=True))
    return meter.close(Slot(slot, Stage.DEVELOPMENT, awake, woke=False))


def _check_lines(lines: tuple[EnergyLine, ...]) -> None:
    keys = [(line.stage, line.component) for line in lines]
    assert len(set(keys)) == len(keys), f"one line per stage and component, got {keys}"
    for line in lines:
        assert type(line.energy_uj) is int, f"energies are whole microjoules, got {line}"
        assert line.energy_uj > 0, f"energies are positive, lines without energy are left out, got {line}"
        assert line.component not in SHARED, f"{line.component} is not a node's to meter"
        assert Provenance(line.provenance) is not Provenance.MISSING, "what is missing raises MeterError"


def _check_idle(meter: Meter) -> None:
    """The window that ``open`` begins is empty: nothing of the one before is in it."""
    first = one_slot(meter, 0, awake=True, flop=0.0)
    _check_lines(first)
    computed = {Component.COMPUTE, Component.WASTE, Component.RADIO_TX, Component.RADIO_RX}
    if Provenance(meter.provenance) is not Provenance.REPLAYED:
        assert not computed & {line.component for line in first}, (
            f"an idle slot computes nothing, got {first}"
        )
