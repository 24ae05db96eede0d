"""Index of every variable and constraint of (D0)-(D8): the sparsity pattern, built once for a shape and
kept.

A program of the same shape is re-solved with changed data by filling in numbers only (program.py). Exact and
small formulation of the work: energy depends on where and when a batch runs, not on when it was released, so
the flows w_ij(t) carry no release index; a class (all work of one owner with one window of allowed slots) is
split into what runs at home and what runs away in each slot of its window. Without deferral each class has
one slot and the split is the flow itself.

Flows between nodes in one of two forms: by ordered pair (w, x), or by what every node gives to and takes from one hub
in a slot (O, G, X, R), which is the same program where losses factor (wide/hub.py says why) and has N T in place of
N^2 T variables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Which freedoms of the one model a policy has (table of methods.md section 1)."""

    transfers: bool
    """Energy may be sent to other nodes (DET, DETA)."""
    offloading: bool
    """Batches may be run elsewhere (DAT, DETA)."""
    harvest: bool
    """The own harvest and battery may be used (all but GRID)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Properties that determine the sparsity pattern."""

    nodes: int
    horizon: int
    deadline_slots: int
    restrictions: Restrictions
    sleep: bool
    carries_cap: bool = False
    """(D6) over the horizon: what of the transfer cap is not used in a slot is carried on."""
    steps: int = 0
    """Steps of the value of what is stored at the horizon's end (D9); 0: every joule is worth the same."""
    hub: bool = False
    """Flows by node to and from a hub, in place of flows by pair."""


COLUMN_MEANING = {
    "g": "grid energy",
    "u": "green energy used",
    "k": "curtailed",
    "bp": "charge",
    "bm": "discharge",
    "B": "stored after the slot",
    "home": "own batches of a class run at home",
    "away": "own batches of a class run elsewhere",
    "unserved": "batches that miss their deadline",
    "left": "batches left beyond the horizon, their deadline being later still",
    "w": "batches of an owner run by an executor",
    "x": "energy sent",
    "O": "batches that an owner gives to the hub",
    "G": "batches that an executor takes from the hub",
    "X": "energy sent to the hub",
    "R": "energy drawn from the hub",
    "v": "stored at the horizon's end, in each step of its value; only with (D9)",
    "m": "transfer cap not used yet, after the slot; only with (D6) over the horizon",
    "a": "awake",
    "z": "wake-up",
}
"""Column blocks by the symbol of methods.md section 1."""


class Layout:
    """Column and row blocks of one shape, and the pattern of the matrix in compressed columns.

    ``columns[name]`` and ``rows[name]`` are index arrays in the block's own shape: (N, H) unless said
    otherwise; ``w`` and ``x`` are (P, H) over the P = N (N - 1) ordered pairs ``owner``, ``executor``;
    ``O``, ``G``, ``X`` and ``R`` are (N, H), their balances (1, H);
    ``home`` and ``away`` are (N, E) over the E entries (class, slot) of ``entry_class`` and ``entry_slot``;
    class blocks are (N, C)."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        n, h, q = shape.nodes, shape.horizon, shape.deadline_slots
        grid = np.arange(n)
        self.owner, self.executor = (
            a[~np.eye(n, dtype=bool)] for a in np.meshgrid(grid, grid, indexing="ij")
        )

        backlog_classes = min(q, h - 1) + 1
        self.backlog_classes = backlog_classes
        self.class_first = np.concatenate([np.zeros(backlog_classes, dtype=int), np.arange(1, h)])
        self.class_last = np.concatenate([np.arange(backlog_classes), np.minimum(np.arange(1, h) + q, h - 1)])
        windows = [np.arange(a, b + 1) for a, b in zip(self.class_first, self.class_last, strict=True)]
        self.entry_slot = np.concatenate(windows)
        self.entry_class = np.repeat(np.arange(len(windows)), [len(window) for window in windows])
        self.split = shape.restrictions.offloading and len(self.entry_slot) > h
        """Whether several classes may run in one slot, so that the flows must be split among them."""

        self.columns: dict[str, Index] = {}
        self.rows: dict[str, Index] = {}
        self.num_columns = 0
        self.num_rows = 0
        self._add_columns()
        self._add_rows()
        self._entries: list[tuple[float | str, Index, Index]] = []
        self._connect()
        self._compress()

    def _compress(self) -> None:
        """Compressed columns from the entry blocks, and where each block's numbers go."""
        entries = self._entries
        rows = np.concatenate([entry[1].ravel() for entry in entries])
        columns = np.concatenate([entry[2].ravel() for entry in entries])
        self.permutation: Index = np.lexsort((rows, columns))
        """Entries in the order of the blocks to their place in the compressed columns."""
        self.row_index = rows[self.permutation].astype(np.int32)
        counts = np.bincount(columns, minlength=self.num_columns)
        self.column_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        ends = np.cumsum([entry[1].size for entry in entries])
        constants = [np.nan if isinstance(entry[0], str) else entry[0] for entry in entries]
        self.coefficients = np.repeat(constants, [entry[1].size for entry in entries])
        """Entries in block order; not a number where ``numbers.matrix`` must supply one."""
        self.supplied: dict[str, tuple[slice, tuple[int, ...]]] = {
            name: (slice(int(end) - block.size, int(end)), block.shape)
            for (name, block, _), end in zip(entries, ends, strict=True)
            if isinstance(name, str)
        }
        """Blocks of data: their place in ``coefficients`` and their shape."""
        del self._entries

    @property
    def classes(self) -> int:
        """C."""
        return len(self.class_first)

    @property
    def pairs(self) -> int:
        """P."""
        return len(self.owner)

    def _column(self, name: str, *shape: int) -> None:
        size = int(np.prod(shape))
        self.columns[name] = np.arange(self.num_columns, self.num_columns + size).reshape(shape)
        self.num_columns += size

    def _row(self, name: str, *shape: int) -> None:
        size = int(np.prod(shape))
        self.rows[name] = np.arange(self.num_rows, self.num_rows + size).reshape(shape)
        self.num_rows += size

    def _add_columns(self) -> None:
        shape = self.shape
        n, h = shape.nodes, shape.horizon
        for name in ("g", "u", "k", "bp", "bm", "B"):
            self._column(name, n, h)
        if shape.steps:
            self._column("v", n, shape.steps)
        self._column("home", n, len(self.entry_slot))
        self._column("unserved", n, self.classes)
        if shape.deadline_slots > 0:
            self._column("left", n, self.classes)
        if shape.restrictions.offloading:
            if shape.hub:
                self._column("O", n, h)
                self._column("G", n, h)
            else:
                self._column("w", self.pairs, h)
            if self.split:
                self._column("away", n, len(self.entry_slot))
        if shape.restrictions.transfers:
            if shape.hub:
                self._column("X", n, h)
                self._column("R", n, h)
            else:
                self._column("x", self.pairs, h)
            if shape.carries_cap:
                self._column("m", n, h)
        if shape.sleep:
            self._column("a", n, h)
            self._column("z", n, h)

    def _add_rows(self) -> None:
        shape = self.shape
        n, h = shape.nodes, shape.horizon
        self._row("D1_energy_use", n, h)
        self._row("D2_green_bus", n, h)
        self._row("D3_battery", n, h)
        if shape.steps:
            self._row("D9_stored_value", n, 1)
        self._row("D4_all_work_done", n, self.classes)
        if self.split:
            self._row("D4_split", n, h)
        if shape.restrictions.offloading:
            self._row("D5_offload_cap", n, self.classes)
        if shape.restrictions.transfers:
            self._row("D6_transfer_cap", n, h)
        self._row("D7_time", n, h)
        if shape.restrictions.offloading:
            self._row("D7_storage", n, h)
        if shape.sleep:
            self._row("D8_wake_up", n, h)
        if shape.hub and shape.restrictions.offloading:
            self._row("D4_hub", 1, h)
        if shape.hub and shape.restrictions.transfers:
            self._row("D2_hub", 1, h)

    def _entry(self, value: float | str, rows: Index, columns: Index) -> None:
        """A term of an equation: the coefficient where it is the same for every fleet, else the name under which
        ``numbers.matrix`` supplies it."""
        rows, columns = np.broadcast_arrays(rows, columns)
        self._entries.append((value, rows, columns))

    def _connect(self) -> None:
        """One entry block per term of an equation."""
        row, col, shape = self.rows, self.columns, self.shape
        every = np.arange(shape.nodes)
        i, j = (every, every) if shape.hub else (self.owner, self.executor)
        classes, slots = self.entry_class, self.entry_slot

        self._entry(1.0, row["D1_energy_use"], col["g"])
        self._entry(1.0, row["D1_energy_use"], col["u"])
        self._entry("D1.home", row["D1_energy_use"][:, slots], col["home"])
        self._entry(-1.0, row["D2_green_bus"], col["u"])
        self._entry(-1.0, row["D2_green_bus"], col["k"])
        self._entry(-1.0, row["D2_green_bus"], col["bp"])
        self._entry(1.0, row["D2_green_bus"], col["bm"])
        self._entry(1.0, row["D3_battery"], col["B"])
        self._entry("D3.B_before", row["D3_battery"][:, 1:], col["B"][:, :-1])
        self._entry("D3.bp", row["D3_battery"], col["bp"])
        self._entry("D3.bm", row["D3_battery"], col["bm"])
        if shape.steps:
            self._entry(1.0, row["D9_stored_value"], col["B"][:, -1:])
            self._entry(-1.0, row["D9_stored_value"], col["v"])
        self._entry(1.0, row["D4_all_work_done"][:, classes], col["home"])
        self._entry(1.0, row["D4_all_work_done"], col["unserved"])
        if "left" in col:
            self._entry(1.0, row["D4_all_work_done"], col["left"])
        self._entry(1.0, row["D7_time"][:, slots], col["home"])
        if shape.restrictions.offloading:
            given, taken = (col["O"], col["G"]) if shape.hub else (col["w"], col["w"])
            self._entry("D1.w_executor", row["D1_energy_use"][j], taken)
            self._entry("D1.w_owner", row["D1_energy_use"][i], given)
            self._entry(1.0, row["D7_time"][j], taken)
            self._entry(1.0, row["D7_storage"][j], taken)
            if self.split:
                self._entry(1.0, row["D4_all_work_done"][:, classes], col["away"])
                self._entry(1.0, row["D4_split"][i], given)
                self._entry(-1.0, row["D4_split"][:, slots], col["away"])
                self._entry(1.0, row["D5_offload_cap"][:, classes], col["away"])
            else:
                # one class a slot: class c runs in slot c, so the flows themselves stand for "away"
                self._entry(1.0, row["D4_all_work_done"][i], given)
                self._entry(1.0, row["D5_offload_cap"][i], given)
            if shape.hub:
                self._entry(1.0, row["D4_hub"], given)
                self._entry(-1.0, row["D4_hub"], taken)
        if shape.restrictions.transfers:
            given, taken = (col["X"], col["R"]) if shape.hub else (col["x"], col["x"])
            self._entry(-1.0, row["D2_green_bus"][i], given)
            self._entry("D2.x_recipient", row["D2_green_bus"][j], taken)
            self._entry(1.0, row["D6_transfer_cap"][i], given)
            if shape.hub:
                self._entry("D2.hub", row["D2_hub"], given)
                self._entry(-1.0, row["D2_hub"], taken)
            if shape.carries_cap:
                self._entry(1.0, row["D6_transfer_cap"], col["m"])
                self._entry(-1.0, row["D6_transfer_cap"][:, 1:], col["m"][:, :-1])
        if shape.sleep:
            self._entry("D1.a", row["D1_energy_use"], col["a"])
            self._entry("D1.z", row["D1_energy_use"], col["z"])
            self._entry("D7t.a", row["D7_time"], col["a"])
            self._entry("D7t.z", row["D7_time"], col["z"])
            self._entry(1.0, row["D8_wake_up"], col["z"])
            self._entry(-1.0, row["D8_wake_up"], col["a"])
            self._entry(1.0, row["D8_wake_up"][:, 1:], col["a"][:, :-1])

    def column_names(self, node_ids: Sequence[str]) -> list[str]:
        """Readable names, e.g. ``w.edge_00.edge_03.t5``; fit for .lp and .mps."""
        nodes, slots = _clean(node_ids), [f"t{t}" for t in range(self.shape.horizon)]
        entries = [
            f"{self.class_name(int(c))}.t{t}" for c, t in zip(self.entry_class, self.entry_slot, strict=True)
        ]
        second = {
            "home": entries,
            "away": entries,
            "unserved": self.class_names(),
            "left": self.class_names(),
            "v": [f"s{k}" for k in range(self.shape.steps)],
        }
        pairs = [f"{nodes[i]}.{nodes[j]}" for i, j in zip(self.owner, self.executor, strict=True)]
        first = {"w": pairs, "x": pairs}
        return [
            f"{name}.{a}.{b}"
            for name in self.columns
            for a in first.get(name, nodes)
            for b in second.get(name, slots)
        ]

    def row_names(self, node_ids: Sequence[str]) -> list[str]:
        """Readable names that begin with the equation's number, e.g. ``D2_green_bus.edge_00.t5``."""
        nodes, slots = _clean(node_ids), [f"t{t}" for t in range(self.shape.horizon)]
        classes = self.class_names()
        second = {"D4_all_work_done": classes, "D5_offload_cap": classes, "D9_stored_value": slots[-1:]}
        first = {"D4_hub": ["hub"], "D2_hub": ["hub"]}
        return [
            f"{name}.{a}.{b}"
            for name in self.rows
            for a in first.get(name, nodes)
            for b in second.get(name, slots)
        ]

    def class_name(self, c: int) -> str:
        """``r0d2``: released by slot 0 of the horizon, to be done by slot 2."""
        return f"r{self.class_first[c]}d{self.class_last[c]}"

    def class_names(self) -> list[str]:
        return [self.class_name(c) for c in range(self.classes)]


def _clean(node_ids: Sequence[str]) -> list[str]:
    """Node ids with everything but letters, digits and _ replaced; numbered when that makes two alike."""
    cleaned = [re.sub(r"[^A-Za-z0-9_]", "_", node_id) for node_id in node_ids]
    if len(set(cleaned)) == len(cleaned):
        return cleaned
    return [f"{name}_{index}" for index, name in enumerate(cleaned)]


@lru_cache(maxsize=32)
def layout_for(shape: Shape) -> Layout:
    """The layout of ``shape``, built at its first use."""
    return Layout(shape)
