"""The tables of a virtual fleet's ledger, slot after slot in bounded memory: the same rows as those of a ledger with an
entry for each node (coordinator.tables.export).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.storage import TERMS
from carbon_data.types import Provenance
from carbon_data.units import MICRO, PICO
from coordinator.accounting.tree import Window, efficiency
from coordinator.columns.registration import registered
from coordinator.ledger.columns import unpack
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import StoredEntry
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.delivered import COUNTS
from coordinator.tables.decisions import form_cells
from coordinator.tables.schema import (
    NODES,
    PROFILE,
    SLEEP,
    SLEPT_BY_MODEL,
)

Ints = NDArray[np.int64]
Values = Mapping[str, NDArray[Any] | list[Any]]
"""Columns of a table, all equally long; a column of it that is not here is null."""
Parts = Mapping[str, Values]
VOID = "the donor has nothing to give"
"""Why a transfer of a virtual fleet sends nothing: its nodes always report."""
TOTALS = ("demand_uj", "grid_uj", "green_uj", "harvest_uj", "export_uj", "import_uj", "curtailed_uj")
NO_BYTES = ("users_up_bytes", "users_down_bytes", "outside_up_bytes", "outside_down_bytes")


@dataclass
class FleetTables:
    """Makes the tables of one ledger from its entries, in order."""

    start: datetime
    trace_step_s: float
    config: Mapping[str, Any] = field(default_factory=dict)

    def parts(self, entries: Iterator[StoredEntry]) -> Iterator[Parts]:
        """Columns of slot after slot, and at the end of ``nodes``."""
        sums: _Sums | None = None
        for stored in entries:
            entry = stored.entry
            if entry.kind is Kind.START:
                self.config = entry.body["config"]
                self._series = {z["zone"]: z["intensity_g_per_kwh"] for z in self.config["zones"]}
                self._readings = {z["zone"]: z.get("readings", ()) for z in self.config["zones"]}
                self._ids = np.array(self.config["node_ids"], dtype=object)
            elif entry.kind is Kind.FLEET:
                self._profiles = registered(entry.body, unpack(entry.data))
                self._zones = np.array([profile["zone"] for profile in self._profiles], dtype=object)
                sums = _Sums(len(self._profiles))
            elif entry.kind is Kind.SLOT:
                assert sums is not None  # the fleet comes first
                assert entry.slot is not None
                columns = unpack(entry.data)
                sums.add(columns, entry.body["stage"])
                yield self._slot(entry.slot, entry.body, columns)
        if sums is not None:
            yield {"nodes": self._nodes(sums)}

    def _slot(self, slot: int, body: Mapping[str, Any], c: Mapping[str, Ints]) -> Parts:
        return {
            "slots": self._slots(slot, body, c),
            "lines": self._lines(slot, body, c),
            "batch_flows": self._batch_flows(slot, c),
            "energy_flows": self._energy_flows(slot, c),
            "decisions": self._decisions(slot, body),
        }

    def _live(self, slot: int) -> dict[str, Any]:
        """Age and flags of intensities that were recorded live."""
        if not all(self._readings[zone] for zone in set(self._zones)):
            return {}
        return {
            f"intensity_{name}": [self._readings[zone][slot][name] for zone in self._zones]
            for name in ("age_s", "stale", "kept")
        }

    def _slots(self, slot: int, body: Mapping[str, Any], c: Mapping[str, Ints]) -> Values:
        nodes = len(self._ids)
        away, guests = (_by_node(c[rows], c["moved_batches"], nodes) for rows in ("owner", "executor"))
        yes, no, zero = (np.full(nodes, value) for value in (True, False, 0))
        values: dict[str, Any] = {
            "slot": np.full(nodes, slot),
            "time": [self.start + timedelta(seconds=slot * self.trace_step_s)] * nodes,
            "stage": [body["stage"]] * nodes,
            "node_id": self._ids,
            "zone": self._zones,
            "intensity_g_per_kwh": [self._series[zone][slot] for zone in self._zones],
            "alive": yes,
            "awake": c["awake"],
            "metered": yes,
            "estimated": no,
            "late": no,
            "selected": c.get("selected", yes),
            **{f"{term.removesuffix('_uj')}_j": c[term] / MICRO for term in TERMS},
            **self._live(slot),
            "released_batches": c["released_batches"],
            "executed_batches": c["executed_batches"],
            "guest_batches": guests,
            "offloaded_batches": away,
            "unserved_batches": c["missed_batches"],
            "wasted_batches": zero,
            **dict.fromkeys((*COUNTS, *NO_BYTES), zero),
            "model_bytes": c.get("model_bytes", zero),
            "operational_g": c["line_pg"].sum(axis=1) / PICO,
            "meter_kind": np.full(nodes, str(Provenance.MODELLED), dtype=object),
            **self._operating_points(c),
        }
        return values

    def _operating_points(self, c: Mapping[str, Ints]) -> dict[str, Any]:
        """Where boards' clocks are chosen: at which point each node ran; null for a board without points."""
        if "point" not in c:
            return {}
        points = [profile["points"] for profile in self._profiles]
        return {
            "operating_point": [
                int(point) if own else None for point, own in zip(c["point"], points, strict=True)
            ],
            "frequency_mhz": [
                own[point]["frequency_khz"] / 1e3 if own else None
                for point, own in zip(c["point"], points, strict=True)
            ],
        }

    def _lines(self, slot: int, body: Mapping[str, Any], c: Mapping[str, Ints]) -> Values:
        """Nodes in their order, then the other holders; of each, lines by name."""
        names = sorted(range(len(body["line_names"])), key=lambda k: tuple(body["line_names"][k]))
        energy, grid, grams = (c[name][:, names] for name in ("line_energy_uj", "line_grid_uj", "line_pg"))
        node, line = np.nonzero(energy)
        stages, components = (
            np.array([body["line_names"][k][part] for k in names], dtype=object)[line] for part in (0, 1)
        )
        keys = ("node_id", "zone", "stage", "component", "provenance")
        shared = sorted(body["lines"], key=lambda row: tuple(row[key] for key in keys))
        own = {
            "node_id": self._ids[node],
            "zone": self._zones[node],
            "stage": stages,
            "component": components,
            "energy_j": energy[node, line] / MICRO,
            "grid_j": grid[node, line] / MICRO,
            "operational_g": grams[node, line] / PICO,
            "provenance": np.full(len(node), str(Provenance.MODELLED), dtype=object),
        }
        of = {
            "energy_j": ("energy_uj", MICRO),
            "grid_j": ("grid_uj", MICRO),
            "operational_g": ("operational_pg", PICO),
        }
        values: dict[str, Any] = {"slot": np.full(len(node) + len(shared), slot)}
        for name, column in own.items():
            key, unit = of.get(name, (name, None))
            rest = [row[key] if unit is None else row[key] / unit for row in shared]
            values[name] = np.concatenate([column, np.array(rest, dtype=column.dtype)])
        return values

    def _batch_flows(self, slot: int, c: Mapping[str, Ints]) -> Values:
        return {
            "slot": np.full(len(c["owner"]), slot),
            "owner": self._ids[c["owner"]],
            "executor": self._ids[c["executor"]],
            "batches": c["moved_batches"],
            "payload_bytes": c["payload_bytes"],
        }

    def _energy_flows(self, slot: int, c: Mapping[str, Ints]) -> Values:
        posted = c["sent_uj"] > 0
        return {
            "slot": np.full(len(c["donor"]), slot),
            "donor": self._ids[c["donor"]],
            "recipient": self._ids[c["recipient"]],
            "decided_j": c["decided_uj"] / MICRO,
            "sent_j": c["sent_uj"] / MICRO,
            "received_j": c["received_uj"] / MICRO,
            "status": np.where(posted, "posted", "void").astype(object),
            "reason": np.where(posted, "", VOID).astype(object),
        }

    def _decisions(self, slot: int, body: Mapping[str, Any]) -> Values:
        row = {
            "slot": slot,
            "epoch": body["epoch"],
            "status": body["status"],
            "gap_fraction": body["gap_fraction"],
            "objective_g": body["objective_g"],
            "nodes": len(self._ids),
            "lost_nodes": 0,
            "unserved_batches": body["unserved_batches"],
            "pairwise_reason": form_cells(body.get("notes") or {}).get("pairwise_reason"),
        }
        return {name: [value] for name, value in row.items()}

    def _nodes(self, sums: _Sums) -> Values:
        rows = []
        for place, (node, profile) in enumerate(zip(self._ids, self._profiles, strict=True)):
            row: dict[str, Any] = dict.fromkeys(NODES.names)
            row |= {"node_id": node, **{name: profile[name] for name in PROFILE.names}}
            row[SLEEP] = profile.get(SLEEP, SLEPT_BY_MODEL)
            row["battery_capacity_j"] = profile["battery_capacity_uj"] / MICRO
            row |= {f"{name.removesuffix('_uj')}_j": sums.uj[name][place] / MICRO for name in TOTALS}
            row |= {
                "operational_g": sums.pg[place] / PICO,
                "executed_batches": sums.executed[place],
                "wasted_batches": 0,
                "participations": sums.participations[place],
                **dict.fromkeys(COUNTS, 0),
                "slots": sums.slots,
                "unmetered_slots": 0,
                "interval_slots": 0,
                "adjustment_j": 0.0,
                "carried_j": 0.0,
            }
            window = Window(0, 0, 0, row["demand_j"])
            row |= efficiency(window, float(self.config["tree_alpha_bits_per_token"])).of("node")
            rows.append(row)
        return {name: [row[name] for row in rows] for name in NODES.names}


class _Sums:
    """Totals of every node, in Python's integers: a run may be long."""

    def __init__(self, nodes: int) -> None:
        self.uj: dict[str, list[int]] = {name: [0] * nodes for name in TOTALS}
        self.pg, self.executed, self.participations = ([0] * nodes for _ in range(3))
        self.slots = 0

    def add(self, c: Mapping[str, Ints], stage: str) -> None:
        self.slots += 1
        for name in TOTALS:
            self.uj[name] = _plus(self.uj[name], c[name])
        self.pg = _plus(self.pg, c["line_pg"].sum(axis=1))
        self.executed = _plus(self.executed, c["executed_batches"])
        if stage in TRAINING_STAGES:
            self.participations = _plus(self.participations, (c["executed_batches"] > 0).astype(np.int64))


def _plus(totals: Sequence[int], amounts: Ints) -> list[int]:
    return [total + amount for total, amount in zip(totals, amounts.tolist(), strict=True)]


def _by_node(rows: Ints, amounts: Ints, nodes: int) -> Ints:
    found = np.zeros(nodes, dtype=np.int64)
    np.add.at(found, rows, amounts)
    return found
