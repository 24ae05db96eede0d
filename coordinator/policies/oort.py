"""Oort: guided participant selection by statistical and system utility, with exploration (methods.md section
3).

Rule of the Oort paper (Lai et al., OSDI 2021, algorithm 1) and its published code, without the pacer: the
preferred duration is a fixed percentile of the nodes' own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.policies.base import FleetDecision
from coordinator.policies.selection import (
    ClientsPerRound,
    State,
    examples,
    participations,
    round_rng,
    select,
    smallest,
    statistical_utility,
)


@dataclass(frozen=True)
class Oort(ClientsPerRound):
    """Exploits high utility, explores the unknown with a share epsilon that decays.

    epsilon, epsilon_decay, epsilon_least: share of explored nodes, its factor per round, its floor.
    penalty: exponent alpha of the slowness penalty (T/t_i)^alpha for nodes slower than T.
    preferred_percentile: T as a percentile of the nodes' durations.
    cut_off: nodes from this share of the k-th best utility on may be exploited, with probability by utility.
    """

    epsilon: float = 0.9
    epsilon_decay: float = 0.98
    epsilon_least: float = 0.2
    penalty: float = 2.0
    preferred_percentile: float = 80.0
    cut_off: float = 0.95

    name: ClassVar[str] = "oort"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("epsilon", "epsilon_decay", "epsilon_least", "cut_off"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is 0..1")

    def init(self, seed: int) -> State:
        """Round number, and by node the round it was last selected in."""
        return {"seed": seed, "round": 1, "last": {}}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        rng = round_rng(state["seed"], fleet)
        number, count = state["round"], self.count(fleet)
        utility = statistical_utility(fleet)
        known = np.isfinite(utility) & (participations(fleet) > 0)
        duration = fleet.seconds_per_batch[:, 0] * fleet.backlog_batches.sum(axis=1)
        slow = slowness(duration, float(np.percentile(duration, self.preferred_percentile)), self.penalty)
        last = np.array([state["last"].get(node, 1) for node in fleet.node_ids])
        score = oort_scores(np.where(known, utility, 0.0), last, number, known) * slow

        epsilon = max(self.epsilon * self.epsilon_decay ** (number - 1), self.epsilon_least)
        explored = min(int((~known).sum()), round(epsilon * count))
        exploited = min(int(known.sum()), count - explored)
        explored = min(int((~known).sum()), count - exploited)
        chosen = np.concatenate(
            [
                self._exploit(np.flatnonzero(known), score, exploited, rng),
                _sample(np.flatnonzero(~known), (examples(fleet) * slow)[~known], explored, rng),
            ]
        )
        trained = {fleet.node_ids[node]: number for node in chosen}
        following = {**state, "round": number + 1, "last": state["last"] | trained}
        return select(fleet, chosen, exploration_share=epsilon), following

    def _exploit(self, nodes: Ints, score: Floats, count: int, rng: np.random.Generator) -> Ints:
        if count == 0:
            return nodes[:0]
        best = smallest(-score[nodes], len(nodes))
        cut = self.cut_off * score[nodes[best[count - 1]]]
        admitted = nodes[score[nodes] >= cut]
        return _sample(admitted, score[admitted], count, rng)


def slowness(duration_s: Floats, preferred_s: float, penalty: float) -> Floats:
    """(N,) (T / t_i)^alpha where t_i > T, else 1."""
    late = duration_s > preferred_s
    ratio = np.divide(preferred_s, duration_s, out=np.ones_like(duration_s), where=late)
    return np.asarray(ratio**penalty)


def oort_scores(utility: Floats, last_round: Ints, number: int, known: Bools) -> Floats:
    """(N,) utility brought to 0..1 over the known nodes, clipped at its 95th percentile, plus the temporal
    uncertainty sqrt(0.1 ln R / last round); 0 for unknown nodes."""
    if not known.any():
        return np.zeros(len(utility))
    high = float(np.percentile(utility[known], 95))
    low = float(utility[known].min()) * 0.999
    reward = (np.minimum(utility, high) - low) / max(high - low, 1e-4)
    bonus = np.sqrt(0.1 * np.log(number) / np.maximum(last_round, 1))
    return np.where(known, np.maximum(reward, 0.0) + bonus, 0.0)


def _sample(nodes: Ints, weights: Floats, count: int, rng: np.random.Generator) -> Ints:
    """``count`` of ``nodes`` without replacement, by ``weights`` (equal ones where they are all zero)."""
    if count == 0:
        return nodes[:0]
    weight = np.asarray(weights, dtype=float) + 1e-12
    return np.asarray(rng.choice(nodes, count, replace=False, p=weight / weight.sum()))
