"""Outcome of a slot's transfers: coordinator.slots.trade by column, to the microjoule. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from carbon_data.exact import Ints, ceil_times, floor_times
from coordinator.accounting.spread import spread
from coordinator.columns.decision import TransferColumns
from coordinator.slots.balances import ROUNDING_PARTS
from coordinator.slots.columns import ProfileColumns
from coordinator.slots.trade import ROUNDING_SLACK_UJ
from protos.messages.columns import GrantColumns


@dataclass(frozen=True, slots=True)
class SettledColumns:
    """(P,) outcome of every decided transfer; nothing sent: void, for the donor had nothing to give."""

    decided: TransferColumns
    sent_uj: Ints
    received_uj: Ints

    def grants(self, nodes: int) -> GrantColumns:
        """What each of ``nodes`` nodes gives and gets."""
        return GrantColumns(
            export_uj=_sums(self.decided.donor, self.sent_uj, nodes),
            import_uj=_sums(self.decided.recipient, self.received_uj, nodes),
        )


class Trade:
    """Settles transfers between nodes of these profiles."""

    def __init__(self, profiles: ProfileColumns, slot_s: float) -> None:
        figures = profiles.figures
        self._self_discharge = figures["self_discharge_fraction"]
        self._discharge_efficiency = figures["discharge_efficiency_fraction"]
        second_uj = Fraction(slot_s) * 1_000_000
        self._by_power: Ints = np.array(
            [math.floor(Fraction(limit_w) * second_uj) for limit_w in figures["discharge_limit_w"].tolist()],
            dtype=np.int64,
        )
        losses = (figures["export_loss_fraction"], figures["import_loss_fraction"])
        (out, self._out), (into, self._into) = (np.unique(loss, return_inverse=True) for loss in losses)
        self._efficiencies = [
            [(1 - Fraction(a)) * (1 - Fraction(b)) for b in into.tolist()] for a in out.tolist()
        ]
        """Exact, by kind of donor (``_out``) and of recipient (``_into``)."""

    def settle(
        self, transfers: TransferColumns, harvest_uj: Ints, battery_uj: Ints, discharge_uj: Ints
    ) -> SettledColumns:
        """Outcome of ``transfers``. (N,) metered harvest, battery before the slot, and most that the decision lets a
        node draw. What a donor cannot give is cut from its transfers in proportion."""
        nodes = len(harvest_uj)
        wanted = _sums(transfers.donor, transfers.decided_uj, nodes)
        limit = harvest_uj + np.minimum(discharge_uj, self._dischargeable_uj(battery_uj))
        sent = transfers.decided_uj.copy()
        for donor in np.flatnonzero(wanted > limit).tolist():
            own = np.flatnonzero(transfers.donor == donor)
            sent[own] = spread(int(limit[donor]), transfers.decided_uj[own].tolist())
        return SettledColumns(transfers, sent, self._received(transfers, sent))

    def _dischargeable_uj(self, battery_uj: Ints) -> Ints:
        """As coordinator.slots.trade.dischargeable_uj."""
        stored = battery_uj - ceil_times(battery_uj, self._self_discharge)
        by_store = floor_times(stored, self._discharge_efficiency)
        slack = ROUNDING_SLACK_UJ + battery_uj // ROUNDING_PARTS
        return np.maximum(0, np.minimum(by_store, self._by_power) - slack)

    def _received(self, transfers: TransferColumns, sent: Ints) -> Ints:
        """floor(sent * out_i * in_j), exact: a product of two fractions of 53 bits, in Python's integers."""
        received = []
        kinds = (self._out[transfers.donor].tolist(), self._into[transfers.recipient].tolist())
        for amount, out, into in zip(sent.tolist(), *kinds, strict=True):
            efficiency = self._efficiencies[out][into]
            received.append(amount * efficiency.numerator // efficiency.denominator)
        return np.array(received, dtype=np.int64)


def _sums(rows: Ints, amounts: Ints, nodes: int) -> Ints:
    found = np.zeros(nodes, dtype=np.int64)
    np.add.at(found, rows, amounts)
    return found
