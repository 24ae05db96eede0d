"""Rows of Table I with invented figures."""

from __future__ import annotations

from itertools import product

import pandas as pd

from experiments.studies.fei import fig5, table1
from experiments.studies.fei.claims.judgement import Judgement
from experiments.studies.fei.claims.table import table_claims
from experiments.studies.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS

NO_SEEDS = pd.DataFrame(columns=table1.SEED_COLUMNS)
NO_CHECK = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])


def rows(
    kwh: list[float], grams: list[float] | None = None, model: str = "MLP", flop: float = 1.0
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "reading_e_b": str(REFERENCE_BATCHES),
            "reading_servers": str(REFERENCE_SERVERS),
            "servers": SERVERS[: len(kwh)],
            "ours_kwh": kwh,
            "sorted_g": grams or kwh,
            "random_mean_g": kwh,
            "basis": "measured",
            "size": "whole",
            "target_fraction": 0.975,
            "flop_per_server": flop,
            "rounds": 1.0,
        }
    )


def judged(
    frame: pd.DataFrame, check: pd.DataFrame = NO_CHECK, seeds: pd.DataFrame = NO_SEEDS
) -> dict[str, Judgement]:
    return table_claims(frame, check, seeds)


def scaling(errors: dict[int, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "reading_e_b": str(REFERENCE_BATCHES),
            "reading_servers": str(REFERENCE_SERVERS),
            "servers": list(errors),
            "error_fraction": list(errors.values()),
        }
    )


def surface(reductions: dict[str, tuple[float, float]], seeds: int = 5) -> pd.DataFrame:
    """A surface of two panels: plan and bound of the reduction at the larger, by kind of point."""
    settings = {
        "strict": {"deadline_slots": 0, "sleep": False},
        "slack": {"deadline_slots": 6, "sleep": False},
        "sleep": {"deadline_slots": 2, "sleep": True},
    }
    points = []
    for (name, (plan, bound)), panel, seed in product(reductions.items(), (10.0, 20.0), range(seeds)):
        less = (0.2 if panel < 20.0 else 0.0) + 0.01 * (seed % 2)
        points.append(
            {
                "panel_w": panel,
                "loss_fraction": 0.1,
                "cap_fraction": 0.5,
                **settings[name],
                "seed": seed,
                "harvest_to_demand": panel / 30.0,
                "grid_g": 100.0,
                "local_g": 100.0,
                "local_lp_bound_g": 60.0,
                "deta_g": 100.0 * (1 - plan + less),
                "deta_bound_g": 100.0 * (1 - bound + less),
                "gap_fraction": 0.0,
            }
        )
    return fig5.means(fig5.surface([{"points": points}]))
