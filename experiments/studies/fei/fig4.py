"""Fig. 4: grams by life-cycle stage against the number of servers and the target accuracy, recycling measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.studies.fei import energy, placement
from experiments.studies.fei.federated import rounds_to
from experiments.studies.fei.spec import BY_NAME, REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS
from experiments.studies.fei.table1 import Outcome, Row

MODEL = "MLP"
"""The model whose life cycle is followed ([C]: the paper does not say which one its Fig. 4 shows)."""
STAGES = ("preparation", "development", "application", "recycling")
PAPER_STAGES = STAGES[:3]
"""The paper's Fig. 4 shows "all three stages" of the four that it defines ([C]: those without recycling, of which it
reports nothing)."""
SHARES = {STAGES: "share_fraction", PAPER_STAGES: "share_of_three_fraction"}
"""Column of ``shares`` by the stages that are summed."""
ROWS = tuple(Row(MODEL, REFERENCE_BATCHES, REFERENCE_SERVERS, servers) for servers in SERVERS)


def table(outcomes: dict[Row, Outcome], world: placement.Intensities) -> pd.DataFrame:
    """One row per number of servers, target accuracy and stage; a stage that was not reached is missing.

    Edge servers alone: the coordinator is a line of its own in Table I and belongs to no stage here.
    """
    records: list[dict[str, Any]] = []
    for row in ROWS:
        seen = outcomes.get(row)
        if seen is None or seen.training is None or seen.calibration is None:
            continue
        for level in levels(seen):
            records += _level(row, seen, level, seen.calibration.flop_per_s, world)
    columns = [
        "servers",
        "edges",
        "target_fraction",
        "stage",
        "energy_j",
        "sorted_g",
        "random_mean_g",
        "rounds",
    ]
    return pd.DataFrame(records, columns=columns).astype({"rounds": "Int64"})


def by_seed(seeded: dict[int, dict[Row, Outcome]], world: placement.Intensities) -> pd.DataFrame:
    """``shares`` of every training seed, with its ``seed``; empty with fewer than two."""
    frames = [shares(table(seen, world)).assign(seed=seed) for seed, seen in sorted(seeded.items())]
    return (
        pd.concat(frames, ignore_index=True) if len(frames) > 1 else shares(table({}, world)).assign(seed=[])
    )


def levels(seen: Outcome) -> tuple[float, ...]:
    """Target accuracies shown: the model's own, in proportion where a training stopped at a smaller target."""
    model = BY_NAME[MODEL]
    scale = seen.target_fraction / model.target_fraction
    return tuple(scale * level for level in model.levels_fraction)


def _level(
    row: Row, seen: Outcome, level: float, speed: float, world: placement.Intensities
) -> list[dict[str, Any]]:
    result = seen.result
    rounds = rounds_to(result["development"], level)
    if rounds is None or seen.training is None:
        return []
    again = rounds_to(result["recycling"], level)
    work = energy.Training(
        edges=row.edges,
        rounds=rounds,
        flop_per_round=seen.training.flop_per_round,
        model_bytes=seen.training.model_bytes,
        parameters=seen.training.parameters,
    )
    one = energy.stage_energy(result, work, again, result["num_train"] / row.edges, speed)
    counted = {"development": rounds} if again is None else {"development": rounds, "recycling": again}
    records = []
    for stage, joules in one.as_dict().items():
        servers_j = np.full(row.edges, np.nan if joules is None else joules)
        records.append(
            {
                "servers": row.servers,
                "edges": row.edges,
                "target_fraction": level,
                "stage": stage,
                "energy_j": float(servers_j.sum()),
                "sorted_g": placement.sorted_grams(world, servers_j, 0.0),
                "random_mean_g": placement.random_mean_grams(world, servers_j, 0.0),
                "rounds": counted.get(stage, np.nan),
            }
        )
    return records


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of each stage in the sorted grams of its servers and target, among all stages and among the paper's three;
    missing where a stage is missing."""
    if frame.empty:
        return frame.assign(**{column: [] for column in SHARES.values()})
    found = frame
    for stages, column in SHARES.items():
        grams = frame["sorted_g"].where(frame["stage"].isin(stages), 0.0)
        groups = grams.groupby([frame["servers"], frame["target_fraction"]])
        total = groups.transform(lambda part: part.sum(skipna=False))
        found = found.assign(**{column: (frame["sorted_g"] / total).where(frame["stage"].isin(stages))})
    return found
