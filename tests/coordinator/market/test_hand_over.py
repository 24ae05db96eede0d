"""Batches that are handed over: limits are kept, grams are never more, and who cannot take a cache gets none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet, SplitCosts
from coordinator.market.hand_over import TOO_MANY, WHOLE, busy_s, held_bytes, usable_s, with_hand_over
from coordinator.market.instances import reference_day
from coordinator.market.pairs import Pairs
from coordinator.market.physics import execute
from coordinator.policies.hand_over import DatHandOver, DetaHandOver
from coordinator.policies.local import local_decision
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import Check, violations


def spoken(seed: int = 3, nodes: int = 4, **changes: object) -> Fleet:
    """A fleet of one day whose batches are requests to a language model; three quarters of a batch is reading."""
    fleet = reference_day(3, nodes=nodes)
    draw = np.random.default_rng(seed)
    fleet = replace(
        fleet,
        intensity_g_per_kwh=draw.uniform(20, 900, (nodes, 3)),
        harvest_j=draw.uniform(0, 300, (nodes, 3)),
        seconds_per_batch=fleet.seconds_per_batch * draw.uniform(0.5, 2.0, (nodes, 1)),
    )
    split = SplitCosts(
        read_s=0.75 * fleet.seconds_per_batch[:, 0],
        read_j=0.75 * fleet.joules_per_batch[:, 0],
        cache_bytes=draw.uniform(1e3, 1e6, nodes),
        kin=("a",) * nodes,
        link_bytes_per_s=np.full(nodes, 6e6),
        latency_target_s=np.full(nodes, np.inf),
    )
    return replace(
        fleet,
        split=replace(split, **changes),
        limits=replace(fleet.limits, offload_cap_fraction=1.0, net_j_per_byte=1e-9),
    )


def grams(fleet: Fleet, decision: object) -> float:
    flows = execute(fleet, decision)  # type: ignore[arg-type]
    return float(flows.operational_g.sum()) + flows.network_g


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300))
def test_limits_are_kept_and_every_batch_has_its_place(seed: int) -> None:
    fleet = spoken(seed)
    for kind in (DatHandOver, DetaHandOver):
        decision, _ = kind().decide(fleet, None)
        assert violations(fleet, decision) == []
        assert decision.notes["hand_over_saves_g"] >= 0
        assert (decision.own_batches() + decision.unserved_batches >= fleet.backlog_batches[:, 0]).all()


def apart(batch_s_fraction: float = 1 / 5.5, **changes: object) -> Fleet:
    """A clean and a dirty node with four batches each; ``batch_s_fraction`` of a slot is what one takes."""
    fleet = spoken(nodes=2)
    seconds = np.full((2, fleet.horizon), fleet.slot_s * batch_s_fraction)
    assert fleet.split is not None
    split = replace(fleet.split, read_s=0.75 * seconds[:, 0], read_j=np.full(2, 75.0), **changes)
    return replace(
        fleet,
        intensity_g_per_kwh=np.array([[50.0], [900.0]]) * np.ones((1, fleet.horizon)),
        harvest_j=np.zeros_like(fleet.harvest_j),
        backlog_batches=np.array([[4], [4]]),
        seconds_per_batch=seconds,
        joules_per_batch=np.full((2, fleet.horizon), 100.0),
        split=split,
    )


def whole(fleet: Fleet) -> dict[str, float]:
    """Why batches of LOCAL's decision stay whole."""
    decision = with_hand_over(fleet, local_decision(fleet), 1e8)
    assert len(decision.handed) == 0
    return {name: count for name, count in decision.notes.items() if name.startswith(WHOLE)}


def test_batches_that_stay_whole_have_their_reason() -> None:
    """The clean node's own have no gain; the dirty one's have one, and a limit forbids it."""
    own = {"not_handed_no_gain": 4.0}
    assert whole(apart(1 / 4)) == own | {"not_handed_time": 4.0}
    assert whole(apart(latency_target_s=np.full(2, 1e-3))) == own | {"not_handed_latency": 4.0}
    fleet = apart()
    stays = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.0))
    assert whole(stays) == own | {"not_handed_offload_cap": 4.0}
    assert whole(replace(fleet, storage_bytes=np.zeros(2))) == own | {"not_handed_storage": 4.0}
    sunny = replace(fleet, harvest_j=np.full_like(fleet.harvest_j, 1e6))
    assert whole(sunny) == {"not_handed_no_gain": 8.0}


def test_a_clean_node_without_time_for_whole_batches_answers_what_a_dirty_one_has_read() -> None:
    fleet = spoken(nodes=2)
    fleet = replace(
        fleet,
        intensity_g_per_kwh=np.array([[50.0], [900.0]]) * np.ones((1, fleet.horizon)),
        harvest_j=np.zeros_like(fleet.harvest_j),
        backlog_batches=np.array([[4], [4]]),
        seconds_per_batch=np.full((2, fleet.horizon), fleet.slot_s / 5.5),
        joules_per_batch=np.full((2, fleet.horizon), 100.0),
        split=replace(fleet.split, read_s=np.full(2, 0.75 * fleet.slot_s / 5.5), read_j=np.full(2, 75.0)),
    )
    plan, _ = make_policy("dat").decide(fleet, None)
    decision = with_hand_over(fleet, plan, 1e8)
    assert list(plan.moves.rows()) == [(1, 0, 1)]
    assert list(decision.handed.rows()) == [(1, 0, 2)]
    assert list(decision.moves.rows()) == [(1, 0, 3)]
    assert (busy_s(fleet, decision) <= usable_s(fleet, decision.awake) + 1e-9).all()
    saved = grams(fleet, plan) - grams(fleet, decision)
    assert saved == pytest.approx(decision.notes["hand_over_saves_g"], rel=1e-6)
    assert saved > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"kin": ("a", "b", "c", "d")},
        {"cache_bytes": np.zeros(4)},
        {"cache_bytes": np.full(4, 1e12)},
        {"latency_target_s": np.full(4, 1e-3)},
    ],
    ids=["other model", "no cache", "larger than a parcel", "too late"],
)
def test_nothing_is_handed_over_where_that_cannot_be(changes: dict[str, object]) -> None:
    fleet = spoken(**changes)
    plan, _ = make_policy("dat").decide(fleet, None)
    assert len(with_hand_over(fleet, plan, 1e8).handed) == 0


def test_other_work_and_large_fleets_are_decided_as_without_it() -> None:
    fleet = replace(spoken(), split=None)
    plan = local_decision(fleet)
    assert with_hand_over(fleet, plan, 1e8) is plan
    large = spoken(nodes=65)
    assert with_hand_over(large, local_decision(large), 1e8).notes == {TOO_MANY: 1.0}


def test_a_hand_over_without_a_move_or_between_strangers_is_found() -> None:
    fleet = spoken()
    plan = local_decision(fleet)
    one = Pairs.of(np.array([0]), np.array([1]), np.array([1]))
    broken = {each.check for each in violations(fleet, replace(plan, handed=one))}
    assert Check.HAND_OVER in broken
    strangers = spoken(kin=("a", "b", "a", "b"))
    moved = replace(plan, home_batches=plan.home_batches - np.array([1, 0, 0, 0]), moves=one, handed=one)
    assert Check.HAND_OVER in {each.check for each in violations(strangers, moved)}
    assert Check.HAND_OVER not in {each.check for each in violations(fleet, moved)}


def test_caches_count_as_stored_bytes() -> None:
    fleet = spoken()
    plan = local_decision(fleet)
    one = Pairs.of(np.array([0]), np.array([1]), np.array([1]))
    moved = replace(plan, home_batches=plan.home_batches - np.array([1, 0, 0, 0]), moves=one, handed=one)
    assert fleet.split is not None
    assert held_bytes(fleet, moved)[1] == pytest.approx(fleet.bytes_per_batch[0] + fleet.split.cache_bytes[0])
    small = replace(fleet, storage_bytes=np.full(4, float(fleet.bytes_per_batch[0])))
    assert Check.STORAGE in {each.check for each in violations(small, moved)}
