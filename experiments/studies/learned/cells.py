"""Worlds of the study: grams of every policy and of the optimum with perfect foresight, and of other weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from carbon_data.files.datasets import dataset
from coordinator.policies.base import Policy
from coordinator.policies.learned.policy import Learned
from coordinator.policies.registry import make_policy
from coordinator.simulator.regret import oracle_bound
from coordinator.simulator.simulate import World, simulate
from experiments.errors import RunError
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.export import information
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest
from experiments.studies.learned.worlds import SOURCE, TRAINING, UNSEEN, world

POLICIES = ("local", "auction", "deta", "rl")
PARTS = {part.name: part for part in (TRAINING, UNSEEN)}


@lru_cache(maxsize=1)
def _depends() -> list[str]:
    """Code, weights and data that every cell depends on."""
    return [closure_digest(__name__), dataset(SOURCE).sha256]


@dataclass(frozen=True, slots=True)
class WorldCell:
    """World ``number`` of a part."""

    part: str
    number: int
    nodes: int

    @property
    def weight(self) -> float:
        return float(self.nodes)

    def key(self) -> str:
        return content_key("learned", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """Grams of (D0) by policy, of the bound, and zones and day of the world. Raises RunError where a policy leaves
        work undone: grams of different work do not compare."""
        scenario = world(PARTS[self.part], self.number, self.nodes)
        resolved = resolve(scenario)
        truth = World(whole_run(resolved))
        grams = {name: _grams(make_policy(name), resolved, truth) for name in POLICIES}
        return {
            "emissions_g": grams,
            "bound_g": oracle_bound(truth).objective_g,
            "zones": [node.zone for node in scenario.nodes],
            "day": scenario.time.start.date().isoformat(),
        }


@dataclass(frozen=True, slots=True)
class WeightsCell:
    """World ``number`` of a part under ``rl`` with other weights."""

    part: str
    number: int
    nodes: int
    weights: Path
    sha256: str
    """Of ``weights``: what the result depends on, wherever they lie."""

    @property
    def weight(self) -> float:
        return float(self.nodes) / len(POLICIES)

    def key(self) -> str:
        return content_key("learned-weights", self.part, self.number, self.nodes, self.sha256, _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """Grams of (D0). Raises RunError where work is left undone."""
        resolved = resolve(world(PARTS[self.part], self.number, self.nodes))
        policy = make_policy(Learned.name, weights=str(self.weights))
        return {"emissions_g": _grams(policy, resolved, World(whole_run(resolved)))}


def _grams(policy: Policy, resolved: Resolved, truth: World) -> float:
    scenario = resolved.scenario
    run = simulate(truth, policy, information(resolved), scenario.seed)
    if undone := int(run.unserved_batches.sum()):
        raise RunError(
            f"{policy.name} left {undone} batches undone in {scenario.name}: its grams do not compare"
        )
    return float(run.emissions_g)
