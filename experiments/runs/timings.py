"""Wall-clock figures of a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Timings:
    """Kept apart from the tables, which repeat byte for byte."""

    start_s: float = 0.0
    slots_s: list[float] = field(default_factory=list)
    decide_s: list[float] = field(default_factory=list)
    total_s: float = 0.0
    """Of a run that was resumed: of this start, and the slots of those before."""
    peak_memory_bytes: int | None = None
    """Largest resident set of the runner's process so far; None where the system does not tell."""
