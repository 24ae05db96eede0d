"""Arrivals of a trace, slot by slot: the same as by looking at all of them in every slot."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_node.serving.traced import Traced

SLOTS = 7


@given(
    st.lists(st.floats(0.0, 80.0) | st.integers(0, 800).map(lambda tenths: tenths * 0.1), max_size=60),
    st.sampled_from([0.1, 0.3, 1.0, 10.0, 11.7]),
)
def test_each_slot_has_its_own_arrivals_to_the_last_bit(times: list[float], slot_s: float) -> None:
    times = sorted(times)
    traced = Traced(times, slot_s, SLOTS)
    for slot in range(SLOTS):
        from_its_beginning = np.asarray(times, dtype=float) - slot * slot_s
        own = from_its_beginning[(from_its_beginning >= 0.0) & (from_its_beginning < slot_s)]
        assert traced(slot).tobytes() == own.tobytes()


def test_a_time_at_a_slots_end_belongs_to_the_next() -> None:
    traced = Traced((0.0, 9.999, 10.0, 25.0, 30.0), 10.0, 3)
    assert [traced(slot).tolist() for slot in range(3)] == [[0.0, 9.999], [0.0], [5.0]]
