"""FedZero: train on excess energy only (Wiesner et al., e-Energy 2024; github.com/dos-group/fedzero).

Rule of methods.md section 3, re-implemented from the published behaviour and compared with the original's decisions
(docs/decisions/0008-published-baselines.md). A round is the shortest feasible one for the clients of most utility that
have energy now and are not on the blocklist; it goes on until all of them have reached their minimum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.pairs import Pairs, Transfers, no_transfers
from coordinator.market.rounding import WorkLimits, clip_transfers
from coordinator.policies.energy_proportional import green_energy_j
from coordinator.policies.fedzero_blocklist import Cycle, released, with_participants
from coordinator.policies.fedzero_energy import attribute_energy
from coordinator.policies.fedzero_selection import scaled_utility, shortest_round
from coordinator.policies.local import rule_decision
from coordinator.policies.selection import (
    ClientsPerRound,
    State,
    examples,
    round_rng,
    statistical_utility,
)


@dataclass(frozen=True)
class FedZero(ClientsPerRound):
    """Rounds of one or more slots, at most the look-ahead; a round that no duration makes feasible is waited for.

    least_share: minimum of a client's work in a round, as a share of what it has at the round's begin; the maximum is
    all of it (the original: 1 and 5 local epochs).
    domains: ``node``: every node lives on its own harvest; ``zone``: nodes with the same intensities share
    theirs, which the decision then transfers within (D6). exclusion_share: share of the last participants,
    by utility from below, that is put on the blocklist. release: alpha of the probability alpha / (p_i -
    mean p) with which a listed node comes off it (1 at or below the mean); 0: no blocklist."""

    least_share: float = 0.2
    domains: str = "node"
    exclusion_share: float = 1.0
    release: float = 1.0

    name: ClassVar[str] = "fedzero"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("least_share", "exclusion_share"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"{key} is {getattr(self, key)}; allowed is 0..1")
        if not (np.isfinite(self.release) and self.release >= 0):
            raise ValueError(f"release is {self.release}; allowed is a finite value >= 0")
        if self.domains not in ("node", "zone"):
            raise ValueError(f"domains is {self.domains!r}; allowed are node and zone")

    def init(self, seed: int) -> State:
        """Blocklist and the cycle of its mean; by node the rounds it worked in; who finished the last round; of the
        running round its nodes, their work so far and limits, and the most slots it may still take."""
        return {
            "seed": seed,
            "blocked": [],
            "cycle": Cycle().to_state(),
            "rounds": {},
            "last": [],
            "members": {},
            "left": 0,
        }

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        view = _View.of(fleet, self.domains)
        members = {node: dict(m) for node, m in state["members"].items() if node in view.place}
        if not members:
            state = state | {"last": [node for node in state["last"] if node in view.place]}
            members, state = self._new_round(fleet, view, state)
        work = _work(fleet, view, members)
        for node, member in members.items():
            member["done"] += int(work[view.place[node]])
        selected = np.zeros(fleet.size, dtype=bool)
        selected[[view.place[node] for node in members]] = True
        decision = rule_decision(
            fleet,
            work,
            by_design="only excess energy is used",
            selected=selected,
            transfers=clip_transfers(_shares(fleet, view, work), fleet),
            notes={"blocked": float(len(state["blocked"]))},
        )
        left = state["left"] - 1
        if members and (left <= 0 or all(m["done"] >= m["least"] for m in members.values())):
            worked = {node: state["rounds"].get(node, 0) + 1 for node, m in members.items() if m["done"] > 0}
            finished = [node for node, m in members.items() if m["done"] >= m["least"]]
            state = state | {"rounds": state["rounds"] | worked, "last": finished}
            members, left = {}, 0
        return decision, state | {"members": members, "left": max(left, 0)}

    def _new_round(self, fleet: Fleet, view: _View, state: State) -> tuple[dict[str, Any], State]:
        """Members of the next round with their limits, none where one is waited for, and the state with them."""
        here = [node for node in fleet.node_ids if view.present[view.place[node]]]
        utility = _utility(fleet)
        mean, cycle = Cycle.of(state["cycle"]).at(fleet.slot * fleet.slot_s, state["rounds"])
        state = state | {"cycle": cycle.with_active(here).to_state()}
        last = {node: float(utility[view.place[node]]) for node in here if node in state["last"]}
        if self.release > 0 and last:
            listed = with_participants(state["blocked"], last, self.exclusion_share)
            rng = round_rng(state["seed"], fleet)
            state |= {"blocked": released(listed, state["rounds"], mean, self.release, rng)}
        free = np.array([node not in state["blocked"] for node in fleet.node_ids])
        most = view.limits.available.astype(float)
        least = np.ceil(self.least_share * most - 1e-9)
        found = shortest_round(
            scaled_utility(utility),
            self.count(fleet),
            least,
            most,
            _capacity(fleet, view.limits),
            fleet.joules_per_batch,
            _expected_energy_j(fleet),
            view.domain,
            free & view.present,
        )
        if found is None:
            return {}, state
        members = {
            fleet.node_ids[i]: {"done": 0, "least": int(least[i]), "most": int(most[i])}
            for i in np.flatnonzero(found[0])
        }
        return members, state | {"left": fleet.horizon}


@dataclass(frozen=True)
class _View:
    """Known at the beginning of a slot."""

    place: dict[str, int]
    limits: WorkLimits
    domain: Ints
    energy_j: Floats
    """(N,) excess energy of each node now."""
    present: Bools
    """(N,) has work and time, and its domain has energy, now."""

    @classmethod
    def of(cls, fleet: Fleet, domains: str) -> _View:
        domain = np.arange(fleet.size)
        if domains == "zone":
            domain = np.unique(fleet.intensity_g_per_kwh, axis=0, return_inverse=True)[1].ravel()
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        energy = green_energy_j(fleet)
        together = np.bincount(domain, energy)[domain]
        present = (together > 0) & (limits.capacity > 0) & (limits.available > 0)
        place = {node: i for i, node in enumerate(fleet.node_ids)}
        return cls(place, limits, np.asarray(domain, dtype=np.int64), energy, present)


def _work(fleet: Fleet, view: _View, members: Mapping[str, Mapping[str, int]]) -> Ints:
    """(N,) whole batches of this slot: each domain's energy divided among its members."""
    work = np.zeros(fleet.size, dtype=np.int64)
    index = np.array([view.place[node] for node in members], dtype=np.int64)
    done, least, most = (
        np.array([m[key] for m in members.values()], float) for key in ("done", "least", "most")
    )
    room = np.minimum(view.limits.available, view.limits.capacity)[index].astype(float)
    for label in np.unique(view.domain[index]):
        here = view.domain[index] == label
        given = attribute_energy(
            float(view.energy_j[view.domain == label].sum()),
            fleet.joules_per_batch[index[here], 0],
            done[here],
            least[here],
            most[here],
            room[here],
        )
        work[index[here]] = np.floor(given + 1e-9)
    return work


def _utility(fleet: Fleet) -> Floats:
    """sigma_i; a node that has not trained yet counts with its examples, as in Oort's code."""
    utility = statistical_utility(fleet)
    return np.where(np.isfinite(utility), utility, examples(fleet))


def _capacity(fleet: Fleet, limits: WorkLimits) -> Floats:
    """(N, H) batches that time leaves room for."""
    tau = fleet.seconds_per_batch
    later = np.divide(fleet.slot_s, tau, out=np.full(tau.shape, 1e9), where=tau > 0)
    capacity = np.floor(later + 1e-9)
    capacity[:, 0] = limits.capacity
    return capacity


def _expected_energy_j(fleet: Fleet) -> Floats:
    """(N, H) excess energy: now with the battery, later what harvest exceeds the static load by."""
    spare = np.maximum(fleet.harvest_j - fleet.slot_s * fleet.static_w[:, None], 0.0)
    spare[:, 0] = green_energy_j(fleet)
    return spare


def _shares(fleet: Fleet, view: _View, work: Ints) -> Transfers:
    """Transfers that carry a domain's energy to where its work is, in proportion to surplus and lack."""
    balance = view.energy_j - fleet.joules_per_batch[:, 0] * work
    surplus, lack = np.maximum(balance, 0.0), np.maximum(-balance, 0.0)
    donors: list[Ints] = []
    recipients: list[Ints] = []
    amounts: list[Floats] = []
    for label in np.intersect1d(view.domain[surplus > 0], view.domain[lack > 0]):
        here = view.domain == label
        have, want = np.flatnonzero(here & (surplus > 0)), np.flatnonzero(here & (lack > 0))
        larger = max(float((surplus * here).sum()), float((lack * here).sum()))
        donors.append(np.repeat(have, len(want)))
        recipients.append(np.tile(want, len(have)))
        amounts.append((np.outer(surplus[have], lack[want]) / larger).ravel())
    if not amounts:
        return no_transfers()
    return Pairs.of(np.concatenate(donors), np.concatenate(recipients), np.concatenate(amounts))
