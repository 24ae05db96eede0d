"""A figure has a value or a reason, never both and never neither."""

from __future__ import annotations

import math

import pytest

from experiments.disclosure.entry import Entry, Section


def entry(value: float | None, reason: str = "") -> Entry:
    return Entry("k_g", "k", value, "g CO2e", "sum", "lines.parquet", reason=reason)


def test_missing_has_a_reason_and_is_not_zero() -> None:
    assert entry(0.0).as_dict()["value"] == 0.0
    assert entry(None, "no meter").as_dict()["value"] is None
    for value, reason in ((None, ""), (1.0, "no meter")):
        with pytest.raises(ValueError, match="k_g"):
            entry(value, reason)
    with pytest.raises(ValueError, match="no figure"):
        entry(math.inf)


def test_a_section_names_its_figures_by_key() -> None:
    told = Section("s", "S", "what", [entry(1.0)]).as_dict()
    assert told["figures"]["k_g"]["value"] == 1.0
