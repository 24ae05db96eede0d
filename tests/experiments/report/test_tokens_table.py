"""The table of tokens: joules per token with intervals, by policy and node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from experiments.report.tokens_table import ALL, tokens


def rows(node: str, *joules: float, failed: int = 0) -> list[dict[str, Any]]:
    one = {
        "node_id": node,
        "failed": None,
        "tokens_cached": 0,
        "tokens_prefilled": 100,
        "tokens_decoded": 10,
        "tokens_out": 11,
        "bits": 800,
        "wire_bytes": 500,
        "decode_j": 1.0,
        "wasted_j": 0.0,
        "operational_g": 0.5,
        "first_token_s": 2.0,
        "token_gap_s": 0.1,
    }
    dead = {
        **one,
        "failed": "it died",
        "prefill_j": 0.0,
        "decode_j": 0.0,
        "wasted_j": 3.0,
        "tokens_prefilled": 0,
    }
    dead |= {"tokens_decoded": 0, "tokens_out": 0, "first_token_s": None, "token_gap_s": None}
    return [{**one, "prefill_j": each} for each in joules] + [dead] * failed


def study(*some: dict[str, Any]) -> Any:
    table = {"requests": pd.DataFrame(list(some))} if some else {}
    run = SimpleNamespace(policy="deta", seed=0, tables=table)

    class Study(list[Any]):
        focus = "deta"

    return Study([run])


def test_joules_per_token_are_of_answered_requests_and_waste_stands_apart() -> None:
    found = tokens(study(*rows("n0", 2.0, 4.0), *rows("n1", 3.0, failed=1)))
    assert found is not None
    frame = found.frame.set_index("node_id")
    assert frame.loc[ALL, "joules_per_token_prefilled"] == pytest.approx(0.03)
    assert frame.loc[ALL, "joules_per_token_prefilled_half_width"] > 0
    assert frame.loc["n0", "joules_per_token_decoded"] == pytest.approx(0.1)
    assert (frame.loc["n1", "requests"], frame.loc["n1", "failed_requests"]) == (1, 1)
    assert frame.loc["n1", "wasted_j"] == 3.0
    assert frame.loc["n0", "grams_per_1000_tokens"] == pytest.approx(1000 * 1.0 / 222)
    assert frame.loc["n0", "bytes_per_content_byte"] == pytest.approx(5.0)
    cells = {cell[0] for row in found.rows() for cell in row}
    assert any("±" in cell for cell in cells)


def test_other_waste_is_shown_where_there_is_some() -> None:
    some = study(*rows("n0", 2.0), *rows("n1", 3.0, failed=1))
    serving = pd.DataFrame({"node_id": ["n0", "n0", "n1"], "other_wasted_j": [0.0, 0.0, None]})
    some[0].tables["serving"] = serving
    plain = tokens(some)
    assert plain is not None
    assert "other_wasted_j" not in plain.frame
    serving.loc[1, "other_wasted_j"] = 4.0
    found = tokens(some)
    assert found is not None
    frame = found.frame.set_index("node_id")
    assert frame["other_wasted_j"].to_dict() == {ALL: 4.0, "n0": 4.0, "n1": 0.0}
    assert frame.loc["n1", "wasted_j"] == 3.0
    assert "other waste" in [column.label for column in found.columns]


def test_a_run_without_a_language_model_has_no_such_table() -> None:
    assert tokens(study()) is None


def test_a_prompt_that_was_not_read_for_another_node_is_that_node_s_request() -> None:
    extra = {"cache_bytes": 0, "same_answer": None}
    whole = [{**one, "part": None, **extra} for one in rows("n1", 3.0, failed=1)]
    unread = [{**one, "part": "read", **extra} for one in rows("n0", failed=2)]
    found = tokens(study(*whole, *unread))
    assert found is not None
    frame = found.frame.set_index("node_id")
    assert (frame.loc[ALL, "requests"], frame.loc[ALL, "failed_requests"]) == (1, 1)
    assert (frame.loc["n0", "failed_requests"], frame.loc["n0", "wasted_j"]) == (0, 6.0)


def test_an_extra_answer_is_neither_a_request_nor_one_that_failed_and_its_joules_are_waste() -> None:
    (extra,) = rows("n1", failed=1)
    found = tokens(study(*({**each, "extra": None} for each in rows("n0", 2.0)), {**extra, "extra": True}))
    assert found is not None
    of_all = found.frame.set_index("node_id").loc[ALL]
    assert (of_all["requests"], of_all["failed_requests"], of_all["wasted_j"]) == (1, 0, 3.0)
