"""Joules and grams per token of a language model that small machines serve.

Measured: one file in four kinds, lengths of prompts, batches, reading here and writing there. Modelled with what was
measured: a day of real requests in ten zones, batches, sleep. Claim: none of a paper; checks of the project's own.
Cost: --quick about three minutes of CPU time, --full about an hour. Command: ``detabed reproduce tokens``. Every result
is kept in the user's cache folder under the hash of all it depends on, so that an interrupted study goes on where it
stopped, and the same again computes nothing.
"""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from carbon_data.files.folders import cache_dir
from experiments.errors import UsageError
from experiments.fleet.machine import cpu_count
from experiments.studies.tokens.extent import FULL, QUICK, Extent
from experiments.studies.tokens.measured.run import MeasuredPart, measured
from experiments.studies.tokens.modelled import run
from experiments.studies.tokens.modelled.costs import NodeCosts
from experiments.studies.tokens.modelled.run import ModelledExtent, modelled
from experiments.studies.tokens.page import page_of
from experiments.studies.written import rows_of, write_study

NEEDS = ("xllamacpp", "gguf")


def reproduce_tokens(
    folder: Path,
    full: bool,
    console: Console | None = None,
    workers: int | None = None,
    *,
    cache: Path | None = None,
    extent: Extent | None = None,
    days: ModelledExtent | None = None,
) -> dict[str, Any]:
    """Measure, model, judge, draw and write; returns ``checks``, ``tables``, ``figures``, ``page``, ``run`` and what
    docs/command-line.md says. Raises UsageError without the packages of detabed[llm], DataError where a data file is
    missing, with how to get it."""
    lacking = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(f"{' and '.join(lacking)} not installed; pip install 'detabed[llm]'")
    kept = cache or cache_dir() / "reproduce-tokens"
    part = measured(extent or (FULL if full else QUICK), kept, console)
    costs = NodeCosts(
        part.prefill.coefficients, part.step.coefficients, part.watts, part.cache_bytes_per_token
    )
    model = modelled(days or (run.FULL if full else run.QUICK), costs, kept, console, workers or cpu_count())
    tables = part.tables | model.tables
    drawings = [*part.drawings, *model.drawings]
    report = {
        "checks": part.checks | model.checks,
        "kinds": rows_of(part.tables["kinds"]),
        "hand_over": rows_of(part.tables["hand-over"]),
        "costs": _costs(part),
        "routing": rows_of(model.tables["routing"]),
        "break_even_j_per_byte": model.break_even_j_per_byte,
        "left_out": model.left_out,
        "computed": part.computed + model.computed,
    }
    return write_study(
        folder, report, tables, drawings, lambda shown: page_of(report, tables, shown, tuple(part.checks))
    )


def _costs(part: MeasuredPart) -> dict[str, Any]:
    """The cost model, in joules, and at which watts."""
    return {
        "watts_per_core": part.watts,
        "prefill": asdict(part.prefill),
        "step": asdict(part.step),
        "cache_bytes_per_token": part.cache_bytes_per_token,
    }
