"""Import hook that resolves the names of our packages to our folder, before the working directory or a scenario's.

Run by the packages that processes start with (``runpy.run_path``, so that no name is looked up before): from then on
``protos``, ``experiments`` and the others are found next to this file, and a user's folder of such a name is ignored.
It imports next to nothing: every command waits for it before it can answer Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # known to type checkers by its name; typing itself is long to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

NAMES = ("carbon_data", "protos", "coordinator", "edge_node", "experiments", "detabed")
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


class OurPackages:
    """Finder for our packages only, in our own folder."""

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
