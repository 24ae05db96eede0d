"""A finished sweep as a Python object."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.sweep.files import PAGE
from experiments.sweep.sweep import Swept


class Sweep:
    """Its table is tidy: a row for each cell, policy and seed; columns are the axes and the figures, with units in the
    names."""

    def __init__(self, swept: Swept) -> None:
        self._swept = swept

    @property
    def folder(self) -> Path:
        """Folder of table, page and kept results."""
        return self._swept.folder

    @property
    def table(self) -> pd.DataFrame:
        """All runs that came to their end."""
        return self._swept.table

    @property
    def failures(self) -> pd.DataFrame:
        """Runs that did not, with the reason; they are in no figure."""
        return self._swept.failures

    @property
    def page(self) -> Path | None:
        """The page on which axes, figure and policy are chosen; None: not drawn."""
        path = self.folder / PAGE
        return path if path.exists() else None

    def __repr__(self) -> str:
        plan = self._swept.plan
        return f"<Sweep {self.folder}: {len(plan.cells)} cells, {len(self.table)} runs, {len(self.failures)} failed>"
