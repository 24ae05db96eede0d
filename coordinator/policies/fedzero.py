"""FedZero: train on excess energy only (Wiesner et al., e-Energy 2024; github.com/dos-group/fedzero).

Rule of methods.md section 3, re-implemented from the published behaviour: of the shortest feasible duration
d, the selection that maximises sum_i b_i sigma_i sum_t m_it with sum b = n, work between a minimum and a
maximum, spare capacity and the energy of each power domain; energy goes first to clients below their
minimum, then in proportion to what is missing; recent participants are on a blocklist. What it attributes
never exceeds what a domain has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.rounding import WorkLimits, clip_transfers
from coordinator.policies.base import FleetDecision
from coordinator.policies.energy_proportional import green_energy_j
from coordinator.policies.local import rule_decision
from coordinator.policies.selection import (
    ClientsPerRound,
    State,
    examples,
    participations,
    round_rng,
    statistical_utility,
)


@dataclass(frozen=True)
class FedZero(ClientsPerRound):
    """Rounds of one or more slots; a round that no duration makes feasible is waited for.

    least_share: minimum of a client's work in a round, as a share of what it has; the maximum is all it has.
    domains: ``node``: every node lives on its own harvest; ``zone``: nodes with the same intensities share
    theirs, which the decision then transfers within (D6). exclusion_share: share of the last participants,
    by utility from below, that is put on the blocklist. release: alpha of the probability alpha / (p_i -
    mean p) with which a listed node comes off it (1 at or below the mean)."""

    least_share: float = 0.5
    domains: str = "node"
    exclusion_share: float = 1.0
    release: float = 1.0

    name: ClassVar[str] = "fedzero"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("least_share", "exclusion_share"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is 0..1")
        if self.domains not in ("node", "zone"):
            raise ValueError(f"domains is {self.domains!r}; allowed are node and zone")

    def init(self, seed: int) -> State:
        """Blocklist; the running round's nodes, their work so far and limits, and the slots it has left."""
        return {"seed": seed, "blocked": [], "last": [], "members": [], "done": {}, "left": 0}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        state = dict(state)
        domain = self._domains(fleet)
        members = [node for node in state["members"] if node in fleet.node_ids]
        if state["left"] <= 0 or not members:
            state["blocked"] = self._blocklist(fleet, state)
            members, state["left"] = self._new_round(fleet, domain, state["blocked"])
            state |= {"members": members, "done": dict.fromkeys(members, 0)}
        index = np.array([fleet.node_ids.index(node) for node in members], dtype=np.int64)
        energy = green_energy_j(fleet)
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        work = np.zeros(fleet.size)
        done = np.array([state["done"].get(node, 0) for node in fleet.node_ids], dtype=float)
        most = np.minimum(limits.available, limits.capacity).astype(float)
        least = np.ceil(self.least_share * (done + limits.available)) - done
        for label in np.unique(domain[index]) if len(index) else []:
            here = index[domain[index] == label]
            work[here] = attribute_energy(
                float(energy[domain == label].sum()),
                fleet.joules_per_batch[here, 0],
                np.clip(least[here], 0.0, most[here]),
                most[here],
            )
        batches = np.floor(work + 1e-9).astype(np.int64)
        selected = np.zeros(fleet.size, dtype=bool)
        selected[index] = True
        decision = rule_decision(
            fleet,
            np.diag(batches),
            by_design="only excess energy is used",
            selected=selected,
            transfer_j=clip_transfers(self._shares(fleet, domain, batches, energy), fleet),
        )
        state["done"] = {node: int(done[i] + batches[i]) for node, i in zip(members, index, strict=True)}
        state["left"] -= 1
        if state["left"] <= 0:
            state |= {"last": [node for node in members if state["done"][node] > 0], "members": []}
        return replace(decision, notes={"blocked": float(len(state["blocked"]))}), state

    def _domains(self, fleet: Fleet) -> Ints:
        if self.domains == "node":
            return np.arange(fleet.size)
        labels = np.unique(fleet.intensity_g_per_kwh, axis=0, return_inverse=True)[1]
        return np.asarray(labels).ravel()

    def _utility(self, fleet: Fleet) -> Floats:
        """sigma_i; a node that has not trained yet counts with its examples, as in Oort's code."""
        utility = statistical_utility(fleet)
        return np.where(np.isfinite(utility), utility, examples(fleet))

    def _new_round(self, fleet: Fleet, domain: Ints, blocked: list[str]) -> tuple[list[str], int]:
        """Members and slots of the shortest feasible round; none and 1 slot of waiting where there is
        none."""
        free = np.array([node not in blocked for node in fleet.node_ids])
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        spare = np.maximum(fleet.harvest_j - fleet.slot_s * fleet.static_w[:, None], 0.0)
        spare[:, 0] = green_energy_j(fleet)
        most = limits.available.astype(float)
        least = np.ceil(self.least_share * most)
        can = free & (most > 0)
        utility = scaled_utility(self._utility(fleet))
        capacity = np.repeat(limits.capacity[:, None].astype(float), fleet.horizon, axis=1)
        for slots in range(1, fleet.horizon + 1):
            chosen = best_selection(
                utility,
                self.count(fleet),
                least,
                most,
                capacity[:, :slots],
                fleet.joules_per_batch[:, :slots],
                spare[:, :slots],
                domain,
                can,
            )
            if chosen is not None:
                return [fleet.node_ids[i] for i in np.flatnonzero(chosen)], slots
        return [], 1

    def _blocklist(self, fleet: Fleet, state: State) -> list[str]:
        """Last round's members of low utility join; every listed node may come off by chance."""
        counts, utility = participations(fleet), self._utility(fleet)
        place = {node: i for i, node in enumerate(fleet.node_ids)}
        last = [node for node in state["last"] if node in place]
        blocked = [node for node in state["blocked"] if node in place]
        if last and self.exclusion_share > 0:
            threshold = np.quantile([utility[place[node]] for node in last], self.exclusion_share)
            blocked += [node for node in last if utility[place[node]] <= threshold and node not in blocked]
        rng = round_rng(state["seed"], fleet)
        chance = release_probability(counts, self.release)
        return [node for node in blocked if rng.random() > chance[place[node]]]

    def _shares(self, fleet: Fleet, domain: Ints, batches: Ints, energy: Floats) -> Floats:
        """(N, N) transfers that carry a domain's energy to where its work is, in proportion to surplus and
        lack."""
        balance = energy - fleet.joules_per_batch[:, 0] * batches
        surplus, lack = np.maximum(balance, 0.0), np.maximum(-balance, 0.0)
        shares = np.zeros((fleet.size, fleet.size))
        for label in np.unique(domain):
            have, want = np.where(domain == label, surplus, 0.0), np.where(domain == label, lack, 0.0)
            larger = max(float(have.sum()), float(want.sum()))
            if larger > 0:
                shares += np.outer(have, want) / larger
        return shares


def scaled_utility(utility: Floats) -> Floats:
    """(N,) brought to 0..1 by its range, 1 where all are alike."""
    low, high = float(utility.min()), float(utility.max())
    return np.ones(len(utility)) if high == low else (utility - low) / (high - low)


def release_probability(counts: Ints, alpha: float) -> Floats:
    """(N,) chance to come off the blocklist: alpha / (p_i - mean p), at most 1; 1 at or below the mean."""
    above = counts - counts.mean()
    return np.minimum(np.divide(alpha, above, out=np.ones(len(counts)), where=above > 0), 1.0)


def best_selection(
    utility: Floats,
    count: int,
    least: Floats,
    most: Floats,
    capacity: Floats,
    joules_per_batch: Floats,
    energy_j: Floats,
    domain: Ints,
    allowed: Bools,
) -> Bools | None:
    """(N,) the chosen clients, or None where ``count`` clients cannot all reach their minimum.

    max sum sigma_i m_it over 0 <= m_it <= capacity_it b_i, least_i b_i <= sum_t m_it <= most_i b_i, sum b =
    count, and in every slot and domain the work's energy within what the domain's nodes have together."""
    n, slots = capacity.shape
    if int(allowed.sum()) < count:
        return None
    labels = np.unique(domain)
    work = n * slots
    columns = work + n
    total = np.kron(np.eye(n), np.ones(slots))
    chosen = np.eye(n)
    blocks = [
        (
            np.hstack([np.eye(work), -np.repeat(np.eye(n), slots, axis=0) * capacity.ravel()[:, None]]),
            None,
            0.0,
        ),
        (np.hstack([total, -chosen * least[:, None]]), 0.0, None),
        (np.hstack([total, -chosen * most[:, None]]), None, 0.0),
        (np.hstack([np.zeros((1, work)), np.ones((1, n))]), float(count), float(count)),
    ]
    rows = np.zeros((len(labels) * slots, columns))
    have = np.zeros(len(labels) * slots)
    for k, label in enumerate(labels):
        for t in range(slots):
            members = np.flatnonzero(domain == label)
            rows[k * slots + t, members * slots + t] = joules_per_batch[members, t]
            have[k * slots + t] = energy_j[members, t].sum()
    constraints = [
        LinearConstraint(
            sparse.csr_matrix(block), -np.inf if low is None else low, np.inf if high is None else high
        )
        for block, low, high in blocks
    ]
    constraints.append(LinearConstraint(sparse.csr_matrix(rows), -np.inf, have))
    # a hair of utility for everybody, so that clients of the least utility still get their work
    cost = -np.concatenate([np.repeat(utility + 1e-6, slots), np.zeros(n)])
    upper = np.concatenate([capacity.ravel(), allowed.astype(float)])
    result = milp(
        cost,
        integrality=np.concatenate([np.zeros(work), np.ones(n)]),
        bounds=Bounds(np.zeros(columns), upper),
        constraints=constraints,
    )
    return None if result.x is None else np.asarray(result.x[work:] > 0.5)


def attribute_energy(energy_j: float, joules_per_batch: Floats, least: Floats, most: Floats) -> Floats:
    """(K,) batches that ``energy_j`` of one domain pays for: first what clients lack to ``least``, then to
    ``most``, each time shared in proportion to the energy that is missing. Never more than ``energy_j`` in
    all."""
    given = np.zeros(len(least))
    for goal in (least, most):
        missing = np.maximum(goal - given, 0.0)
        need = missing * joules_per_batch
        left = max(energy_j - float((given * joules_per_batch).sum()), 0.0)
        share = 1.0 if need.sum() <= left else left / float(need.sum())
        given = given + missing * np.where(need > 0, share, 1.0)
    return given
