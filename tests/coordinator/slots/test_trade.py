"""Settlement of trade: every joule arrives or is a named loss, and no node gives more than it has."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carbon_data.storage import balance
from coordinator.slots.trade import DonorState, SettledTransfer, Transfer, dischargeable_uj, settle_trade
from tests.coordinator.slots.demand import cells, profiles

SLOT_S = 60.0
energies = st.integers(0, 10**12)
fractions = st.floats(0.0, 0.99)


@st.composite
def markets(draw: st.DrawFn) -> Any:
    nodes = [f"n{i}" for i in range(draw(st.integers(2, 5)))]
    made = {node: draw(profiles()) for node in nodes}
    pairs = [(a, b) for a in nodes for b in nodes if a != b]
    decided = [
        Transfer(a, b, draw(st.integers(1, 10**12)))
        for a, b in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8))
    ]
    states = {}
    for node in nodes:
        if draw(st.integers(0, 4)):
            stored = draw(st.integers(0, made[node].battery_capacity_uj))
            states[node] = DonorState(draw(energies), stored, draw(energies))
    return decided, states, made


@given(markets())
def test_every_joule_arrives_or_is_a_named_loss(market: Any) -> None:
    decided, states, made = market
    outcome = settle_trade(decided, states, made, SLOT_S)
    assert [(t.donor, t.recipient, t.decided_uj) for t in outcome] == [
        (t.donor, t.recipient, t.energy_uj) for t in decided
    ]
    for settled in outcome:
        assert 0 <= settled.received_uj <= settled.sent_uj <= settled.decided_uj
        assert settled.posted == (settled.reason == "")
        present = settled.donor in states and settled.recipient in states
        assert present or not settled.posted
        kept = (1 - Fraction(made[settled.donor].export_loss_fraction)) * (
            1 - Fraction(made[settled.recipient].import_loss_fraction)
        )
        assert 0 <= settled.sent_uj * kept - settled.received_uj < 1


@given(markets())
def test_a_grant_can_always_be_met_by_the_donors_own_balance(market: Any) -> None:
    """Never more than the donor has, proven with the node's own execution rule."""
    decided, states, made = market
    outcome = settle_trade(decided, states, made, SLOT_S)
    for donor, state in states.items():
        export = sum(t.sent_uj for t in outcome if t.donor == donor)
        assert export <= state.harvest_uj + min(
            state.discharge_uj, dischargeable_uj(made[donor], state.battery_uj, SLOT_S)
        )
        if state.battery_uj <= cells(made[donor]).capacity_uj:
            found = balance(
                cells(made[donor]),
                state.battery_uj,
                demand_uj=5_000_000,
                harvest_uj=state.harvest_uj,
                export_uj=export,
                discharge_uj=state.discharge_uj,
            )
            assert found.export_uj == export


@given(markets(), st.data())
def test_without_scarcity_decided_is_what_is_sent(market: Any, data: Any) -> None:
    decided, states, made = market
    plenty = {node: dataclasses.replace(state, harvest_uj=10**14) for node, state in states.items()}
    for settled in settle_trade(decided, plenty, made, SLOT_S):
        if settled.posted:
            assert settled.sent_uj == settled.decided_uj


def test_scarcity_is_shared_in_proportion(kit: Any) -> None:
    made = {node: kit.profile(0, battery_capacity_uj=0) for node in ("a", "b", "c")}
    decided = [Transfer("a", "b", 300), Transfer("a", "c", 100)]
    outcome = settle_trade(decided, {n: DonorState(201, 0, 0) for n in made}, made, SLOT_S)
    assert [t.sent_uj for t in outcome] == [151, 50]


def test_missing_party_voids_only_its_own_transfers(kit: Any) -> None:
    made = {node: kit.profile(0) for node in ("a", "b", "c")}
    decided = [Transfer("a", "b", 100), Transfer("b", "c", 100), Transfer("c", "a", 100)]
    states = {node: DonorState(10**9, 0, 0) for node in ("a", "c")}
    outcome = settle_trade(decided, states, made, SLOT_S)
    assert [t.posted for t in outcome] == [False, False, True]
    assert "no reading from b" in outcome[0].reason


def test_outcomes_by_hand(kit: Any) -> None:
    """a has 1,000 of harvest and 500 that it may draw, and is to send 1,600 and 800: 1,000 and 500 of them. Three
    quarters leave a; of them a half arrives at b and seven eighths at c. d has nothing; e did not report."""
    made = {
        "a": kit.profile(0, export_loss_fraction=0.25, import_loss_fraction=0.0),
        "b": kit.profile(1, export_loss_fraction=0.0, import_loss_fraction=0.5),
        "c": kit.profile(2, export_loss_fraction=0.0, import_loss_fraction=0.125),
        "d": kit.profile(3, export_loss_fraction=0.0, import_loss_fraction=0.0),
        "e": kit.profile(4),
    }
    states = {
        "a": DonorState(1_000, 10**6, 500),
        "b": DonorState(0, 0, 0),
        "c": DonorState(0, 0, 0),
        "d": DonorState(0, 0, 10**6),
    }
    decided = [
        Transfer("e", "a", 7),
        Transfer("a", "b", 1_600),
        Transfer("d", "b", 9),
        Transfer("a", "c", 800),
        Transfer("e", "e2", 11),
        Transfer("a", "e", 5),
    ]
    assert settle_trade(decided, states, made, SLOT_S) == [
        SettledTransfer("e", "a", 7, 0, 0, "no reading from e"),
        SettledTransfer("a", "b", 1_600, 1_000, 375),
        SettledTransfer("d", "b", 9, 0, 0, "the donor has nothing to give"),
        SettledTransfer("a", "c", 800, 500, 328),
        SettledTransfer("e", "e2", 11, 0, 0, "no reading from e, e2"),
        SettledTransfer("a", "e", 5, 0, 0, "no reading from e"),
    ]
    assert [t.posted for t in settle_trade(decided, states, made, SLOT_S)] == [
        *(False, True, False, True, False, False)
    ]


def test_what_a_battery_can_give_by_hand(kit: Any) -> None:
    """Self-discharge 0.25 of it, 0.5 out; 2 W over 60 s. Held back: 4 uJ, and one part in 10^9 of what is stored."""
    profile = kit.profile(
        0,
        self_discharge_fraction=0.25,
        discharge_efficiency_fraction=0.5,
        discharge_limit_w=2.0,
        battery_capacity_uj=10**12,
    )
    assert dischargeable_uj(profile, 1_000, SLOT_S) == 375 - 4
    assert dischargeable_uj(profile, 1_001, SLOT_S) == 375 - 4  # 251 lost, 750 left
    assert dischargeable_uj(profile, 10**10, SLOT_S) == 120_000_000 - 4 - 10
    assert dischargeable_uj(profile, 10, SLOT_S) == 0
    assert dischargeable_uj(profile, 0, SLOT_S) == 0
