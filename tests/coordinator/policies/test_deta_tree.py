"""DETA with TREE beside carbon: joules priced, or limited, in the same model."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.conformance import check_named
from coordinator.policies.deta_tree import DetaTree
from coordinator.policies.registry import PolicyError, make_policy
from tests.coordinator.market.plans import two_nodes


def test_a_free_joule_is_deta() -> None:
    fleet = reference_day(6, nodes=5)
    one, _ = make_policy("deta-tree", price_g_per_kwh=0.0).decide(fleet, None)
    two, _ = make_policy("deta").decide(fleet, None)
    np.testing.assert_array_equal(one.batches, two.batches)
    np.testing.assert_allclose(one.transfer_j, two.transfer_j)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"price_g_per_kwh": -1.0}, "price_g_per_kwh is -1.0; allowed is a finite value >= 0"),
        ({"price_g_per_kwh": float("inf")}, "price_g_per_kwh is inf; allowed is a finite value >= 0"),
        ({"tree_floor_fraction": 1.5}, "tree_floor_fraction is 1.5; allowed is above 0, up to 1, or none"),
        ({"tree_floor_fraction": 0.0}, "tree_floor_fraction is 0.0; allowed is above 0, up to 1, or none"),
        ({"tree_floor_fraction": -0.5}, "tree_floor_fraction is -0.5; allowed is above 0, up to 1, or none"),
        ({"horizon": 0}, "horizon is 0; allowed is 1 or more"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make_policy("deta-tree", **options)


def test_the_policy_conforms_with_a_floor_on_tree_too() -> None:
    # A price takes some 26 solves, here not to the optimum: conformance is about limits kept.
    assert check_named("deta-tree", {"tree_floor_fraction": 0.98, "mip_gap": 0.02}, seeds=2) == []


@pytest.mark.parametrize(
    ("options", "moved", "price"),
    [
        # moving a batch costs 4 J more and is worth it up to 5863.5 g/kWh; 360 of 380 J are 94.7 %
        ({"price_g_per_kwh": 5800.0}, 5, pytest.approx(5800.0)),
        ({"price_g_per_kwh": 5900.0}, 0, pytest.approx(5900.0)),
        ({"tree_floor_fraction": 1.0}, 0, pytest.approx(5863.5, rel=1e-4)),
        ({"tree_floor_fraction": 0.94}, 5, 0.0),
        ({}, 5, 100.0),
    ],
)
def test_batches_move_up_to_the_price_of_their_joules(
    options: dict[str, float], moved: int, price: float
) -> None:
    policy = DetaTree(**options)
    decision, _ = policy.decide(two_nodes(), None)
    assert decision.batches.tolist() == [[10 - moved, moved], [0, 0]]
    assert decision.notes["price_g_per_kwh"] == price
    program = policy.program(two_nodes(), scaled=False)
    green = program.cost[program.layout.columns["u"]]
    np.testing.assert_allclose(green, decision.notes["price_g_per_kwh"] / 3.6e6, rtol=1e-6)
