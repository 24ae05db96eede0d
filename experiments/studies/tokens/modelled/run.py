"""The modelled part: days of two traces in ten zones, and one node's batches and sleep, with the measured costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from coordinator.market.token_routes import break_even_j_per_byte
from edge_node.energy.transport import load_transport
from experiments.report.figures.base import Drawing
from experiments.report.stats import estimate
from experiments.studies.fei.engine import Job, run_jobs
from experiments.studies.tokens.modelled import checks, figures
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.one_node import BatchingCell, WakingCell
from experiments.studies.tokens.modelled.routing import POLICIES, RoutingCell
from experiments.studies.tokens.modelled.trace import TRACES
from experiments.studies.tokens.modelled.waking import Habits
from experiments.studies.tokens.modelled.world import Links, Readers

MEAN_TOKENS = 1024
"""Length of prompt at which the break-even is stated."""
FAST = 0.25
"""[C]: joules and seconds of reading on a node with an accelerator, over those of one without; not measured."""


@dataclass(frozen=True, slots=True)
class ModelledExtent:
    """How much is modelled."""

    days: int
    requests: int
    """Of one node's batches."""


QUICK, FULL = ModelledExtent(2, 500), ModelledExtent(10, 4000)


@dataclass(frozen=True)
class ModelledPart:
    """All of it."""

    tables: dict[str, pd.DataFrame]
    drawings: list[Drawing]
    checks: dict[str, dict[str, Any]]
    break_even_j_per_byte: float
    """At which sending a cache costs what reading it on a node free of grams saves."""
    left_out: dict[str, float]
    """Share of each trace's requests that is longer than a node takes."""
    computed: int


def modelled(
    extent: ModelledExtent, costs: NodeCosts, cache: Path, console: Console | None, workers: int
) -> ModelledPart:
    """Compute what is not kept."""
    wifi = load_transport("wifi").value
    free = Links(0.0, radio=False, bit_per_s=1e9)
    routing = [
        RoutingCell(trace, seed, costs, Links(wifi)) for trace in TRACES for seed in range(extent.days)
    ]
    others = [
        RoutingCell("conversation", 0, costs, links, readers, name=name)
        for name, links, readers in (
            ("bytes cost nothing", free, Readers()),
            ("fast readers", Links(wifi), Readers(FAST)),
            ("fast readers, radio only", Links(0.0), Readers(FAST)),
            ("fast readers, bytes cost nothing", free, Readers(FAST)),
        )
    ]
    batches = [
        BatchingCell("conversation", 0, costs, extent.requests, load, rate, largest, wait_s)
        for load, rate, largest, wait_s in (
            *((load, rate, 8, 2.0) for load in (0.2, 0.5, 0.8) for rate in (2e4, 2e6)),
            *((0.5, 2e4, largest, 2.0) for largest in (2, 4, 16)),
            *((0.5, 2e4, 8, wait_s) for wait_s in (0.0, 10.0)),
        )
    ]
    sleeps = [
        WakingCell("conversation", 0, costs, thinned, habits)
        for thinned, habits in (
            *((thinned, Habits()) for thinned in (1, 8, 32)),
            (8, Habits(idle_s=60.0)),
            (8, Habits(early_quantile=0.05)),
            (8, Habits(late_quantile=0.8)),
        )
    ]
    jobs: list[Job] = [*routing, *others, *batches, *sleeps]
    results, computed = run_jobs(jobs, cache, what="days", console=console, workers=workers)
    of_days, rest = results[: len(routing)], results[len(routing) :]
    of_others, rest = rest[: len(others)], rest[len(others) :]
    of_batches, of_sleeps = rest[: len(batches)], rest[len(batches) :]
    days = _days(routing, of_days)
    settings = _days([routing[0], *others], [of_days[0], *of_others])
    released = pd.DataFrame([row for each in of_batches for row in each["rows"]])
    slept = pd.DataFrame([row for each in of_sleeps for row in each["rows"]])
    policies = policies_table(days)
    read_j = float(costs.read_j(np.array([MEAN_TOKENS], dtype=np.int64))[0])
    even = break_even_j_per_byte(read_j, 1.0, read_j, 0.0, MEAN_TOKENS * costs.cache_bytes_per_token)
    return ModelledPart(
        tables={
            "routing-days": days,
            "routing": policies,
            "routing-settings": settings,
            "batching": released,
            "waking": slept,
        },
        drawings=[
            figures.policies(policies),
            figures.settings(settings),
            figures.batching(released),
            figures.waking(slept),
        ],
        checks=checks.judge(days, settings, released, slept, even),
        break_even_j_per_byte=even,
        left_out={
            cell.trace: found["left_out_fraction"] for cell, found in zip(routing, of_days, strict=True)
        },
        computed=computed,
    )


def _days(cells: Sequence[RoutingCell], results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"trace": cell.trace, "setting": cell.name, "seed": cell.seed, **row}
            for cell, found in zip(cells, results, strict=True)
            for row in found["rows"]
        ]
    )


def policies_table(days: pd.DataFrame) -> pd.DataFrame:
    """By trace and policy: means over days, and grams over LOCAL's of the same day with their interval."""
    rows = []
    for trace, of_trace in days.groupby("trace", sort=False):
        local = of_trace[of_trace["policy"] == "local"].set_index("seed")["g_per_1000_tokens"]
        for policy in POLICIES:
            own = of_trace[of_trace["policy"] == policy].set_index("seed")
            ratio = estimate((own["g_per_1000_tokens"] / local).tolist())
            means = own.drop(columns=["trace", "setting", "policy"]).mean()
            rows.append(
                {
                    "trace": trace,
                    "policy": policy,
                    "days": len(own),
                    **means.to_dict(),
                    "over_local": ratio.mean,
                    "over_local_low": ratio.low,
                    "over_local_high": ratio.high,
                }
            )
    return pd.DataFrame(rows)
