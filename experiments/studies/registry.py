"""Studies that can be reproduced: one folder a study, one line here."""

from __future__ import annotations

import inspect
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from rich.console import Console

from experiments.errors import UsageError

STUDIES: dict[str, tuple[str, str]] = {
    "table1": (
        "fei.study:reproduce_fei",
        "DETA paper, Table I: energy and carbon of three models against servers.",
    ),
    "fig3": (
        "fei.study:reproduce_fei",
        "DETA paper, Figure 3: energy and carbon against the number of servers.",
    ),
    "fig4": (
        "fei.study:reproduce_fei",
        "DETA paper, Figure 4: carbon by life-cycle stage and target accuracy.",
    ),
    "fig5": (
        "fei.study:reproduce_fei",
        "DETA paper, Figure 5: none, DET, DAT, DETA; surface of the reduction.",
    ),
    "all": ("fei.study:reproduce_fei", "All of the DETA paper: Table I, Figures 3, 4 and 5, in one report."),
    "tree-fig4": (
        "tree.fig4:reproduce_tree_fig4",
        "TREE paper, Figure 4: sixteen claims over a map of settings.",
    ),
    "tree-tradeoff": (
        "tree.tradeoff:reproduce_tradeoff",
        "TREE as objective or constraint beside carbon: the trade-off curve.",
    ),
    "forecasts": (
        "forecasts.study:reproduce_forecasts",
        "What survives real forecasts, by lead and zone; policies under average and marginal intensity.",
    ),
    "citylearn": (
        "citylearn.study:reproduce_citylearn",
        "Seventeen real houses over a year: batteries, foresight, exchange; regret of DET and DETA.",
    ),
    "base-stations": (
        "stations.study:reproduce_base_stations",
        "Base stations that may sleep: coverage, traffic, panels; always-on, threshold, DETA, learned.",
    ),
    "learned": (
        "learned.study:reproduce_learned",
        "A learned policy in zones and on days it never saw, beside DETA, the auction and LOCAL.",
    ),
    "fl-kinds": (
        "kinds.study:reproduce_kinds",
        "Kinds of federated learning on the same data: accuracy, grams, bytes and privacy.",
    ),
    "terminal": (
        "terminal.study:reproduce_terminal",
        "Terminal and edge server: local, split and full offloading.",
    ),
    "tokens": (
        "tokens.study:reproduce_tokens",
        "Joules and grams per token of a language model: quantisation, context, batches, hand-over.",
    ),
}
"""Name -> (function below ``experiments.studies``, what it is)."""


def run_study(name: str, folder: Path, full: bool, console: Console, **options: Any) -> dict[str, Any]:
    """Run a study; returns ``{"claims": {name: {"verdict", "paper", "ours"}}, "tables": ..., "run": folder}``.

    A study of no paper has ``checks`` (``verdict``, ``statement``, ``ours``) instead of claims.

    ``options``: ``train`` (without the trainings that ship with the package), ``zones`` (where servers may stand
    instead of the study's ten), ``workers`` (processes; one a core), ``weights`` (folders of trainings that are judged
    as well). Raises UsageError for one that the study lacks.
    """
    lacking = [option for option in options if option not in options_of(name)]
    if lacking:
        having = ", ".join(study for study in STUDIES if set(lacking) <= options_of(study))
        flags = " and ".join(f"--{option}" for option in lacking)
        raise UsageError(
            f"{flags}: not of {name!r}; {having} " + ("has it" if "," not in having else "have it")
        )
    function = _function(name)
    arguments = (name, folder) if _is_fei(name) else (folder,)
    result: dict[str, Any] = function(*arguments, full, console, **options)
    return result


def options_of(name: str) -> set[str]:
    """Those of ``run_study``'s options that a study takes."""
    return {"train", "zones", "workers", "weights"} & inspect.signature(_function(name)).parameters.keys()


def _is_fei(name: str) -> bool:
    """Whether a study is a part of the DETA paper's, which are all one function."""
    return STUDIES[name][0].startswith("fei.")


def _function(name: str) -> Any:
    return resolve_name(f"experiments.studies.{STUDIES[name][0]}")
