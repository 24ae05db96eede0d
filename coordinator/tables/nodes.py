"""Table ``nodes``: what every node registered, and its totals over the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.accounting.tree import Window, efficiency
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.delivered import COUNTS
from coordinator.tables.metered import node_columns
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.schema import NODES, PROFILE, SLEEP, SLEPT_BY_MODEL


def node_rows(run: RecordedRun) -> Iterable[Row]:
    alpha = float(run.config.get("tree_alpha_bits_per_token", 0.0))
    booked_slots = run.booked_slots()
    for node in run.node_ids:
        slots = booked_slots.get(node, [])
        row: Row = dict.fromkeys(NODES.names)
        row["node_id"] = node
        registration = run.registrations.get(node)
        if registration is not None:
            profile = registration["profile"]
            row.update({name: profile[name] for name in PROFILE.names})
            row[SLEEP] = profile.get(SLEEP, SLEPT_BY_MODEL)
            row["battery_capacity_j"] = from_micro(profile["battery_capacity_uj"])
        bookings = [run.bookings[slot, node] for slot in slots]
        row.update(_totals(node, bookings))
        delivered = [run.delivered(slot, node) for slot in slots]
        row.update({name: sum(counts[name] for counts in delivered) for name in COUNTS})
        row["slots"] = len(bookings)
        row.update(node_columns(run, node, slots))
        row["unmetered_slots"] = len(run.ends) - sum((slot, node) in run.bookings for slot in run.ends)
        row["adjustment_j"] = from_micro(run.adjusted_uj.get(node, 0))
        if node in run.config.get("measured_batteries", ()):
            row["battery_drift_j"] = from_micro(run.drifted_uj.get(node, 0))
        # Every bit has its joules: those of the node's users' devices and of the network to them are in it.
        carried_uj = sum(line["energy_uj"] for body in bookings for line in body["lines"] if "users" in line)
        row["carried_j"] = from_micro(carried_uj)
        joules = row["demand_j"] + row["carried_j"]
        window = Window(row["bits"], row["tokens_in"], row["tokens_out"], joules)
        row.update(efficiency(window, alpha).of("node"))
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
