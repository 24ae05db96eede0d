"""Trainings of the paper's size that were run before and come with the package, each with its origin.

``--quick`` cannot train the largest rows in ten minutes. Where such a row was trained to its end in an earlier
``--full``, its rounds are here: real trainings, named as shipped in every row that uses them, and only used when the
data's hash is the same. ``--full`` and ``--train`` ignore them.

After a ``--full``: python -m experiments.fei.shipped  (writes every finished training of the paper's size in the
cache folder into shipped.json)
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.fei.training import TrainCell

FILE = "shipped.json"
_FREE = ("recycle", "max_rounds")
"""Fields in which a shipped training may be more than what is asked for."""


@lru_cache(maxsize=1)
def trainings() -> list[dict[str, Any]]:
    """All shipped trainings: results as of experiments.fei.federated.train, with ``origin``."""
    text = resources.files("experiments.fei").joinpath(FILE).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def find(cell: TrainCell) -> dict[str, Any] | None:
    """The shipped training that is ``cell``, whatever data it was run on; None when there is none."""
    asked = asdict(cell)
    for result in trainings():
        have = result["cell"]
        same = all(have[name] == value for name, value in asked.items() if name not in _FREE)
        if same and have["recycle"] >= asked["recycle"]:
            return result
    return None


def usable(cell: TrainCell) -> dict[str, Any] | None:
    """As ``find``, if it was trained on the very data at hand."""
    from experiments.fei.training import data_digest

    found = find(cell)
    if found is None or found["origin"]["data"] != data_digest(cell.task, cell.data):
        return None
    return found


def describe(result: dict[str, Any]) -> str:
    """Where a shipped training comes from, in words."""
    from experiments.fei.training import code_digest

    origin = result["origin"]
    changed = "" if origin["code"] == code_digest() else ", with training code that has changed since"
    return f"shipped: trained to its end on {origin['date']}, not now{changed}"


def collect(cache: Path) -> list[dict[str, Any]]:
    """Finished trainings of the paper's size in ``cache``, for today's code and data, with their origin."""
    import torch

    from experiments.fei import fig4
    from experiments.fei.plan import cells
    from experiments.fei.spec import FULL
    from experiments.fei.study import find_data
    from experiments.fei.training import code_digest, data_digest

    sizes = {name: (data, count) for name, (data, count, _) in find_data(FULL).items()}
    found: dict[str, dict[str, Any]] = {}
    for cell in cells(FULL.trainings, sizes, fig4.ROWS).values():
        path = cache / f"{cell.key()}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            result["origin"] = {
                "date": day,
                "code": code_digest(),
                "data": data_digest(cell.task, cell.data),
                "python": platform.python_version(),
                "torch": torch.__version__,
            }
            found[path.stem] = result
    return list(found.values())


def main() -> None:
    from carbon_data.folders import cache_dir

    every = collect(cache_dir() / "reproduce-fei")
    kept = {json.dumps(r["cell"], sort_keys=True): r for r in [*trainings(), *every]}
    path = Path(str(resources.files("experiments.fei").joinpath(FILE)))
    lines = ",\n".join(json.dumps(result, sort_keys=True) for result in kept.values())
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(every)} trainings from the cache, {len(kept)} in {path}")


if __name__ == "__main__":
    main()
