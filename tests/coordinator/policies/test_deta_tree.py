"""DETA with TREE beside carbon: joules priced, or limited, in the same model."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.conformance import check_named
from coordinator.policies.registry import PolicyError, make_policy


def test_a_free_joule_is_deta() -> None:
    fleet = reference_day(6, nodes=5)
    one, _ = make_policy("deta-tree", price_g_per_kwh=0.0).decide(fleet, None)
    two, _ = make_policy("deta").decide(fleet, None)
    np.testing.assert_array_equal(one.batches, two.batches)
    np.testing.assert_allclose(one.transfer_j, two.transfer_j)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"price_g_per_kwh": -1.0}, "price_g_per_kwh"), ({"tree_floor_fraction": 1.5}, "tree_floor_fraction")],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make_policy("deta-tree", **options)


def test_the_policy_conforms_with_a_floor_on_tree_too() -> None:
    assert check_named("deta-tree", {"tree_floor_fraction": 0.98}, seeds=2) == []
