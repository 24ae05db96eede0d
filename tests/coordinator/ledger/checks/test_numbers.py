"""Figures of a document that are no numbers are named with their field."""

from __future__ import annotations

import json
import math

import pytest

from coordinator.ledger.checks.numbers import non_finite


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"a": NaN}', "a", math.nan),
        ('{"a": {"b": [0, {"c": -Infinity}]}}', "a.b[1].c", -math.inf),
        ('{"a": [1, 1e999]}', "a[1]", math.inf),
        ('{"a": 1%s}' % ("0" * 400), "a", math.inf),
    ],
)
def test_a_figure_that_is_no_number_is_found(text: str, field: str, value: float) -> None:
    ((place, found),) = non_finite(text, json.loads(text))
    assert place == field
    assert found == value or (math.isnan(found) and math.isnan(value))


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, null, "NaN", true]}', '{"a": 1e300}', '{"Infinity": -1e-320}']
)
def test_numbers_and_texts_pass(text: str) -> None:
    assert list(non_finite(text, json.loads(text))) == []
