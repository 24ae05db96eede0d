"""A learned policy in zones and on days that its training never saw, beside DETA, the auction and LOCAL.

Claim: none of a paper; checks of the project's own. Cost: --quick about a minute, 12 unseen worlds; --full about ten on
two cores, 60. Command: ``detabed reproduce learned``. The policy is the one that ships;
experiments.studies.learned.train trains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from coordinator.policies.learned.network import RECORD
from coordinator.policies.learned.policy import SHIPPED
from experiments.studies.computed import compute_cells
from experiments.studies.learned import figures
from experiments.studies.learned.cells import WorldCell
from experiments.studies.learned.checks import judge
from experiments.studies.learned.page import page_of
from experiments.studies.learned.tables import policies_of, worlds_of
from experiments.studies.learned.worlds import TRAINING, UNSEEN
from experiments.studies.written import write_study

QUICK, FULL = 12, 60
"""Unseen worlds of as many nodes as in training; a third as many of MORE nodes, and of training worlds."""
MORE = 12


def reproduce_learned(
    folder: Path,
    full: bool,
    console: Console | None = None,
    workers: int | None = None,
    *,
    cache: Path | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """Compute, judge, draw and write; returns ``checks``, ``tables``, ``figures``, ``page``, ``run`` and ``training``.
    ``count``: unseen worlds. Raises DataError where a data file is missing, with how to get it."""
    record = training_record()
    nodes, count = int(record["nodes"]), count or (FULL if full else QUICK)
    some = max(count // 3, 1)
    cells = [
        *(WorldCell(UNSEEN.name, number, nodes) for number in range(count)),
        *(WorldCell(UNSEEN.name, number, MORE) for number in range(some)),
        *(WorldCell(TRAINING.name, TRAINING.together * number, nodes) for number in range(some)),
    ]
    (results,), computed = compute_cells(
        "learned", (cells,), what="worlds", console=console, workers=workers, cache=cache
    )
    worlds = worlds_of(cells, results)
    policies = policies_of(worlds)
    points = pd.DataFrame(record["curve"])
    tables = {"worlds": worlds, "policies": policies, "training": points}
    drawings = [figures.by_world(worlds[worlds["nodes"] == nodes]), figures.curve(points)]
    report = {
        "checks": judge(worlds, policies, nodes, MORE),
        "policies": policies.to_dict("records"),
        "training": {
            name: record[name] for name in ("algorithm", "seed", "steps", "worlds", "nodes", "date", "chosen")
        },
        "computed": computed,
    }
    return write_study(
        folder, report, tables, drawings, lambda shown: page_of(report, policies, shown, record)
    )


def training_record() -> dict[str, Any]:
    """How the weights that ship came about."""
    found: dict[str, Any] = json.loads(SHIPPED.with_name(RECORD).read_text(encoding="utf-8"))
    return found
