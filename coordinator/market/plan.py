"""A solution of the program in the words of the fleet: joules, batches, grams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Floats
from coordinator.market.pairs import Pairs, Transfers, no_transfers
from coordinator.market.program import Program


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
    def moved_batches(self) -> Floats:
        """(P, H) batches per ordered pair of layout.owner, layout.executor."""
        columns = self.program.layout.columns
        if "w" not in columns:
            return np.zeros((self.program.layout.pairs, self.program.fleet.horizon))
        return np.maximum(self.values[columns["w"]], 0.0)

    def batches(self, slot: int) -> Floats:
        """(N, N) batches of owner i run by executor j in ``slot`` of the horizon."""
        matrix = np.diag(self.home_batches[:, slot])
        matrix[self.program.layout.owner, self.program.layout.executor] = self.moved_batches[:, slot]
        return matrix

    def transfers(self, slot: int) -> Transfers:
        """Energy from donors to recipients in ``slot`` of the horizon."""
        layout = self.program.layout
        if "x" not in layout.columns:
            return no_transfers()
        sent = self.values[layout.columns["x"][:, slot]] * self.program.joules_per_unit
        return Pairs.of(layout.owner, layout.executor, np.maximum(sent, 0.0))

    @cached_property
    def emissions_g(self) -> float:
        """(D0): grid energy and the network's part, scope 2."""
        fleet, layout = self.program.fleet, self.program.layout
        c = fleet.intensity_g_per_kwh / JOULES_PER_KWH
        middle = 0.5 * (c[layout.owner] + c[layout.executor])
        network_j = self.moved_batches * fleet.bytes_per_batch * fleet.limits.net_j_per_byte
        return float((c * self.grid_j).sum() + (middle * network_j).sum())

    @cached_property
    def objective_g(self) -> float:
        """(D0) less the value of what is left in store; neither penalties nor tie-break."""
        left, value = self.stored_j[:, -1], self.program.stored_value
        each = self.program.fleet.stored_value_g_per_j * left if value is None else value.of(left)
        return self.emissions_g - float(each.sum())
