"""A PettingZoo parallel environment: nodes bid for energy and for time, and manage their own batteries.

Agents are the nodes. Observation: what a node knows itself and public intensities (``OWN`` of
coordinator.policies.learned.observation). Action: five numbers in -1..1:

| number | above 0 | below 0 |
|---|---|---|
| energy | asks: share of what it may give away, offered | bids: share of its demand, wanted |
| energy price | -1 to 1: 0 to the highest intensity that is known, as g per J | |
| work | bids: share of the batches that may leave | asks: share of its free time and storage, offered |
| work price | -1 to 1: 0 to what a batch emits at most, g | |
| battery | as of CoordinatorEnv | |

Both goods are cleared as in the policy ``auction`` (uniform price between the marginal bid and ask): work first, then
energy around the work that will run. Numbers are cut to -1..1 and batches rounded down; quotes above what a node may
give or has a use for cannot be made, so that what is agreed keeps every limit.

Reward: minus the g CO2e of the node's grid energy, half the network's of its moves, its even share of coordinator's and
router's; less what it pays and plus what it gets in the auctions, in g. Payments add up to zero: the rewards of all
nodes add up to minus the grams of the slot, and an episode's to minus those of a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.pairs import no_transfers
from coordinator.negotiation.auction import Clearing, clear
from coordinator.negotiation.quote import Quote
from coordinator.policies.learned.action import checked, energy_room, with_battery, with_energy
from coordinator.policies.learned.observation import HIGHEST, OWN
from coordinator.policies.learned.work import WorkRoom
from coordinator.policies.local import rule_decision
from experiments.environments.world import FleetWorld
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import Scenario
from protos.messages.market import Good, Side

ENERGY, ENERGY_PRICE, WORK, WORK_PRICE, BATTERY = range(5)
BIDS = 5
"""Numbers of a node."""

Seen = NDArray[np.float32]


class MarketEnv(ParallelEnv[str, Seen, Seen]):
    """The nodes of one scenario as agents."""

    metadata: dict[str, Any] = {"name": "detabed_market_v0", "render_modes": []}  # noqa: RUF012 - PettingZoo's interface

    def __init__(self, scenario: Scenario | Resolved) -> None:
        """Raises UsageError as FleetWorld."""
        self.world = FleetWorld(scenario)
        self.possible_agents = list(self.world.node_ids)
        self.agents: list[str] = []

    @cached_property
    def observation_spaces(self) -> dict[str, spaces.Box]:  # type: ignore[override]
        """A Box of OWN numbers for each node."""
        return {node: spaces.Box(-HIGHEST, HIGHEST, (len(OWN),), np.float32) for node in self.possible_agents}

    @cached_property
    def action_spaces(self) -> dict[str, spaces.Box]:  # type: ignore[override]
        """A Box of BIDS numbers for each node."""
        return {node: spaces.Box(-1.0, 1.0, (BIDS,), np.float32) for node in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Box:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Box:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Seen], dict[str, dict[str, Any]]]:
        """Begin an episode. Nothing is drawn: ``seed`` changes nothing."""
        self.world.restart()
        self.agents = list(self.possible_agents)
        return self._observations(), {node: {} for node in self.agents}

    def step(
        self, actions: Mapping[str, Seen]
    ) -> tuple[
        dict[str, Seen], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """One slot. Raises ValueError before ``reset``, after the last slot, and for an action that is missing, of
        another size or not finite."""
        self.world.require_begun()
        nodes = self.possible_agents
        if missing := [node for node in nodes if node not in actions]:
            raise ValueError(f"no action of {missing[0]} ({len(missing)} nodes); every agent gives one")
        fleet, rows = self.world.fleet, [actions[node] for node in nodes]
        bids = checked(np.concatenate(rows), fleet, BIDS)
        if other := [place for place, size in enumerate(map(len, rows)) if size != BIDS]:
            raise ValueError(
                f"action of {nodes[other[0]]} of {len(rows[other[0]])} numbers; allowed are {BIDS} finite ones"
            )
        decision, received_g = auctioned(fleet, bids, self.world.room)
        outcome = self.world.step(decision)
        nodes_g = outcome.node_g() + outcome.network_g()
        shared_g = (outcome.grams - float(nodes_g.sum())) / len(nodes)
        rewards = (received_g - nodes_g - shared_g).tolist()
        over = self.world.over
        ends, cuts = dict.fromkeys(nodes, over), dict.fromkeys(nodes, False)
        grams = nodes_g.tolist()
        infos = {node: {"emissions_g": grams[place]} for place, node in enumerate(nodes)}
        observations = self._observations()
        if over:
            self.agents = []
        return observations, dict(zip(nodes, rewards, strict=True)), ends, cuts, infos

    def _observations(self) -> dict[str, Seen]:
        rows = self.world.observed()[:, : len(OWN)]
        return dict(zip(self.possible_agents, rows, strict=True))


def auctioned(fleet: Fleet, bids: Floats, room: WorkRoom | None = None) -> tuple[FleetDecision, Floats]:
    """The decision of (N, BIDS) ``bids`` within -1..1, and the (N,) g that each gets in the auctions less what it pays.
    ``room``: of the same slot, where it is known already."""
    nodes = fleet.size
    received_g = np.zeros(nodes)
    highest_g_per_j = float(fleet.intensity_g_per_kwh.max()) / JOULES_PER_KWH
    prices = (1.0 + bids) / 2.0 * highest_g_per_j
    room = WorkRoom.of(fleet) if room is None else room
    leave, offer = room.shares(bids[:, WORK])
    batch_j = float(fleet.joules_per_batch[:, 0].max())
    work = clear(_quotes(Good.WORK, offer, leave, prices[:, WORK_PRICE] * batch_j))
    send, take = (_amounts(by_node, nodes) for by_node in (work.bought, work.sold))
    home, moves = room.placed(np.rint(send).astype(np.int64), np.rint(take).astype(np.int64))
    received_g += _paid(work, nodes)
    decision = with_battery(fleet, rule_decision(fleet, home, moves), bids[:, BATTERY])
    space = energy_room(fleet, decision)
    asked, wanted = (
        np.maximum(bids[:, ENERGY], 0.0) * space.may_give_j,
        np.maximum(-bids[:, ENERGY], 0.0) * space.may_take_j,
    )
    energy = clear(_quotes(Good.ENERGY, asked, wanted, prices[:, ENERGY_PRICE]))
    if not energy.sold:
        return with_energy(decision, no_transfers()), received_g
    transfers = space.transfers(_amounts(energy.sold, nodes), _amounts(energy.bought, nodes))
    return with_energy(decision, transfers), received_g + _paid(energy, nodes)


def _quotes(good: Good, asked: Any, wanted: Any, price: Floats) -> list[Quote]:
    """Quotes of the nodes that ask or want something."""
    found: list[Quote] = []
    for side, amounts in ((Side.ASK, asked), (Side.BID, wanted)):
        places = np.flatnonzero(amounts > 0)
        told = (places.tolist(), price[places].tolist(), amounts[places].astype(np.float64).tolist())
        found += [Quote(place, good, side, at, amount) for place, at, amount in zip(*told, strict=True)]
    return found


def _amounts(by_node: Mapping[int, float], nodes: int) -> Floats:
    found = np.zeros(nodes)
    found[list(by_node)] = list(by_node.values())
    return found


def _paid(result: Clearing, nodes: int) -> Floats:
    """(N,) g: sellers get what buyers pay."""
    sold, bought = _amounts(result.sold, nodes), _amounts(result.bought, nodes)
    return result.seller_price * sold - result.buyer_price * bought
