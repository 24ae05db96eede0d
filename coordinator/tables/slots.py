"""Table ``slots``: what every node did in every slot. A row without a reading has nulls, never zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from carbon_data.storage import TERMS
from carbon_data.units import from_micro, from_pico
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.deferral import count_missed
from coordinator.tables.metered import harvest_columns, reading_columns
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.schema import SLOTS

NS_PER_S = 1_000_000_000


def slot_rows(run: RecordedRun, times: Mapping[int, datetime]) -> Iterable[Row]:
    counted: Mapping[str, int] = {}
    counted_in = run.counted_batches()
    for slot, decided in sorted(run.decisions.items()):
        before = counted
        counted, away = counted_in[slot]
        chosen = None if decided["selected"] is None else set(decided["selected"])
        for node in run.node_ids:
            zone = run.zone_of(node)
            decision = run.decision_of(slot, node)
            booking = run.bookings.get((slot, node))
            row: Row = dict.fromkeys(SLOTS.names)
            selected = chosen is None or node in chosen
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
                **_live(run.readings.get(zone or "", ()), slot),
                **_clock(run.clock_of(slot, node)),
                **_operating_point(run, node, decision),
            )
            if decision is not None and (slot, node) in run.telemetry:
                if run.telemetry[slot, node].get("battery_was_read"):
                    row["battery_read_j"] = from_micro(run.telemetry[slot, node]["battery_uj"])
                row.update(_batch_columns(run, slot, node, selected, counted, away))
                row["released_batches"] = _released(run, slot, node, before.get(node, 0))
            if booking is not None:
                row.update(_booking_columns(node, booking, run.delivered(slot, node)))
                row.update(_user_bytes(run.usage[slot, node]))
                row.update(reading_columns(run.usage[slot, node]))
                row.update(harvest_columns(run.usage[slot, node]))
                row.update(_switched(run.usage[slot, node].get("sleep")))
                row["duration_s"] = run.usage[slot, node].get("duration_s")
            yield row


def _live(readings: Sequence[Mapping[str, Any]], slot: int) -> Row:
    """Age and flags of a live intensity."""
    if slot >= len(readings):
        return {}
    return {f"intensity_{name}": readings[slot][name] for name in ("age_s", "stale", "kept")}


def _clock(told: Mapping[str, Any] | None) -> Row:
    """By how much a node's clock is ahead of the coordinator's, and how far that may be off."""
    if told is None:
        return {}
    return {f"clock_{name}_s": told[f"{name}_ns"] / NS_PER_S for name in ("offset", "uncertainty")}


def _operating_point(run: RecordedRun, node: str, decision: Mapping[str, Any] | None) -> Row:
    """Where the board's clock is chosen: at which point the node ran."""
    points = run.registrations.get(node, {}).get("profile", {}).get("points", ())
    if len(points) < 2 or decision is None:
        return {}
    point = decision.get("point", 0)
    return {"operating_point": point, "frequency_mhz": points[point]["frequency_khz"] / 1e3}


def _switched(report: Mapping[str, Any] | None) -> Row:
    """What a board that really sleeps did; it is awake unless it says that it slept."""
    if report is None:
        return {}
    energy = {"wake_j": report["wake_uj"], "wake_half_width_j": report["wake_half_width_uj"]}
    return {
        "awake": not report["asleep"],
        "sleep_failed": report["failed"] or None,
        "wake_provenance": report["provenance"],
        "wake_s": report["wake_s"],
        **{name: None if value is None else from_micro(value) for name, value in energy.items()},
    }


def _batch_columns(
    run: RecordedRun,
    slot: int,
    node: str,
    selected: bool,
    counted: Mapping[str, int],
    away: Mapping[str, int],
) -> Row:
    asked = selected or run.decisions[slot]["stage"] not in TRAINING_STAGES
    usage = run.usage.get((slot, node), {"moved": ()})
    missed = count_missed(
        due=run.backlog(slot, node)[0],
        counted=counted.get(node, 0),
        away=away.get(node, 0),
        sent=sum(moved["batches"] for moved in usage["moved"] if moved["sent"]),
    )
    return {
        "offloaded_batches": away.get(node, 0),
        "unserved_batches": missed if asked else 0,
    }


def _released(run: RecordedRun, slot: int, node: str, done_before: int) -> int:
    """New batches in a node's backlog: what is there less what the slot before left over."""
    backlog = run.backlog(slot, node)
    if (slot - 1, node) not in run.telemetry:
        return int(backlog[-1]) if slot else sum(backlog)
    waiting = run.backlog(slot - 1, node)
    left = sum(waiting) - done_before - max(0, waiting[0] - done_before)
    return int(sum(backlog) - max(0, left))


def _booking_columns(node: str, booking: Mapping[str, Any], delivered: Mapping[str, int]) -> Row:
    own = [line for line in booking["lines"] if line["node_id"] == node]
    guests = sum(count for owner, count in booking["executed"] if owner != node)
    return {
        "estimated": booking["estimated"],
        "late": booking["late"],
        **{f"{term.removesuffix('_uj')}_j": from_micro(booking["balance"][term]) for term in TERMS},
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
