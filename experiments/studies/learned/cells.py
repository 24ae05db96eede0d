"""One world of the study: grams of every policy, and of the optimum with perfect foresight."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from carbon_data.files.datasets import dataset
from coordinator.policies.registry import make_policy
from coordinator.simulator.regret import oracle_bound
from coordinator.simulator.simulate import World, simulate
from experiments.errors import RunError
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
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
        grams = {}
        for name in POLICIES:
            run = simulate(truth, make_policy(name), information(resolved), scenario.seed)
            if undone := int(run.unserved_batches.sum()):
                raise RunError(
                    f"{name} left {undone} batches undone in {scenario.name}: its grams do not compare"
                )
            grams[name] = run.emissions_g
        return {
            "emissions_g": grams,
            "bound_g": oracle_bound(truth).objective_g,
            "zones": [node.zone for node in scenario.nodes],
            "day": scenario.time.start.date().isoformat(),
        }
