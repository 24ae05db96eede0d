"""Negotiated policies: their cost is reported, and no node loses by trading energy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.window import product_form
from coordinator.negotiation.policies.admm import Admm
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.negotiation.simulated import converse
from coordinator.policies.base import Policy
from protos.trading.trader import Trader
from tests.coordinator.negotiation.fleets import at

POLICIES = [Auction(), Auction(mcafee=True), BeliefAuction(), Admm(rounds=60)]


@pytest.mark.parametrize("policy", POLICIES, ids=["auction", "mcafee", "belief", "admm"])
def test_costs_and_gap_are_reported(policy: Policy) -> None:
    fleet = at(12)
    notes = policy.decide(fleet, policy.init(0))[0].notes
    assert notes["messages"] > 0
    assert notes["negotiation_bytes"] > 8 * notes["messages"]
    joules = notes["negotiation_bytes"] * (
        fleet.limits.net_j_per_byte + fleet.tx_j_per_byte[0] + fleet.rx_j_per_byte[0]
    )
    assert 0 < notes["negotiation_j"] <= joules * (1 + 1e-9)
    assert notes["gap_to_optimum_fraction"] >= -1e-6
    assert notes["captured_gain_fraction"] <= 1 + 1e-6


def gains_by_energy(policy: Any, fleet: Fleet) -> list[float]:
    """What each node gained by its energy trades, g: what serving its load with what is left of the harvest costs it
    less than before, less what it paid."""
    agreed, desks, _ = converse(policy, fleet, policy.init(0))
    gains = []
    for node, desk in zip(fleet.node_ids, desks, strict=True):
        trader = desk.trader
        assert trader is not None
        fills = [fill for fill in agreed.record["fills"].get(node, []) if fill[0] == "energy"]
        paid = sum(price * amount * (1 if side == "bid" else -1) for _, side, price, amount in fills)
        moved = sum(
            amount * trader.own.import_efficiency if side == "bid" else -amount / trader.own.export_efficiency
            for _, side, _, amount in fills
        )
        load = trader.load_now_j()
        harvest = np.array([trader.harvest_j + moved, *trader.own.harvest_j[1:]])
        assert harvest[0] >= -1e-9
        after = Trader(replace(trader.own, harvest_j=np.maximum(harvest, 0.0)), trader.terms)
        gains.append(trader.cost_g(load) - after.cost_g(load) - paid)
    return gains


@pytest.mark.parametrize(
    "policy", [Auction(), Auction(mcafee=True), BeliefAuction()], ids=["auction", "mcafee", "belief"]
)
def test_no_node_loses_by_trading_energy(policy: Any) -> None:
    """Individual rationality, by each node's own accounts, on random fleets and through the reference day."""
    fleets = [product_form(random_fleet(seed, 5, 3)) for seed in range(12)]
    fleets += [product_form(random_fleet(seed, 4, 3, deadline_slots=2)) for seed in range(6)]
    gained = 0.0
    for fleet in [*fleets, *(at(slot) for slot in (3, 9, 12, 18))]:
        scale = float(fleet.intensity_g_per_kwh.max()) * fleet.slot_s * float(fleet.static_w.max()) / 3.6e6
        gains = gains_by_energy(policy, fleet)
        assert min(gains) >= -1e-9 * scale
        gained += sum(gains)
    assert gained > 0
