"""Actions keep every limit; what is seen treats nodes alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.policies.conformance import cases
from coordinator.policies.learned.action import ACTIONS, cut, decision_of
from coordinator.policies.learned.observation import HIGHEST, OBSERVED, observed
from coordinator.policies.learned.work import WorkRoom
from coordinator.policies.local import local_decision
from coordinator.policies.validate import violations
from tests.coordinator.policies.fleets import fleet_of

CASES = dict(cases(seeds=4))


@pytest.mark.parametrize("name", CASES)
def test_any_three_numbers_keep_every_limit(name: str) -> None:
    fleet = CASES[name]
    rng = np.random.default_rng(5)
    for scale in (0.3, 1.0, 5.0):
        for _ in range(8):
            action = rng.uniform(-scale, scale, (fleet.size, ACTIONS))
            assert [str(each) for each in violations(fleet, decision_of(fleet, action))] == []


@pytest.mark.parametrize("name", CASES)
def test_no_trade_and_free_batteries_are_local(name: str) -> None:
    fleet = CASES[name]
    still = decision_of(fleet, np.tile([0.0, 0.0, 1.0], (fleet.size, 1)))
    local = local_decision(fleet)
    for each in ("home_batches", "charge_j", "discharge_j", "awake", "unserved_batches"):
        assert (getattr(still, each) == getattr(local, each)).all()
    assert len(still.moves) == len(still.transfers) == 0


def test_the_larger_side_is_cut_from_the_least_useful() -> None:
    """Ten batches each, half may leave. The two dirty nodes send all they may, the clean one offers room for seven."""
    fleet = fleet_of([50.0, 400.0, 300.0])
    room = WorkRoom.of(fleet)
    assert room.may_send.tolist() == [5, 5, 5]
    share = 7 / int(room.may_take[0])
    decision = decision_of(fleet, np.array([[0.0, -share, 1.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]))
    assert list(decision.moves.rows()) == [(1, 0, 5), (2, 0, 2)]
    assert decision.home_batches.tolist() == [10, 5, 8]


def test_energy_goes_from_the_cleanest_givers_to_the_dirtiest_takers() -> None:
    """Givers may give 100 J each; the takers' demand is 360 J, of which the first wants half."""
    sun = np.array([[200.0], [200.0], [0.0], [0.0]])
    whole = np.ones(4)
    fleet = fleet_of(
        [60.0, 50.0, 400.0, 300.0], harvest_j=sun, export_efficiency=whole, import_efficiency=whole
    )
    action = np.array([[1.0, 0, 1], [1.0, 0, 1], [-0.25, 0, 1], [-0.5, 0, 1]])
    decision = decision_of(fleet, action)
    assert decision.transfers.given(4).tolist() == pytest.approx([100.0, 100.0, 0.0, 0.0])
    assert decision.transfers.taken(4).tolist() == pytest.approx([0.0, 0.0, 90.0, 110.0])


def test_a_battery_keeps_its_harvest_or_gives_a_share() -> None:
    fleet = fleet_of(
        [100.0, 100.0],
        harvest_j=np.array([[50.0], [50.0]]),
        battery_capacity_j=np.array([1000.0, 1000.0]),
        battery_j=np.array([400.0, 400.0]),
        discharge_efficiency=np.ones(2),
        self_discharge_fraction=np.zeros(2),
        discharge_limit_w=np.full(2, 1e6),
    )
    decision = decision_of(fleet, np.array([[0, 0, -0.5], [0, 0, 0.25]]))
    assert decision.charge_j.tolist() == [25.0, 0.0]
    assert decision.discharge_j.tolist() == [0.0, 100.0]


def test_cut_serves_in_order() -> None:
    assert cut(np.array([4, 3, 5]), 6, np.array([2, 0, 1])).tolist() == [1, 0, 5]
    assert cut(np.array([0.5, 0.25]), 2.0, np.array([1, 0])).tolist() == [0.5, 0.25]


@pytest.mark.parametrize("bad", [np.full(3, np.inf), np.zeros(4), np.array([0.0, np.nan, 0.0])])
def test_numbers_that_are_no_action_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="allowed are 3 finite numbers for each of 1 nodes"):
        decision_of(reference_day(2, nodes=1), bad)


@pytest.mark.parametrize("name", CASES)
def test_what_is_seen_is_finite_and_within_its_bounds(name: str) -> None:
    seen = observed(CASES[name])
    assert seen.shape == (CASES[name].size, OBSERVED)
    assert seen.dtype == np.float32
    assert np.isfinite(seen).all()
    assert (np.abs(seen) <= HIGHEST).all()


def test_nodes_in_another_order_are_seen_alike() -> None:
    fleet = reference_day(8, nodes=5)
    fleet = replace(fleet, intensity_g_per_kwh=fleet.intensity_g_per_kwh * np.linspace(0.5, 2.0, 5)[:, None])
    order = np.array([3, 0, 4, 1, 2])
    assert observed(_reordered(fleet, order)) == pytest.approx(observed(fleet)[order], rel=1e-6)


def test_fleets_side_by_side_see_and_decide_as_each_does_alone() -> None:
    """Three fleets of four nodes: other intensities, harvests, batteries and work in each."""
    rng = np.random.default_rng(11)
    alone = []
    for _ in range(3):
        fleet = reference_day(6, nodes=4)
        alone.append(
            replace(
                fleet,
                intensity_g_per_kwh=fleet.intensity_g_per_kwh * rng.uniform(0.3, 2.0, (4, 1)),
                harvest_j=rng.uniform(0.0, 400.0, (4, 6)),
                battery_j=fleet.battery_capacity_j * rng.random(4),
                backlog_batches=rng.integers(0, 40, fleet.backlog_batches.shape),
            )
        )
    both = _beside(alone)
    assert observed(both, fleets=3) == pytest.approx(np.vstack([observed(one) for one in alone]), rel=1e-6)
    moved = sent_j = 0.0
    for _ in range(30):
        action = rng.uniform(-1.5, 1.5, (12, ACTIONS))
        found = decision_of(both, action, fleets=3)
        assert not violations(both, found)
        for number, fleet in enumerate(alone):
            rows = slice(4 * number, 4 * number + 4)
            single = decision_of(fleet, action[rows])
            for name in ("home_batches", "charge_j", "discharge_j", "unserved_batches"):
                assert getattr(found, name)[rows].tolist() == pytest.approx(getattr(single, name).tolist())
            assert found.batches[rows, rows].tolist() == single.batches.tolist()
            assert found.transfer_j[rows, rows] == pytest.approx(single.transfer_j, rel=1e-9, abs=1e-6)
            moved, sent_j = moved + single.moves.amount.sum(), sent_j + single.transfers.amount.sum()
        apart = np.kron(np.eye(3), np.ones((4, 4))) == 0
        assert not found.batches[apart].any()
        assert not found.transfer_j[apart].any()
    assert moved > 0
    assert sent_j > 0


def _beside(fleets: list[Fleet]) -> Fleet:
    """One fleet of the nodes of all."""
    first = fleets[0]
    names = [
        name
        for name, value in vars(first).items()
        if isinstance(value, np.ndarray) and name not in ("bytes_per_batch", "offloadable")
    ]
    fields = {name: np.concatenate([getattr(fleet, name) for fleet in fleets]) for name in names}
    ids = tuple(f"{number}-{node}" for number, fleet in enumerate(fleets) for node in fleet.node_ids)
    return replace(first, node_ids=ids, **fields)


def _reordered(fleet: Fleet, order: np.ndarray) -> Fleet:
    n = fleet.size
    fields = {
        name: value[order]
        for name, value in vars(fleet).items()
        if isinstance(value, np.ndarray)
        and value.shape[0] == n
        and name not in ("bytes_per_batch", "offloadable")
    }
    return replace(fleet, node_ids=tuple(fleet.node_ids[k] for k in order.tolist()), **fields)
