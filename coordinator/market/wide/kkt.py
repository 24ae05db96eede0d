"""One Newton step of the decomposition: every node's rows are eliminated onto the 2 T hub prices, exactly.

With theta = diag(1 / (z/x + w/s)) the step solves  A theta A' dy = r.  Rows of different nodes meet only in the hub, so

    [ M_1            H_1 ] [dy_1]   [r_1]
    [      ...       ... ] [ ...] = [...]      S = sum_i ( H_ii - H_i' M_i^-1 H_i )
    [ H_1' ...        H  ] [dhub]   [r_h]      S dhub = r_h - sum_i H_i' M_i^-1 r_i

S is 2 T x 2 T whatever N is. Inside a node, the rows of a slot (time, done, demand, bus) are eliminated in place by
name; what is left couples slots: the battery (tridiagonal, its inverse by Takahashi's recurrence) or, where work may
wait, battery and deadline classes together (one small dense matrix per node, batched).
"""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block

Key = tuple[str, int]
_ENERGY: Key = ("energy", 0)
_WORK: Key = ("work", 0)
_STORE: Key = ("store", 0)


class Eliminated:
    """Factors of one block for one theta, and its share of the hub's matrix.

    ``give`` (2 T, n): where every node has hubs of its own that give way, dhub * give + hub step = r, in place of one
    common hub; then the hub rows are eliminated node by node as well, and nothing is left to couple the nodes.
    """

    def __init__(self, block: Block, theta: Floats, give: Floats | None = None) -> None:
        self.block = block
        self.own_hubs = give is not None
        self.pivots: list[tuple[Key, Floats, list[tuple[Key, Floats]]]] = []
        self._matrix: dict[tuple[Key, Key], Floats] = {}
        self._neighbours: dict[Key, list[Key]] = {}
        self._assemble(theta)
        if give is not None:
            self._put(_ENERGY, _ENERGY, give[: block.slots])
            self._put(_WORK, _WORK, give[block.slots :])
        local: list[Key] = [("time", 0)]
        if not block.waits:
            local.append(("done", 0))
        local += [("demand", 0), ("bus", 0)]
        if self.own_hubs:
            local += [_ENERGY, _WORK]
        for key in local:
            self._eliminate(key)
        self.schur = self._dense() if block.waits else self._tridiagonal()
        self._matrix.clear()

    def _put(self, a: Key, b: Key, values: Floats) -> None:
        pair = (a, b) if a <= b else (b, a)
        if pair in self._matrix:
            self._matrix[pair] += values
            return
        self._matrix[pair] = values
        self._neighbours.setdefault(a, []).append(b)
        if a != b:
            self._neighbours.setdefault(b, []).append(a)

    def _assemble(self, theta: Floats) -> None:
        """A theta A' slot by slot; keys are (row, slots left to the deadline)."""
        block, p = self.block, self.block.program
        th = {name: block.view(theta, name) for name in block.at}
        time, demand, bus = ("time", 0), ("demand", 0), ("bus", 0)
        own, away, guest = th["own"], th["offload"], th["guest"]
        home = own[0] if not block.waits else own.sum(axis=0)
        sent = away[0] if not block.waits else away.sum(axis=0)
        e, tau, tx, ge = p.joules_per_batch, p.seconds_per_batch, p.owner_j, block.guest_load
        e_home, tau_guest, ge_guest, tx_sent = e * home, tau * guest, ge * guest, tx * sent
        self._put(time, time, tau * (tau * home + tau_guest) + th["idle"])
        self._put(time, demand, -tau * (e_home + ge_guest))
        self._put(time, _WORK, -tau_guest)
        self._put(demand, demand, th["grid"] + th["green"] + e * e_home + ge * ge_guest + tx * tx_sent)
        self._put(demand, bus, -th["green"])
        self._put(demand, _WORK, ge_guest - tx_sent)
        self._put(_WORK, _WORK, guest + sent)
        into, out = p.import_efficiency, p.export_efficiency
        in_theta, out_theta = into * th["import_"], out * th["export"]
        self._put(
            bus,
            bus,
            th["green"] + th["charge"] + th["discharge"] + th["curtailed"] + th["export"] + into * in_theta,
        )
        self._put(bus, _ENERGY, -out_theta - in_theta)
        self._put(_ENERGY, _ENERGY, out * out_theta + th["import_"])
        gain, cost = p.charge_efficiency, 1.0 / p.discharge_efficiency
        charged, drawn = gain * th["charge"], cost * th["discharge"]
        stored = th["stored"]
        diagonal = gain * charged + cost * drawn + stored
        diagonal[1:] += p.keep_fraction**2 * stored[:-1]
        self._put(bus, _STORE, charged + drawn)
        self._put(_STORE, _STORE, diagonal)
        self.next_store = -p.keep_fraction * stored[:-1]
        if not block.waits:
            done = ("done", 0)
            self._put(done, done, home + sent + th["unserved"])
            self._put(done, time, tau * home)
            self._put(done, demand, -e_home - tx_sent)
            self._put(done, _WORK, sent.copy())
            return
        self.class_diagonal = th["unserved"].copy()
        self.cap_diagonal = th["unused"].copy()
        for left in range(block.window):
            done, cap = ("done", left), ("cap", left)
            due = slice(left, left + block.slots)
            self.class_diagonal[due] += own[left] + away[left]
            self.cap_diagonal[due] += away[left]
            self._put(done, time, tau * own[left])
            self._put(done, demand, -e * own[left] - tx * away[left])
            self._put(done, _WORK, away[left].copy())
            self._put(done, cap, away[left].copy())
            self._put(cap, demand, -tx * away[left])
            self._put(cap, _WORK, away[left].copy())

    def _eliminate(self, pivot: Key) -> None:
        matrix = self._matrix
        diagonal = matrix.pop((pivot, pivot))
        diagonal += diagonal == 0.0  # an empty row: nothing hangs on it
        neighbours = [key for key in self._neighbours.pop(pivot) if key != pivot]
        columns: list[tuple[Key, Floats]] = []
        raw = []
        for key in neighbours:
            value = matrix.pop((pivot, key) if pivot <= key else (key, pivot))
            self._neighbours[key].remove(pivot)
            raw.append(value)
            columns.append((key, value / diagonal))
        for index, key in enumerate(neighbours):
            scaled = columns[index][1]
            for other in range(index, len(neighbours)):
                self._put(key, neighbours[other], -scaled * raw[other])
        self.pivots.append((pivot, diagonal, columns))

    def _entry(self, a: Key, b: Key) -> Floats:
        pair = (a, b) if a <= b else (b, a)
        found = self._matrix.get(pair)
        return np.zeros((self.block.slots, self.block.nodes)) if found is None else found

    def _tridiagonal(self) -> Floats:
        """Battery rows: L D L' per node; returns the block's part of S, from the inverse's columns."""
        slots = self.block.slots
        diagonal = self._entry(_STORE, _STORE)
        self.store_diagonal = np.empty_like(diagonal)
        self.store_factor = np.empty_like(self.next_store)
        self.store_diagonal[0] = diagonal[0]
        for t in range(slots):
            row = self.store_diagonal[t]
            row += row == 0.0
            if t + 1 < slots:
                np.divide(self.next_store[t], row, out=self.store_factor[t])
                np.subtract(
                    diagonal[t + 1], self.store_factor[t] * self.next_store[t], out=self.store_diagonal[t + 1]
                )
        if self.own_hubs:
            self.store_hub = (np.zeros(0), np.zeros(0))
            return np.zeros((0, 0))
        a, b = self._entry(_STORE, _ENERGY), self._entry(_STORE, _WORK)
        self.store_hub = (a, b)
        schur = np.zeros((2 * slots, 2 * slots))
        inverse = np.empty_like(diagonal)
        last = 1.0 / self.store_diagonal[slots - 1]
        both = np.concatenate([a, b])
        for t in range(slots - 1, -1, -1):
            # row t of the symmetric inverse, columns t..T-1, from row t + 1
            if t == slots - 1:
                inverse[t] = last
            else:
                below = inverse[t + 1 :]
                factor = self.store_factor[t]
                corner = 1.0 / self.store_diagonal[t] + factor * factor * below[0]
                np.multiply(below, -factor, out=below)
                inverse[t] = corner
            weights = inverse[t:]
            left = both.reshape(2, slots, -1)[:, t]
            for side in range(2):
                weighted = weights * left[side]
                schur[side * slots + t, t:slots] = -np.einsum("tn,tn->t", weighted, a[t:])
                schur[side * slots + t, slots + t :] = -np.einsum("tn,tn->t", weighted, b[t:])
        return self._with_diagonals(self._symmetric(schur))

    def _symmetric(self, upper: Floats) -> Floats:
        """Each T x T quarter was filled for s >= t; the inverse is symmetric in s and t."""
        slots = self.block.slots
        out = np.zeros_like(upper)
        q = lambda m, i, j: m[i * slots : (i + 1) * slots, j * slots : (j + 1) * slots]  # noqa: E731
        for i in range(2):
            for j in range(2):
                q(out, i, j)[:] = np.triu(q(upper, i, j)) + np.triu(q(upper, j, i), 1).T
        return out

    def _with_diagonals(self, schur: Floats) -> Floats:
        slots = self.block.slots
        index = np.arange(slots)
        for a, b, row, column in (
            (_ENERGY, _ENERGY, 0, 0),
            (_WORK, _WORK, slots, slots),
            (_ENERGY, _WORK, 0, slots),
            (_WORK, _ENERGY, slots, 0),
        ):
            schur[row + index, column + index] += self._entry(a, b).sum(axis=1)
        return schur

    def _dense(self) -> Floats:
        """Battery and class rows of each node as one small matrix; returns the block's part of S."""
        block = self.block
        slots, nodes, classes = block.slots, block.nodes, block.classes
        index = np.arange(slots)
        self.place = {_STORE: index}
        for left in range(block.window):
            self.place[("done", left)] = slots + left + index
            self.place[("cap", left)] = slots + classes + left + index
        size = slots + 2 * classes
        matrix = np.zeros((nodes, size, size))
        every = np.arange(classes)
        matrix[:, slots + every, slots + every] = self.class_diagonal.T
        matrix[:, slots + classes + every, slots + classes + every] = self.cap_diagonal.T
        matrix[:, index[1:], index[:-1]] += self.next_store.T
        matrix[:, index[:-1], index[1:]] += self.next_store.T
        hub = np.zeros((nodes, size, 2 * slots))
        for (a, b), values in self._matrix.items():
            if a in self.place and b in self.place:
                matrix[:, self.place[a], self.place[b]] += values.T
                if a != b:
                    matrix[:, self.place[b], self.place[a]] += values.T
            elif a in self.place or b in self.place:
                inner, outer = (a, b) if a in self.place else (b, a)
                hub[:, self.place[inner], index + (slots if outer == _WORK else 0)] += values.T
        diagonal = np.arange(size)
        values = matrix[:, diagonal, diagonal]
        matrix[:, diagonal, diagonal] = values * (1.0 + 1e-13) + (values == 0.0)
        self.inverse = np.linalg.inv(matrix)
        self.hub = hub
        if self.own_hubs:
            return np.zeros((0, 0))
        weighted = self.inverse @ hub
        schur = -np.tensordot(hub, weighted, axes=([0, 1], [0, 1]))
        return self._with_diagonals(0.5 * (schur + schur.T))

    def forward(self, right: Floats, hub_right: Floats | None = None) -> tuple[dict[Key, Floats], Floats]:
        """Eliminate a right-hand side (R, n): what back-substitution needs, and the (2 T,) part for the hub.
        ``hub_right`` (2 T, n): of the nodes' own hubs."""
        block, slots = self.block, self.block.slots
        r: dict[Key, Floats] = {
            ("time", 0): block.row(right, "time").copy(),
            ("demand", 0): block.row(right, "demand").copy(),
            ("bus", 0): block.row(right, "bus").copy(),
            _STORE: block.row(right, "store").copy(),
            _ENERGY: np.zeros((slots, block.nodes)) if hub_right is None else hub_right[:slots].copy(),
            _WORK: np.zeros((slots, block.nodes)) if hub_right is None else hub_right[slots:].copy(),
        }
        done = block.row(right, "done").copy()
        r["done", 0] = done[:slots]
        if block.waits:
            cap = block.row(right, "cap").copy()
            for left in range(block.window):  # views: eliminations of several slots add up in the class's row
                r["done", left] = done[left : left + slots]
                r["cap", left] = cap[left : left + slots]
        for pivot, _, columns in self.pivots:
            value = r[pivot]
            for key, factor in columns:
                r[key] -= factor * value
        hub = np.zeros(0) if self.own_hubs else np.concatenate([r[_ENERGY].sum(axis=1), r[_WORK].sum(axis=1)])
        if block.waits:
            inner = np.concatenate([r[_STORE], done, cap]).T[:, :, None]
            r["inner", 0] = (self.inverse @ inner)[:, :, 0].T
            if not self.own_hubs:
                hub -= np.einsum("nih,in->h", self.hub, r["inner", 0])
        else:
            store = self._solve_store(r[_STORE])
            r["inner", 0] = store
            if not self.own_hubs:
                hub -= np.concatenate([np.einsum("tn,tn->t", part, store) for part in self.store_hub])
        return r, hub

    def _solve_store(self, right: Floats) -> Floats:
        out = right.copy()
        slots = self.block.slots
        for t in range(slots - 1):
            out[t + 1] -= self.store_factor[t] * out[t]
        out /= self.store_diagonal
        for t in range(slots - 2, -1, -1):
            out[t] -= self.store_factor[t] * out[t + 1]
        return out

    def backward(self, r: dict[Key, Floats], hub: Floats | None) -> tuple[Floats, Floats]:
        """(R, n) step of the row prices, given the (2 T,) step of the hub prices; with hubs of their own, that step
        as well: (2 T, n)."""
        block, slots = self.block, self.block.slots
        # hubs of their own are pivots: until they are found they weigh nothing in what came before them
        prices = np.zeros((2 * slots, block.nodes)) if hub is None else hub[:, None]
        energy, work = prices[:slots], prices[slots:]
        out = np.empty((block.rows, block.nodes))
        if block.waits:
            inner = r["inner", 0]
            if hub is not None:
                inner = inner - np.einsum("nij,nj->in", self.inverse, self.hub @ hub)
            block.row(out, "store")[:] = inner[:slots]
            block.row(out, "done")[:] = inner[slots : slots + block.classes]
            block.row(out, "cap")[:] = inner[slots + block.classes :]
        else:
            store = r["inner", 0]
            if hub is not None:
                a, b = self.store_hub
                store = store - self._solve_store(a * energy + b * work)
            block.row(out, "store")[:] = store
        for pivot, diagonal, columns in reversed(self.pivots):
            value = r[pivot] / diagonal
            for key, factor in columns:
                name, left = key
                if key == _ENERGY:
                    value -= factor * energy
                elif key == _WORK:
                    value -= factor * work
                else:
                    value -= factor * block.row(out, name)[left : left + slots]
            if pivot == _ENERGY:
                energy[:] = value
            elif pivot == _WORK:
                work[:] = value
            else:
                block.row(out, pivot[0])[:] = value
        return out, prices
