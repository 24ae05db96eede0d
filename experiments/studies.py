"""Studies that can be reproduced: one folder a study, one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

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
    "terminal": (
        "terminal.study:reproduce_terminal",
        "Terminal and edge server: local, split and full offloading.",
    ),
}
"""Name -> (function below ``experiments``, what it is)."""


def is_fei(name: str) -> bool:
    """Whether a study is the DETA paper's, which ships trainings."""
    return STUDIES[name][0].startswith("fei.")


def run_study(
    name: str,
    folder: Path,
    full: bool,
    console: Console,
    *,
    train: bool = False,
    zones: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Run a study; returns ``{"claims": {name: {"verdict", "paper", "ours"}}, "tables": ..., "run": folder}``.

    ``train``: without the trainings that ship with the package; ``zones``: where servers may stand instead of the
    study's ten (both: the DETA paper's studies only).
    """
    module, _, attribute = STUDIES[name][0].partition(":")
    function: Any = getattr(import_module(f"experiments.{module}"), attribute)
    if is_fei(name):
        result: dict[str, Any] = function(name, folder, full, console, train=train, zones=zones)
    else:
        result = function(folder, full, console)
    return result
