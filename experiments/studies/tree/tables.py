"""Tables of the study: curves, verdicts over the map, ablations of sleep, parameters with their sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.report.stats import estimate
from experiments.studies.tree.claims import CLAIMS, Judgement, against_fluid, judge
from experiments.studies.tree.fitted import fit_figures
from experiments.studies.tree.fluid import fluid_curves
from experiments.studies.tree.measure import Counting, figures, tree_bit_per_j
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import Parameters, load_figures
from experiments.studies.tree.power import state_powers
from experiments.studies.tree.serving import ALONE, Serving
from experiments.studies.tree.settings import (
    ALPHAS_BITS_PER_TOKEN,
    REFERENCE,
    Background,
    Reading,
    Setting,
    grid,
    rates_per_s,
    readings,
)
from experiments.studies.tree.study import Results

Array = NDArray[np.float64]
TREE_COLUMNS = {
    (alpha, counting): f"tree_{counting}_{alpha:.0e}".replace("e+0", "e").replace("e+", "e")
    for alpha in ALPHAS_BITS_PER_TOKEN
    for counting in Counting
}


def curves_table(results: Results) -> pd.DataFrame:
    """One row per setting, seed and point: every figure, TREE under every alpha and counting."""
    powers = state_powers(results.parameters)
    rows = []
    for setting, by_seed in results.points.items():
        machine = results.machine(setting)
        for seed, points in enumerate(by_seed):
            for relative, point in zip(grid(setting.sweep), points, strict=True):
                row: dict[str, object] = {
                    **setting.as_dict(),
                    "seed": seed,
                    "relative_rate": relative,
                    "rate_per_s": rates_per_s(setting, machine, relative)[setting.sweep],
                }
                values = figures(point, machine, powers)
                row |= values
                for (alpha, counting), column in TREE_COLUMNS.items():
                    row[column] = tree_bit_per_j(point, machine, values["energy_j"], alpha, counting)
                for service in Service:
                    name = service.name.lower()
                    row[f"{name}_arrived"] = point.arrived[service]
                    row[f"{name}_dropped"] = point.dropped[service]
                    row[f"{name}_delivered"] = point.delivered[service]
                rows.append(row)
    return pd.DataFrame(rows)


def pick(curves: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Rows of one setting, in order of seed and rate."""
    mask = np.ones(len(curves), dtype=bool)
    for name, value in setting.as_dict().items():
        mask &= (curves[name] == value).to_numpy()
    return curves[mask].sort_values(["seed", "relative_rate"])


def matrix(rows: pd.DataFrame, column: str) -> Array:
    """Values of one setting, shape (seeds, points)."""
    seeds = int(rows["seed"].nunique())
    return rows[column].to_numpy(dtype=np.float64).reshape(seeds, -1)


def judge_all(curves: pd.DataFrame, parameters: Parameters) -> dict[Reading, dict[str, Judgement]]:
    """Every claim in every setting of the map, and what of it needs no simulation."""
    judged: dict[Reading, dict[str, Judgement]] = {}
    for background in Background:
        for discipline in Discipline:
            parts = {s: pick(curves, Setting(s, background, discipline)) for s in Service}
            for reading in readings():
                if (reading.background, reading.discipline) == (background, discipline):
                    judged[reading] = judge_reading(reading, parts, parameters)
    return {reading: judged[reading] for reading in readings()}


def judge_reading(
    reading: Reading, parts: dict[Service, pd.DataFrame], parameters: Parameters, serving: Serving = ALONE
) -> dict[str, Judgement]:
    """Every claim in one setting, by the rows of each sweep."""
    found = {}
    machine = build_machine(parameters, reading.discipline, SleepMode.JOINT, serving)
    powers = state_powers(parameters)
    tree = TREE_COLUMNS[reading.alpha_bits_per_token, reading.counting]
    columns = {
        "ee": "ee_bit_per_j",
        "tree": tree,
        "tokens": f"tokens_{reading.counting}_per_s",
        "server_w": "server_w",
        "memory_w": "memory_w",
        "prefill_w": "prefill_w",
        "vu_per_s": "vu_per_s",
        "ai_bits_per_s": "ai_bits_per_s",
    }
    for service, rows in parts.items():
        values = {figure: matrix(rows, column) for figure, column in columns.items()}
        expected = fluid_curves(reading, service, machine, powers, serving)
        found.update(
            {
                claim.name: against_fluid(judge(claim, values), judge(claim, expected))
                for claim in CLAIMS
                if claim.sweep is service
            }
        )
    return {claim.name: found[claim.name] for claim in CLAIMS}


def claims_table(judged: dict[Reading, dict[str, Judgement]]) -> pd.DataFrame:
    """One row per setting and claim: verdict, and the interval of every condition that decided it.

    Rows of a claim that share ``distinct`` have the same measured values: one setting, counted once.
    """
    rows = []
    for reading, by_claim in judged.items():
        for name, judgement in by_claim.items():
            rows.append(
                {
                    "background": str(reading.background),
                    "discipline": str(reading.discipline),
                    "alpha_bits_per_token": reading.alpha_bits_per_token,
                    "counting": str(reading.counting),
                    "claim": name,
                    "paper": judgement.claim.paper,
                    "one_of_sixteen": judgement.claim.counted,
                    "verdict": str(judgement.verdict),
                    "ours": judgement.ours,
                    "reads": " ".join(sorted(judgement.reads)),
                    "distinct": judgement.digest[:12],
                    "by_construction": judgement.by_construction,
                    "conditions": " | ".join(
                        f"{finding} -> {finding.verdict}" for finding in judgement.findings
                    ),
                }
            )
    return pd.DataFrame(rows)


ABLATION_COLUMNS = (
    "total_w",
    "station_w",
    "server_w",
    "ee_bit_per_j",
    "vr_delay_s",
    "vu_delay_s",
    "vg_delay_s",
)


def ablation_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Each sleep mode against none, paired by seed, at every point of every sweep at the reference background."""
    columns = (*ABLATION_COLUMNS, TREE_COLUMNS[REFERENCE.alpha_bits_per_token, REFERENCE.counting])
    rows = []
    for sweep in Service:
        parts = {
            mode: pick(curves, Setting(sweep, REFERENCE.background, REFERENCE.discipline, mode))
            for mode in SleepMode
        }
        for mode, part in parts.items():
            for column in columns:
                values, base = matrix(part, column), matrix(parts[SleepMode.NONE], column)
                for index, relative in enumerate(grid(sweep)):
                    rows.append(
                        {
                            "sweep": sweep.name,
                            "sleep": str(mode),
                            "relative_rate": relative,
                            "figure": column,
                            **_against(values[:, index], base[:, index]),
                        }
                    )
    return pd.DataFrame(rows)


def _against(values: Array, base: Array) -> dict[str, float | int | None]:
    """Means, and the mean paired difference with its 95 % interval, over seeds in which both exist."""
    both = np.isfinite(values) & np.isfinite(base)
    if not both.any():
        return {"seeds": 0, "mean": None, "none_mean": None, "difference": None, "low": None, "high": None}
    difference = estimate((values - base)[both].tolist())
    return {
        "seeds": int(both.sum()),
        "mean": float(values[both].mean()),
        "none_mean": float(base[both].mean()),
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
    }


def parameters_table() -> pd.DataFrame:
    """Every parameter with its source, those of the fitted cost model last; choices are told from what is published."""
    return pd.DataFrame(
        [
            {
                "parameter": name,
                "value": figure.value,
                "unit": figure.unit,
                "choice": figure.source.startswith("choice"),
                "source": figure.source,
                "note": figure.note,
            }
            for name, figure in {**load_figures(), **fit_figures()}.items()
        ]
    )
