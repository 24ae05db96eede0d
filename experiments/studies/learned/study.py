"""A learned policy in zones and on days that its training never saw, beside DETA, the auction and LOCAL.

Claim: none of a paper; checks of the project's own. Cost: --quick 50 CPU seconds, 12 unseen worlds; --full five times
as much, 60. Command: ``detabed reproduce learned``. The policy is the one that ships; experiments.studies.learned.train
trains it. Trainings with other seeds, and weights that are given, are judged in the same unseen worlds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from experiments.studies.computed import compute_cells
from experiments.studies.learned import figures
from experiments.studies.learned.cells import WeightsCell, WorldCell
from experiments.studies.learned.checks import judge
from experiments.studies.learned.page import page_of
from experiments.studies.learned.spread import by_training, spread_of, trainings_of
from experiments.studies.learned.tables import policies_of, worlds_of
from experiments.studies.learned.trainings import trainings
from experiments.studies.learned.worlds import TRAINING, UNSEEN
from experiments.studies.written import rows_of, write_study

QUICK, FULL = 12, 60
"""Unseen worlds of as many nodes as in training; a third as many of MORE nodes, and of training worlds."""
MORE = 12


def reproduce_learned(
    folder: Path,
    full: bool,
    console: Console | None = None,
    workers: int | None = None,
    weights: Sequence[Path] = (),
    *,
    cache: Path | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """Compute, judge, draw and write; returns ``checks``, ``policies``, ``training``, ``trainings``, ``spread``, and
    what ``write_study`` adds.

    ``weights``: folders of further trainings, judged in the unseen worlds beside those that ship. ``count``: unseen
    worlds. Raises DataError where a data file is missing, with how to get it, and for weights that are not their
    record's."""
    trained = trainings(weights)
    record = trained[0].record
    nodes, count = int(record["nodes"]), count or (FULL if full else QUICK)
    some = max(count // 3, 1)
    unseen = [(number, nodes) for number in range(count)] + [(number, MORE) for number in range(some)]
    cells = [
        *(WorldCell(UNSEEN.name, *each) for each in unseen),
        *(WorldCell(TRAINING.name, TRAINING.together * number, nodes) for number in range(some)),
    ]
    others = [
        WeightsCell(UNSEEN.name, *each, training.weights.resolve(), training.sha256)
        for training in trained[1:]
        for each in unseen
    ]
    (results, found), computed = compute_cells(
        "learned", (cells, others), what="worlds", console=console, workers=workers, cache=cache
    )
    worlds = worlds_of(cells, results)
    policies = policies_of(worlds)
    judged = by_training(worlds, trained, others, found)
    side_by_side = trainings_of(judged, trained)
    spread = spread_of(side_by_side)
    points = pd.DataFrame(record["curve"])
    tables = {
        "worlds": worlds,
        "policies": policies,
        "training": points,
        "by_training": judged,
        "trainings": side_by_side,
        "spread": spread,
    }
    drawings = [figures.by_world(worlds[worlds["nodes"] == nodes]), figures.curve(points)]
    report = {
        "checks": judge(worlds, policies, side_by_side, nodes, MORE),
        "policies": rows_of(policies),
        "training": {
            name: record[name] for name in ("algorithm", "seed", "steps", "worlds", "nodes", "date", "chosen")
        },
        "trainings": rows_of(side_by_side),
        "spread": rows_of(spread),
        "computed": computed,
    }
    return write_study(
        folder,
        report,
        tables,
        drawings,
        lambda shown: page_of(report, policies, (side_by_side, spread), shown, record),
    )
