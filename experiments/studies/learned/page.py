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
    drawings: list[tuple[Drawing, str]],
    record: Mapping[str, Any],
) -> str:
    """HTML of the study."""
    unseen = policies[policies["part"] == UNSEEN.name]
    return render_study(
        "experiments.studies.learned",
        f"A network trained by PPO over {record['steps']:,} slots, beside DETA, the auction and LOCAL in "
        f"{int(unseen['worlds'].iloc[0])} worlds of zones and days that it never saw.",
        drawings,
        [("Policies", _policies(policies))],
        claims=own_checks(report["checks"]),
        assumptions=_assumptions(record),
    )


def _policies(table: pd.DataFrame) -> Shown:
    def between(row: Mapping[Any, Any], name: str) -> str:
        value, low, high = (row[f"{name}_{part}"] for part in ("fraction", "low", "high"))
        return f"{value:z.1%} ({100 * low:z.1f} to {100 * high:z.1f})"

    return Shown(
        [
            *("worlds of", "nodes", "policy", "fewer grams than LOCAL", "regret, share of LOCAL's grams"),
            *("share of DETA's gain", "worlds worse than LOCAL"),
        ],
        [
            [
                row["part"],
                str(row["nodes"]),
                row["policy"],
                between(row, "reduction"),
                between(row, "regret"),
                f"{row['of_deta_fraction']:z.1%}",
                f"{row['worse_worlds']} of {row['worlds']}",
            ]
            for row in table.to_dict("records")
        ],
    )


def _assumptions(record: Mapping[str, Any]) -> list[str]:
    return [
        f"Training: {record['algorithm']}, seed {record['seed']}, {record['steps']:,} slots, {record['worlds']} worlds "
        f"of {record['nodes']} nodes, {record['date']}; one seed: nothing is said of the spread between trainings.",
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
