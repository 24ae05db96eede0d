"""One line of the journal: a document and its postings, with the arithmetic that makes it trustworthy."""

from __future__ import annotations

from typing import Any

import pytest

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
