"""The negotiated policies: cost, gain, and privacy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.window import product_form
from coordinator.negotiation.belief import Belief
from coordinator.negotiation.policies.admm import Admm
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.negotiation.quote import Quote
from coordinator.negotiation.simulated import Tally, converse
from coordinator.policies.base import Policy
from protos.messages.market import Good, Side
from protos.trading.trader import Trader

POLICIES = [Auction(), Auction(mcafee=True), BeliefAuction(), Admm(rounds=60)]


def at(slot: int) -> Fleet:
    """One slot of the reference day, batteries half full."""
    day = reference_day(24)
    return replace(
        reference_day(1),
        slot=slot,
        intensity_g_per_kwh=day.intensity_g_per_kwh[:, slot : slot + 1].copy(),
        harvest_j=day.harvest_j[:, slot : slot + 1].copy(),
        battery_j=0.5 * day.battery_capacity_j,
    )


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


def test_the_energy_of_a_simulated_negotiation_by_hand() -> None:
    """Node 0 hears 4,000 B at 0.7 uJ and says 1,000 B at 1.2 uJ: 2,800 + 1,200 uJ. Node 1 hears 700 B at 0.9 uJ and
    says 300 B at 1.5 uJ: 630 + 450 uJ. The network carries 6,000 B at 3 uJ: 18,000 uJ. All: 0.02308 J."""
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        rx_j_per_byte=np.array([0.7e-6, 0.9e-6]),
        tx_j_per_byte=np.array([1.2e-6, 1.5e-6]),
        limits=replace(day.limits, net_j_per_byte=3e-6),
    )
    tally = Tally(fleet.node_ids)
    tally.down_bytes = dict(zip(fleet.node_ids, (4_000, 700), strict=True))
    tally.up_bytes = dict(zip(fleet.node_ids, (1_000, 300), strict=True))
    assert tally.energy_j(fleet) == pytest.approx(0.02308, rel=1e-12)
    assert tally.notes()["negotiation_bytes"] == 6_000.0


def test_a_simulated_negotiation_counts_bytes_both_ways() -> None:
    _, _, tally = converse(Auction(), product_form(at(12)), None)
    assert tally.messages >= 2 * len(tally.up_bytes)
    assert min(tally.up_bytes.values()) > 0
    assert min(tally.down_bytes.values()) > 0


@pytest.mark.parametrize("policy", [Auction(), BeliefAuction()], ids=["auction", "belief"])
@pytest.mark.parametrize("slot", [3, 9, 12, 18])
def test_trading_is_not_worse_than_staying_alone(policy: Policy, slot: int) -> None:
    notes = policy.decide(at(slot), policy.init(0))[0].notes
    assert notes.get("captured_gain_fraction", 0.0) > -1e-6


def gains_by_energy(policy: Any, fleet: Fleet) -> list[float]:
    """What each node gained by its energy trades, g: what serving its load with what is left of the harvest costs it
    less than before, less what it paid."""
    agreed, desks, _ = converse(policy, fleet, policy.init(0))
    gains = []
    for node, desk in zip(fleet.node_ids, desks, strict=True):
        trader = desk._trader
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


def test_mcafee_trades_no_more_than_the_plain_auction() -> None:
    fleet = at(12)
    plain, careful = (Auction(mcafee=m).decide(fleet, None)[0] for m in (False, True))
    assert careful.transfer_j.sum() <= plain.transfer_j.sum() + 1e-6


def test_belief_learns_the_hour_of_others_harvest() -> None:
    belief = Belief.prior(3, 24)
    np.testing.assert_array_equal(belief.scarcity(0, 24), 1.0)
    offers = [
        Quote(0, Good.ENERGY, Side.ASK, 1e-6, 100.0),
        Quote(1, Good.ENERGY, Side.BID, 1e-4, 50.0),
    ]
    for day in range(30):
        belief = belief.learn(24 * day + 12, offers)
        belief = belief.learn(24 * day + 3, offers[1:])
    scarcity = belief.scarcity(0, 24)
    assert scarcity[1, 12] < 0.3  # noon: others offer more than is asked for
    assert scarcity[1, 3] > 0.7  # night: they do not
    assert scarcity[0, 12] == 1.0  # node 0 does not count on itself


def test_states_are_kept_apart_by_fleet() -> None:
    policy = BeliefAuction(report_gap=False)
    _, state = policy.decide(at(12), policy.init(0))
    _, other = policy.decide(random_fleet(3, 2, 1), state)
    assert set(other) != set(state)
