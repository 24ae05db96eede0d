"""The table of conversations: turns by what they were answered with, and what moves took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from experiments.report.conversations_table import conversations, figures

ROW: dict[str, Any] = {
    "failed": None,
    "part": None,
    "conversation": 0,
    "tokens_cached": 0,
    "tokens_prefilled": 40,
    "tokens_decoded": 5,
    "prefill_j": 2.0,
    "decode_j": 1.0,
    "wasted_j": 0.0,
    "operational_g": 0.1,
    "first_token_s": 3.0,
    "cache_bytes": None,
    "same_answer": None,
    "handed_j": None,
    "handed_g": None,
    "hand_over_g": None,
    "read_again_g": None,
}
MOVED = {**ROW, "handed_j": 0.0, "handed_g": 0.0, "hand_over_g": 0.02, "read_again_g": 0.05}
ROWS = pd.DataFrame(
    [
        ROW,
        {**ROW, "part": "kept", "tokens_cached": 30, "tokens_prefilled": 10, "first_token_s": 1.0},
        {
            **MOVED,
            "part": "continued",
            "tokens_cached": 30,
            "cache_bytes": 700,
            "handed_j": 0.5,
            "handed_g": 0.02,
            "same_answer": True,
        },
        {**MOVED, "part": "read-again", "first_token_s": 5.0},
        {**MOVED, "part": "fell-back", "cache_bytes": 700, "handed_j": 0.5, "handed_g": 0.02},
        {**ROW, "failed": "it died", "tokens_prefilled": 0, "tokens_decoded": 0, "wasted_j": 4.0},
    ]
)


def test_turns_are_counted_by_what_they_were_answered_with() -> None:
    found = figures(ROWS, 8)
    assert (found["turns"], found["answered"], found["failed"], found["moved"]) == (8, 5, 1, 3)
    parts = [found[name] for name in ("kept", "continued", "read_again", "fell_back", "lost")]
    assert parts == [1, 1, 1, 1, 0]
    assert (found["tokens_cached"], found["tokens_prefilled"], found["tokens_decoded"]) == (60, 170, 25)
    assert (found["handed_bytes"], found["handed_j"], found["wasted_j"]) == (1400, 1.0, 4.0)
    assert found["total_g"] == pytest.approx(0.6 + 0.04)
    assert (found["hand_over_price_g"], found["read_again_price_g"]) == pytest.approx((0.06, 0.15))
    assert (found["first_token_moved_p50_s"], found["first_token_kept_p50_s"]) == (3.0, 1.0)
    assert found["same_text"] == "1 of 1"


def test_an_extra_answer_to_a_turn_is_no_turn_that_failed() -> None:
    extra = {**ROW, "failed": "another node's answer counts", "extra": True, "wasted_j": 3.0}
    found = figures(pd.DataFrame([ROW, extra]))
    assert (found["turns"], found["answered"], found["failed"], found["wasted_j"]) == (1, 1, 0, 3.0)


def test_there_is_a_table_only_where_users_have_conversations() -> None:
    run = SimpleNamespace(policy="follow-cheaper", seed=0, tables={"requests": ROWS}, metadata={"turns": 8})
    plain = SimpleNamespace(
        policy="dat", seed=0, tables={"requests": ROWS.drop(columns="conversation")}, metadata={}
    )
    found = conversations([run, plain])  # type: ignore[arg-type]
    assert found is not None
    assert found.frame["policy"].tolist() == ["follow-cheaper"]
    assert len(found.rows()[0]) == len(found.columns)
    assert conversations([plain]) is None  # type: ignore[arg-type]
