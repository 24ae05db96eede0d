"""Live intensity of a run: keys before it starts, its recording when it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from carbon_data.live.keys import Keys
from carbon_data.sources.recorded import FORMAT
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from experiments.errors import UsageError
from experiments.resolve.live import service_of
from experiments.resolve.origins import origin_dict
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import LEDGER, RECORDED_SCENARIO, SIGNALS
from experiments.scenario.live import LIVE, RECORDED
from experiments.scenario.model import Scenario
from experiments.scenario.written import values_of


def require_keys(resolved: Resolved) -> None:
    """Raises DataError, which names the key, unless every service that the run polls has its keys."""
    keys = Keys()
    for signal in () if resolved.live is None else resolved.live.signals:
        for name in service_of(signal).keys_needed:
            keys.get(name)


def refuse_live_comparison(scenario: Scenario) -> None:
    """Runs one after another see different live values. Raises UsageError."""
    marginal = scenario.accounting.marginal
    if scenario.intensity.is_live or (marginal is not None and marginal.is_live):
        raise UsageError(
            "intensity is live: the runs of a comparison would see different values; record one run with `detabed "
            f"run`, and compare on the {RECORDED_SCENARIO} in its folder"
        )


def value_of(signal: Mapping[str, Any], zone: str) -> float:
    """A zone's intensity in one slot's signals, g/kWh."""
    return float(next(told["g_per_kwh"] for told in signal["zones"] if told["zone"] == zone))


def write_signals(resolved: Resolved, folder: Path) -> Sequence[Mapping[str, Any]]:
    """Live intensities of every slot of a run, by its ledger; written to SIGNALS, and RECORDED_SCENARIO beside it.
    Empty, and nothing written, where none was live."""
    live = resolved.live
    if live is None:
        return ()
    signals = [
        stored.entry.body for stored in read_entries(folder / LEDGER) if stored.entry.kind is Kind.SIGNAL
    ]
    origins = {(each.zone, each.marginal): origin_dict(service_of(each).origin) for each in live.signals}
    time = resolved.scenario.time
    head = {
        "format": FORMAT,
        "start": time.start.isoformat(),
        "step_s": time.trace_step_s,
        "zones": {zone: origin for (zone, marginal), origin in origins.items() if not marginal},
        "marginal": {zone: origin for (zone, marginal), origin in origins.items() if marginal},
    }
    lines = [json.dumps(each, sort_keys=True, allow_nan=False) for each in (head, *signals)]
    (folder / SIGNALS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / RECORDED_SCENARIO).write_text(
        tomli_w.dumps(recorded_values(resolved.scenario)), encoding="utf-8"
    )
    return signals


def recorded_values(scenario: Scenario) -> dict[str, Any]:
    """The scenario's TOML with the recording in place of live services."""
    values = values_of(scenario)
    if scenario.intensity.is_live:
        values["intensity"] = {"source": RECORDED, "path": SIGNALS}
        # Also where it was persistence: as it was known then.
        values["forecast"] = {**values["forecast"], "kind": LIVE, "harvest": scenario.forecast.of_harvest}
    marginal = scenario.accounting.marginal
    if marginal is not None and marginal.is_live:
        values["accounting"]["marginal"] = {
            "source": RECORDED,
            "path": SIGNALS,
            "options": {"part": "marginal"},
        }
    return values
