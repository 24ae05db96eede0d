"""The study's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.learned.worlds import LAST_DAY_OF_TRAINING, SLOTS, TRAINING, UNSEEN


def page_of(
    report: Mapping[str, Any],
    policies: pd.DataFrame,
    trainings: tuple[pd.DataFrame, pd.DataFrame],
    drawings: list[tuple[Drawing, str]],
    record: Mapping[str, Any],
) -> str:
    """HTML of the study; ``trainings``: as ``spread.trainings_of`` and ``spread.spread_of``."""
    unseen = policies[policies["part"] == UNSEEN.name]
    return render_study(
        "experiments.studies.learned",
        f"A network trained by PPO over {record['steps']:,} slots, beside DETA, the auction and LOCAL in "
        f"{int(unseen['worlds'].iloc[0])} worlds of zones and days that it never saw.",
        drawings,
        [
            ("Policies", _policies(policies)),
            ("Trainings", _trainings(trainings[0])),
            ("Spread between trainings", _spread(trainings[1])),
        ],
        claims=own_checks(report["checks"]),
        assumptions=_assumptions(record, int(trainings[1]["trainings"].iloc[0])),
    )


def _policies(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            *("worlds of", "nodes", "policy", "fewer grams than LOCAL (95 %)"),
            *(
                "regret, share of LOCAL's grams (95 %)",
                "share of DETA's gain (95 %)",
                "worlds worse than LOCAL",
            ),
        ],
        [
            [
                row["part"],
                str(row["nodes"]),
                row["policy"],
                _between(row, "reduction"),
                _between(row, "regret"),
                _between(row, "of_deta"),
                f"{row['worse_worlds']} of {row['worlds']}",
            ]
            for row in table.to_dict("records")
        ],
    )


def _trainings(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            *(
                "training",
                "slots",
                "date",
                "nodes",
                "share of DETA's gain (95 %)",
                "fewer grams than LOCAL (95 %)",
            ),
            *("fewer than the auction, share of LOCAL's (95 %)", "worlds worse than LOCAL"),
        ],
        [
            [
                f"{row['training']}{' (ships)' if row['kind'] == 'ships' else ''}",
                f"{row['steps']:,}",
                row["date"],
                str(row["nodes"]),
                _between(row, "of_deta"),
                _between(row, "reduction"),
                _between(row, "below_auction"),
                f"{row['worse_worlds']} of {row['worlds']}",
            ]
            for row in table.to_dict("records")
        ],
    )


def _spread(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            *("nodes", "trainings", "mean share of DETA's gain (95 % over trainings)"),
            *("standard deviation, points", "least", "most"),
        ],
        [
            [
                str(row["nodes"]),
                str(row["trainings"]),
                _between(row, "of_deta"),
                "–" if pd.isna(row["deviation_fraction"]) else f"{100 * row['deviation_fraction']:.2f}",
                f"{100 * row['least_fraction']:z.1f} %",
                f"{100 * row['most_fraction']:z.1f} %",
            ]
            for row in table.to_dict("records")
        ],
    )


def _between(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = (row[f"{name}_{part}"] for part in ("fraction", "low", "high"))
    return f"{100 * value:z.1f} %" + ("" if pd.isna(low) else f" ({100 * low:z.1f} to {100 * high:z.1f})")


def _assumptions(record: Mapping[str, Any], trainings: int) -> list[str]:
    return [
        f"Training: {record['algorithm']}, seed {record['seed']}, {record['steps']:,} slots, {record['worlds']} worlds "
        f"of {record['nodes']} nodes, {record['date']}. The policy rl is this training, the first one, and no other "
        f"changes it; {trainings} trainings differ in their seed alone, and their spread is over the same worlds.",
        f"Zones of the training: {', '.join(TRAINING.zones)}; days of even months, up to the {LAST_DAY_OF_TRAINING}th. "
        "Which of two trainings ships was decided on the days after it, in the same zones. Training worlds that are "
        "judged here have other clouds.",
        f"Unseen: {', '.join(UNSEEN.zones)}; days of odd months. The rule was fixed before any result was seen.",
        f"A world is a day of {SLOTS} hourly slots in drawn zones, with drawn panels (2 to 30 W), batteries (0 to 20 "
        "Wh) and demand (20 to 80 % of a board's time), and defaults else. What is left in a battery at the end is "
        "worth nothing.",
        "All policies know the day as it will be (perfect forecasts), with a look-ahead of a day.",
        "Regret: grams above the optimum with perfect foresight and every freedom (a lower bound), over LOCAL's "
        "grams. Grams are the simulator's: nodes and moved batches, without coordinator and router.",
        "rl never lets work wait and never lets nodes sleep; in these worlds no policy may.",
        "The auction decides without knowing batteries, harvests and backlogs of the nodes; rl and DETA see them.",
    ]
