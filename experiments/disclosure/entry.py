"""One disclosed figure: its value, or the reason why there is none, how it is made, and how it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """``value`` is None exactly where ``reason`` says why."""

    key: str
    """Name in the JSON, with its unit."""
    label: str
    value: float | None
    unit: str
    how: str
    """Formula and boundary."""
    source: str
    """Files of the run, or of the package, that it is computed from."""
    reading: str = ""
    """How it is known: measured, modelled, replayed, or parts of each."""
    reason: str = ""
    low: float | None = None
    """With ``high`` the central 95 % of the draws of boards, network and intensity; None: not drawn."""
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"{self.key}: value {self.value} with the reason {self.reason!r}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.key}: {self.value} is no figure")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one scheme."""

    key: str
    title: str
    intro: str
    """What the scheme asks for, and what was chosen where it leaves something open."""
    entries: Sequence[Entry]

    def as_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "intro": self.intro,
            "figures": {entry.key: entry.as_dict() for entry in self.entries},
        }
