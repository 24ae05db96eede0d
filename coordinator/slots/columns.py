"""Constants of nodes, as they registered them, by column. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbon_data.types import DataError
from coordinator.market.fleet import Bools, Floats, Ints
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile

FIGURES = (
    *("static_w", "sleep_w", "wake_j", "wake_s", "tx_j_per_byte", "rx_j_per_byte", "storage_bytes"),
    *("battery_capacity_uj", "charge_efficiency_fraction", "discharge_efficiency_fraction"),
    *("self_discharge_fraction", "charge_limit_w", "discharge_limit_w"),
    *("export_loss_fraction", "import_loss_fraction", "num_examples"),
)
"""Fields of NodeProfile that are one number a node."""
WORK = ("seconds_per_batch", "joules_per_batch", "bytes_per_batch", "model_j", "request_j")
"""Fields of WorkProfile that are one number a stage."""


def work_of(profile: NodeProfile, stage: Stage) -> WorkProfile:
    """Cost of ``stage``'s work on a node. Raises DataError when the node did not give it.

    In an unallocated slot no node has work, and work costs nothing.
    """
    if stage is Stage.UNALLOCATED:
        return WorkProfile(stage, 0.0, 0.0, 0)
    for work in profile.work:
        if work.stage == stage:
            return work
    raise DataError(
        f"no work profile for stage {stage}; the node registered {[str(w.stage) for w in profile.work]}"
    )


@dataclass(frozen=True)
class ProfileColumns:
    """N profiles."""

    zones: tuple[str, ...]
    figures: dict[str, Floats]
    """(N,) of FIGURES."""
    work: dict[Stage, dict[str, Floats]]
    """(N,) of WORK, by stage."""
    can_sleep: Bools
    """(N,)."""

    @classmethod
    def of(cls, profiles: Sequence[NodeProfile], stages: Sequence[Stage]) -> ProfileColumns:
        """Raises DataError where a node gave no cost of one of ``stages``."""
        work: dict[Stage, dict[str, Floats]] = {}
        for stage in dict.fromkeys(stages):
            rows = [work_of(profile, stage) for profile in profiles]
            work[stage] = {name: np.array([float(getattr(row, name)) for row in rows]) for name in WORK}
        return cls(
            zones=tuple(profile.zone for profile in profiles),
            figures={
                name: np.array([float(getattr(profile, name)) for profile in profiles]) for name in FIGURES
            },
            work=work,
            can_sleep=np.array([profile.sleep.possible for profile in profiles], dtype=bool),
        )

    def by_slot(self, name: str, stages: Sequence[Stage]) -> Floats:
        """(N, H) of a figure of the work of each slot's stage."""
        return np.stack([self.work[stage][name] for stage in stages], axis=1)


@dataclass(frozen=True, slots=True)
class StandingColumns:
    """What the coordinator itself keeps of N nodes."""

    asleep: Bools
    participations: Ints
    harvested_uj: Ints
    given_uj: Ints
    mean_loss: Floats
    """NaN where a node has not trained yet."""
    offload_room: Ints | None = None
    """(N, Q+1); None without deferral."""
