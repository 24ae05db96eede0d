"""One line of the journal: a document and its postings, with the arithmetic that makes it trustworthy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.ledger import (
    Entry,
    Kind,
    LedgerError,
    Posting,
    canonical_json,
)
from coordinator.ledger.entry import Unit


def test_postings_that_do_not_sum_to_zero_are_refused() -> None:
    with pytest.raises(LedgerError, match="sum to 1"):
        Entry(Kind.OPENING, "k", {}, (Posting("a", Unit.MICROJOULES, 1),))
    with pytest.raises(LedgerError, match="pg sum to 2"):
        Entry(
            Kind.OPENING,
            "k",
            {},
            (
                Posting("a", Unit.MICROJOULES, 1),
                Posting("b", Unit.MICROJOULES, -1),
                Posting("c", Unit.PICOGRAMS, 2),
            ),
        )


@pytest.mark.parametrize("amount", [1.0, True, 2**63, "7"])
def test_only_integers_that_fit_are_booked(amount: Any) -> None:
    with pytest.raises(LedgerError, match="integers"):
        Entry(Kind.OPENING, "k", {}, (Posting("a", Unit.MICROJOULES, amount),))


def test_nan_never_enters() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"a": float("nan")})


def test_unit_is_one_of_two() -> None:
    assert {str(unit) for unit in Unit} == {"uJ", "pg"}


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(LEAVES, lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=8)


@given(st.dictionaries(st.text(), VALUES))
def test_the_encoder_that_is_built_once_writes_what_pythons_json_writes(body) -> None:
    assert canonical_json(body) == json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_document_has_no_number_that_json_lacks(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": [value]})
