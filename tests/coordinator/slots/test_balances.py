"""Balances of nodes that did not report, and the check of those that did."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carbon_data.storage import balance
from coordinator.slots.balances import balance_findings, close_unreported
from coordinator.slots.trade import dischargeable_uj
from protos.messages.stream import NodeProfile
from tests.coordinator.slots.demand import cells, profiles

SLOT_S = 60.0
energies = st.integers(0, 10**12)
fractions = st.floats(0.0, 0.99)


@given(profiles(), energies, energies, energies, st.data())
def test_closing_an_unreported_node_balances(
    profile: NodeProfile, demand: int, harvest: int, stored: int, data: Any
) -> None:
    stored = min(stored, profile.battery_capacity_uj)
    imported = data.draw(energies)
    most = harvest + dischargeable_uj(profile, stored, SLOT_S)
    export = data.draw(st.integers(0, most))
    closed = close_unreported(profile, demand, harvest, export, imported, stored)
    found = [text for text in balance_findings(closed, profile, SLOT_S) if "self-discharge" not in text]
    assert found == []
    assert (closed.grid_uj, closed.green_uj, closed.export_uj) == (demand, 0, export)


@given(profiles(), energies, energies, energies, energies, st.data())
def test_a_nodes_own_balance_has_no_findings_and_any_change_of_a_term_has(
    profile: NodeProfile, demand: int, harvest: int, charge: int, discharge: int, data: Any
) -> None:
    battery = cells(profile)
    stored = data.draw(st.integers(0, battery.capacity_uj))
    own = balance(
        battery, stored, demand_uj=demand, harvest_uj=harvest, charge_uj=charge, discharge_uj=discharge
    )
    assert balance_findings(own, profile, SLOT_S) == []
    name = data.draw(st.sampled_from(own.__slots__))
    change = data.draw(st.integers(1, 10**12))
    wrong = dataclasses.replace(own, **{name: getattr(own, name) + change})
    assert balance_findings(wrong, profile, SLOT_S) != []
