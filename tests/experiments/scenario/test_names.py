"""Names of nodes sort as their numbers do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from experiments.scenario.names import node_name


@given(st.integers(1, 2_000))
def test_names_sort_as_numbers(count: int) -> None:
    names = [node_name(index, count) for index in range(count)]
    assert names == sorted(names)
    assert len({len(name) for name in names}) == 1
    assert names[0].strip("n0") == ""
