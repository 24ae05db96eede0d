"""A Gymnasium environment: the coordinator decides transfers, offloads and batteries of a whole fleet.

Observation: (N, OBSERVED) float32, a row a node (coordinator.policies.learned.observation). Action: (N, 3) in -1..1,
projected onto what the limits allow (coordinator.policies.learned.action). Reward: minus the slot's g CO2e, of nodes,
network, coordinator and router; the sum of an episode is minus the grams of a run. An episode is a run: it ends
(``terminated``) with the last slot. What is left in a battery then is worth nothing, as in a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from coordinator.policies.learned.action import ACTIONS, decision_of
from coordinator.policies.learned.observation import HIGHEST, OBSERVED
from experiments.environments.world import FleetWorld, Outcome
from experiments.errors import UsageError
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import Scenario

Observation = NDArray[np.float32]


class CoordinatorEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """The coordinator of one scenario, or of several with equally many nodes, one of which is drawn for each episode.

    ``reset(options={"scenario": k})`` takes the k-th."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own interface

    def __init__(self, scenarios: Scenario | Resolved | Sequence[Scenario | Resolved]) -> None:
        """Raises UsageError for no scenario, for numbers of nodes that differ, and as FleetWorld."""
        given = scenarios if isinstance(scenarios, Sequence) else [scenarios]
        self._worlds = [FleetWorld(each) for each in given]
        sizes = sorted({len(world.node_ids) for world in self._worlds})
        if len(sizes) != 1:
            raise UsageError(
                f"scenarios of {sizes or 'no'} nodes; allowed are one or more scenarios of one number of nodes"
            )
        shape = (sizes[0], OBSERVED)
        self.observation_space = spaces.Box(-HIGHEST, HIGHEST, shape, np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (sizes[0], ACTIONS), np.float32)
        self._world = self._worlds[0]

    @property
    def world(self) -> FleetWorld:
        """The fleet of the episode."""
        return self._world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode. Raises UsageError for a scenario that there is not."""
        super().reset(seed=seed)
        count = len(self._worlds)
        number = (options or {}).get("scenario")
        if number is None:
            number = int(self.np_random.integers(count))
        if number not in range(count):
            raise UsageError(f"scenario {number!r}; allowed are 0 to {count - 1}")
        self._world = self._worlds[number]
        self._world.restart()
        return self._world.observed(), {"scenario": number}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One slot. Raises ValueError before ``reset``, after the last slot, and for an action that is not finite."""
        world = self._world
        world.require_begun()
        outcome = world.step(decision_of(world.fleet, action, world.room))
        return world.observed(), -outcome.grams, world.over, False, told(outcome)


def told(outcome: Outcome) -> dict[str, Any]:
    """``info`` of a step: totals of the slot."""
    summary = outcome.booked.summary
    return {
        "slot": summary.slot,
        "emissions_g": outcome.grams,
        "grid_j": summary.grid_uj / 1e6,
        "demand_j": summary.demand_uj / 1e6,
        "transferred_j": summary.transferred_uj / 1e6,
        "executed_batches": summary.executed_batches,
        "moved_batches": summary.moved_batches,
        "unserved_batches": summary.unserved_batches,
    }
