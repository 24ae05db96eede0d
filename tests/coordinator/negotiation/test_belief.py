"""Belief in what others offer, by node and hour."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.negotiation.belief import BINS, Belief
from coordinator.negotiation.quote import Quote
from protos.messages.market import Good, Side
from tests.coordinator.negotiation.quotes import offers


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
