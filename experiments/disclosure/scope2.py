"""Scope 2 by location and by market, and the share of energy matched hour by hour.

Source: GHG Protocol Scope 2 Guidance (2015): both methods side by side. Its revision asks for matching within the hour
and within reach; the shares here are by slot, which replays at most an hour.
"""

from __future__ import annotations

import pandas as pd

from experiments.disclosure.entry import Entry, Section
from experiments.disclosure.part import Part
from experiments.report.lifecycle.books import STAGES
from experiments.report.lifecycle.columns import harvest_life_cycle, market_based
from experiments.report.lifecycle.embodied import LEFT_OUT, Embodied
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.setting import setting_of
from experiments.report.read import Run

BOOKS = "lines.parquet"
HOUR_S = 3600.0
INTRO = (
    "Electricity of the whole testbed: nodes, network, users' devices, coordinator and router. Matched is what "
    "was harvested by the "
    "nodes and used in the same slot, from the panel, a battery, or another node's transfer; all else was drawn "
    "from the grid in "
    "that slot. No certificate is assumed."
)


def scope2(run: Run, made: Embodied) -> Section:
    """Location-based, market-based, matched shares, and what lies beside scope 2."""
    setting, factors = setting_of(run), Factors()
    whole = Part(run, STAGES, made)
    market, harvest = market_based(setting), harvest_life_cycle(setting, factors)
    spread = whole.spread
    return Section(
        "scope_2",
        "Scope 2",
        INTRO,
        [
            Entry(
                "location_based_g",
                "location-based",
                whole.operational_g,
                "g CO2e",
                "sum of grid energy times the zone's average intensity of the slot",
                BOOKS,
                whole.known.text,
                low=None if spread is None else spread.low,
                high=None if spread is None else spread.high,
            ),
            Entry(
                "market_based_g",
                "market-based",
                market.value,
                "g CO2e",
                "sum of grid energy by zone times the factor of its contract or residual mix",
                "lines.parquet, scenario.toml",
                whole.known.text if market.value is not None else "",
                market.reason,
            ),
            *_matched(run, whole),
            Entry(
                "harvest_life_cycle_g",
                "beside scope 2: life cycle of harvested energy",
                harvest.value,
                "g CO2e",
                "all harvested energy, curtailed included, times the life-cycle factor of its technology",
                "slots.parquet, carbon_data/factors",
                "modelled" if harvest.value is not None else "",
                harvest.reason,
            ),
            Entry(
                "embodied_g",
                "beside scope 2: making of the devices (scope 3)",
                made.total_g,
                "g CO2e",
                f"M = TE x time reserved / expected life x share{whole.without}. {LEFT_OUT}",
                "scenario.toml, carbon_data/factors",
                "modelled" if made.total_g is not None else "",
                made.reason,
            ),
        ],
    )


def _matched(run: Run, whole: Part) -> list[Entry]:
    step_s = float(run.metadata["trace_step_s"])
    how = "sum over slots of harvested energy used in the slot / all energy of the slot"
    why = ""
    if step_s > HOUR_S:
        why = f"a slot replays {step_s:g} s of the traces: matching is not hourly"
    elif whole.energy_j <= 0:
        why = "the run used no energy"
    matched_j = whole.energy_j - float(whole.lines["grid_j"].sum())
    abroad_j = received_from_other_zones_j(run)
    shares = [None if why else part / whole.energy_j for part in (matched_j, max(0.0, matched_j - abroad_j))]
    source = "lines.parquet, energy_flows.parquet"
    reading = "" if why else whole.known.text
    return [
        Entry(
            "hourly_matched_share", "matched by the hour", shares[0], "fraction", how, source, reading, why
        ),
        Entry(
            "hourly_matched_within_zone_share",
            "matched by the hour and within the zone",
            shares[1],
            "fraction",
            f"{how}, less what was received from nodes of other zones",
            source,
            reading,
            why,
        ),
    ]


def received_from_other_zones_j(run: Run) -> float:
    """Energy that nodes received from nodes of another zone, J."""
    flows = run.tables["energy_flows"].query("status == 'posted'")
    zone = run.tables["nodes"].set_index("node_id")["zone"]
    abroad = flows["donor"].map(zone) != flows["recipient"].map(zone)
    return float(flows.loc[abroad, "received_j"].sum())


def by_zone(run: Run) -> pd.DataFrame:
    """Energy, grid energy (J) and grams of the nodes' lines by zone, and the share that is matched."""
    lines = run.tables["lines"]
    found = lines.groupby("zone")[["energy_j", "grid_j", "operational_g"]].sum()
    found["matched_share"] = ((found["energy_j"] - found["grid_j"]) / found["energy_j"]).where(
        found["energy_j"] > 0
    )
    return found.reset_index()
