"""Views of a fleet: a shorter look-ahead, or the future as it will be."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.window import product_form, window, with_truth

PER_SLOT = (
    "intensity_g_per_kwh",
    "harvest_j",
    "seconds_per_batch",
    "joules_per_batch",
    "model_j",
    "request_j",
)
PER_SLOT += ("true_intensity_g_per_kwh", "true_harvest_j")
OPTIONAL = ("model_j", "request_j", "release_last_slot", "true_intensity_g_per_kwh", "true_harvest_j")


def whole(rng: np.random.Generator) -> Fleet:
    """Three nodes, five slots, everything said that may be said."""
    fleet = random_fleet(5, 3, 5, deadline_slots=1, release_last_slot=np.array([1, 2, 2, 4, 5]))
    return replace(fleet, **{name: rng.uniform(1, 9, (3, 5)) for name in PER_SLOT})


@pytest.mark.parametrize("said", [True, False])
def test_the_first_slots_of_a_fleet_are_those_of_every_field(said: bool) -> None:
    fleet = whole(np.random.default_rng(1))
    if not said:
        fleet = replace(fleet, **dict.fromkeys(OPTIONAL))
    for slots in (1, 3):
        shorter = window(fleet, slots)
        for spec in fields(Fleet):
            wanted = getattr(fleet, spec.name)
            if wanted is not None:
                if spec.name in PER_SLOT:
                    wanted = wanted[:, :slots]
                elif spec.name in ("bytes_per_batch", "offloadable", "release_last_slot"):
                    wanted = wanted[:slots]
                elif spec.name == "release_batches":
                    wanted = wanted[:, : slots - 1]
            np.testing.assert_equal(getattr(shorter, spec.name), wanted, err_msg=spec.name)
    assert window(fleet, 5) is fleet
    assert window(fleet, 6) is fleet
    with pytest.raises(ValueError, match="a horizon of 0 slots; allowed is 1 or more"):
        window(fleet, 0)


def test_the_truth_takes_the_place_of_forecasts() -> None:
    fleet = whole(np.random.default_rng(2))
    known = with_truth(fleet)
    assert known.intensity_g_per_kwh is fleet.true_intensity_g_per_kwh
    assert known.harvest_j is fleet.true_harvest_j
    for name in ("true_intensity_g_per_kwh", "true_harvest_j"):
        with pytest.raises(ValueError, match="needs perfect foresight"):
            with_truth(replace(fleet, **{name: None}))


def test_losses_by_pair_are_read_cautiously() -> None:
    """The least of a donor's efficiencies, and none lost by who takes; a node itself is no partner."""
    fleet = random_fleet(5, 3, 2)
    assert product_form(fleet) is fleet
    loss = np.array([[0.9, 0.1, 0.3], [0.2, 0.0, 0.05], [0.4, 0.6, 0.0]])
    read = product_form(replace(fleet, loss_fraction=loss))
    assert read.loss_fraction is None
    assert read.export_efficiency == pytest.approx([0.7, 0.8, 0.4])
    assert read.import_efficiency.tolist() == [1.0, 1.0, 1.0]
    assert read.harvest_j is fleet.harvest_j


def test_who_can_sleep_is_cut_where_it_differs_by_slot() -> None:
    fleet, can = random_fleet(5, 2, 3, may_sleep=True), np.array([[True, False, True], [False, True, True]])
    assert window(replace(fleet, can_sleep=can), 2).sleepers_by_slot().tolist() == can[:, :2].tolist()
    assert window(replace(fleet, can_sleep=can[:, 0]), 2).sleepers_by_slot().tolist() == [
        [True] * 2,
        [False] * 2,
    ]
