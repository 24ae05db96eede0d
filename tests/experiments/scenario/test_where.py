"""A refusal names one place in a file: the innermost that knows it."""

from __future__ import annotations

import pickle

import pytest

from experiments.errors import PlacedError, UsageError
from experiments.scenario.where import Where

TEXT = '[task]\ndata = "digits"\n[task.privacy]\nkind = "local"\n'


def test_the_innermost_place_is_named_once() -> None:
    where = Where.of("mine.toml", TEXT)
    with pytest.raises(UsageError) as refused, where.at(("task",)), where.at(("task", "privacy", "kind")):
        raise ValueError("no")
    assert str(refused.value) == "mine.toml:4: task.privacy.kind: no"


def test_a_place_in_another_file_is_named_as_well() -> None:
    board, scenario = Where.of("board.toml", "static_w = 1\n"), Where.of("mine.toml", TEXT)
    with (
        pytest.raises(UsageError) as refused,
        scenario.at(("task", "data")),
        board.at(("static_w",)),
    ):
        raise UsageError("no unit")
    assert str(refused.value) == "mine.toml:2: task.data: board.toml:1: static_w: no unit"


def test_it_goes_from_process_to_process() -> None:
    error = pickle.loads(pickle.dumps(PlacedError("mine.toml:1: no", "mine.toml")))
    assert (str(error), error.file) == ("mine.toml:1: no", "mine.toml")
