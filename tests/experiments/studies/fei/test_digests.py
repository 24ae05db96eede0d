"""What a training's result depends on besides its cell: code and data."""

from __future__ import annotations

from dataclasses import replace

from experiments.studies.fei.digests import key_of
from tests.experiments.studies.fei.trainings import CELL


def test_keys_follow_what_the_result_depends_on() -> None:
    assert key_of(CELL) == key_of(replace(CELL))
    assert key_of(CELL) != key_of(replace(CELL, seed=1))
    assert key_of(CELL) != key_of(replace(CELL, data="digits-inverted"))
