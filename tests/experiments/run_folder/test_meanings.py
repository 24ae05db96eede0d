"""Meanings of columns are sentences that people read."""

from __future__ import annotations

import pytest

from experiments.run_folder.meanings import COMMON, OWN, meaning


def test_a_column_may_mean_something_of_its_own_in_a_table() -> None:
    assert meaning("rounds", "num_examples") != meaning("nodes", "num_examples")
    with pytest.raises(KeyError):
        meaning("slots", "no_such_column")


def test_meanings_can_stand_in_a_table_of_the_page() -> None:
    for text in (*COMMON.values(), *OWN.values()):
        assert text
        assert "|" not in text
        assert "\n" not in text
