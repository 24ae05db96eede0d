"""A node's place in a run, as JSON in a letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge_node.assignment import Assignment


def test_an_assignment_is_the_same_after_its_way(make_config: Callable[..., Any]) -> None:
    told = Assignment(session="0" * 32, run_number=7, node_number=2, config=make_config(0))
    assert Assignment.from_letter(b"".join(told.to_letter())) == told


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff"])
def test_anything_else_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(ValueError, match="the assignment cannot be read"):
        Assignment.from_letter(content)


def test_the_place_comes_first_and_the_fault_goes_on_after_the_colon() -> None:
    with pytest.raises(ValueError, match=r"cannot be read: session: field required"):
        Assignment.from_letter(b"{}")
