"""The negotiated policies: what they cost, what they reach, what stays private."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.negotiation.belief import Belief
from coordinator.market.negotiation.quote import Quote
from coordinator.policies.admm import Admm
from coordinator.policies.auction import Auction
from coordinator.policies.base import Policy
from coordinator.policies.belief import BeliefAuction
from protos.messages import Good, Side

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


@pytest.mark.parametrize("policy", [Auction(), BeliefAuction()], ids=["auction", "belief"])
@pytest.mark.parametrize("slot", [3, 9, 12, 18])
def test_trading_is_not_worse_than_staying_alone(policy: Policy, slot: int) -> None:
    notes = policy.decide(at(slot), policy.init(0))[0].notes
    assert notes.get("captured_gain_fraction", 0.0) > -1e-6


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
