"""A value, or the reason why it is missing: missing is never zero and always has a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Given:
    """``value`` in the unit its place names; None exactly when ``reason`` says why."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"value {self.value!r} with reason {self.reason!r}; give one of the two")

    def as_dict(self) -> dict[str, Any]:
        return {"value": self.value} if self.value is not None else {"value": None, "reason": self.reason}


def missing(reason: str) -> Given:
    return Given(None, reason)
