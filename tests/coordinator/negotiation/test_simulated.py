"""A negotiation inside one process, for the simulator and the conformance suite: the same market, the same traders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.window import product_form
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.simulated import Tally, converse
from tests.coordinator.negotiation.fleets import at


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
