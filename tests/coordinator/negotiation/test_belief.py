"""Belief and auction: equal in a single slot; belief stores less where others' harvest was observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.window import product_form
from coordinator.negotiation.belief import BINS, Belief
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.negotiation.quote import Quote
from coordinator.negotiation.simulated import converse
from protos.messages.market import Good, Side


@pytest.mark.parametrize("seed", range(12))
def test_a_slots_matching_trades_what_the_auction_trades(seed: int) -> None:
    fleet = product_form(random_fleet(seed, 6, 3))
    auction, _, _ = converse(Auction(), fleet, None)
    matching, _, _ = converse(BeliefAuction(), fleet, {})
    for good in ("traded_j", "traded_batches"):  # by node as well, but for those that ask the same price
        assert matching.notes[good] == pytest.approx(auction.notes[good], rel=1e-9)
    assert matching.notes["least_scarcity"] == 1.0


def offers(given_j: dict[int, float], wanted_j: float) -> list[Quote]:
    return [
        *(Quote(node, Good.ENERGY, Side.ASK, 1e-6, amount) for node, amount in given_j.items()),
        Quote(3, Good.ENERGY, Side.BID, 1e-4, wanted_j),
    ]


def test_counts_by_node_and_hour_by_hand() -> None:
    """Node 0 offers 100 J at slot 1 of a day of four and 30 J a day later: bins 4 and 1 of five, beside the prior's one
    count in bin 0, so (0 + 0.9 + 0.3) / 3 of 100 J are expected of it."""
    belief = Belief.prior(4, 4).learn(1, offers({0: 100.0}, 50.0)).learn(5, offers({0: 30.0}, 150.0))
    assert belief.counts[0, 1].tolist() == [1, 1, 0, 0, 1]
    expected = belief.expected_offers_j()
    assert expected[0, 1] == pytest.approx(40.0)
    assert expected[0, [0, 2, 3]].tolist() == [
        0.0,
        0.0,
        0.0,
    ]  # nothing is expected in an hour that was never observed
    assert belief.demand_j.tolist() == [0.0, 100.0, 0.0, 0.0]
    # 40 J of the 100 J wanted come from others: 60 % is to be paid for; node 0 does not count on itself
    assert belief.scarcity(0, 6)[3].tolist() == pytest.approx([1.0, 0.6, 1.0, 1.0, 1.0, 0.6])
    assert belief.scarcity(0, 6)[0].tolist() == [1.0] * 6
    assert Belief.prior(4, 4).counts.shape == (4, 4, BINS)


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
