"""The market's side of exchange ADMM: it adds up net trades, announces their mean, and fills the firm round.

Stop at primal residual (mean trade) and dual residual (change of trades, in prices) below ``tolerance``; rho is adapted
by the ratio of the two. Source: methods.md section 2, item 2. The nodes' side is protos.trading.exchange_agent. In
product form the only link a node has is that to the hub, so its copies of link flows are its trades with the hub.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Floats
from coordinator.market.numbers import DOMINANCE
from coordinator.market.pairs import Transfers
from coordinator.market.wide import hub_recovery
from coordinator.negotiation.quote import Quote, quotes_of
from coordinator.negotiation.table import Agreed, Market, Table, moved, sent
from protos.messages.market import Good, MarketKind, MarketTerms, Side


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


def exchange_terms(table: Table, rules: Rules, horizon: int | None = None) -> list[MarketTerms]:
    """Terms for every place, in units in which loads, batches and intensities are near 1: the mean board with half of
    its time at work. All of it is public."""
    slots = table.horizon if horizon is None else min(horizon, table.horizon)
    seconds, joules = table.seconds_per_batch[:, :slots], table.joules_per_batch[:, :slots]
    busy = seconds[seconds > 0]
    batches = 0.5 * table.slot_s / float(busy.mean()) if busy.size else 1.0
    load = table.slot_s * float(table.static_w.mean()) + float(joules.mean()) * batches
    grams = float(table.intensity_g_per_kwh[:, :slots].mean()) / JOULES_PER_KWH
    unit_j, unit_g_per_j = load or 1.0, grams or 1.0 / JOULES_PER_KWH
    per_batch = float(joules.mean()) * batches / unit_j
    return [
        table.terms(
            place,
            MarketKind.EXCHANGE,
            horizon,
            unit_j=unit_j,
            unit_batches=batches,
            unit_g_per_j=unit_g_per_j,
            unserved_g=_unserved_g(table),
            rho=rules.rho,
            work_weight=max(per_batch, 1e-3) ** 2,
            relaxation=rules.relaxation,
        )
        for place in range(table.size)
    ]


def _unserved_g(table: Table) -> float:
    """Grams for an unserved batch that no saving of energy can outweigh, as in market.program, of public figures."""
    radio = float(table.tx_j_per_byte.max() + table.rx_j_per_byte.max()) + table.limits.net_j_per_byte
    dearest_j = float(table.joules_per_batch.max()) + float(table.bytes_per_batch.max()) * radio
    worst = max(float(table.intensity_g_per_kwh.max()), float(table.later_g_per_kwh.max()), 1.0)
    return DOMINANCE * max(dearest_j, 1e-3) * worst / JOULES_PER_KWH


def exchange(table: Table, rules: Rules, horizon: int | None = None) -> Market:
    """Rounds of net trades and their means, then the firm round, filled."""
    terms = exchange_terms(table, rules, horizon)
    slots, size = len(terms[0].intensity_g_per_kwh), table.size
    weight = np.repeat([1.0, terms[0].work_weight], slots)
    rho, before = rules.rho, np.zeros((2 * slots, size))
    primal = dual = np.inf
    round_ = 0
    offers = yield [table.call(place, said) for place, said in enumerate(terms)]
    while True:
        round_ += 1
        trades = np.stack([np.asarray(offer.trades) for offer in offers], axis=1)
        mean = trades.mean(axis=1)
        around = trades - mean[:, None]
        primal = float(np.sqrt((mean**2).mean()))
        dual = float(rho * np.sqrt(((weight[:, None] * (around - before)) ** 2).mean()))
        before = around
        done = primal < rules.tolerance and dual < rules.tolerance
        last = done or round_ >= rules.rounds
        factor = _change(primal, dual) if rules.adapt and round_ % 5 == 0 and round_ < 60 else 1.0
        rho *= factor
        told = {"mean_trades": tuple(float(m) for m in mean), "rho_factor": factor, "firm": last}
        offers = yield [table.news(place, round_, **told) for place in range(size)]  # type: ignore[arg-type]
        if last:
            break
    work = _filled(quotes_of(offers, Good.WORK), size)
    energy = _filled(quotes_of(offers, Good.ENERGY), size)
    notes = {"rounds": float(round_), "primal_residual": primal, "dual_residual": dual}
    status = "rule: negotiated" if done else f"rule: negotiated; stopped after {round_} rounds"
    moves = moved(work)
    notes |= {"traded_j": float(energy.amount.sum()), "traded_batches": float(moves.amount.sum())}
    return Agreed(moves, sent(table, energy), status, notes)


def _filled(quotes: list[Quote], size: int) -> Transfers:
    """From giver to taker, in the hub's units; the longer side is cut in proportion, batches to whole ones by largest
    remainder."""
    given, taken = np.zeros(size), np.zeros(size)
    for quote in quotes:
        (given if quote.side is Side.ASK else taken)[quote.node] += quote.quantity
    total = min(float(given.sum()), float(taken.sum()))
    whole = bool(quotes) and quotes[0].good is Good.WORK
    sides = [_cut(side, total, whole) for side in (given, taken)]
    return hub_recovery.fill(*sides)


def _cut(side: Floats, total: float, whole: bool) -> Floats:
    amount = float(side.sum())
    if amount <= total or amount <= 0:
        return side
    cut = side * (total / amount)
    if not whole:
        return cut
    parts = np.floor(cut + 1e-9)
    for place in np.argsort(-(cut - parts), kind="stable")[: round(total - parts.sum())]:
        parts[place] += 1.0
    return parts


def _change(primal: float, dual: float) -> float:
    if primal > 5.0 * dual:
        return 2.0
    if dual > 5.0 * primal:
        return 0.5
    return 1.0
