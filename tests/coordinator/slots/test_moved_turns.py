"""Turns whose users have moved, as a policy sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from coordinator.config import CoordinatorConfig, TurnConfig
from coordinator.slots.moved_turns import moved_turns


def turn(slot: int, owner: str, at: str, **more: Any) -> TurnConfig:
    return TurnConfig(slot=slot, owner=owner, batch_id=0, conversation=0, turn=1, at=at, **more)


def test_those_of_the_slot_between_nodes_that_are_there(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path, nodes=3)
    assert moved_turns(config, 0, ("n0", "n1")) is None
    told = (
        turn(0, "n0", "n1", cache_bytes=5, read_again_j=2.0),
        turn(0, "n0", "n0"),
        turn(0, "n1", "n2"),  # n2 is not there
        turn(1, "n1", "n0"),
    )
    found = moved_turns(config.model_copy(update={"turns": told}), 0, ("n0", "n1"))
    assert found is not None
    assert (found.owner.tolist(), found.at.tolist()) == ([0], [1])
    assert (found.cache_bytes.tolist(), found.read_again_j.tolist()) == ([5.0], [2.0])


def test_turns_that_are_not_in_the_order_of_slots_are_refused(tmp_path: Path, kit: Any) -> None:
    told = kit.make_config(tmp_path, nodes=2).model_dump()
    told["turns"] = (turn(1, "n0", "n0"), turn(0, "n0", "n0"))
    with pytest.raises(ValidationError, match="a turn of slot 0 after one of slot 1"):
        CoordinatorConfig.model_validate(told)
