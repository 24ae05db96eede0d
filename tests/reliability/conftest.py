"""The coordinator's kit of stub nodes, for the faults found by attack."""

from __future__ import annotations

from tests.coordinator.conftest import kit

__all__ = ["kit"]
