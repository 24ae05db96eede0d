"""Tables of the trainings: each over the unseen worlds, and the spread between those with different seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.report.stats import estimate
from experiments.studies.learned.cells import WeightsCell
from experiments.studies.learned.tables import ROUNDING, columns_of_mean, share_of_deta
from experiments.studies.learned.trainings import Training

OWN_SEEDS = ("ships", "seed")
"""Kinds of trainings that differ in their seed alone."""


def by_training(
    worlds: pd.DataFrame,
    trained: Sequence[Training],
    cells: Sequence[WeightsCell],
    found: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """A row for each training and unseen world. ``worlds``: of all policies; grams of the weights that ship are there,
    those of the others are ``found``, of ``cells``."""
    unseen = worlds[worlds["part"] == "unseen"]
    grams = unseen.pivot(index=["nodes", "number"], columns="policy", values="emissions_g")
    by = {
        (cell.sha256, cell.nodes, cell.number): one["emissions_g"]
        for cell, one in zip(cells, found, strict=True)
    }
    rows = []
    for training in trained:
        for nodes, number in grams.index:
            of = grams.loc[(nodes, number)]
            own = of["rl"] if training.kind == "ships" else by[training.sha256, nodes, number]
            rows.append(
                {
                    "training": training.name,
                    "kind": training.kind,
                    "nodes": nodes,
                    "number": number,
                    "emissions_g": own,
                    "local_g": of["local"],
                    "auction_g": of["auction"],
                    "deta_g": of["deta"],
                }
            )
    return pd.DataFrame(rows)


def trainings_of(judged: pd.DataFrame, trained: Sequence[Training]) -> pd.DataFrame:
    """By training and number of nodes: reduction against LOCAL and grams less than the auction as shares of LOCAL's
    grams (means over worlds, 95 % intervals by Student's t), share of DETA's gain with its interval over worlds, and
    worlds worse than LOCAL."""
    records = {each.name: each.record for each in trained}
    rows = []
    for (name, kind, nodes), own in judged.groupby(["training", "kind", "nodes"], sort=False):
        record = records[str(name)]
        rows.append(
            {
                "training": name,
                "kind": kind,
                "seed": record["seed"],
                "steps": record["steps"],
                "date": record["date"],
                "nodes": nodes,
                "worlds": len(own),
                **columns_of_mean("reduction", 1.0 - own["emissions_g"] / own["local_g"]),
                **share_of_deta(own).columns("of_deta"),
                **columns_of_mean("below_auction", (own["auction_g"] - own["emissions_g"]) / own["local_g"]),
                "worse_worlds": int((own["emissions_g"] > (1.0 + ROUNDING) * own["local_g"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def spread_of(trainings: pd.DataFrame) -> pd.DataFrame:
    """By number of nodes, over the trainings that differ in their seed alone: mean share of DETA's gain with its 95 %
    interval over trainings by Student's t, in the same worlds; standard deviation, least and most."""
    rows = []
    for nodes, own in trainings[trainings["kind"].isin(OWN_SEEDS)].groupby("nodes", sort=False):
        values = own["of_deta_fraction"]
        deviation = estimate(values.tolist()).sd
        rows.append(
            {
                "nodes": nodes,
                "trainings": len(own),
                **columns_of_mean("of_deta", values),
                "deviation_fraction": math.nan if deviation is None else deviation,
                "least_fraction": float(values.min()),
                "most_fraction": float(values.max()),
            }
        )
    return pd.DataFrame(rows)
