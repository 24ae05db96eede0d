"""Fig. 5: none, DET, DAT, DETA against the number of servers; and the surface of DETA's reduction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments.fei import energy, market
from experiments.fei.market import Fig5Cell, Setting, SurfaceCell, Work
from experiments.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS, SMALL_BATCH, Effort
from experiments.fei.table1 import Outcome, Row
from experiments.report.stats import Estimate, estimate

MODEL = "MLP"
SURFACE_SERVERS = 10
SLEEP_SETTINGS = (
    Setting(cap_fraction=1.0, sleep=True),
    Setting(cap_fraction=market.CAP_FRACTION, deadline_slots=2, sleep=True),
)
"""Where nodes may sleep: without a 50 % cap, or with deferral; at 50 % and no deferral none can (note 6)."""
GROUP = ["panel_w", "loss_fraction", "cap_fraction", "deadline_slots", "sleep"]


def work(outcomes: dict[Row, Outcome], servers: int) -> Work:
    """A batch of the trained cell with this many edge servers, on the calibrated board.

    Raises ValueError when that cell, or the calibration's, did not reach its target.
    """
    row = next(
        (
            row
            for row in (Row(MODEL, REFERENCE_BATCHES, REFERENCE_SERVERS, n) for n in SERVERS)
            if row.edges == servers and row in outcomes
        ),
        None,
    )
    seen = None if row is None else outcomes[row]
    if seen is None or seen.training is None or seen.calibration is None:
        raise ValueError(
            f"no trained {MODEL} with {servers} edge servers, or none to calibrate with; "
            "raise max_rounds or lower the target of that training"
        )
    speed = seen.calibration.flop_per_s
    flop = SMALL_BATCH * seen.result["train_flop_per_example"]
    b = energy.board()
    return Work(
        seconds_per_batch=flop / speed,
        joules_per_batch=flop / speed * (b.busy_w - b.static_w),
        bytes_per_batch=SMALL_BATCH * seen.result["bytes_per_example"],
        batches_per_training=seen.training.rounds * seen.training.flop_per_round / flop,
    )


def cells(outcomes: dict[Row, Outcome], effort: Effort) -> list[Fig5Cell]:
    """All days of the figure."""
    return [
        Fig5Cell(servers, seed, work(outcomes, servers), Setting(), effort.zones)
        for servers in market.FIG5_SERVERS
        for seed in range(effort.days)
    ]


def surface_cells(outcomes: dict[Row, Outcome], effort: Effort) -> list[SurfaceCell]:
    """The surface at ten servers: one cell per seed, panel and deadline, and one for sleep."""
    one = work(outcomes, SURFACE_SERVERS)
    found = []
    for seed in range(effort.seeds):
        for panel in effort.panels_w:
            for deadline in effort.deadlines_slots:
                settings = tuple(
                    Setting(panel, loss, cap, deadline)
                    for loss in effort.losses_fraction
                    for cap in effort.caps_fraction
                )
                found.append(
                    SurfaceCell(SURFACE_SERVERS, seed, one, settings, effort.sleep_time_limit_s, effort.zones)
                )
        found += [
            SurfaceCell(SURFACE_SERVERS, seed, one, (setting,), effort.sleep_time_limit_s, effort.zones)
            for setting in SLEEP_SETTINGS
        ]
    return found


def lines(cells: list[Fig5Cell], results: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per servers, seed and policy: grams of the day and per training, reductions against both."""
    records = []
    for cell, result in zip(cells, results, strict=True):
        grams = result["grams"]
        for policy, value in grams.items():
            records.append(
                {
                    "servers": cell.servers,
                    "seed": cell.seed,
                    "policy": policy,
                    "day_g": value,
                    "training_g": value / result["trainings"],
                    "against_grid_fraction": 1.0 - value / grams["grid"],
                    "against_local_fraction": 1.0 - value / grams["local"],
                    "harvest_to_demand": result["harvest_to_demand"],
                }
            )
    return pd.DataFrame(records)


def surface(results: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per setting and seed. Where no plan was found in the time allowed, DETA is missing (NaN)."""
    frame = pd.DataFrame([point for result in results for point in result["points"]])
    for column in ("deta_g", "deta_bound_g", "local_lp_g", "gap_fraction"):
        frame[column] = frame[column].astype(float)
    frame["against_grid_fraction"] = 1.0 - frame["deta_g"] / frame["grid_g"]
    frame["against_local_fraction"] = 1.0 - frame["deta_g"] / frame["local_g"]
    frame["shift_alone_fraction"] = 1.0 - frame["local_lp_g"] / frame["local_g"]
    return frame


def means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds and its 95 % interval for every setting of the surface, settings with all seeds only."""
    records = []
    for keys, part in frame.groupby(GROUP, sort=True):
        record: dict[str, Any] = dict(zip(GROUP, keys, strict=True))
        record["seeds"] = int(part["deta_g"].notna().sum())
        for against in ("grid", "local"):
            column = f"against_{against}_fraction"
            values = part[column].dropna()
            complete = len(values) == len(part)
            value: Estimate | None = estimate(values.tolist()) if complete else None
            record[column] = value.mean if value else float("nan")
            record[f"{against}_low_fraction"] = value.low if value else float("nan")
            record[f"{against}_high_fraction"] = value.high if value else float("nan")
        record["shift_alone_fraction"] = part["shift_alone_fraction"].mean()
        record["worst_gap_fraction"] = part["gap_fraction"].max()
        records.append(record)
    return pd.DataFrame(records)


@dataclass(frozen=True, slots=True)
class Trend:
    """Slope of the reduction over the number of servers, one per seed."""

    per_server: Estimate
    first: Estimate
    last: Estimate


def trend(frame: pd.DataFrame, against: str) -> Trend:
    """How DETA's reduction changes with servers, paired by seed."""
    import numpy as np

    deta = frame[frame["policy"] == "deta"]
    wide = deta.pivot(index="seed", columns="servers", values=f"against_{against}_fraction")
    n = wide.columns.to_numpy(dtype=float)
    slopes = [float(np.polyfit(n, row.to_numpy(dtype=float), 1)[0]) for _, row in wide.iterrows()]
    return Trend(estimate(slopes), estimate(wide.iloc[:, 0].tolist()), estimate(wide.iloc[:, -1].tolist()))


def panel_for(
    means: pd.DataFrame, against: str, target_fraction: float, loss_fraction: float
) -> float | None:
    """Watts of panel from which the mean reduction reaches a target: caps 50 %, no deferral, no sleep.

    Between the panels that were run by straight line; None when the largest does not reach it.
    """
    part = means[
        (means["cap_fraction"] == market.CAP_FRACTION)
        & (means["deadline_slots"] == 0)
        & (means["loss_fraction"] == loss_fraction)
        & ~means["sleep"].astype(bool)
    ].sort_values("panel_w")
    panels = part["panel_w"].tolist()
    reached = part[f"against_{against}_fraction"].tolist()
    for k, value in enumerate(reached):
        if value >= target_fraction:
            if k == 0:
                return float(panels[0])
            step = (target_fraction - reached[k - 1]) / (value - reached[k - 1])
            return float(panels[k - 1] + step * (panels[k] - panels[k - 1]))
    return None
