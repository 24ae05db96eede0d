"""Common part of the client-selection baselines: the participants of a round; energy goes by LOCAL's rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.policies.local import BY_RULE, local_decision

State = dict[str, Any]
"""States are plain JSON values: a coordinator can write them down and go on from them."""


@dataclass(frozen=True)
class ClientsPerRound:
    """Base of selection policies.

    clients: n, nodes chosen per round; none: half of those there, rounded up. Never more than there are.
    """

    clients: int | None = None

    restrictions: ClassVar[Restrictions] = BY_RULE

    def __post_init__(self) -> None:
        if self.clients is not None and self.clients < 1:
            raise ValueError(
                f"clients is {self.clients}; allowed is 1 or more, or none for half of the nodes"
            )

    def decide(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        """Choose clients where the stage trains a model; in other stages every node does its own work."""
        if fleet.stage not in TRAINING_STAGES:
            return local_decision(fleet), state
        return self.choose(fleet, state)

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        """The rule itself."""
        raise NotImplementedError

    def count(self, fleet: Fleet) -> int:
        """n for this fleet."""
        return self.most_of(fleet.size)

    def most_of(self, nodes: int) -> int:
        """n of so many nodes."""
        return min(nodes, -(-nodes // 2) if self.clients is None else self.clients)


def select(fleet: Fleet, chosen: Ints, **notes: float) -> FleetDecision:
    """Node indices ``chosen`` take part; every chosen node does its own work at home.

    Work of the others is placed at home as well: in stages that do not train, every node serves; in those
    that do, the executor of the decision leaves out the nodes that are not ``selected``."""
    selected: Bools = np.zeros(fleet.size, dtype=bool)
    selected[chosen] = True
    return replace(local_decision(fleet), selected=selected, notes=dict(notes))


def smallest(scores: Floats, count: int) -> Ints:
    """Indices of the ``count`` smallest scores; ties go to the lower index."""
    return np.argsort(scores, kind="stable")[:count]


def participations(fleet: Fleet) -> Ints:
    """(N,) p_i. Raises ValueError where they were not counted."""
    if fleet.participations is None:
        raise ValueError("this policy needs fleet.participations: rounds each node has trained in so far")
    return fleet.participations


def examples(fleet: Fleet) -> Ints:
    """(N,) |D_i|. Raises ValueError where they are not known."""
    if fleet.num_examples is None:
        raise ValueError("this policy needs fleet.num_examples: examples each node holds")
    return fleet.num_examples


def statistical_utility(fleet: Fleet) -> Floats:
    """(N,) |D_i| sqrt(mean loss^2) of Oort, with the last mean loss for the root mean square; NaN before a
    node's first training."""
    if fleet.mean_loss is None:
        return np.full(fleet.size, np.nan)
    return np.asarray(examples(fleet) * np.sqrt(fleet.mean_loss**2))


def round_rng(seed: int, fleet: Fleet) -> np.random.Generator:
    """Randomness of a slot: a function of seed and slot, so that a state need not carry a generator."""
    return np.random.default_rng([seed, fleet.slot])
