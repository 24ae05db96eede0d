"""One node's side of exchange ADMM over its look-ahead: of its program only the net trades are sent. Pure.

    z_i <- argmin f_i(z) + rho/2 |z - (z_i - mean - u)|^2,      u <- u + mean of the new z

Source: methods.md section 2, item 2; S. Boyd et al., "Distributed Optimization and Statistical Learning via ADMM",
section 7.3 (2011). The last round is firm: the quantities that the node can give and take in this slot, in whole
batches of work."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from protos.messages.market import Good, MarketTerms, Quote, Side
from protos.trading.look_ahead import look_ahead
from protos.trading.own import Floats, Managed, Own, Work
from protos.trading.proximal import Iterate

_NOTHING = 1e-9


class ExchangeAgent:
    """One node in the exchange."""

    def __init__(self, own: Own, terms: MarketTerms) -> None:
        self._own, self._terms = own, terms
        self._program = look_ahead(own, terms)
        slots = self._program.slots
        self._rho = terms.rho
        self._weight = np.repeat([1.0, terms.work_weight], slots)
        self._trade = self._mean = self._price = np.zeros(2 * slots)
        self._x = np.zeros(0)
        self._nearby: Iterate | None = None

    @property
    def x(self) -> Floats:
        """The last solution, for a simulator that values the whole plan."""
        return self._x

    def value(self, name: str) -> Floats:
        """The last solution's block ``name``, in the terms' units."""
        return self._program.part(self._x, name)

    def propose(self) -> tuple[float, ...]:
        """(2 H,) net trades of this round, over-relaxed towards the own problem's solution."""
        aim = self._trade - self._mean - self._price
        solved = self._program.near.solve(aim, self._rho * self._weight, nearby=self._nearby)
        self._x, self._nearby = solved.x, solved.nearby
        relaxed = self._terms.relaxation * self._program.trade(self._x)
        self._trade = relaxed + (1.0 - self._terms.relaxation) * (self._trade - self._mean)
        return tuple(float(value) for value in self._trade)

    def hear(self, mean: Sequence[float], rho_factor: float) -> None:
        """The market's answer: mean trades, and the factor by which rho has changed."""
        self._mean = np.asarray(mean, dtype=float)
        self._price = (self._price + self._mean) / rho_factor
        self._rho *= rho_factor

    def firm(self) -> tuple[Quote, ...]:
        """Quantities that the node can certainly give and take in this slot, near the agreed ones. Prices are 0,
        because the bargaining has ended. The market may take less without violating any limit of the node."""
        own, terms = self._own, self._terms
        given = min(
            float(self.value("export")[0]) * terms.unit_j,
            terms.transfer_cap_fraction * float(own.harvest_j[0]),
        )
        give = given * own.export_efficiency
        take = float(self.value("import")[0]) * terms.unit_j
        both = min(give, take)
        work = Work.of(own, float(terms.bytes_per_batch[0]), terms.offloadable[0])
        sent = float(self.value("away")[:, 0].sum()) * terms.unit_batches
        hosted = float(self.value("guest")[0]) * terms.unit_batches
        moved = round(sent - hosted)
        least = max(work.available - work.capacity, 0)
        send = min(max(moved, least if moved > 0 else 0), work.may_leave) if moved > 0 else 0
        host = min(-moved, work.guest_room, max(work.capacity - work.available, 0)) if moved < 0 else 0
        quotes = (
            Quote(Good.ENERGY, Side.ASK, 0.0, give - both) if give - both > _NOTHING else None,
            Quote(Good.ENERGY, Side.BID, 0.0, take - both) if take - both > _NOTHING else None,
            Quote(Good.WORK, Side.BID, 0.0, float(send)) if send > 0 else None,
            Quote(Good.WORK, Side.ASK, 0.0, float(host)) if host > 0 else None,
        )
        return tuple(quote for quote in quotes if quote is not None)

    def managed(self, sent_batches: int = 0, guest_batches: int = 0) -> Managed:
        """The node's own plan, with ``sent_batches`` sent away and ``guest_batches`` of others here."""
        own, terms = self._own, self._terms
        work = Work.of(own, float(terms.bytes_per_batch[0]), terms.offloadable[0])
        home = max(min(work.available - sent_batches, work.capacity - guest_batches), 0)
        # Work that the plan does now is done now, rounded up, and here if it was not sent: never more is deferred than
        # in the plan, because later slots have no more time than the plan gives them.
        planned = float(self.value("own")[:, 0].sum() + self.value("away")[:, 0].sum()) * terms.unit_batches
        due = max(own.backlog_batches[0] - sent_batches, 0)
        home = min(home, max(due, math.ceil(planned - sent_batches - 1e-4)))
        charge, discharge = (float(self.value(name)[0]) * terms.unit_j for name in ("charge", "discharge"))
        return Managed(home, charge, discharge)
