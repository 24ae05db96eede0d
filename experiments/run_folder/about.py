"""What a comparison is about: the policy its report speaks of, and a baseline beside GRID and LOCAL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.errors import UsageError


@dataclass(frozen=True, slots=True)
class About:
    """None: it follows from the policies (experiments.report.read.Study.focus), and GRID and LOCAL alone."""

    focus: str | None = None
    baseline: str | None = None

    def check(self, policies: Sequence[str]) -> None:
        """Raises UsageError where one is none of the compared ``policies``. GRID is computed from LOCAL."""
        compared = f"it is not compared; compared are {', '.join(policies)}. Add it to --policies"
        if self.focus is not None and self.focus not in policies:
            raise UsageError(f"--focus {self.focus}: {compared}")
        worked_out = self.baseline == "grid" and "local" in policies
        if self.baseline is not None and self.baseline not in policies and not worked_out:
            raise UsageError(f"--baseline {self.baseline}: {compared}")
        if self.baseline is not None and self.baseline == self.focus:
            raise UsageError(
                f"--focus and --baseline are both {self.focus}; a policy is not compared with itself: name two"
            )

    def as_metadata(self) -> dict[str, str]:
        """What is kept; nothing where nothing was chosen."""
        both = {"focus": self.focus, "baseline": self.baseline}
        return {key: value for key, value in both.items() if value is not None}

    @classmethod
    def from_metadata(cls, told: Mapping[str, Any]) -> About:
        return cls(told.get("focus"), told.get("baseline"))


UNCHOSEN = About()
