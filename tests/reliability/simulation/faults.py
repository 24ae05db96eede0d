"""Faults of one seed: what breaks, when, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

HEALED_FRACTION = 0.6
"""Faults begin and end within this share of the time; what follows is for recovery, which must come to an end."""
SKEW_S = 3600.0
MOST_LOSS = 0.3


@dataclass(frozen=True)
class Fault:
    """``kind`` happens to ``who`` ("coordinator" or a node) at ``at`` for ``length`` seconds; ``count`` counts
    commits or writes where it happens at one of them, after it or before it."""

    kind: str
    who: str
    at: float
    length: float
    count: int = 0
    after: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What holds for a whole run."""

    loss: float
    latency_s: float
    disk_s: float
    skew_s: dict[str, float]
    faults: tuple[Fault, ...]


def surroundings(seed: int, seconds: float, nodes: tuple[str, ...]) -> Surroundings:
    """Everything that goes wrong under ``seed``."""
    draw = Random(f"faults/{seed}")
    over = HEALED_FRACTION * seconds
    faults = tuple(_fault(draw, over, nodes) for _ in range(draw.randint(0, 7)))
    return Surroundings(
        loss=draw.choice((0.0, 0.02, 0.1, MOST_LOSS)),
        latency_s=draw.choice((0.001, 0.01, 0.08)),
        disk_s=draw.choice((0.0005, 0.01, 0.1)),
        skew_s={who: draw.uniform(-SKEW_S, SKEW_S) for who in ("coordinator", *nodes)},
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
    )


KINDS = (
    "crash",
    "crash",
    "crash_at_write",
    "crash_at_write",
    "crash_at_write",
    "partition",
    "disk_stall",
    "slow",
    "cut",
    "half_open",
    "deaf",
)


def _fault(draw: Random, over: float, nodes: tuple[str, ...]) -> Fault:
    kind = draw.choice(KINDS)
    who = "coordinator" if draw.random() < 0.4 else draw.choice(nodes)
    if kind in ("cut", "half_open") or (kind == "partition" and draw.random() < 0.7):
        who = draw.choice(nodes)
    at = draw.uniform(0.0, over)
    longest = {"crash": 8.0, "crash_at_write": 8.0, "partition": 20.0, "disk_stall": 4.0, "slow": 6.0}.get(
        kind, 8.0
    )
    length = min(draw.choice((0.05, draw.uniform(0.05, longest))), over - at)
    return Fault(kind, who, round(at, 3), round(length, 3), draw.randint(1, 12), draw.random() < 0.5)
