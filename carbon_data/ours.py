"""Keeps the names of our packages ours, whatever lies in the working directory or beside a scenario.

Run by the packages that processes start with (``runpy.run_path``, so that no name is looked up before): from then on
``protos``, ``experiments`` and the others are found beside this file, and a user's folder of such a name is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

NAMES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments", "detabed")
ROOT = str(Path(__file__).resolve().parents[1])


class OurPackages(MetaPathFinder):
    """Finds our packages, and nothing else, in our own folder."""

    root = ROOT

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [ROOT], target) if path is None and name in NAMES else None


def keep_ours() -> None:
    """Once in a process, however often asked."""
    if not any(getattr(finder, "root", None) == ROOT for finder in sys.meta_path):
        sys.meta_path.insert(0, OurPackages())


if __name__ == "keep_ours":
    keep_ours()
