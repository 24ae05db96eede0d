"""Many worlds as one fleet for stable-baselines3: a step of all of them costs little more than a step of one.

Each environment is one of the fleets that stand side by side in a FleetWorld. All of them begin and end together; then
the next group of worlds comes, each of them once in an order that is drawn, and again. The reward is minus the grams
of nodes and network in the slot, less LOCAL's in the same slot of the same world, over LOCAL's mean: a shift that no
decision changes, and a scale. Coordinator and router are left out: no decision changes them either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from coordinator.policies.learned.action import ACTIONS, decision_of
from coordinator.policies.learned.observation import HIGHEST, OBSERVED
from coordinator.policies.local import local_decision
from experiments.environments.world import FleetWorld, Outcome

Floats = NDArray[np.float64]


def grams_of(outcome: Outcome, fleets: int) -> Floats:
    """(fleets,) g of nodes and network in the slot, of fleets side by side."""
    by_node = outcome.node_g() + outcome.network_g()
    return np.asarray(by_node.reshape(fleets, -1).sum(axis=1), dtype=np.float64)


def local_grams(world: FleetWorld) -> Floats:
    """(T, fleets) g of LOCAL in each slot."""
    world.restart()
    grams = []
    while not world.over:
        grams.append(grams_of(world.step(local_decision(world.fleet)), world.fleets))
    return np.array(grams)


class Together(VecEnv):
    """Groups of worlds, all with equally many fleets of equally many nodes."""

    def __init__(self, groups: Sequence[FleetWorld], seed: int) -> None:
        """``seed``: of the order of the groups. Raises ValueError for groups of different sizes."""
        sizes = {(group.fleets, len(group.node_ids), group.slots) for group in groups}
        if len(sizes) != 1:
            raise ValueError(f"groups of {sorted(sizes)} (fleets, nodes, slots); allowed is one size")
        self._groups, self._rng = groups, np.random.default_rng(seed)
        self._local_g = [local_grams(group) for group in groups]
        self._order: list[int] = []
        fleets, nodes, self.slots = sizes.pop()
        each = nodes // fleets
        super().__init__(
            fleets,
            spaces.Box(-HIGHEST, HIGHEST, (each, OBSERVED), np.float32),
            spaces.Box(-1.0, 1.0, (each, ACTIONS), np.float32),
        )

    def reset(self) -> NDArray[np.float32]:
        """(fleets, nodes, OBSERVED) of the next group."""
        if not self._order:
            self._order = self._rng.permutation(len(self._groups)).tolist()
        number = self._order.pop()
        self._now, self._local = self._groups[number], self._local_g[number]
        self._scale_g = np.maximum(self._local.mean(axis=0), 1e-9)
        self._now.restart()
        return self._seen()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Run a slot of every world. After the last one what is seen is the next group's."""
        world = self._now
        slot = world.slot
        outcome = world.step(decision_of(world.fleet, self._actions, world.room, world.fleets))
        reward = (self._local[slot] - grams_of(outcome, world.fleets)) / self._scale_g
        over = np.full(self.num_envs, world.over)
        seen = self.reset() if world.over else self._seen()
        return seen, reward.astype(np.float32), over, [{} for _ in range(self.num_envs)]

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Raises AttributeError for all but the render mode, of which there is none: environments are no objects of
        their own here."""
        if attr_name == "render_mode":
            return [None] * self.num_envs
        raise AttributeError(attr_name)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def _seen(self) -> NDArray[np.float32]:
        return self._now.observed().reshape(self.num_envs, -1, OBSERVED)
