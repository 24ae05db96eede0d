"""State of N nodes before a slot: what is refused, and the figures that several equations share."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet, Limits
from coordinator.market.instances import random_fleet, reference_day


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"offload_cap_fraction": -0.1}, "offload_cap_fraction is -0.1; allowed is 0..1"),
        ({"offload_cap_fraction": 1.1}, "offload_cap_fraction is 1.1; allowed is 0..1"),
        ({"transfer_cap_fraction": -0.1}, "transfer_cap_fraction is -0.1; allowed is 0..1"),
        ({"transfer_cap_fraction": float("nan")}, "transfer_cap_fraction is nan; allowed is 0..1"),
        ({"transfer_cap_over": "day"}, "transfer_cap_over is 'day'; allowed are slot and horizon"),
        ({"deadline_slots": -1}, "deadline_slots is -1; allowed is 0 or more"),
        ({"net_j_per_byte": -1e-9}, "net_j_per_byte is -1e-09; allowed is a finite value >= 0"),
        ({"net_j_per_byte": float("inf")}, "net_j_per_byte is inf; allowed is a finite value >= 0"),
        ({"net_j_per_byte": float("nan")}, "net_j_per_byte is nan; allowed is a finite value >= 0"),
    ],
)
def test_limits_that_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Limits(**changes)


def test_limits_at_their_ends_are_allowed() -> None:
    assert Limits() == Limits(0.5, 0.5, "slot", 0, False, 0.0)
    for share in (0.0, 1.0):
        assert Limits(share, share, "horizon", 0, True, 0.0).offload_cap_fraction == share


def whole(deadline: int = 1) -> Fleet:
    """Three nodes, four slots, every field given."""
    rng = np.random.default_rng(1)
    fleet = random_fleet(3, 3, 4, deadline_slots=deadline, release_last_slot=np.array([1, 2, 3, 4]))
    per_slot = ("model_j", "request_j", "true_intensity_g_per_kwh", "true_harvest_j")
    per_node = ("end_value_g_per_j", "harvested_before_j", "given_before_j")
    return replace(
        fleet,
        **{name: rng.uniform(0.1, 1, (3, 4)) for name in per_slot},
        **{name: rng.uniform(0.1, 1, 3) for name in per_node},
        offload_room_batches=np.ones((3, deadline + 1), dtype=np.int64),
    )


ANY_SHAPE = ("intensity_g_per_kwh", "true_intensity_g_per_kwh", "true_harvest_j", "loss_fraction")


@pytest.mark.parametrize(
    "name", [spec.name for spec in fields(Fleet) if spec.name not in (*ANY_SHAPE, "loss_fraction")]
)
def test_every_array_has_its_shape_and_no_value_below_zero_or_missing(name: str) -> None:
    fleet = whole()
    value = getattr(fleet, name)
    if not isinstance(value, np.ndarray):
        return
    longer = np.concatenate([value, value[..., :1]], axis=-1)
    with pytest.raises(
        ValueError, match=rf"^{name} has shape \({', '.join(map(str, longer.shape))},?\), expected"
    ):
        replace(fleet, **{name: longer})
    if value.dtype == bool or name == "mean_loss":
        return
    below = value.copy()
    below.flat[-1] = -1
    with pytest.raises(ValueError, match=f"^{name} holds a negative value$"):
        replace(fleet, **{name: below})
    if value.dtype == np.float64:
        for missing in (np.nan, np.inf):
            gone = value.copy()
            gone.flat[0] = missing
            with pytest.raises(ValueError, match=f"^{name} holds a value that is not finite"):
                replace(fleet, **{name: gone})
    with pytest.raises(ValueError, match="read-only"):
        getattr(fleet, name).flat[0] = 0


def test_a_loss_that_is_not_known_yet_is_no_missing_value() -> None:
    fleet = replace(whole(), mean_loss=np.array([np.nan, 1.0, -2.0]))
    assert fleet.mean_loss is not None
    assert np.isnan(fleet.mean_loss[0])
    for name in ANY_SHAPE[1:]:
        with pytest.raises(ValueError, match=f"{name} holds a negative value"):
            replace(fleet, **{name: np.full((3, 3), -1.0)})


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("decision_slots", 0, 1), ("later_slots", -1, 0), ("day_slots", 0, 1)],
)
def test_counts_of_slots_that_are_refused(name: str, value: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}; allowed is {least} or more"):
        replace(whole(), **{name: value})
    assert getattr(replace(whole(), **{name: least}), name) == least
    with pytest.raises(ValueError, match="intensity has 3 rows for 2 nodes"):
        replace(whole(), node_ids=("a", "b"))


def test_joules_of_a_batch_that_moves_by_hand() -> None:
    """Half a joule of requests is drawn where the batch's users are."""
    fleet = replace(
        whole(),
        bytes_per_batch=np.array([1.0, 2.0, 3.0, 4.0]),
        tx_j_per_byte=np.array([5.0, 6.0, 7.0]),
        rx_j_per_byte=np.array([8.0, 9.0, 10.0]),
        request_j=np.full((3, 4), 0.5),
    )
    sent, received = (
        [[each * size for size in (1, 2, 3, 4)] for each in side] for side in ((5, 6, 7), (8, 9, 10))
    )
    assert fleet.owner_j().tolist() == (np.array(sent) + 0.5).tolist()
    assert fleet.guest_j().tolist() == (np.array(received) - 0.5).tolist()
    bare = replace(fleet, request_j=None)
    assert (bare.owner_j().tolist(), bare.guest_j().tolist()) == (sent, received)


def test_caps_of_what_is_given_away_by_hand() -> None:
    """A quarter of each slot's harvest; over the horizon of all of it, less what was given before."""
    harvest = np.array([[8.0, 4.0, 0.0, 12.0], [0.0, 0.0, 20.0, 4.0], [4.0, 4.0, 4.0, 4.0]])
    fleet = replace(whole(), harvest_j=harvest, harvested_before_j=None, given_before_j=None)
    slot = replace(fleet.limits, transfer_cap_fraction=0.25)
    over = replace(slot, transfer_cap_over="horizon")
    for limits in (slot, over):
        assert replace(fleet, limits=limits).transfer_caps_j().tolist() == (harvest / 4).tolist()
    before = {"harvested_before_j": np.array([40.0, 0.0, 8.0]), "given_before_j": np.array([4.0, 2.0, 6.0])}
    later = replace(fleet, limits=over, **before)
    # 6 more from before; 2 too many, made up for by the third slot's 5; 4 too many, by four slots' 1 each
    assert later.transfer_caps_j().tolist() == [[8, 1, 0, 3], [0, 0, 3, 1], [0, 0, 0, 0]]
    assert replace(later, limits=slot).transfer_caps_j().tolist() == (harvest / 4).tolist()
    assert fleet.harvest_j.tolist() == harvest.tolist()


def test_what_arrives_of_a_transfer_by_hand() -> None:
    out, into = np.array([0.9, 0.8, 0.5]), np.array([0.7, 0.6, 1.0])
    fleet = replace(whole(), export_efficiency=out, import_efficiency=into)
    source, target = np.array([0, 1, 2, 2]), np.array([1, 0, 2, 1])
    assert fleet.transfer_efficiency(source, target) == pytest.approx([0.54, 0.56, 1.0, 0.3])
    loss = np.array([[0.9, 0.1, 0.2], [0.3, 0.9, 0.4], [0.5, 0.6, 0.9]])
    by_pair = replace(fleet, loss_fraction=loss).transfer_efficiency(source, target)
    assert by_pair == pytest.approx([0.9, 0.7, 1.0, 0.4])
    assert (fleet.size, fleet.horizon) == (3, 4)


def test_a_changed_fleet_checks_what_is_new() -> None:
    fleet = reference_day(3, nodes=2)
    found = fleet.changed(battery_j=np.array([1.0, 2.0]))
    assert found.battery_j.tolist() == [1.0, 2.0]
    assert found.harvest_j is fleet.harvest_j
    assert not found.battery_j.flags.writeable
    for values, message in (
        (np.zeros(3), r"shape \(3,\), expected \(2,\)"),
        (np.array([1.0, np.nan]), "not finite"),
        (np.array([1.0, -1.0]), "negative"),
    ):
        with pytest.raises(ValueError, match=message):
            fleet.changed(battery_j=values)
    with pytest.raises(ValueError, match="slot_s is no array"):
        fleet.changed(slot_s=np.zeros(2))


def test_who_may_sleep_in_each_slot() -> None:
    fleet = random_fleet(3, 2, 3, may_sleep=True)
    can = np.array([[True, False, True], [False, True, True]])
    some = replace(fleet, can_sleep=can)
    assert some.sleepers().tolist() == [True, False]
    assert some.sleepers_by_slot().tolist() == can.tolist()
    assert replace(fleet, can_sleep=can[:, 1]).sleepers_by_slot().tolist() == [[False] * 3, [True] * 3]
    assert fleet.sleepers_by_slot().all()
    nobody = replace(some, limits=replace(fleet.limits, may_sleep=False))
    assert not nobody.sleepers_by_slot().any()
    with pytest.raises(ValueError, match=r"can_sleep has shape \(2, 2\), expected \(2, 3\)"):
        replace(fleet, can_sleep=can[:, :2])
