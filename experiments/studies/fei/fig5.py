"""Fig. 5: none, DET, DAT, DETA against the number of servers; and the surface of DETA's reduction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from experiments.report.stats import Estimate, estimate
from experiments.report.units import MINUS, NO_VALUE, missing, percent
from experiments.studies.fei import energy, market
from experiments.studies.fei.market import Fig5Cell, Setting, SurfaceCell, Work
from experiments.studies.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS, SMALL_BATCH, Effort
from experiments.studies.fei.table1 import Outcome, Row

MODEL = "MLP"
SURFACE_SERVERS = 10
SLEEP_SETTINGS = ((market.CAP_FRACTION, 1), (market.CAP_FRACTION, 2), (1.0, 0))
"""Caps and slots of slack where nodes may sleep, over all panels at the reference loss ([C]: the paper's caps with the
least slack that allows sleep, and one more; no slack and no caps). At caps of 50 % and no slack no node can sleep:
half of each slot's own work stays in that slot (methods.md section 1)."""
SAME_FRACTION = 5e-4
"""Plan and bound nearer than this are printed as one figure."""
UNDECIDED_FRACTION = 0.05
"""Plan and bound further apart than this leave a reduction undecided ([C])."""
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
    """The surface at ten servers: one cell per seed, panel and slack with all nodes awake, and one with sleep."""
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
                found.append(SurfaceCell(SURFACE_SERVERS, seed, one, settings, effort.zones))
            asleep = tuple(
                Setting(panel, cap_fraction=cap, deadline_slots=slack, sleep=True)
                for cap, slack in SLEEP_SETTINGS
            )
            found.append(SurfaceCell(SURFACE_SERVERS, seed, one, asleep, effort.zones))
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
    """One row per setting and seed: reductions of DETA's plan, and those that no plan can exceed (``_bound``).

    They differ only where nodes may sleep. DETA is missing (NaN) where no plan was found.
    """
    frame = pd.DataFrame([point for result in results for point in result["points"]])
    for column in ("deta_g", "deta_bound_g", "local_lp_bound_g", "gap_fraction"):
        frame[column] = frame[column].astype(float)
    for against in ("grid", "local"):
        frame[f"against_{against}_fraction"] = 1.0 - frame["deta_g"] / frame[f"{against}_g"]
        frame[f"against_{against}_bound_fraction"] = 1.0 - frame["deta_bound_g"] / frame[f"{against}_g"]
    frame["alone_bound_fraction"] = 1.0 - frame["local_lp_bound_g"] / frame["local_g"]
    return frame


def means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds for every setting of the surface, settings with all seeds only.

    Of plan and bound, with the 95 % interval of each: what is known of the optimum lies between ``_low_fraction`` (of
    the plan) and ``_bound_high_fraction`` (of the bound).
    """
    records = []
    for keys, part in frame.groupby(GROUP, sort=True):
        record: dict[str, Any] = dict(zip(GROUP, keys, strict=True))
        record["seeds"] = int(part["deta_g"].notna().sum())
        record["harvest_to_demand"] = part["harvest_to_demand"].mean()
        for against in ("grid", "local"):
            for kind in ("", "_bound"):
                values = part[f"against_{against}{kind}_fraction"].dropna()
                value: Estimate | None = reduction(values.tolist()) if len(values) == len(part) else None
                record[f"against_{against}{kind}_fraction"] = value.mean if value else float("nan")
                record[f"{against}{kind}_low_fraction"] = _number(value.low) if value else float("nan")
                record[f"{against}{kind}_high_fraction"] = _number(value.high) if value else float("nan")
        record["alone_bound_fraction"] = part["alone_bound_fraction"].mean()
        records.append(record)
    return pd.DataFrame(records)


def reduction(values: Sequence[float]) -> Estimate:
    """Mean of reductions 1 - C/C0 with a 95 % interval that cannot pass 1: Student's t on the logarithm of what is
    left (delta method), since no more than everything can be saved. Raises ValueError as ``estimate``."""
    plain = estimate(values)
    left = 1.0 - plain.mean
    if plain.sd is None or left <= 0:
        return plain if plain.sd is None else replace(plain, low=plain.mean, high=plain.mean)
    spread = estimate([(plain.mean - value) / left for value in plain.values])
    assert spread.high is not None
    half = spread.high - spread.mean
    return replace(plain, low=1.0 - left * math.exp(half), high=1.0 - left * math.exp(-half))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def within_caps(means: pd.DataFrame, *, sleep: bool) -> pd.DataFrame:
    """Settings with both caps at the paper's 50 %: awake and without slack, or with sleep (and the slack it needs)."""
    at_caps = means[means["cap_fraction"] == market.CAP_FRACTION]
    if sleep:
        return at_caps[at_caps["sleep"].astype(bool)]
    return at_caps[~at_caps["sleep"].astype(bool) & (at_caps["deadline_slots"] == 0)]


@dataclass(frozen=True, slots=True)
class Trend:
    """Slope of the reduction over the number of servers, one per seed."""

    per_server: Estimate
    by_servers: dict[int, Estimate]
    rest: dict[int, Estimate]
    """From each number of servers to the largest: what is still gained, paired by seed."""

    @property
    def flat_from(self) -> int | None:
        """Fewest servers from which no further growth is shown (interval of ``rest`` not above 0)."""
        return next((n for n, gain in self.rest.items() if gain.low is None or gain.low <= 0), None)


def trend(frame: pd.DataFrame, against: str) -> Trend:
    """How DETA's reduction changes with servers, paired by seed."""
    deta = frame[frame["policy"] == "deta"]
    wide = deta.pivot(index="seed", columns="servers", values=f"against_{against}_fraction")
    n = wide.columns.to_numpy(dtype=float)
    slopes = [float(np.polyfit(n, row.to_numpy(dtype=float), 1)[0]) for _, row in wide.iterrows()]
    last = wide.iloc[:, -1]
    return Trend(
        per_server=estimate(slopes),
        by_servers={int(k): reduction(wide[k].tolist()) for k in wide.columns},
        rest={int(k): estimate((last - wide[k]).tolist()) for k in wide.columns[:-1]},
    )


def known(setting: Any, against: str) -> str:
    """The mean reduction at a point of the surface, as far as it is known, with its 95 % interval.

    One figure where plan and bound are one; a range from plan to bound where they differ; said to be undecided where
    they are far apart. The interval then runs from the lower end of the plan's to the upper end of the bound's.
    """
    plan, bound = (float(setting[f"against_{against}{kind}_fraction"]) for kind in ("", "_bound"))
    if missing(plan):
        return NO_VALUE
    low, high = setting[f"{against}_low_fraction"], setting[f"{against}_bound_high_fraction"]
    interval = "" if missing(low) else f" [{100 * low:z.1f}, {100 * high:z.1f}]".replace("-", MINUS)
    if bound - plan < SAME_FRACTION:
        return percent(plan) + interval
    if bound - plan > UNDECIDED_FRACTION:
        return f"undecided: between {percent(plan)} and {percent(bound)}{interval}"
    return f"{100 * plan:z.1f} to {percent(bound)}{interval}"


def panels_around(
    part: pd.DataFrame, against: str, target_fraction: float
) -> tuple[float | None, float] | None:
    """Panels in W between which the mean reduction of the plan reaches a target: the last that does not (None: the
    smallest already does) and the first that does. None: the largest does not. ``part``: one setting over panels."""
    before: float | None = None
    for record in part.sort_values("panel_w").to_dict("records"):
        if record[f"against_{against}_fraction"] >= target_fraction:
            return before, float(record["panel_w"])
        before = float(record["panel_w"])
    return None
