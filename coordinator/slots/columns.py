"""Constants of nodes, as they registered them, by column. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbon_data.types import DataError
from coordinator.market.fleet import Bools, Floats, Ints, PointCosts, SplitCosts
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage
from protos.messages.work import PointCost, WorkProfile

FIGURES = (
    *("static_w", "sleep_w", "wake_j", "wake_s", "tx_j_per_byte", "rx_j_per_byte", "storage_bytes"),
    *("battery_capacity_uj", "charge_efficiency_fraction", "discharge_efficiency_fraction"),
    *("self_discharge_fraction", "charge_limit_w", "discharge_limit_w"),
    *("export_loss_fraction", "import_loss_fraction", "num_examples"),
)
"""Fields of NodeProfile that are one number a node."""
WORK = ("seconds_per_batch", "joules_per_batch", "bytes_per_batch", "model_j", "request_j", "compute_j")
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
    split: SplitCosts | None = None
    """Of the first stage's work."""
    calibrated: Bools | None = None
    """(N,) likewise; None: of no node."""
    points: tuple[tuple[PointCost, ...], ...] = ()
    """Operating points of each node; empty: no node has any."""

    @classmethod
    def of(cls, profiles: Sequence[NodeProfile], stages: Sequence[Stage]) -> ProfileColumns:
        """Raises DataError where a node gave no cost of one of ``stages``."""
        work: dict[Stage, dict[str, Floats]] = {}
        for stage in dict.fromkeys(stages):
            rows = [work_of(profile, stage) for profile in profiles]
            work[stage] = {name: np.array([float(getattr(row, name)) for row in rows]) for name in WORK}
        calibrated = np.array([work_of(each, stages[0]).calibrated for each in profiles], dtype=bool)
        return cls(
            zones=tuple(profile.zone for profile in profiles),
            figures={
                name: np.array([float(getattr(profile, name)) for profile in profiles]) for name in FIGURES
            },
            work=work,
            can_sleep=np.array([profile.sleep.possible for profile in profiles], dtype=bool),
            split=_split([work_of(profile, stages[0]) for profile in profiles]),
            calibrated=calibrated if calibrated.any() else None,
            points=tuple(profile.points for profile in profiles)
            if any(len(profile.points) > 1 for profile in profiles)
            else (),
        )

    def point_costs(self, stages: Sequence[Stage]) -> PointCosts | None:
        """Of the slots of ``stages``; None where no node has operating points to choose from."""
        if not self.points:
            return None
        n, k = len(self.points), max(map(len, self.points))
        speed, energy = np.zeros((n, k)), np.ones((n, k))
        static_w = np.repeat(self.figures["static_w"][:, None], k, axis=1)
        speed[:, 0] = 1.0
        for row, points in enumerate(self.points):
            for place, point in enumerate(points[1:], 1):
                speed[row, place] = point.speed_fraction
                energy[row, place] = point.energy_times
                static_w[row, place] = point.static_w
        return PointCosts(speed, energy, static_w, self.by_slot("compute_j", stages))

    def by_slot(self, name: str, stages: Sequence[Stage]) -> Floats:
        """(N, H) of a figure of the work of each slot's stage."""
        return np.stack([self.work[stage][name] for stage in stages], axis=1)


def _split(work: Sequence[WorkProfile]) -> SplitCosts | None:
    """None where no node's batches can be split."""
    told = [each.hand_over for each in work]
    if not any(told):
        return None

    def column(name: str, without: float) -> Floats:
        return np.array([without if each is None else float(getattr(each, name)) for each in told])

    targets = [None if each is None else each.latency_target_s for each in told]
    return SplitCosts(
        read_s=column("read_seconds", 0.0),
        read_j=column("read_joules", 0.0),
        cache_bytes=column("cache_bytes", 0.0),
        kin=tuple("" if each is None else each.kin for each in told),
        link_bytes_per_s=column("link_bytes_per_s", 1.0),
        latency_target_s=np.array([np.inf if target is None else target for target in targets]),
    )


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
