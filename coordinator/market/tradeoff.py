"""Grams against TREE: what a fleet emits and how far a joule goes as joules are priced more and more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from coordinator.accounting.tree import Window, efficiency
from coordinator.market.simulate import Information, Run, World, simulate
from coordinator.policies.registry import make_policy

PRICES_G_PER_KWH = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)
"""Up to where grams no longer matter: grids emit 24 to 900 g/kWh."""


@dataclass(frozen=True, slots=True)
class TradeOff:
    """One point of the curve."""

    price_g_per_kwh: float
    emissions_g: float
    energy_j: float
    """Used by the nodes, green or not, and by the network for moved batches."""
    tree_bit_per_j: float | None
    ee_bit_per_j: float | None
    offloaded_batches: int
    unserved_batches: int


def tree_tradeoff(
    world: World,
    prices_g_per_kwh: Iterable[float] = PRICES_G_PER_KWH,
    *,
    tokens_per_batch: float,
    bits_per_batch: float,
    alpha_bits_per_token: float,
    information: Information | None = None,
    horizon: int | None = None,
    seed: int = 0,
) -> tuple[TradeOff, ...]:
    """Run ``deta-tree`` over ``world`` at every price of a joule; the first price of 0 is DETA itself.

    Args:
        world: What happens; see coordinator.market.simulate.
        prices_g_per_kwh: lambda, in grams per kWh used.
        tokens_per_batch: Tokens that a batch of the world's work delivers.
        bits_per_batch: Bits likewise.
        alpha_bits_per_token: alpha of (T1).
        information: What the policy is told.
        horizon: Slots it looks ahead.
        seed: Of forecasts and policy.
    """
    points = []
    for price in prices_g_per_kwh:
        policy = make_policy("deta-tree", price_g_per_kwh=price, horizon=horizon)
        run = simulate(world, policy, information, seed)
        batches = int(run.executed_batches.sum())
        energy_j = run_energy_j(run)
        window = Window(round(batches * bits_per_batch), round(batches * tokens_per_batch), energy_j)
        found = efficiency(window, alpha_bits_per_token)
        points.append(
            TradeOff(
                price_g_per_kwh=price,
                emissions_g=run.emissions_g,
                energy_j=energy_j,
                tree_bit_per_j=found.tree_bit_per_j,
                ee_bit_per_j=found.ee_bit_per_j,
                offloaded_batches=int(run.offloaded_batches.sum()),
                unserved_batches=int(run.unserved_batches.sum()),
            )
        )
    return tuple(points)


def run_energy_j(run: Run) -> float:
    """Joules of a simulated run: nodes and network."""
    fleet = run.world.fleet
    moved_bytes = run.offloaded_batches.sum(axis=1) * fleet.bytes_per_batch
    return float(run.demand_j.sum() + np.sum(moved_bytes) * fleet.limits.net_j_per_byte)
