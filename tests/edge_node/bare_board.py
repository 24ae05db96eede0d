"""A process without any package that ``edge_node/requirements.txt`` does not bring: all others cannot be imported."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "edge_node" / "requirements.txt"
OURS = ("carbon_data", "protos", "edge_node", "coordinator", "experiments", "detabed", "tests", "benchmarks")
BLOCKER = """
import sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} on this board", name=name)


sys.meta_path.insert(0, Absent())
"""


def write_bare_board(folder: Path) -> None:
    """A process with ``folder`` on its PYTHONPATH has no other packages."""
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=modules_beyond_the_requirements()))


def requirements() -> list[str]:
    return [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]


def closure() -> set[str]:
    """Distributions that the requirements bring, without extras."""
    found: set[str] = set()
    waiting = [name_of(line) for line in requirements()]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            further = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        waiting += [name_of(line) for line in further if "extra ==" not in line]
    return found


def modules_beyond_the_requirements() -> tuple[str, ...]:
    """Top-level modules of this environment that a board would not have."""
    allowed = closure()
    return tuple(
        sorted(
            module
            for module, names in metadata.packages_distributions().items()
            if not {name_of(name) for name in names} & allowed and module not in OURS
        )
    )


def name_of(requirement: str) -> str:
    """Normalised name of a distribution at the beginning of a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()
