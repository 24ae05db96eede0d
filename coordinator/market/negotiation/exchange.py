"""Exchange ADMM over several slots: nodes agree on their trades by prices alone, then repair to a feasible plan.

Every node keeps what it would give to and take from the hubs, energy and work, in every slot. In a round each solves
its own problem near its last trade less the mean and the price (local_problem.py) and sends its net trades; the market
sends back their mean, and everybody updates the price:

    z_i <- argmin f_i(z) + rho/2 |z - (z_i - mean - u)|^2,      u <- u + mean of the new z

Stop at primal residual (mean trade) and dual residual (change of trades, in prices) below ``tolerance``; rho is
adapted by the ratio of the two. Source: methods.md section 2, item 2; S. Boyd et al., "Distributed
Optimization and Statistical Learning via ADMM", section 7.3 (2011). In product form the only link a node has is that
to the hub, so its copies of link flows are its trades with the hub.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from coordinator.market.decomposition_block import Block, Hubs, scaled
from coordinator.market.decomposition_repair import repair
from coordinator.market.fleet import Floats
from coordinator.market.hub import HubPlan, HubProgram, objective_g
from coordinator.market.hub_lp import Units, units_of
from coordinator.market.negotiation import local_problem
from coordinator.market.negotiation.wire import Schedule, Wire

MARKET = 65535
"""Sender number of the market's messages."""
_REPAIR_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """Public parameters of the protocol."""

    rounds: int = 100
    tolerance: float = 1e-3
    rho: float = 1.0
    """Weight of energy trades to begin with, in mean intensities per unit of energy (a node's mean load of a slot)."""
    relaxation: float = 1.6
    adapt: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; allowed is 1 or more")
        for name in ("tolerance", "rho"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed is more than 0")
        if not 1.0 <= self.relaxation < 2.0:
            raise ValueError(f"relaxation is {self.relaxation}; allowed is 1 up to (not including) 2")


class Agent:
    """One node at the table. Its program is its own: nothing of it is sent but ``trade``."""

    def __init__(self, node: int, program: HubProgram) -> None:
        self.node = node
        self._program = program
        slots = program.slots
        self.trade = np.zeros(2 * slots)
        self._mean = np.zeros(2 * slots)
        self._price = np.zeros(2 * slots)
        self.x = np.zeros(0)

    def hear(self, schedule: Schedule) -> None:
        """The market's answer: mean trades, and the factor by which rho has changed."""
        self._mean = schedule.values[:-1]
        self._price = (self._price + self._mean) / schedule.values[-1]

    def aim(self) -> Floats:
        return np.asarray(self.trade - self._mean - self._price)

    def decide(self, x: Floats, trade: Floats, relaxation: float) -> None:
        """Take the solution of the own problem; over-relaxed towards it from the balanced trade."""
        self.x = x
        balanced = self.trade - self._mean
        self.trade = relaxation * trade + (1.0 - relaxation) * balanced

    def say(self, round_: int) -> Schedule:
        return Schedule(self.node, round_, self.trade)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the nodes agreed on."""

    plan: HubPlan
    """Repaired: keeps every limit."""
    objective_g: float
    rounds: int
    primal_residual: float
    dual_residual: float
    converged: bool
    gap_history: tuple[float, ...]
    """Objective of the repaired plan after every round asked for (``trace``), g CO2e."""


def negotiate(program: HubProgram, wire: Wire, rules: Rules, trace: tuple[int, ...] = ()) -> Agreement:
    """Let the nodes of ``program`` negotiate. ``trace``: rounds after which to record the repaired plan's objective.

    The program is cut into one private part per agent; the local problems are solved side by side in shared arrays to
    save time, which exchanges nothing between them.
    """
    unit = units_of(program)
    parts = [Agent(node, program.take(slice(node, node + 1))) for node in range(program.nodes)]
    slots = program.slots
    block = Block(
        scaled(program, unit), Hubs(np.ones(slots, dtype=bool), np.asarray(program.offloadable, dtype=bool))
    )
    rho = rules.rho
    weight = np.concatenate([np.ones(slots), np.full(slots, _work_weight(program, unit))])[:, None]
    history: list[float] = []
    primal = dual = np.inf
    round_ = 0
    before = np.zeros((2 * slots, program.nodes))
    for round_ in range(1, rules.rounds + 1):
        aims = np.stack([agent.aim() for agent in parts], axis=1)
        answer = local_problem.solve(block, aims, rho * weight)
        for agent in parts:
            agent.decide(answer.x[:, agent.node], answer.trade[:, agent.node], rules.relaxation)
        heard = [wire.carry(agent.say(round_), agent.node, None) for agent in parts]
        trades = np.stack([message.values for message in heard], axis=1)
        mean = trades.mean(axis=1)
        primal = float(np.sqrt((answer.trade.mean(axis=1) ** 2).mean()))
        moved = (answer.trade - answer.trade.mean(axis=1, keepdims=True)) - before
        before = answer.trade - answer.trade.mean(axis=1, keepdims=True)
        dual = float(rho * np.sqrt(((weight * moved) ** 2).mean()))
        if round_ in trace:
            history.append(objective_g(program, _repaired(program, block, unit, parts)))
        done = primal < rules.tolerance and dual < rules.tolerance
        factor = _change(primal, dual) if rules.adapt and round_ % 5 == 0 and round_ < 60 else 1.0
        rho *= factor
        answer_down = Schedule(MARKET, round_, np.concatenate([mean, [factor]]))
        for agent in parts:
            agent.hear(wire.carry(answer_down, None, agent.node))
        if done:
            break
    plan = _repaired(program, block, unit, parts)
    _announce(wire, program, plan)
    converged = primal < rules.tolerance and dual < rules.tolerance
    return Agreement(plan, objective_g(program, plan), round_, primal, dual, converged, tuple(history))


def _work_weight(program: HubProgram, unit: Units) -> float:
    """rho of work against that of energy: a batch weighs what its energy does."""
    per_batch = float(program.joules_per_batch.mean()) * unit.batches / unit.joules
    return max(per_batch, 1e-3) ** 2


def _change(primal: float, dual: float) -> float:
    if primal > 5.0 * dual:
        return 2.0
    if dual > 5.0 * primal:
        return 0.5
    return 1.0


def _repaired(program: HubProgram, block: Block, unit: Units, parts: list[Agent]) -> HubPlan:
    """Every node keeps its own limits; per slot, the market announces by how much the longer side must cut back."""
    x = np.stack([agent.x for agent in parts], axis=1)
    names = ("grid", "green", "charge", "discharge", "stored", "curtailed", "export", "import_")
    flows = [block.view(x, name) * unit.joules for name in names]
    batches = [block.view(x, name) * unit.batches for name in ("own", "offload", "guest", "unserved")]
    assert len(flows) + len(batches) == len(fields(HubPlan))
    return repair(program, HubPlan(*flows, *batches))


def _announce(wire: Wire, program: HubProgram, plan: HubPlan) -> None:
    """The repair's messages: in each of its rounds a node sends what it gives to and takes from both hubs, and the
    market answers with the totals, from which everybody knows by how much the longer side cuts back."""
    given, taken = program.export_efficiency * plan.export_j, plan.import_j
    sent, guests = plan.offload_batches.sum(axis=0), plan.guest_batches
    said = np.concatenate([given, taken, sent, guests])
    total = Schedule(MARKET, 0, said.sum(axis=1))
    for _ in range(_REPAIR_ROUNDS):
        for node in range(program.nodes):
            wire.carry(Schedule(node, 0, said[:, node]), node, None)
            wire.carry(total, None, node)
