"""What tests of several commands share."""

from __future__ import annotations

import pytest

from edge_node.meters.sampling import limits, sampler


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine keeps a sampler waiting: for tests that are not about how much of a window was read."""
    monkeypatch.setattr(limits, "MIN_COVERAGE", 0.0)
    for name in ("START_S", "LATE_S"):
        monkeypatch.setattr(sampler, name, 120.0)
