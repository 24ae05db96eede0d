"""Oort: guided participant selection by statistical and system utility, with exploration (methods.md section 3).

Rule of the Oort paper (Lai et al., OSDI 2021, algorithm 1) as the training selector of FedScale runs it
(github.com/SymbioticLab/FedScale, thirdparty/oort), re-implemented from its published behaviour and compared with its
selections; see docs/decisions/0008-published-baselines.md. Defaults are FedScale's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
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

_LEAST_RANGE = 1e-4
"""Of utilities, so that equal ones can be brought to 0..1; as in the original."""
_ADMITTED = 10
"""So many times the nodes to exploit are admitted before the cut-off counts; as in the original."""


class Chooser(Protocol):
    """The one method of a random generator that selection needs."""

    def choice(self, a: Any, size: Any, replace: bool, p: Any = None) -> Any: ...


@dataclass(frozen=True)
class Oort(ClientsPerRound):
    """Exploits nodes of high utility, explores unknown ones with a share epsilon that decays.

    The first round is random. Rewards are |D_i| sqrt(mean loss^2) of nodes that have trained and |D_i| of others.

    epsilon, epsilon_decay, epsilon_least: share of explored nodes, its factor per round (the first one included), its
    floor.
    penalty: exponent alpha of the slowness penalty (T/t_i)^alpha for nodes slower than T.
    preferred_percentile: T as a percentile of the nodes' durations at the begin; 100: no penalty.
    pacer_step, pacer_delta: every so many rounds the percentile grows by so much where the exploited utility changed by
    at most 10 %, and shrinks by it where it changed fivefold.
    clip: share of the nodes, by reward from below, above which rewards are clipped.
    cut_off: once ten times the nodes to exploit are admitted, only those from this share of the next-best score on are.
    sample_window: explored nodes are drawn among so many times their number, largest and fastest first.
    repeat_explored: once nothing is left to explore, select those explored last in every round as well, as FedScale
    does; false: exploit in their place, as the paper does."""

    epsilon: float = 0.9
    epsilon_decay: float = 0.98
    epsilon_least: float = 0.3
    penalty: float = 2.0
    preferred_percentile: float = 30.0
    pacer_step: int = 20
    pacer_delta: float = 5.0
    clip: float = 0.9
    cut_off: float = 0.05
    sample_window: float = 5.0
    repeat_explored: bool = True

    name: ClassVar[str] = "oort"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("epsilon", "epsilon_decay", "epsilon_least", "clip", "cut_off"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is 0..1")
        if not 0.0 <= self.preferred_percentile <= 100.0:
            raise ValueError(f"preferred_percentile is {self.preferred_percentile}; allowed is 0..100")
        for key in ("pacer_step", "sample_window"):
            if not getattr(self, key) >= 1:
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is 1 or more")
        for key in ("penalty", "pacer_delta"):
            if not (np.isfinite(getattr(self, key)) and getattr(self, key) >= 0):
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is a finite value >= 0")

    def init(self, seed: int) -> State:
        """Round number, epsilon, the pacer's percentile and history, who was explored and exploited last, and by node
        how often and when it last trained."""
        return {
            "seed": seed,
            "round": 1,
            "epsilon": self.epsilon,
            "percentile": self.preferred_percentile,
            "history": [],
            "explored": [],
            "exploited": [],
            "trained": {},
            "last": {},
        }

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        chosen, following = self.pick(fleet, state, round_rng(state["seed"], fleet))
        return select(fleet, chosen, exploration_share=following["epsilon"]), following

    def pick(self, fleet: Fleet, state: State, rng: Chooser) -> tuple[Ints, State]:
        """Nodes of this round and the state for the next; all randomness comes from ``rng``."""
        seen = _Seen.of(fleet, state)
        number, count = state["round"], self.count(fleet)
        following = {**state, "round": number + 1, "trained": seen.trained, "last": seen.last}
        if count == fleet.size:
            return np.arange(fleet.size), following
        if not seen.known.any():
            return np.sort(rng.choice(fleet.size, count, replace=False)), following
        clock = max(number - 1, 1)
        percentile, history = self._pace(clock, state, seen.utility_of(state["exploited"]))
        preferred_s = preferred_duration_s(seen.duration_s, percentile)
        slow = slowness(seen.duration_s, preferred_s, self.penalty)
        last = np.array([seen.last.get(node, 1) for node in fleet.node_ids])
        score = oort_scores(seen.reward, last, clock, seen.known, self.clip) * slow
        epsilon = max(state["epsilon"] * self.epsilon_decay, self.epsilon_least)
        unknown = np.flatnonzero(~seen.known)
        to_explore = int(count * epsilon)
        if not self.repeat_explored:
            to_explore = min(to_explore, len(unknown))
        exploited = self._exploit(np.flatnonzero(seen.known), score, count - to_explore, rng)
        if len(unknown):
            explored = self._explore(unknown, seen.reward * slow, count - len(exploited), rng)
        else:
            again = state["explored"] if self.repeat_explored else []
            explored = np.array([seen.place[node] for node in again if node in seen.place], dtype=np.int64)
        following |= {
            "epsilon": epsilon,
            "percentile": percentile,
            "history": history,
            "explored": [fleet.node_ids[node] for node in explored],
            "exploited": [fleet.node_ids[node] for node in exploited],
        }
        return np.union1d(explored, exploited), following

    def _pace(self, clock: int, state: State, utility: float) -> tuple[float, list[float]]:
        """The pacer: percentile of the preferred duration and history of the exploited nodes' mean utility."""
        step = self.pacer_step
        history = [*state["history"], utility][-2 * step :]
        percentile = float(state["percentile"])
        if clock >= 2 * step and clock % step == 0:
            before, now = sum(history[:-step]), sum(history[-step:])
            if abs(now - before) <= 0.1 * before:
                percentile = min(100.0, percentile + self.pacer_delta)
            elif abs(now - before) >= 5 * before:
                percentile = max(self.pacer_delta, percentile - self.pacer_delta)
        return percentile, history

    def _exploit(self, nodes: Ints, score: Floats, count: int, rng: Chooser) -> Ints:
        """``count`` of the known nodes, by score among those admitted."""
        count = min(count, len(nodes))
        ranked = nodes[smallest(-score[nodes], len(nodes))]
        cut = self.cut_off * score[ranked[min(count, len(ranked) - 1)]]
        below = np.flatnonzero(score[ranked] < cut)
        beyond = below[below > _ADMITTED * count]
        admitted = ranked[: beyond[0]] if len(beyond) else ranked
        return _sample(admitted, score[admitted], count, rng)

    def _explore(self, nodes: Ints, weight: Floats, count: int, rng: Chooser) -> Ints:
        """``count`` of the unknown nodes, by weight among the heaviest."""
        count = min(count, len(nodes))
        ranked = nodes[smallest(-weight[nodes], len(nodes))]
        drawn_from = ranked[: min(int(self.sample_window * count), len(nodes))]
        return _sample(drawn_from, weight[drawn_from], count, rng)


@dataclass(frozen=True)
class _Seen:
    """Known of the nodes at the beginning of a round."""

    known: Bools
    """Have trained and reported their loss."""
    reward: Floats
    duration_s: Floats
    trained: dict[str, int]
    """p_i by node."""
    last: dict[str, int]
    """Round in which a node last trained."""
    place: dict[str, int]
    successful: set[str] = field(default_factory=set)
    """Trained since the round before."""

    @classmethod
    def of(cls, fleet: Fleet, state: State) -> _Seen:
        counts = participations(fleet)
        utility = statistical_utility(fleet)
        known = np.isfinite(utility) & (counts > 0)
        trained = {node: int(p) for node, p in zip(fleet.node_ids, counts, strict=True)}
        before = state["trained"]
        successful = {node for node, p in trained.items() if p > before.get(node, 0)}
        round_before = max(state["round"] - 1, 1)
        return cls(
            known=known,
            reward=np.where(known, utility, examples(fleet).astype(float)),
            duration_s=fleet.seconds_per_batch[:, 0] * fleet.backlog_batches.sum(axis=1),
            trained=trained,
            last=state["last"] | dict.fromkeys(sorted(successful), round_before),
            place={node: i for i, node in enumerate(fleet.node_ids)},
            successful=successful,
        )

    def utility_of(self, nodes: list[str]) -> float:
        """Mean reward of those of ``nodes`` that have trained since the round before; 0 where none has."""
        rewards = [
            float(self.reward[self.place[node]])
            for node in nodes
            if node in self.successful and node in self.place
        ]
        return sum(rewards) / (len(rewards) + 1e-4)


def preferred_duration_s(duration_s: Floats, percentile: float) -> float:
    """T: the duration at ``percentile`` of all nodes, from below; infinite at 100."""
    if percentile >= 100.0:
        return float("inf")
    ranked = np.sort(duration_s)
    return float(ranked[min(int(len(ranked) * percentile / 100.0), len(ranked) - 1)])


def slowness(duration_s: Floats, preferred_s: float, penalty: float) -> Floats:
    """(N,) (T / t_i)^alpha where t_i > T, else 1."""
    late = duration_s > preferred_s
    ratio = np.divide(preferred_s, duration_s, out=np.ones_like(duration_s), where=late)
    return np.asarray(ratio**penalty)


def oort_scores(reward: Floats, last_round: Ints, clock: int, known: Bools, clip: float) -> Floats:
    """(N,) reward, clipped, over the range of all positive rewards, plus the temporal uncertainty
    sqrt(0.1 ln R / last round); 0 for unknown nodes. R = ``clock``: rounds before this one."""
    ranked = np.sort(reward[reward > 0])
    if not len(ranked):
        ranked = np.zeros(1)
    low, high = float(ranked[0]) * 0.999, float(ranked[-1])
    most = float(ranked[min(int(len(ranked) * clip), len(ranked) - 1)])
    share = (np.minimum(reward, most) - low) / max(high - low, _LEAST_RANGE)
    bonus = np.sqrt(0.1 * np.log(clock) / np.maximum(last_round, 1))
    return np.where(known, np.abs(share + bonus), 0.0)


def _sample(nodes: Ints, weights: Floats, count: int, rng: Chooser) -> Ints:
    """``count`` of ``nodes`` without replacement, by ``weights`` (equal ones where they are all zero)."""
    if count == 0:
        return nodes[:0]
    weight = np.asarray(weights, dtype=float) + 1e-12
    return np.asarray(rng.choice(nodes, count, replace=False, p=weight / weight.sum()))
