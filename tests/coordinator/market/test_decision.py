"""Decisions by coordinates, and their view as matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.decision import DENSE_NODES, FleetDecision
from coordinator.market.instances import reference_day
from coordinator.policies.local import local_decision
from tests.coordinator.market.plans import decided

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, nodes: int) -> tuple[FleetDecision, np.ndarray, np.ndarray]:
    """A random decision and its matrices, most entries zero."""
    rng = np.random.default_rng(seed)
    batches = rng.integers(0, 9, (nodes, nodes)) * (rng.random((nodes, nodes)) < 0.3)
    transfer_j = rng.uniform(0, 9, (nodes, nodes)) * (rng.random((nodes, nodes)) < 0.3)
    return decided(batches, transfer_j), batches, transfer_j


@given(seeds, st.integers(1, 12))
def test_matrices_come_back(seed: int, nodes: int) -> None:
    decision, batches, transfer_j = drawn(seed, nodes)
    np.testing.assert_array_equal(decision.batches, batches)
    np.testing.assert_array_equal(decision.transfer_j, transfer_j)
    again = decision.with_dense(decision.batches, decision.transfer_j)
    assert again.moves.equals(decision.moves)
    assert again.transfers.equals(decision.transfers)
    np.testing.assert_array_equal(again.home_batches, decision.home_batches)


@given(seeds, st.integers(1, 12))
def test_every_batch_is_at_home_or_moves_once(seed: int, nodes: int) -> None:
    decision, batches, _ = drawn(seed, nodes)
    assert decision.own_batches().tolist() == batches.sum(axis=1).tolist()
    assert decision.run_batches().tolist() == batches.sum(axis=0).tolist()
    assert decision.away_batches().tolist() == (batches.sum(axis=1) - np.diag(batches)).tolist()
    assert decision.guest_batches().tolist() == (batches.sum(axis=0) - np.diag(batches)).tolist()
    assert decision.offloaded_batches() == batches.sum() - np.trace(batches)
    assert not decision.moves.to_itself.any()


def test_a_matrix_alone_may_be_changed() -> None:
    decision, batches, transfer_j = drawn(5, 4)
    other = decision.with_dense(batches * 2)
    assert other.batches.tolist() == (batches * 2).tolist()
    assert other.transfers is decision.transfers
    other = decision.with_dense(transfer_j=transfer_j * 2)
    assert other.transfer_j.tolist() == (transfer_j * 2).tolist()
    assert other.moves is decision.moves


def test_a_view_cannot_be_written_to() -> None:
    """A change of it would change no decision."""
    decision, _, _ = drawn(5, 4)
    for view in (decision.batches, decision.transfer_j):
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 1


def test_a_large_fleet_has_no_matrices() -> None:
    fleet = reference_day(1, nodes=2)
    decision = local_decision(fleet)
    large = replace(decision, home_batches=np.zeros(DENSE_NODES + 1, dtype=np.int64))
    for name in ("batches", "transfer_j"):
        with pytest.raises(
            ValueError, match="1001 nodes as a matrix; allowed are up to 1000 nodes: use home_batches"
        ):
            getattr(large, name)
    at_most = replace(decision, home_batches=np.ones(DENSE_NODES, dtype=np.int64))
    assert at_most.batches.trace() == DENSE_NODES


@pytest.mark.parametrize(
    ("batches", "transfer_j", "said"),
    [
        (
            np.zeros((2, 2)),
            np.zeros((2, 2)),
            r"batches has shape \(2, 2\) of float64, expected \(N, N\) of integer",
        ),
        (np.zeros((2, 3), dtype=int), np.zeros((2, 2)), r"batches has shape \(2, 3\) of int64"),
        (np.zeros((2, 2), dtype=int), np.zeros(2), r"transfer_j has shape \(2,\) of float64"),
        (np.zeros((2, 2), dtype=int), np.zeros((2, 2), dtype=int), "expected \\(N, N\\) of floating"),
    ],
)
def test_other_shapes_and_kinds_are_refused(batches: np.ndarray, transfer_j: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decided(batches, transfer_j)
    with pytest.raises(ValueError, match=said):
        drawn(5, 2)[0].with_dense(batches, transfer_j)
    with pytest.raises(ValueError, match=r"batches is a list, expected an array \(N, N\)"):
        drawn(5, 2)[0].with_dense([1])  # type: ignore[arg-type]
