"""Columns next to the headline: market-based, marginal, and harvested energy's life cycle. Never added to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from carbon_data.sources.recorded import RecordedIntensity
from carbon_data.units import JOULES_PER_KWH
from experiments.report.lifecycle.books import slot_count
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.given import Given, missing
from experiments.report.lifecycle.setting import Setting
from experiments.report.read import Run
from experiments.resolve.checks import require_marginal
from experiments.run_folder.files import SIGNALS

NO_MARKET = "the scenario names no contract or residual factor (accounting.market_g_per_kwh)"
NO_MARGINAL = "no marginal source for these zones (accounting.marginal)"
BETWEEN_ZONES = "+"
"""Network lines between two zones carry both names; their intensity is the mean of the two, as in (D0)."""


def grid_by_zone(run: Run) -> pd.Series:
    """Grid energy in J by (slot, zone); a line between two zones counts half in each."""
    lines = run.tables["lines"][["slot", "zone", "grid_j"]].copy()
    lines["zone"] = lines["zone"].str.split(BETWEEN_ZONES, regex=False)
    lines["grid_j"] /= lines["zone"].str.len()
    return lines.explode("zone").groupby(["slot", "zone"])["grid_j"].sum()


def market_based(setting: Setting) -> Given:
    """Grams with the factor of each zone's contract or residual mix, g CO2e."""
    factors = setting.accounting.market_g_per_kwh
    if not factors:
        return missing(NO_MARKET)
    by_zone = grid_by_zone(setting.run).groupby("zone").sum()
    lacking = sorted(set(by_zone[by_zone > 0].index) - set(factors))
    if lacking:
        return missing(f"accounting.market_g_per_kwh lacks {', '.join(lacking)}, where energy was drawn")
    return Given(
        sum(float(joules) / JOULES_PER_KWH * factors.get(str(zone), 0.0) for zone, joules in by_zone.items())
    )


def marginal(setting: Setting) -> tuple[Given, str]:
    """Grams at marginal intensity, g CO2e, and the source's name. Raises DataError for a source of averages."""
    spec, run = setting.accounting.marginal, setting.run
    if spec is None:
        return missing(NO_MARGINAL), ""
    # What a live run froze is in its own folder; the service would say something else by now.
    source = RecordedIntensity(run.folder / SIGNALS, part="marginal") if spec.is_live else spec.open()
    start = datetime.fromisoformat(str(run.metadata["start"]))
    step = timedelta(seconds=float(run.metadata["trace_step_s"]))
    joules = grid_by_zone(run).unstack("zone").fillna(0.0)
    slots = joules.index.to_numpy(dtype=np.int64)
    count = max(int(slots.max()) + 1, slot_count(run))
    grams, name = 0.0, ""
    for zone in joules.columns:
        series = source.series(str(zone), start, step, count)
        require_marginal(series, spec.source)
        name = series.origin.source
        grams += float(np.sum(joules[zone].to_numpy() / JOULES_PER_KWH * series.intensity_g_per_kwh[slots]))
    return Given(grams), name


def harvest_life_cycle(setting: Setting, factors: Factors) -> Given:
    """Life-cycle grams of all energy harvested (curtailed included: the panel was made for it too), g CO2e."""
    harvested = setting.run.tables["slots"].groupby("node_id")["harvest_j"].sum()
    grams = 0.0
    for node, joules in harvested[harvested > 0].items():
        spec = setting.harvest(str(node))
        if spec is None:
            return missing(setting.reason or "the scenario names other nodes than the tables")
        technology = _technology(spec.kind, dict(spec.options))
        factor = factors.get("harvest", technology, "g/kWh") if technology else None
        if factor is None:
            return missing(
                f"no life-cycle factor for harvest kind {spec.kind!r}: its technology is not known"
            )
        grams += float(joules) / JOULES_PER_KWH * factor
    return Given(grams)


def _technology(kind: str, options: dict[str, Any]) -> str:
    """``pv``, ``wind``, or nothing where the harvest does not say what makes it."""
    said = str(options.get("kind", "solar") if kind == "eia-2022" else options.get("column", "")).lower()
    if kind == "pv" or "solar" in said:
        return "pv"
    return "wind" if "wind" in said else ""
