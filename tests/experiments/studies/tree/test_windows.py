"""TREE and EE over consecutive windows of one simulated world."""

from __future__ import annotations

import pytest

from experiments.studies.tree.measure import Counting, bits, figures, take, tokens
from experiments.studies.tree.model import Discipline, SleepMode, build_machine
from experiments.studies.tree.parameters import PS_PER_S, load_parameters
from experiments.studies.tree.power import state_powers
from experiments.studies.tree.windows import windows_table

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)
POWERS = state_powers(P)


def test_consecutive_windows_add_up_to_the_whole(world) -> None:  # type: ignore[no-untyped-def]
    traffic, outcome = world
    table = windows_table(traffic, outcome, MACHINE, POWERS, 2 * PS_PER_S, Counting.OUTPUT)
    whole = take(traffic, outcome, 0)
    assert len(table) == 20
    assert table["bits"].sum() == bits(whole, MACHINE)
    assert table["tokens"].sum() == tokens(whole, MACHINE, Counting.OUTPUT)
    assert table["energy_j"].sum() == pytest.approx(figures(whole, MACHINE, POWERS)["energy_j"])
    assert (table["tree_10_bit_per_j"] >= table["ee_bit_per_j"]).all()
    with pytest.raises(ValueError, match="width_ps"):
        windows_table(traffic, outcome, MACHINE, POWERS, 0, Counting.OUTPUT)
    with pytest.raises(ValueError, match="window is"):
        take(traffic, outcome, 0, outcome.horizon_ps + 1)
