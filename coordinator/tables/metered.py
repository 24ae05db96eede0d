"""Columns that say how well a reading is known: a sensor's interval, rate, coverage and gaps. Null where joules were
modelled, in ledgers of versions before, and where the meter says nothing of its quality: missing is never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from carbon_data.intervals import of_windows
from carbon_data.units import MICRO, from_micro
from coordinator.tables.recorded import RecordedRun, Row


def reading_columns(usage: Mapping[str, Any]) -> Row:
    """Of table ``slots``."""
    told = usage.get("metered")
    if told is None:
        return {"meter_kind": " and ".join(sorted({line["provenance"] for line in usage["lines"]})) or None}
    return {
        "meter_kind": told["kind"],
        "demand_half_width_j": _joules(told["half_width_uj"]),
        "demand_bias_j": _joules(told["bias_uj"]),
        "meter_rate_hz": told["rate_hz"],
        "meter_coverage_fraction": told["coverage_fraction"],
        "meter_gaps": told["gaps"],
        "meter_window_s": told["window_s"],
    }


def harvest_columns(usage: Mapping[str, Any]) -> Row:
    """Of table ``slots``, where a sensor measured the harvest."""
    told = usage.get("harvest_metered")
    if told is None:
        return {}
    return {
        "harvest_kind": told["kind"],
        "harvest_half_width_j": _joules(told["half_width_uj"]),
        "harvest_bias_j": _joules(told["bias_uj"]),
        "harvest_rate_hz": told["rate_hz"],
        "harvest_coverage_fraction": told["coverage_fraction"],
        "harvest_window_s": told["window_s"],
    }


def line_columns(usage: Mapping[str, Any] | None, energy_uj: int) -> tuple[float | None, ...]:
    """Of table ``lines``: half width, bias and coverage of a line of ``energy_uj``.

    Lines of a window are shares of its reading: they err together, and their half widths add up to the reading's.
    """
    told = None if usage is None else usage.get("metered")
    if told is None:
        return None, None, None
    if told["half_width_uj"] is None:
        return None, None, told["coverage_fraction"]
    share = energy_uj / told["energy_uj"] if told["energy_uj"] else 0.0
    half, bias = (share * from_micro(told[name]) for name in ("half_width_uj", "bias_uj"))
    return half, bias, told["coverage_fraction"]


def node_columns(run: RecordedRun, node: str, slots: Iterable[int]) -> Row:
    """Of table ``nodes``: the interval of the energy of all booked slots; null unless each of them has one."""
    told = [run.usage[slot, node].get("metered") for slot in slots]
    known = [each for each in told if each is not None and each["half_width_uj"] is not None]
    row: Row = {"interval_slots": len(known)}
    if known and len(known) == len(told):
        half, _ = of_windows((each["half_width_uj"], each["bias_uj"]) for each in known)
        row["demand_half_width_j"] = half / MICRO
    return row


def _joules(amount_uj: int | None) -> float | None:
    return None if amount_uj is None else from_micro(amount_uj)
