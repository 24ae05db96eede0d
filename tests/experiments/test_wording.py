"""Lists in sentences."""

from __future__ import annotations

import pytest

from experiments.wording import few


@pytest.mark.parametrize(
    ("names", "between", "text"),
    [
        ([], ", ", ""),
        (["a"], ", ", "a"),
        (["a", "b"], ", ", "a and b"),
        (["a", "b"], "; ", "a; and b"),
        (["a", "b", "c"], ", ", "a, b and 1 more"),
        (["a", "b", "c", "d"], "; ", "a; b; and 2 more"),
    ],
)
def test_the_first_are_named_and_the_others_counted(names, between, text):
    assert few(names, 2, between) == text
