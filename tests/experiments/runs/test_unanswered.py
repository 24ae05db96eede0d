"""Turns of conversations that nobody answered, from what the runner saw and the table of requests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from coordinator.config import TurnConfig
from experiments.runs.unanswered import Unanswered, answered_turns, unanswered_turns
from protos.messages.slot import Recalled

TURNS = (
    TurnConfig(slot=0, owner="n0", batch_id=0, conversation=4, turn=0, at="n0"),
    TurnConfig(slot=1, owner="n0", batch_id=1, conversation=4, turn=1, at="n1"),
)


def outcome(
    slot: int,
    missing: tuple[str, ...] = (),
    sends: tuple[str, ...] = (),
    recalled: tuple[Recalled, ...] = (),
    interrupted: bool = False,
) -> Any:
    """``sends``: executors of n0's batches; ``recalled``: turns that n1 is told of."""
    told = {"n0": ((SimpleNamespace(executor=each) for each in sends), ()), "n1": ((), recalled)}
    decisions = [
        SimpleNamespace(node_id=node, sends=tuple(to), recalled=own, missed=False)
        for node, (to, own) in told.items()
    ]
    return SimpleNamespace(
        slot=slot,
        plan=SimpleNamespace(decisions=decisions),
        summary=SimpleNamespace(missing_nodes=() if interrupted else missing),
        replies=SimpleNamespace(missing=missing),
        interrupted=interrupted,
    )


def test_a_turn_that_is_lost_in_the_last_slot_is_named() -> None:
    lost = unanswered_turns(TURNS, [outcome(0), outcome(1, missing=("n0",))], {(4, 0)})
    assert lost == (Unanswered(4, 1, 1, "n1", "n0", "n0"),)
    assert str(lost[0]) == "turn 1 of conversation 4 (slot 1, user at n1, lost with n0)"
    broken = outcome(1, missing=("n0",), interrupted=True)
    assert unanswered_turns(TURNS, [outcome(0), broken], {(4, 0)}) == lost


def test_a_turn_that_is_lost_with_the_node_that_it_was_sent_to() -> None:
    (one,) = unanswered_turns(TURNS, [outcome(0), outcome(1, missing=("n1",), sends=("n1",))], {(4, 0)})
    assert (one.asked_at, one.lost_node) == ("n0", "n1")


def test_a_turn_that_was_asked_again_counts_where_it_was_asked_last() -> None:
    again = outcome(1, recalled=(Recalled(4, 0, 0, (), "n0"),))
    assert unanswered_turns(TURNS[:1], [outcome(0, missing=("n0",)), again], set()) == ()
    gone = outcome(1, missing=("n1",), recalled=(Recalled(4, 0, 0, (), "n0"),))
    (one,) = unanswered_turns(TURNS[:1], [outcome(0, missing=("n0",)), gone], set())
    assert (one.turn, one.slot, one.asked_at, one.lost_node) == (0, 1, "n1", "n1")


def test_turns_without_time_and_slots_that_were_not_decided_are_none() -> None:
    assert unanswered_turns(TURNS, [outcome(0), outcome(1)], set()) == ()
    assert unanswered_turns(TURNS, [outcome(0)], {(4, 0)}) == ()


def test_answered_are_requests_that_did_not_fail(tmp_path: Path) -> None:
    path = tmp_path / "requests.parquet"
    rows = {"conversation": [1, 1, None], "turn": [0, 1, None], "failed": [None, "it died", None]}
    pd.DataFrame(rows).astype({"conversation": "Int64", "turn": "Int64"}).to_parquet(path)
    assert answered_turns(path) == {(1, 0)}
    pd.DataFrame({"failed": ["it died"]}).to_parquet(path)
    assert answered_turns(path) == answered_turns(None) == set()
