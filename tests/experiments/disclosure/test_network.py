"""Carbon per bit of the traffic at the user interface."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.disclosure.network import CARRYING, NO_TRAFFIC, TRAFFIC, network, traffic_bits
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.measures import totals
from experiments.report.read import Run


def test_kilograms_per_bit_and_tree_of_a_run(run: Run, made: Embodied) -> None:
    found = {entry.key: entry.value for entry in network(run, made).entries}
    slots, lines = run.tables["slots"], run.tables["lines"]
    bits = 8 * sum(int(slots[name].sum()) for name in TRAFFIC)
    assert traffic_bits(run) == bits > 0
    assert found["ncie_testbed_kg_per_bit"] == pytest.approx(run.emissions_g / 1000 / bits)
    carried = lines[lines["component"].isin(CARRYING)]["operational_g"].sum()
    assert found["ncie_network_kg_per_bit"] == pytest.approx(carried / 1000 / bits)
    assert found["tree_bit_per_j"] == totals(run).tree_testbed_bit_per_j


def test_without_traffic_there_is_no_figure_per_bit(run: Run, made: Embodied) -> None:
    silent = replace(
        run, tables={**run.tables, "slots": run.tables["slots"].assign(**dict.fromkeys(TRAFFIC, 0))}
    )
    found = {entry.key: entry for entry in network(silent, made).entries}
    assert found["ncie_testbed_kg_per_bit"].value is None
    assert found["ncie_testbed_kg_per_bit"].reason == NO_TRAFFIC
