"""The measured part: its cells, one after the other, and the tables, checks and figures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from edge_node.language.step_cost import Fitted
from experiments.report.figures.base import Drawing
from experiments.scenario.system import TreeSpec
from experiments.studies.fei.engine import Job, run_jobs
from experiments.studies.tokens.extent import SERVED, Extent
from experiments.studies.tokens.measured import checks, figures, summary
from experiments.studies.tokens.measured.batches import CostsCell
from experiments.studies.tokens.measured.files import ALL, file_of
from experiments.studies.tokens.measured.handed_over import HandOverCell
from experiments.studies.tokens.measured.lengths import LengthsCell
from experiments.studies.tokens.measured.perplexity import PerplexityCell


@dataclass(frozen=True)
class MeasuredPart:
    """All of it."""

    tables: dict[str, pd.DataFrame]
    drawings: list[Drawing]
    checks: dict[str, dict[str, Any]]
    prefill: Fitted
    """Joules of reading a prompt, SERVED."""
    step: Fitted
    """Joules of a step of writing."""
    watts: float
    """That the joules were taken at: joules / watts are CPU seconds."""
    cache_bytes_per_token: float
    computed: int
    """Cells measured now; the others are kept from before."""
    kept: int


def measured(extent: Extent, cache: Path, console: Console | None) -> MeasuredPart:
    """Measure what is not kept, one cell at a time, for two at once would be in each other's way."""
    sizes = {kind: file_of(kind, cache).path.stat().st_size for kind in ALL}
    rounds: list[Job] = [LengthsCell(k, extent.lengths, extent.steps) for k in range(extent.repeats)]
    costs: list[Job] = [
        CostsCell(SERVED, k, extent.cost_lengths, extent.cost_contexts, extent.batches, extent.steps)
        for k in range(extent.repeats)
    ]
    handed: list[Job] = [HandOverCell(SERVED, k, extent.hand_over_lengths) for k in range(extent.repeats)]
    texts: list[Job] = [
        PerplexityCell(kind, extent.windows, extent.window_context, extent.window_scored) for kind in ALL
    ]
    jobs = [*rounds, *costs, *handed, *texts]
    results, computed = run_jobs(jobs, cache, what="measurements", console=console, workers=1)
    of_rounds, rest = results[: len(rounds)], results[len(rounds) :]
    of_costs, rest = rest[: len(costs)], rest[len(costs) :]
    of_handed, of_texts = rest[: len(handed)], rest[len(handed) :]
    nats = {kind: found["nats"] for kind, found in zip(ALL, of_texts, strict=True)}
    kinds = summary.kinds_table(of_rounds, nats, sizes, TreeSpec().alpha_bits_per_token)
    contexts, batches = summary.contexts_table(of_rounds), summary.batches_table(of_costs)
    hand_over = summary.hand_over_table(of_handed)
    prefill, step, watts = summary.fitted_costs(of_costs)
    return MeasuredPart(
        tables={"kinds": kinds, "contexts": contexts, "batches": batches, "hand-over": hand_over},
        drawings=[
            figures.kinds(kinds),
            figures.contexts(contexts),
            figures.batches(batches),
            figures.hand_over(hand_over),
        ],
        checks=checks.judge(of_rounds, nats, of_costs, hand_over, (prefill, step)),
        prefill=prefill,
        step=step,
        watts=watts,
        cache_bytes_per_token=float(hand_over["bytes_per_token"].mean()),
        computed=computed,
        kept=len(jobs) - computed,
    )
