"""Grams against TREE: what a fleet emits and how far a joule goes as joules are priced more and more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from coordinator.accounting.tree import Window, efficiency
from coordinator.market.fleet import Fleet
from coordinator.market.joules import price_for, priced, used_j
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import solve, unserved
from coordinator.policies.registry import make_policy
from coordinator.simulator.regret import EVERYTHING
from coordinator.simulator.simulate import Information, Run, World, simulate

PRICES_G_PER_KWH = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)
"""Up to where grams no longer matter: grids emit 24 to 900 g/kWh."""


@dataclass(frozen=True, slots=True)
class TradeOff:
    """One point of the curve."""

    price_g_per_kwh: float | None
    """None: it followed from a floor on TREE, slot by slot."""
    emissions_g: float
    energy_j: float
    """Used by the nodes, green or not, and by the network for moved batches."""
    tree_bit_per_j: float | None
    ee_bit_per_j: float | None
    offloaded_batches: int
    unserved_batches: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Bits and tokens that a batch of the world's work delivers, and the weight of a token."""

    tokens_in_per_batch: float
    tokens_out_per_batch: float
    bits_per_batch: float
    alpha_bits_per_token: float

    def window(self, batches: float, energy_j: float) -> Window:
        """(T1)'s window of that many batches."""
        return Window(
            round(batches * self.bits_per_batch),
            round(batches * self.tokens_in_per_batch),
            round(batches * self.tokens_out_per_batch),
            energy_j,
        )


def tree_point(
    world: World,
    delivered: Delivered,
    information: Information | None = None,
    seed: int = 0,
    **options: Any,
) -> TradeOff:
    """``deta-tree`` with ``options`` over ``world``: a price of joules, or a floor on TREE (price then None)."""
    run = simulate(world, make_policy("deta-tree", **options), information, seed)
    batches = int(run.executed_batches.sum())
    energy_j = run_energy_j(run)
    found = efficiency(delivered.window(batches, energy_j), delivered.alpha_bits_per_token)
    floored = options.get("tree_floor_fraction") is not None
    return TradeOff(
        price_g_per_kwh=None if floored else float(options["price_g_per_kwh"]),
        emissions_g=run.emissions_g,
        energy_j=energy_j,
        tree_bit_per_j=found.tree_bit_per_j,
        ee_bit_per_j=found.ee_bit_per_j,
        offloaded_batches=int(run.offloaded_batches.sum()),
        unserved_batches=int(run.unserved_batches.sum()),
    )


def optimal_point(
    fleet: Fleet, delivered: Delivered, *, price_g_per_kwh: float = 0.0, floor_fraction: float | None = None
) -> TradeOff:
    """The whole horizon's optimum with perfect foresight: grams + price * joules, or grams with a floor on TREE.

    The price that keeps a floor is in the result. Batches are those of the linear program, whole or not.

    Raises:
        ValueError: there is no optimum.
    """
    program = build(fleet, EVERYTHING, tie_break=False)
    price = price_g_per_kwh if floor_fraction is None else price_for(program, floor_fraction)
    repriced = priced(program, price)
    solution = solve(repriced)
    if solution.values is None or not solution.optimal:
        raise ValueError(f"no optimum at {price:g} g/kWh: {solution.message}")
    plan = Plan(repriced, solution.values)
    energy_j = used_j(repriced, solution.values)
    due = float(fleet.backlog_batches.sum() + fleet.release_batches.sum())
    left = unserved(repriced, solution.values)
    done = due - left
    found = efficiency(delivered.window(done, energy_j), delivered.alpha_bits_per_token)
    return TradeOff(
        price_g_per_kwh=price,
        emissions_g=plan.emissions_g,
        energy_j=energy_j,
        tree_bit_per_j=found.tree_bit_per_j,
        ee_bit_per_j=found.ee_bit_per_j,
        offloaded_batches=round(float(plan.given_batches.sum())),
        unserved_batches=round(left),
    )


def run_energy_j(run: Run) -> float:
    """Joules of a simulated run: nodes and network."""
    fleet = run.world.fleet
    moved_bytes = run.offloaded_batches.sum(axis=1) * fleet.bytes_per_batch
    return float(run.demand_j.sum() + np.sum(moved_bytes) * fleet.limits.net_j_per_byte)
