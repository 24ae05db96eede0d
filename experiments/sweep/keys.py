"""Key of a cell's result: the hash of all it depends on.

The scenario with every default, policy and seed; every first-party module, its data files and libraries that the
computation can import (decision 7); the large data files that are there; files and code of one's own that the scenario
names. A changed value, code or file never meets an old result.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from carbon_data.files.datasets import DATASETS
from carbon_data.files.folders import cache_dir, data_dir
from carbon_data.own_code import VARIABLE
from experiments.scenario.model import Scenario
from experiments.studies.import_closure import FIRST_PARTY, remembered_digest

COMPUTES = "experiments.sweep.work.compute"
"""The module that computes a result: its import closure is the code of the key."""
_OWN = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")


@dataclass(frozen=True)
class Surroundings:
    """What all cells of a sweep depend on besides their scenarios."""

    code: str
    """sha256 of the import closure."""
    data: str
    """sha256 over the large data files that are there."""

    @classmethod
    def here(cls) -> Surroundings:
        return cls(remembered_digest(cache_dir() / "sweep", COMPUTES), _large_files())


def _large_files() -> str:
    there = [(each.name, _sha256(data_dir() / each.path)) for each in DATASETS]
    return _hash(there)


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _sha256(path: Path) -> str | None:
    """Of a file's content; None where there is none."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


class Keys:
    """Keys of one sweep. Files and modules of one's own are read once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._of_path = lru_cache(maxsize=None)(_content)
        self._of_module = lru_cache(maxsize=None)(_own_module)

    def identity(self, scenario: Scenario) -> str:
        """Of ``scenario`` without its seed; ``key_of`` makes keys of it."""
        values = scenario.model_dump(mode="json")
        del values["seed"]
        files, modules = self._files(scenario), self._modules(values)
        return _hash(values, files, modules, self._surroundings.code, self._surroundings.data)

    def own(self, scenario: Scenario) -> str:
        """Hash of the files and modules of one's own that ``scenario`` names: another machine has to have the same."""
        return _hash(self._files(scenario), self._modules(scenario.model_dump(mode="json")))

    def _files(self, scenario: Scenario) -> dict[str, object]:
        return {str(path): self._of_path(path) for path in sorted(_paths(scenario))}

    def _modules(self, values: Any) -> dict[str, object]:
        return {name: self._of_module(name) for name in sorted(_own_modules(values))}


def key_of(identity: str, seed: int) -> str:
    """Key of a run of the scenario with that identity."""
    return _hash(identity, seed)


def _paths(value: Any) -> Iterator[Path]:
    """Files and folders that a scenario names: values that are paths, and texts of options that are some."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths(inner)
    elif isinstance(value, str) and 0 < len(value) < 1000 and ("/" in value or "." in value):
        path = Path(value)
        if "\0" not in value and path.exists():
            yield path


def _content(path: Path) -> object:
    """Hash of a file, or of all files below a folder."""
    if not path.is_dir():
        return _sha256(path)
    return [
        (str(file.relative_to(path)), _sha256(file))
        for file in sorted(path.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]


def _own_modules(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _own_modules(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _own_modules(inner)
    elif isinstance(value, str) and (found := _OWN.fullmatch(value)):
        top = found["module"].partition(".")[0]
        if top not in FIRST_PARTY:
            yield top


def _own_module(top: str) -> object:
    """Hash of the sources of a package of one's own; of a single module, with the modules beside it, which it may
    import."""
    folder = os.environ.get(VARIABLE)
    if folder:
        beside = Path(folder)
        for path in (beside / top, beside / f"{top}.py"):
            if path.exists():
                return _sources(path)
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return _sources(origin.parent if origin.name == "__init__.py" else origin)


def _sources(path: Path) -> object:
    found = sorted(path.rglob("*.py")) if path.is_dir() else sorted(path.parent.glob("*.py"))
    base = path if path.is_dir() else path.parent
    return [(str(file.relative_to(base)), _sha256(file)) for file in found]
