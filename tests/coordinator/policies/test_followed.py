"""Turns of users who moved: answered where they are, within limits, by cache or by reading again as the way says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet, MovedTurns
from coordinator.policies.followed import Way, followed, prices
from coordinator.policies.local import local_decision
from coordinator.policies.validate import violations
from tests.coordinator.market.test_hand_over import spoken

WAYS: tuple[Way, ...] = ("prefill", "hand-over", "cheaper")


def moved(*rows: tuple[int, int, float, float]) -> MovedTurns:
    """(owner, at, bytes of the cache, joules of reading again)."""
    owner, at, size, joules = zip(*rows, strict=True)
    return MovedTurns(
        np.array(owner, dtype=np.int64),
        np.array(at, dtype=np.int64),
        np.array(size, dtype=float),
        np.array(joules, dtype=float),
    )


def fleet_with(turns: MovedTurns, **changes: Any) -> Fleet:
    fleet = spoken(nodes=3)
    return replace(
        fleet,
        intensity_g_per_kwh=np.full((3, fleet.horizon), 400.0),
        backlog_batches=np.full((3, 1), 3, dtype=np.int64),
        offload_room_batches=None,
        seconds_per_batch=np.full((3, fleet.horizon), fleet.slot_s / 20),
        split=replace(fleet.split, read_s=np.full(3, fleet.slot_s / 30), cache_bytes=np.full(3, 1e5)),
        tx_j_per_byte=np.full(3, 1e-6),
        rx_j_per_byte=np.full(3, 1e-6),
        moved=turns,
        **changes,
    )


CHEAP, DEAR = (0, 1, 1e5, 2.0), (0, 1, 1e6, 1.0)
"""0.2 J of radio against 2 J of reading; 2 J against 1 J."""


@pytest.mark.parametrize(("way", "handed"), [("prefill", 0), ("hand-over", 2), ("cheaper", 1)])
def test_turns_go_where_their_users_are(way: Way, handed: int) -> None:
    fleet = fleet_with(moved(CHEAP, DEAR))
    decision = followed(fleet, way, 1e8)
    assert violations(fleet, decision) == []
    assert list(decision.moves.rows()) == [(0, 1, 2)]
    assert decision.home_batches.tolist() == [1, 3, 3]
    assert int(decision.handed.amount.sum()) == handed
    assert decision.notes["handed_turns"] == handed
    assert decision.notes["followed_turns"] == 2


def test_prices_are_bytes_against_reading_at_the_nodes_intensities() -> None:
    fleet = fleet_with(moved(CHEAP))
    fleet = replace(
        fleet,
        intensity_g_per_kwh=np.array([[100.0], [300.0], [1.0]]) * np.ones((1, fleet.horizon)),
        limits=replace(fleet.limits, net_j_per_byte=2e-6),
    )
    assert fleet.moved is not None
    price = prices(fleet, fleet.moved)
    assert price.hand_over_g[0] == pytest.approx((1e5 * 2e-6 * 100 + 1e5 * 2e-6 * 300) / JOULES_PER_KWH)
    assert price.read_again_g[0] == pytest.approx(2.0 * 300 / JOULES_PER_KWH)


def test_where_it_cannot_be_a_turn_stays_or_is_read_again() -> None:
    fleet = fleet_with(moved(CHEAP, CHEAP))
    full = replace(fleet, storage_bytes=np.array([1e9, float(fleet.bytes_per_batch[0]) * 1.5, 1e9]))
    decision = followed(full, "hand-over", 1e8)
    assert violations(full, decision) == []
    assert (decision.moves.amount.tolist(), decision.handed.amount.tolist()) == ([1], [])
    strangers = replace(fleet, split=replace(fleet.split, kin=("a", "b", "a")))
    assert followed(strangers, "hand-over", 1e8).handed.amount.tolist() == []
    most_bytes = 2 * float(fleet.bytes_per_batch[0]) + 1.5e5
    assert followed(fleet, "hand-over", most_bytes).handed.amount.tolist() == [1]


def test_without_moves_it_is_local() -> None:
    fleet = spoken()
    for way in WAYS:
        assert followed(fleet, way, 1e8).home_batches.tolist() == local_decision(fleet).home_batches.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(WAYS))
def test_limits_are_kept_and_no_turn_is_lost_or_doubled(seed: int, way: Way) -> None:
    draw = np.random.default_rng(seed)
    fleet = spoken(seed)
    n = fleet.size
    count = int(draw.integers(0, 12))
    owner = draw.integers(0, n, count)
    turns = MovedTurns(
        owner,
        (owner + draw.integers(1, n, count)) % n,
        draw.uniform(0, 1e7, count),
        draw.uniform(0, 10, count),
    )
    backlog = (np.bincount(owner, minlength=n) + draw.integers(0, 3, n)).reshape(n, 1)
    fleet = replace(fleet, backlog_batches=backlog, offload_room_batches=None, moved=turns)
    decision = followed(fleet, way, 5e6)
    assert violations(fleet, decision) == []
    assert (decision.own_batches() + decision.unserved_batches == backlog[:, 0]).all()
