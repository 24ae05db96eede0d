"""A negotiation inside one process, for the simulator and the conformance suite: the same market, the same traders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.rounding import offload_room
from coordinator.market.window import product_form
from coordinator.negotiation.exchange import Rules
from coordinator.negotiation.policies.admm import Admm
from coordinator.negotiation.policies.auction import Auction
from coordinator.negotiation.simulated import Tally, converse, own_of
from coordinator.negotiation.table import Agreed
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


@pytest.mark.parametrize("sleeps", [False, True])
def test_a_nodes_private_row_is_its_own_row_of_the_fleet(sleeps: bool) -> None:
    fleet = random_fleet(11, 3, 4, deadline_slots=2, may_sleep=sleeps)
    shape = fleet.joules_per_batch.shape
    rng = np.random.default_rng(1)
    fleet = replace(
        fleet,
        asleep=np.array([False, True, True]),
        wake_s=np.array([1.0, 2.0, 3.0]),
        model_j=rng.uniform(1, 2, shape),
        request_j=rng.uniform(3, 4, shape),
        release_last_slot=np.array([9, 8, 7, 6]),
    )
    plain = (
        "static_w",
        "tx_j_per_byte",
        "rx_j_per_byte",
        "storage_bytes",
        "export_efficiency",
        "import_efficiency",
    )
    stores = ("battery_capacity_j", "charge_efficiency", "discharge_efficiency", "self_discharge_fraction")
    for node in range(3):
        own = own_of(fleet, node)
        for name in (*plain, *stores, "charge_limit_w", "discharge_limit_w", "battery_j"):
            assert getattr(own, name) == getattr(fleet, name)[node], name
        for name in ("harvest_j", "seconds_per_batch", "joules_per_batch", "model_j", "request_j"):
            assert getattr(own, name).tolist() == getattr(fleet, name)[node].tolist(), name
        assert own.slot_s == fleet.slot_s
        assert own.backlog_batches == tuple(fleet.backlog_batches[node].tolist())
        assert own.room_batches == tuple(offload_room(fleet)[node].tolist())
        assert own.release_batches == tuple(fleet.release_batches[node].tolist())
        assert own.release_last_slots == (8, 7, 6)
        assert own.wake_s == (float(node + 1) if sleeps and node else 0.0)
    bare = own_of(replace(fleet, model_j=None, request_j=None, release_last_slot=None), 1)
    assert (bare.model_j, bare.request_j, bare.release_last_slots) == (None, None, ())


def test_a_tally_begins_with_nothing() -> None:
    tally = Tally(("a", "b"))
    assert (tally.messages, tally.down_bytes, tally.up_bytes) == (0, {"a": 0, "b": 0}, {"a": 0, "b": 0})
    tally.messages, tally.down_bytes["a"], tally.up_bytes["b"] = 4, 10, 7
    assert tally.notes() == {"messages": 4.0, "negotiation_bytes": 17.0}


def test_where_nothing_is_agreed_nothing_moves() -> None:
    nothing = Agreed.nothing("no trade")
    assert (nothing.moves.amount.tolist(), nothing.transfers.amount.tolist()) == ([], [])
    assert (nothing.status, nothing.notes, nothing.record) == ("no trade", {}, {})


def test_options_of_negotiating_policies_reach_their_protocol() -> None:
    assert Admm(rounds=7, tolerance=0.25, rho=3.0)._rules() == Rules(rounds=7, tolerance=0.25, rho=3.0)
    for wrong in ({"horizon": 0}, {"rounds": 0}, {"tolerance": 0.0}, {"rho": -1.0}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is "):
            Admm(**wrong)  # type: ignore[arg-type]
    assert Admm(horizon=1).init(3) is None
