"""A solution of the program in the words of the fleet: joules, batches, grams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Floats
from coordinator.market.layout import Index
from coordinator.market.pairs import Pairs, Transfers, no_transfers
from coordinator.market.program import Program
from coordinator.market.wide.hub_recovery import fill


@dataclass(frozen=True)
class Plan:
    """Values of the program's variables; arrays are (N, H) unless said otherwise."""

    program: Program
    values: Floats

    def _energy(self, name: str) -> Floats:
        energy = self.values[self.program.layout.columns[name]] * self.program.joules_per_unit
        return np.maximum(energy, 0.0)

    @cached_property
    def grid_j(self) -> Floats:
        return self._energy("g")

    @cached_property
    def green_j(self) -> Floats:
        return self._energy("u")

    @cached_property
    def sent_j(self) -> Floats:
        """Given to the hub, as it leaves the donor; only of a program through a hub."""
        return self._energy("X")

    @cached_property
    def received_j(self) -> Floats:
        """Taken from the hub, before the recipient's loss; only of a program through a hub."""
        return self._energy("R")

    @cached_property
    def curtailed_j(self) -> Floats:
        return self._energy("k")

    @cached_property
    def charge_j(self) -> Floats:
        return self._energy("bp")

    @cached_property
    def discharge_j(self) -> Floats:
        return self._energy("bm")

    @cached_property
    def stored_j(self) -> Floats:
        """After the slot."""
        return self._energy("B")

    @cached_property
    def awake(self) -> Bools:
        columns = self.program.layout.columns
        if "a" not in columns:
            return np.ones((self.program.fleet.size, self.program.fleet.horizon), dtype=bool)
        awake: Bools = self.values[columns["a"]] > 0.5
        return awake

    @cached_property
    def unserved_batches(self) -> Floats:
        """(N, C)."""
        return np.maximum(self.values[self.program.layout.columns["unserved"]], 0.0)

    @cached_property
    def home_batches(self) -> Floats:
        """Own batches run at home."""
        layout = self.program.layout
        entries = np.maximum(self.values[layout.columns["home"]], 0.0)
        home = np.zeros((self.program.fleet.size, self.program.fleet.horizon))
        for entry, slot in enumerate(layout.entry_slot):
            home[:, slot] += entries[:, entry]
        return home

    @cached_property
    def given_batches(self) -> Floats:
        """Batches by owner that others run."""
        return self._by_node("O", self.program.layout.owner)

    @cached_property
    def guest_batches(self) -> Floats:
        """Batches by executor that it runs for others."""
        return self._by_node("G", self.program.layout.executor)

    def _by_node(self, name: str, end: Index) -> Floats:
        """Moved batches by their owner or executor: the hub's column ``name``, or sums of pairs by their ``end``."""
        layout, fleet = self.program.layout, self.program.fleet
        found = np.zeros((fleet.size, fleet.horizon))
        if name in layout.columns:
            return np.maximum(self.values[layout.columns[name]], 0.0)
        if "w" in layout.columns:
            np.add.at(found, end, np.maximum(self.values[layout.columns["w"]], 0.0))
        return found

    def batches(self, slot: int) -> Floats:
        """(N, N) batches of owner i run by executor j in ``slot`` of the horizon."""
        layout = self.program.layout
        matrix = np.diag(self.home_batches[:, slot])
        if "w" in layout.columns:
            matrix[layout.owner, layout.executor] = np.maximum(self.values[layout.columns["w"][:, slot]], 0.0)
        elif "O" in layout.columns:
            given, taken = self.given_batches[:, slot], self.guest_batches[:, slot]
            own = np.minimum(given, taken)  # rounding: it never pays to give and take
            moves = fill(given - own, taken - own)
            matrix[moves.source, moves.target] += moves.amount
            matrix[np.diag_indices_from(matrix)] += own
        return matrix

    def transfers(self, slot: int) -> Transfers:
        """Energy from donors to recipients in ``slot`` of the horizon, as it leaves the donors."""
        layout = self.program.layout
        if "X" in layout.columns:
            out = self.program.fleet.export_efficiency
            arrives, taken = out * self.sent_j[:, slot], self.received_j[:, slot]
            own = np.minimum(arrives, taken)
            flows = fill(arrives - own, taken - own)
            return flows.with_amounts(flows.amount / out[flows.source])
        if "x" not in layout.columns:
            return no_transfers()
        sent = self.values[layout.columns["x"][:, slot]] * self.program.joules_per_unit
        return Pairs.of(layout.owner, layout.executor, np.maximum(sent, 0.0))

    @cached_property
    def emissions_g(self) -> float:
        """(D0): grid energy and the network's part, scope 2."""
        fleet = self.program.fleet
        c = fleet.intensity_g_per_kwh / JOULES_PER_KWH
        ends = 0.5 * (self.given_batches + self.guest_batches)
        network_j = ends * fleet.bytes_per_batch * fleet.limits.net_j_per_byte
        return float((c * self.grid_j).sum() + (c * network_j).sum())

    @cached_property
    def objective_g(self) -> float:
        """(D0) less the value of what is left in store; neither penalties nor tie-break."""
        left, value = self.stored_j[:, -1], self.program.stored_value
        each = self.program.fleet.stored_value_g_per_j * left if value is None else value.of(left)
        return self.emissions_g - float(each.sum())
