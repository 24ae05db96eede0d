"""A ledger as Parquet tables: slots, lines, batch flows, energy flows, nodes, decisions.

Only what is durable in the ledger is used, so that an unfinished run exports as far as it came and the same
ledger gives the same tables. pandas is imported here and nowhere else in the coordinator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from carbon_data.storage import Balance
from carbon_data.types import require_utc
from carbon_data.units import from_micro, from_pico
from coordinator.accounting.spread import spread
from coordinator.accounting.tree import Window, efficiency
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import StoredEntry, read_entries
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.deferral import count_missed
from coordinator.slots.delivered import COUNTS, delivered_by_service
from protos.messages import Component, Stage

TERMS = tuple(name.removesuffix("_uj") for name in Balance.__slots__)
"""Of the energy balance."""
SLOT_COLUMNS = (
    *[
        "slot",
        "time",
        "stage",
        "node_id",
        "zone",
        "intensity_g_per_kwh",
        "alive",
        "awake",
        "metered",
        "estimated",
        "late",
        "selected",
    ],
    *(f"{name}_j" for name in TERMS),
    *["released_batches", "executed_batches", "guest_batches", "offloaded_batches", "unserved_batches"],
    *["wasted_batches", *COUNTS, "model_bytes", "operational_g"],
    *["users_up_bytes", "users_down_bytes", "outside_up_bytes", "outside_down_bytes"],
)
"""Bytes exchanged with users' devices: those of requests and data that were planned, and those of outside clients."""
LINE_COLUMNS = (
    "slot",
    "node_id",
    "zone",
    "stage",
    "component",
    "energy_j",
    "grid_j",
    "operational_g",
    "provenance",
)
BATCH_FLOW_COLUMNS = ("slot", "owner", "executor", "batches", "payload_bytes")
ENERGY_FLOW_COLUMNS = ("slot", "donor", "recipient", "decided_j", "sent_j", "received_j", "status", "reason")
DECISION_COLUMNS = (
    "slot",
    "epoch",
    "status",
    "gap_fraction",
    "objective_g",
    "nodes",
    "lost_nodes",
    "unserved_batches",
    # of slots that were negotiated; null elsewhere
    *["market_rounds", "market_messages", "market_bytes", "market_silent_nodes"],
)
PROFILE_COLUMNS = (
    "zone",
    "static_w",
    "sleep_w",
    "wake_j",
    "wake_s",
    "tx_j_per_byte",
    "rx_j_per_byte",
    "storage_bytes",
    "charge_efficiency_fraction",
    "discharge_efficiency_fraction",
    "self_discharge_fraction",
    "charge_limit_w",
    "discharge_limit_w",
    "export_loss_fraction",
    "import_loss_fraction",
    "meter",
    "provenance",
    "num_examples",
    "data_digest",
)
RATIOS = ("tree", "tree_generated", "ee")
SERVING_RATIOS = tuple(f"{name}_serving_bit_per_j" for name in RATIOS)
NODE_RATIOS = tuple(f"{name}_node_bit_per_j" for name in RATIOS)
SERVING_COLUMNS = (
    *["slot", "node_id", "stage", "service", "requests", "tokens_in", "tokens_out", "bits"],
    *["latency_p50_s", "latency_p95_s", "latency_p99_s", "deadline_misses", "unserved_requests"],
    *["outside_requests", "outside_latency_p50_s", "outside_latency_p95_s", "outside_latency_p99_s"],
    *["tokens_in_per_s", "tokens_out_per_s", "energy_j", "operational_g"],
    *["joules_per_request", "joules_per_token", "grams_per_1000_tokens", *SERVING_RATIOS],
    "carried_j",
    *["prefill_s", "decode_s", "prefill_j", "decode_j"],
    *["latency_bins", "latency_counts"],
)
"""A row for every node, slot and service. Requests include those of outside clients; latencies of the two are apart,
for theirs are wall time. Tokens are those of tasks that generate; figures per token are over input and generated ones,
and null where there are none. TREE and EE divide by the joules of the row: the
node's application lines and ``carried_j``, what requests and answers took in users' devices and in the network."""
NODE_COLUMNS = (
    "node_id",
    *PROFILE_COLUMNS,
    *[
        "battery_capacity_j",
        "slots",
        "unmetered_slots",
        "adjustment_j",
        "demand_j",
        "grid_j",
        "green_j",
        "harvest_j",
        "export_j",
    ],
    *[
        "import_j",
        "curtailed_j",
        "operational_g",
        *COUNTS,
        "executed_batches",
        "wasted_batches",
    ],
    *["participations", "carried_j", *NODE_RATIOS],
)
"""TREE and EE of a node divide what it delivered by all joules it used in the run."""

Row = dict[str, Any]


def export_tables(
    ledger_path: Path, folder: Path, *, start: datetime, trace_step_s: float
) -> dict[str, Path]:
    """Write ``slots, lines, batch_flows, energy_flows, nodes, decisions, serving`` as Parquet into ``folder``.

    ``start``: time of the traces in slot 0 (aware); ``trace_step_s``: how far they advance per slot, in
    seconds. Returns the path of each table. A slot's row without a reading has nulls, never zeros. Raises
    LedgerError.
    """
    tables = ledger_tables(ledger_path, start=start, trace_step_s=trace_step_s)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, table in tables.items():
        paths[name] = folder / f"{name}.parquet"
        table.to_parquet(paths[name], index=False)
    return paths


def ledger_tables(ledger_path: Path, *, start: datetime, trace_step_s: float) -> dict[str, pd.DataFrame]:
    """The tables by name, without writing them."""
    run = _Run(read_entries(ledger_path))
    start = require_utc(start)
    times = {slot: start + timedelta(seconds=slot * trace_step_s) for slot in run.decisions}
    return {
        "slots": _typed(pd.DataFrame(list(_slot_rows(run, times)), columns=list(SLOT_COLUMNS))),
        "lines": pd.DataFrame(list(_line_rows(run)), columns=list(LINE_COLUMNS)),
        "batch_flows": pd.DataFrame(list(_batch_rows(run)), columns=list(BATCH_FLOW_COLUMNS)),
        "energy_flows": pd.DataFrame(list(_energy_rows(run)), columns=list(ENERGY_FLOW_COLUMNS)),
        "nodes": _typed(pd.DataFrame(list(_node_rows(run)), columns=list(NODE_COLUMNS))),
        "decisions": _typed(pd.DataFrame(list(_decision_rows(run)), columns=list(DECISION_COLUMNS))),
        "serving": _typed(pd.DataFrame(list(_serving_rows(run)), columns=list(SERVING_COLUMNS))),
    }


class _Run:
    """The entries of a ledger, sorted by what they are."""

    def __init__(self, entries: Iterable[StoredEntry]) -> None:
        self.config: Mapping[str, Any] = {}
        self.registrations: dict[str, Mapping[str, Any]] = {}
        self.telemetry: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.decisions: dict[int, Mapping[str, Any]] = {}
        self.usage: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.trades: dict[int, Mapping[str, Any]] = {}
        self.bookings: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.ends: dict[int, Mapping[str, Any]] = {}
        self.adjusted_uj: dict[str, int] = defaultdict(int)
        for stored in entries:
            entry = stored.entry
            slot, node, body = entry.slot if entry.slot is not None else -1, entry.node_id, entry.body
            if entry.kind is Kind.START and "config" in body:
                self.config = body["config"]
            elif entry.kind is Kind.REGISTRATION:
                self.registrations[node] = body
            elif entry.kind is Kind.TELEMETRY:
                self.telemetry[slot, node] = body  # the last one before the decision is the one decided upon
            elif entry.kind is Kind.DECISION:
                self.decisions[slot] = body
            elif entry.kind is Kind.USAGE:
                self.usage[slot, node] = body
                if body.get("own_work") is not None:  # a market's slot: the backlog was disclosed afterwards
                    self.telemetry[slot, node] = body["own_work"]
            elif entry.kind is Kind.TRADE:
                self.trades[slot] = body
            elif entry.kind is Kind.BOOKING:
                self.bookings[slot, node] = body
            elif entry.kind is Kind.SLOT_END:
                self.ends[slot] = body
            elif entry.kind is Kind.ADJUSTMENT:
                self.adjusted_uj[node] += body["reported_uj"] - body["booked_uj"]
        self.intensity = {zone["zone"]: zone["intensity_g_per_kwh"] for zone in self.config.get("zones", ())}
        self.node_ids: list[str] = list(self.config.get("node_ids", self.registrations))

    def zone_of(self, node: str) -> str | None:
        registration = self.registrations.get(node)
        return None if registration is None else registration["profile"]["zone"]

    def decision_of(self, slot: int, node: str) -> Mapping[str, Any] | None:
        decisions = self.decisions[slot]["plan"]["decisions"]
        return next((decision for decision in decisions if decision["node_id"] == node), None)

    def own_batches(self, slot: int, decision: Mapping[str, Any]) -> int:
        """Batches to run at home: decided, or, of a self-managed node, as it chose."""
        told = self.usage.get((slot, decision["node_id"]), {}).get("own_work")
        return int(decision["own_batches"] if told is None else told["own_batches"])

    def services(self, slot: int, node: str) -> list[Mapping[str, Any]]:
        """What a node delivered in a slot, by service."""
        return delivered_by_service(self.bookings[slot, node], self.usage.get((slot, node), {}))

    def delivered(self, slot: int, node: str) -> dict[str, int]:
        """Likewise, of all services."""
        services = self.services(slot, node)
        return {name: sum(service[name] for service in services) for name in COUNTS}

    def counted_batches(self, slot: int) -> tuple[dict[str, int], dict[str, int]]:
        """(all, away) batches of each owner that count in a slot: first come, first counted."""
        counted: dict[str, int] = defaultdict(int)
        away: dict[str, int] = defaultdict(int)
        for (at, node), usage in self.usage.items():
            if at != slot or self.bookings.get((slot, node), {}).get("late"):
                continue
            for executed in usage["executed"]:
                owner = executed["owner"]
                decision = self.decision_of(slot, owner)
                if decision is None:
                    continue
                total = self.own_batches(slot, decision) + sum(s["batches"] for s in decision["sends"])
                counts = max(0, min(executed["batches"], total - counted[owner]))
                counted[owner] += counts
                away[owner] += counts if owner != node else 0
        return counted, away


def _slot_rows(run: _Run, times: Mapping[int, datetime]) -> Iterable[Row]:
    counted: dict[str, int] = {}
    for slot, decided in sorted(run.decisions.items()):
        before = counted
        counted, away = run.counted_batches(slot)
        for node in run.node_ids:
            zone = run.zone_of(node)
            decision = run.decision_of(slot, node)
            booking = run.bookings.get((slot, node))
            row: Row = dict.fromkeys(SLOT_COLUMNS)
            selected = decided["selected"] is None or node in decided["selected"]
            row.update(
                slot=slot,
                time=times[slot],
                stage=decided["stage"],
                node_id=node,
                zone=zone,
                intensity_g_per_kwh=None if zone is None else run.intensity[zone][slot],
                alive=decision is not None,
                awake=None if decision is None else decision["awake"],
                metered=booking is not None,
                selected=None if decision is None else selected,
            )
            if decision is not None and (slot, node) in run.telemetry:
                row.update(_batch_columns(run, slot, node, selected, counted, away))
                row["released_batches"] = _released(run, slot, node, before.get(node, 0))
            if booking is not None:
                row.update(_booking_columns(node, booking, run.delivered(slot, node)))
                row.update(_user_bytes(run.usage[slot, node]))
            yield row


def _batch_columns(
    run: _Run, slot: int, node: str, selected: bool, counted: Mapping[str, int], away: Mapping[str, int]
) -> Row:
    told = run.telemetry[slot, node]
    asked = selected or run.decisions[slot]["stage"] not in TRAINING_STAGES
    usage = run.usage.get((slot, node), {"moved": ()})
    missed = count_missed(
        due=told["backlog_batches"][0],
        counted=counted.get(node, 0),
        away=away.get(node, 0),
        sent=sum(moved["batches"] for moved in usage["moved"] if moved["sent"]),
    )
    return {
        "offloaded_batches": away.get(node, 0),
        "unserved_batches": missed if asked else 0,
    }


def _released(run: _Run, slot: int, node: str, done_before: int) -> int:
    """New batches in a node's backlog: what is there less what the slot before left over."""
    backlog = run.telemetry[slot, node]["backlog_batches"]
    earlier = run.telemetry.get((slot - 1, node))
    if earlier is None:
        return int(backlog[-1]) if slot else sum(backlog)
    waiting = earlier["backlog_batches"]
    left = sum(waiting) - done_before - max(0, waiting[0] - done_before)
    return int(sum(backlog) - max(0, left))


def _booking_columns(node: str, booking: Mapping[str, Any], delivered: Mapping[str, int]) -> Row:
    own = [line for line in booking["lines"] if line["node_id"] == node]
    guests = sum(count for owner, count in booking["executed"] if owner != node)
    return {
        "estimated": booking["estimated"],
        "late": booking["late"],
        **{f"{name}_j": from_micro(booking["balance"][f"{name}_uj"]) for name in TERMS},
        "executed_batches": booking["executed_batches"],
        "guest_batches": guests,
        "wasted_batches": booking["wasted_batches"],
        **delivered,
        "model_bytes": booking["model_bytes"],
        "operational_g": from_pico(sum(line["operational_pg"] for line in own)),
    }


def _user_bytes(usage: Mapping[str, Any]) -> Row:
    """Null in ledgers of versions that did not count them."""
    if "users" not in usage:
        return {}
    return {
        f"{whose}_{way}_bytes": sum(t[f"{way}_bytes"] for t in usage["users"] if t["outside"] is outside)
        for whose, outside in (("users", False), ("outside", True))
        for way in ("up", "down")
    }


def _line_rows(run: _Run) -> Iterable[Row]:
    """Lines of one slot, holder, zone, stage, component and provenance added up."""
    order = {node: index for index, node in enumerate(run.node_ids)}
    for slot in sorted(run.decisions):
        sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        bodies = [body for (at, _), body in run.bookings.items() if at == slot]
        bodies += [run.ends[slot]] if slot in run.ends else []
        for body in bodies:
            for line in body["lines"]:
                key = tuple(line[name] for name in ("node_id", "zone", "stage", "component", "provenance"))
                for index, name in enumerate(("energy_uj", "grid_uj", "operational_pg")):
                    sums[key][index] += line[name]
        for key in sorted(sums, key=lambda key: (order.get(key[0], len(order)), key)):
            node, zone, stage, component, provenance = key
            energy_uj, grid_uj, emissions_pg = sums[key]
            yield dict(
                zip(
                    LINE_COLUMNS,
                    (
                        *(slot, node, zone, stage, component),
                        *(from_micro(energy_uj), from_micro(grid_uj), from_pico(emissions_pg), provenance),
                    ),
                    strict=True,
                )
            )


def _batch_rows(run: _Run) -> Iterable[Row]:
    """Batches that really moved, as the slot's end knew them; sent ones of a slot still open are left out."""
    for slot, end in sorted(run.ends.items()):
        for parcel in end["parcels"]:
            yield {"slot": slot, **{name: parcel[name] for name in BATCH_FLOW_COLUMNS[1:]}}


def _energy_rows(run: _Run) -> Iterable[Row]:
    for slot, trade in sorted(run.trades.items()):
        for t in trade["transfers"]:
            yield {
                "slot": slot,
                "donor": t["donor"],
                "recipient": t["recipient"],
                "decided_j": from_micro(t["decided_uj"]),
                "sent_j": from_micro(t["sent_uj"]),
                "received_j": from_micro(t["received_uj"]),
                "status": "posted" if t["sent_uj"] else "void",
                "reason": t["reason"],
            }


def _decision_rows(run: _Run) -> Iterable[Row]:
    for slot, decision in sorted(run.decisions.items()):
        market = decision.get("market")
        yield {
            **({} if market is None else _market_cells(market)),
            "slot": slot,
            "epoch": decision["plan"]["epoch"],
            "status": decision["plan"]["status"],
            "gap_fraction": decision["plan"]["gap_fraction"],
            "objective_g": decision["objective_g"],
            "nodes": len(decision["node_ids"]),
            "lost_nodes": len(decision["plan"]["lost_nodes"]),
            "unserved_batches": sum(decision["unserved"].values()),
        }


def _market_cells(market: Mapping[str, Any]) -> Row:
    """What a slot's negotiation cost in messages; each counts once (coordinator.slots.negotiating.Said)."""
    return {
        "market_rounds": market.get("rounds"),
        "market_messages": market["messages"],
        "market_bytes": sum(market["down_bytes"].values()) + sum(market["up_bytes"].values()),
        "market_silent_nodes": len(market["silent"]),
    }


def _serving_rows(run: _Run) -> Iterable[Row]:
    """A row for every node, slot and service in which the application stage used energy, answered, or failed to
    answer; one without a service where none can be named.

    Energy and grams are those of the node's own lines of that stage, whatever the slot was meant for, and of users'
    devices and the network for the bits that are counted: every bit has its joules.
    """
    alpha = float(run.config.get("tree_alpha_bits_per_token", 0.0))
    slot_s = float(run.config.get("slot_s", 0.0))
    for (slot, node), booking in sorted(run.bookings.items()):
        usage = run.usage.get((slot, node), {})
        own = [
            line
            for line in booking["lines"]
            if (line["node_id"] == node or "users" in line) and line["stage"] == Stage.APPLICATION
        ]
        late = booking["late"]
        planned = {part["service"]: part for part in (() if late else usage.get("serving", ()))}
        outside = None if late else usage.get("outside")
        delivered = {part["service"]: part for part in run.services(slot, node)}
        names = [
            *planned,
            *([] if outside is None or outside["service"] in planned else [outside["service"]]),
        ]
        unserved = usage.get("unserved_requests", 0)
        if not own and not names and not unserved:
            continue
        parts = [
            [p for p in (planned.get(name), outside) if p is not None and p["service"] == name]
            for name in names
        ]
        # Whose unserved requests they are is told of the node as a whole: where it has one service, they are its.
        rows: list[Row] = [
            _serving_row(planned.get(name), outside, delivered.get(name, NOTHING), of_service)
            for name, of_service in zip(names, parts, strict=True)
        ]
        if not rows or (unserved and len(rows) > 1):
            rows.append(_serving_row(None, None, NOTHING, []))
            parts.append([])
        rows[-1]["unserved_requests"] = unserved
        shares = _shares(own, parts, rows)
        for row, of_service, lines in zip(rows, parts, shares, strict=True):
            row.update(slot=slot, node_id=node, stage=booking["stage"])
            row["energy_j"] = from_micro(sum(line["energy_uj"] for line in lines))
            row["carried_j"] = from_micro(sum(line["energy_uj"] for line in lines if "users" in line))
            row["operational_g"] = from_pico(sum(line["operational_pg"] for line in lines))
            row.update(_token_columns(row, alpha, slot_s))
            row.update(_phase_columns(of_service, lines))
            yield row


NOTHING: Mapping[str, Any] = {"service": None, **dict.fromkeys(COUNTS, 0)}


def _serving_row(
    planned: Mapping[str, Any] | None,
    outside: Mapping[str, Any] | None,
    delivered: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
) -> Row:
    """Counts and latencies of one service. Delivered is what was booked: answers of batches that counted elsewhere are
    not delivered a second time."""
    row: Row = dict.fromkeys(SERVING_COLUMNS)
    asked = outside if outside is not None and outside in parts else None
    row.update(
        {name: delivered[name] for name in COUNTS},
        service=parts[0]["service"] if parts else None,
        deadline_misses=sum(part["deadline_misses"] for part in parts),
        unserved_requests=0,
        outside_requests=0 if asked is None else asked["requests"],
        latency_bins=[] if planned is None else list(planned["latency_bins"]),
        latency_counts=[] if planned is None else list(planned["latency_counts"]),
    )
    for name in ("latency_p50_s", "latency_p95_s", "latency_p99_s"):
        row[name] = None if planned is None else planned[name]
        row[f"outside_{name}"] = None if asked is None else asked[name]
    return row


def _shares(
    own: Sequence[Mapping[str, Any]], parts: Sequence[Sequence[Mapping[str, Any]]], rows: Sequence[Row]
) -> list[list[Mapping[str, Any]]]:
    """A node's application lines by service, in whole units: radio, network and devices by the bits that each
    delivered, everything else by the board's time for it. The parts of a line sum to the line."""
    if len(rows) == 1:
        return [list(own)]
    busy = [
        round(1e9 * sum(p.get("prefill_s", 0.0) + p.get("decode_s", 0.0) for p in part)) for part in parts
    ]
    bits = [row["bits"] for row in rows]
    found: list[list[Mapping[str, Any]]] = [[] for _ in rows]
    for line in own:
        of_bits = line["component"] in (Component.RADIO_TX, Component.RADIO_RX, Component.NETWORK)
        weights = bits if of_bits else busy
        weights = weights if any(weights) else [1, *[0] * (len(rows) - 1)]
        energies = spread(line["energy_uj"], weights)
        emissions = spread(line["operational_pg"], weights)
        for k, (energy_uj, emissions_pg) in enumerate(zip(energies, emissions, strict=True)):
            found[k].append({**line, "energy_uj": energy_uj, "operational_pg": emissions_pg})
    return found


def _phase_columns(parts: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> Row:
    """Board time and energy of prefill and decode; nulls where the nodes did not say (older ledgers).

    Computation and the static power meanwhile, (L2), are divided by time: both phases draw the same power in the
    two-state model. Radio and waste belong to neither.
    """
    if not parts or any("prefill_s" not in part for part in parts):
        return {}
    prefill_s, decode_s = (sum(part[name] for part in parts) for name in ("prefill_s", "decode_s"))
    if not (busy_s := prefill_s + decode_s):
        return {"prefill_s": 0.0, "decode_s": 0.0}
    computing = (Component.COMPUTE, Component.STATIC)
    joules = from_micro(
        sum(line["energy_uj"] for line in own if line["component"] in computing and "users" not in line)
    )
    return {
        "prefill_s": prefill_s,
        "decode_s": decode_s,
        "prefill_j": joules * prefill_s / busy_s,
        "decode_j": joules * decode_s / busy_s,
    }


def _token_columns(row: Row, alpha_bits_per_token: float, slot_s: float) -> Row:
    """Figures per request, token and second; null where there is nothing to divide by."""
    window = Window(row["bits"], row["tokens_in"], row["tokens_out"], row["energy_j"])
    found, tokens = efficiency(window, alpha_bits_per_token), window.tokens
    return {
        "tokens_in_per_s": row["tokens_in"] / slot_s if slot_s else None,
        "tokens_out_per_s": row["tokens_out"] / slot_s if slot_s else None,
        "joules_per_request": row["energy_j"] / row["requests"] if row["requests"] else None,
        "joules_per_token": row["energy_j"] / tokens if tokens else None,
        "grams_per_1000_tokens": 1000.0 * row["operational_g"] / tokens if tokens else None,
        **{f"{name}_serving_bit_per_j": getattr(found, f"{name}_bit_per_j") for name in RATIOS},
    }


def _node_rows(run: _Run) -> Iterable[Row]:
    alpha = float(run.config.get("tree_alpha_bits_per_token", 0.0))
    for node in run.node_ids:
        row: Row = dict.fromkeys(NODE_COLUMNS)
        row["node_id"] = node
        registration = run.registrations.get(node)
        if registration is not None:
            profile = registration["profile"]
            row.update({name: profile[name] for name in PROFILE_COLUMNS})
            row["battery_capacity_j"] = from_micro(profile["battery_capacity_uj"])
        bookings = [body for (_, who), body in run.bookings.items() if who == node]
        row.update(_totals(node, bookings))
        delivered = [run.delivered(slot, who) for slot, who in run.bookings if who == node]
        row.update({name: sum(counts[name] for counts in delivered) for name in COUNTS})
        row["slots"] = len(bookings)
        row["unmetered_slots"] = len(run.ends) - sum((slot, node) in run.bookings for slot in run.ends)
        row["adjustment_j"] = from_micro(run.adjusted_uj.get(node, 0))
        # Every bit has its joules: those of the node's users' devices and of the network to them are in it.
        carried_uj = sum(line["energy_uj"] for body in bookings for line in body["lines"] if "users" in line)
        row["carried_j"] = from_micro(carried_uj)
        joules = row["demand_j"] + row["carried_j"]
        window = Window(row["bits"], row["tokens_in"], row["tokens_out"], joules)
        found = efficiency(window, alpha)
        row.update({f"{name}_node_bit_per_j": getattr(found, f"{name}_bit_per_j") for name in RATIOS})
        yield row


def _totals(node: str, bookings: list[Mapping[str, Any]]) -> Row:
    energies = ("demand", "grid", "green", "harvest", "export", "import", "curtailed")
    emissions_pg = sum(
        line["operational_pg"] for body in bookings for line in body["lines"] if line["node_id"] == node
    )
    counts = ("executed_batches", "wasted_batches")
    training = [body for body in bookings if body["stage"] in TRAINING_STAGES and body["executed_batches"]]
    return {
        **{f"{n}_j": from_micro(sum(body["balance"][f"{n}_uj"] for body in bookings)) for n in energies},
        **{name: sum(body[name] for body in bookings) for name in counts},
        "operational_g": from_pico(emissions_pg),
        "participations": len(training),
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Columns that may have gaps in types that have nulls, so that a gap is never a NaN or a zero."""
    for name in table.columns:
        if name.endswith(
            ("_j", "_g", "_g_per_kwh", "_fraction", "_w", "_s", "_per_request", "_per_token", "_1000_tokens")
        ):
            table[name] = table[name].astype("Float64")
        elif name.endswith(("_batches", "_bytes", "_requests", "_misses")) or name in (
            *COUNTS,
            "num_examples",
            *("market_rounds", "market_messages", "market_silent_nodes"),
        ):
            table[name] = table[name].astype("Int64")
        elif name == "service":
            table[name] = table[name].astype("string")
        elif name in ("awake", "estimated", "late", "selected"):
            table[name] = table[name].astype("boolean")
    return table
