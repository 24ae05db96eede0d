"""Belief and auction: equal in a single slot; belief stores less where others' harvest was observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.window import product_form
from coordinator.negotiation.belief import Belief
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.negotiation.simulated import converse
from tests.coordinator.negotiation.fleets import at
from tests.coordinator.negotiation.quotes import offers


def waiting_fleet() -> Fleet:
    """Slot 6 of a day. Node 3 has no sun and a charged battery; its grid has the highest intensity at noon."""
    day = reference_day(24, nodes=4)
    hours = np.roll(np.arange(24), -6)
    intensity = np.full((4, 24), 100.0)
    intensity[3] = np.where((hours >= 11) & (hours <= 13), 500.0, 200.0)
    capacity = np.full(4, 300.0)
    return replace(
        day,
        slot=6,
        intensity_g_per_kwh=intensity,
        harvest_j=np.zeros((4, 24)),
        battery_capacity_j=capacity,
        battery_j=np.array([0.0, 0.0, 0.0, 300.0]),
        stored_value_g_per_j=np.zeros(4),
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_slots_matching_trades_what_the_auction_trades(seed: int) -> None:
    fleet = product_form(random_fleet(seed, 6, 3))
    auction, _, _ = converse(Auction(), fleet, None)
    matching, _, _ = converse(BeliefAuction(), fleet, {})
    for good in ("traded_j", "traded_batches"):  # by node as well, but for those that ask the same price
        assert matching.notes[good] == pytest.approx(auction.notes[good], rel=1e-9)
    assert matching.notes["least_scarcity"] == 1.0


def test_what_others_are_expected_to_offer_is_not_kept_in_store() -> None:
    fleet = waiting_fleet()
    policy = BeliefAuction(report_gap=False)
    belief = Belief.prior(4, 24)
    for noon in (11, 12, 13, 35, 36, 37, 59, 60, 61):
        belief = belief.learn(noon, offers({0: 900.0, 1: 900.0}, 200.0))
    auction, _ = Auction(report_gap=False).decide(fleet, None)
    ignorant, _ = policy.decide(fleet, policy.init(0))
    learned, _ = policy.decide(fleet, {fleet.node_ids: belief})
    assert ignorant.discharge_j[3] == auction.discharge_j[3] == 0.0  # kept for noon
    assert learned.discharge_j[3] > 0.0
    assert learned.notes["least_scarcity"] == 0.0


def test_states_are_kept_apart_by_fleet() -> None:
    policy = BeliefAuction(report_gap=False)
    _, state = policy.decide(at(12), policy.init(0))
    _, other = policy.decide(random_fleet(3, 2, 1), state)
    assert set(other) != set(state)
