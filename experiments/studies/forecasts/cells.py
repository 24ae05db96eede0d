"""Cells of the study: one day under one regime of knowledge, and one day's decisions on one kind of intensity."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.files.datasets import dataset
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Floats
from coordinator.market.forecast import Perfect
from coordinator.market.pairs import Moves
from coordinator.policies.guard import without_unselected
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import Run, World, simulate
from experiments.errors import RunError
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.runs.export import information
from experiments.studies.fei.engine import content_key
from experiments.studies.forecasts.days import DIRECT, SLOTS, Regime, scenario_of
from experiments.studies.import_closure import closure_digest
from experiments.studies.recorded import RecordedMoves

DATASETS = ("em-2021-2024", "sundial-2022", "generation-mix-2020-2021")
PAIR_WEIGHT = {0: 1.0, 6: 4.0}
"""Expected cost of a day by deadline."""


@lru_cache(maxsize=1)
def _depends() -> list[str]:
    """Code and data that every cell depends on."""
    return [closure_digest(__name__), *(dataset(name).sha256 for name in DATASETS)]


@dataclass(frozen=True, slots=True)
class KnowledgeCell:
    """DETA (or LOCAL, which looks at no forecast) on one day under one regime."""

    start: datetime
    zones: tuple[str, ...]
    deadline_slots: int
    regime: Regime
    policy: str = "deta"

    @property
    def weight(self) -> float:
        return PAIR_WEIGHT.get(self.deadline_slots, 4.0) if self.policy == "deta" else 0.05

    def key(self) -> str:
        return content_key("knowledge", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """Grams of the day: of all, of each node, and of the network between them."""
        scenario = scenario_of(
            self.start,
            self.zones,
            DIRECT,
            self.regime,
            deadline_slots=self.deadline_slots,
            policy=self.policy,
        )
        found = resolve(scenario)
        run = simulate(World(whole_run(found)), make_policy(self.policy), information(found), scenario.seed)
        _refuse_undone(run, self.policy)
        return {
            "emissions_g": run.emissions_g,
            "by_zone_g": dict(zip(self.zones, run.operational_g.sum(axis=0).tolist(), strict=True)),
            "network_g": float(run.network_g.sum()),
            "harvest_to_demand": float(run.harvest_j.sum() / run.demand_j.sum()),
        }


@dataclass(frozen=True, slots=True)
class RankingCell:
    """Several policies on one day, deciding on one kind of intensity that is known; joules by node and slot."""

    start: datetime
    zones: tuple[str, ...]
    deadline_slots: int
    intensity: str
    """``generation-average`` or ``generation-marginal``."""
    responding: str
    """Of a marginal estimate; empty for the average."""
    policies: tuple[str, ...]

    @property
    def weight(self) -> float:
        return 2.0 * PAIR_WEIGHT.get(self.deadline_slots, 4.0)

    def key(self) -> str:
        return content_key("ranking", asdict(self), _depends())

    def source(self) -> dict[str, Any]:
        """The scenario's ``[intensity]`` table."""
        options = {"responding": self.responding} if self.responding else {}
        return {"source": self.intensity, "options": options}

    def compute(self, scratch: Path) -> dict[str, Any]:
        """For every policy (T, N) joules whose grams are its emissions at any intensity, network included."""
        scenario = scenario_of(self.start, self.zones, self.source(), deadline_slots=self.deadline_slots)
        found = resolve(scenario)
        world = World(whole_run(found))
        known = replace(information(found), intensity=Perfect(), harvest=Perfect())
        joules = {}
        for name in self.policies:
            watched = RecordedMoves(make_policy(name), without_unselected)
            run = simulate(world, watched, known, scenario.seed)
            _refuse_undone(run, name)
            joules[name] = _joules(run, watched.moves).tolist()
        return {"joules": joules}


def _joules(run: Run, moves: list[Moves]) -> Floats:
    """(T, N) grid energy, the network's counted half at either end of a parcel, as in (D0). Raises RunError where its
    grams are not the run's."""
    fleet = run.world.fleet
    network = np.zeros_like(run.grid_j)
    for slot, moved in enumerate(moves):
        per_node = (moved.given(fleet.size) + moved.taken(fleet.size)) / 2.0
        network[slot] = per_node * fleet.bytes_per_batch[slot] * fleet.limits.net_j_per_byte
    total = run.grid_j + network
    grams = float((total * run.intensity_g_per_kwh).sum() / JOULES_PER_KWH)
    if not np.isclose(grams, run.emissions_g, rtol=1e-9):
        raise RunError(
            f"joules give {grams} g, the simulator booked {run.emissions_g} g: one of the two is wrong"
        )
    return np.asarray(total)


def _refuse_undone(run: Run, policy: str) -> None:
    """Grams of different work do not compare."""
    undone = int(run.unserved_batches.sum() + run.unselected_batches.sum())
    if undone:
        raise RunError(f"{policy} left {undone} batches undone in {SLOTS} slots: its grams do not compare")
