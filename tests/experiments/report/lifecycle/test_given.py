"""A value, or the reason why it is missing: missing is never zero and always has a reason."""

from __future__ import annotations

import pytest

from experiments.report.lifecycle.given import Given


def test_given_is_a_value_or_a_reason() -> None:
    with pytest.raises(ValueError, match="give one"):
        Given(None)
    with pytest.raises(ValueError, match="give one"):
        Given(1.0, "why")
