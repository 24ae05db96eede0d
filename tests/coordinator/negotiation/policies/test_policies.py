"""The negotiated policies: gain and rules."""

from __future__ import annotations

import pytest

from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.policies.belief import BeliefAuction
from coordinator.policies.base import Policy
from tests.coordinator.negotiation.fleets import at


@pytest.mark.parametrize("policy", [Auction(), BeliefAuction()], ids=["auction", "belief"])
@pytest.mark.parametrize("slot", [3, 9, 12, 18])
def test_trading_is_not_worse_than_staying_alone(policy: Policy, slot: int) -> None:
    notes = policy.decide(at(slot), policy.init(0))[0].notes
    assert notes.get("captured_gain_fraction", 0.0) > -1e-6


def test_mcafee_trades_no_more_than_the_plain_auction() -> None:
    fleet = at(12)
    plain, careful = (Auction(mcafee=m).decide(fleet, None)[0] for m in (False, True))
    assert careful.transfer_j.sum() <= plain.transfer_j.sum() + 1e-6
