"""Numbers of the equations, worked out by hand for fleets of uneven figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.numbers import unserved_penalty_g
from coordinator.market.program import build

ALL = Restrictions(transfers=True, offloading=True, harvest=True)


@pytest.mark.parametrize(
    ("whole", "full", "taken"),
    [
        # 10 s hold 10/3, any, 20 and 10 batches, and there are eight; 1, 10 and 4 s of them go into waking up
        (False, [[10 / 3, 8], [10 / 3, 8], [8, 8]], [[1 / 3, 0], [10 / 3, 8], [0, 2]]),
        (True, [[3, 8], [3, 8], [8, 8]], [[0, 0], [3, 8], [0, 2]]),
    ],
)
def test_batches_of_a_slot_and_what_waking_up_takes(
    whole: bool, full: list[list[float]], taken: list[list[float]]
) -> None:
    fleet = replace(
        reference_day(2, nodes=3),
        slot_s=10.0,
        wake_s=np.array([1.0, 10.0, 4.0]),
        seconds_per_batch=np.array([[3.0, 0.0], [3.0, 0.0], [0.5, 1.0]]),
        backlog_batches=np.array([[4], [3], [0]]),
        release_batches=np.array([[1], [0], [0]]),
    )
    program = build(fleet, ALL, whole_batches=whole)
    np.testing.assert_allclose(program.capacity_batches, full)
    np.testing.assert_allclose(program.wake_batches, taken, atol=1e-12)


@pytest.mark.parametrize("whole", [False, True])
def test_work_its_room_and_that_of_guests_by_hand(whole: bool) -> None:
    """Half of each class may leave; 2.5 MB of storage hold 2.5, 1.25 and any number of batches."""
    day = reference_day(3, nodes=2)
    fleet = replace(
        day,
        limits=replace(day.limits, deadline_slots=3, offload_cap_fraction=0.5),
        backlog_batches=np.array([[1, 2, 3, 4], [5, 0, 0, 7]]),
        release_batches=np.array([[3, 6], [1, 0]]),
        bytes_per_batch=np.array([1e6, 2e6, 0.0]),
        storage_bytes=np.array([2.5e6, 1e6]),
    )
    program = build(fleet, ALL, whole_batches=whole)
    # what is due in the last slot and what is due after it may run in the same slots: one class
    np.testing.assert_array_equal(program.class_batches, [[1, 2, 7, 3, 6], [5, 0, 7, 1, 0]])
    np.testing.assert_array_equal(program.late_batches, [[0, 0, 4, 3, 6], [0, 0, 7, 1, 0]])
    half = [[0, 1, 3, 1, 3], [2, 0, 3, 0, 0]] if whole else [[0.5, 1, 3.5, 1.5, 3], [2.5, 0, 3.5, 0.5, 0]]
    np.testing.assert_allclose(program.class_room_batches, half)
    guests = [[2, 1, np.inf], [1, 0, np.inf]] if whole else [[2.5, 1.25, np.inf], [1, 0.5, np.inf]]
    np.testing.assert_allclose(program.guest_room_batches, guests)
    left = replace(fleet, offload_room_batches=np.array([[1, 0, 2, 3], [0, 0, 0, 1]]))
    np.testing.assert_array_equal(
        build(left, ALL, whole_batches=whole).class_room_batches[:, :3], [[1, 0, 5], [0, 0, 1]]
    )


@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("may_sleep", [False, True])
@pytest.mark.parametrize("worst", [0.5, 720.0])
def test_the_price_of_an_undone_batch_by_hand(model: bool, may_sleep: bool, worst: float) -> None:
    """A hundred times 5 J, 3 MB at 0.3 + 0.4 + 0.7 uJ a byte, the model, a slot awake and waking up; at least at
    1 g/kWh."""
    day = reference_day(2, nodes=2)
    fleet = replace(
        day,
        limits=replace(day.limits, net_j_per_byte=7e-7, may_sleep=may_sleep),
        intensity_g_per_kwh=worst * np.array([[0.5, 1.0], [0.2, 0.1]]),
        stored_value_g_per_j=np.zeros(2),
        joules_per_batch=np.array([[2.0, 3.0], [5.0, 1.0]]),
        bytes_per_batch=np.array([1e6, 3e6]),
        tx_j_per_byte=np.array([3e-7, 1e-7]),
        rx_j_per_byte=np.array([2e-7, 4e-7]),
        static_w=np.array([2.0, 3.0]),
        wake_j=np.array([11.0, 6.0]),
        model_j=np.array([[0.5, 0.25], [0.5, 1.5]]) if model else None,
    )
    dearest_j = 5.0 + 3.0 * 1.4 + 1.5 * model + (60.0 * 3.0 + 11.0) * may_sleep
    assert unserved_penalty_g(fleet) == pytest.approx(100.0 * dearest_j * max(worst, 1.0) / 3.6e6, rel=1e-12)
    stored = replace(fleet, stored_value_g_per_j=np.array([1e-3, 2e-3]))
    assert unserved_penalty_g(stored) == pytest.approx(100.0 * dearest_j * 2e-3, rel=1e-12)
    free = replace(fleet, joules_per_batch=np.zeros((2, 2)), bytes_per_batch=np.zeros(2), model_j=None)
    if not may_sleep:
        assert unserved_penalty_g(free) == pytest.approx(100.0 * 1e-3 * max(worst, 1.0) / 3.6e6, rel=1e-12)
